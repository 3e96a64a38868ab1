import { performance } from "node:perf_hooks";
import { LoadConnection } from "./connection.ts";
import type { LoadTarget } from "./load-target.ts";
import type { Pacer } from "./pacer.ts";
import { constantArrival } from "./schedule.ts";
import { StreamWatch } from "./stream-watch.ts";

/** One window of load. `open`: calls leave on a schedule, whatever becomes of those before. `closed`: each connection calls again when answered. */
export type WindowPlan = {
	readonly target: LoadTarget;
	readonly isStream: boolean;
	/** Number of the window's first nonce: no two calls of a run share one. */
	readonly firstCall: number;
	readonly durationMs: number;
	/** Connections at most; a call that finds none free is dropped. */
	readonly connections: number;
	/** Calls a second of an open loop; undefined makes it a closed one. */
	readonly ratePerSecond: number | undefined;
};

export type WindowResult = {
	/** Calls sent. */
	readonly sent: number;
	readonly right: number;
	/** Answered with other bytes than expected. */
	readonly wrong: number;
	/** Not answered, or with another status. */
	readonly failed: number;
	/** How many of them failed in which way. */
	readonly failures: Readonly<Record<string, number>>;
	/** Not sent: every connection was busy. */
	readonly dropped: number;
	/** First to last instant of the window, answers included. */
	readonly elapsedMs: number;
	/** From the intended send time to the last byte, of right answers, ns. */
	readonly latenciesNs: Float64Array;
	/** From the intended to the real send time, of every call sent, ns. Empty for a closed loop. */
	readonly lagsNs: Float64Array;
	/** From the intended send time to the first token, of right streams, ns. */
	readonly firstTokensNs: Float64Array;
	/** Between two chunks of one stream, ns. */
	readonly gapsNs: Float64Array;
};

const ANSWER_WAIT_MS = 15_000;
/** Until the first call: the thread that keeps the time has its schedule by then. */
const LEAD_NS = 25_000_000n;

/** Opens the connections, runs the window, waits up to 15 s for what is still open, and closes everything. */
export async function runWindow(plan: WindowPlan, pacer: Pacer): Promise<WindowResult> {
	return new Window(plan).run(pacer);
}

class Window {
	private readonly plan: WindowPlan;
	private readonly idle: LoadConnection[] = [];
	private readonly all = new Set<LoadConnection>();
	private readonly counts = { sent: 0, right: 0, wrong: 0, failed: 0, dropped: 0 };
	private readonly failures: Record<string, number> = {};
	private readonly latenciesNs: number[] = [];
	private readonly lagsNs: number[] = [];
	private readonly firstTokensNs: number[] = [];
	private readonly gapsNs: number[] = [];
	private opened = 0;
	private inFlight = 0;
	private isOver = false;
	private readonly ended = Promise.withResolvers<void>();

	constructor(plan: WindowPlan) {
		this.plan = plan;
	}

	async run(pacer: Pacer): Promise<WindowResult> {
		await this.connectAll();
		// What the window before left behind is not cleaned up in the middle of this one.
		globalThis.gc?.();
		const startedAtMs = performance.now();
		if (this.plan.ratePerSecond === undefined) this.runClosed();
		else this.runOpen(pacer, this.plan.ratePerSecond);
		const deadline = setTimeout(() => this.giveUp(), this.plan.durationMs + ANSWER_WAIT_MS);
		await this.ended.promise;
		clearTimeout(deadline);
		const elapsedMs = performance.now() - startedAtMs;
		for (const connection of this.all) connection.close();
		const samples = { latenciesNs: this.latenciesNs, lagsNs: this.lagsNs, firstTokensNs: this.firstTokensNs, gapsNs: this.gapsNs };
		const { latenciesNs, lagsNs, firstTokensNs, gapsNs } = samples;
		return {
			...this.counts,
			failures: this.failures,
			elapsedMs,
			latenciesNs: Float64Array.from(latenciesNs),
			lagsNs: Float64Array.from(lagsNs),
			firstTokensNs: Float64Array.from(firstTokensNs),
			gapsNs: Float64Array.from(gapsNs),
		};
	}

	private async connectAll(): Promise<void> {
		while (this.opened < this.plan.connections) this.idle.push(this.open());
		await Promise.all(this.idle.map((connection) => connection.whenConnected()));
	}

	private open(): LoadConnection {
		const connection = new LoadConnection(this.plan.target);
		this.opened += 1;
		this.all.add(connection);
		return connection;
	}

	private runOpen(pacer: Pacer, ratePerSecond: number): void {
		const schedule = constantArrival({ ratePerSecond, durationMs: this.plan.durationMs });
		const startsAtNs = process.hrtime.bigint() + LEAD_NS;
		const startsAtMs = Number(startsAtNs) / 1e6;
		let next = 0;
		pacer.start({ schedule, startsAtNs }, (dueCount) => {
			for (; next < dueCount; next += 1) this.sendDue(startsAtMs + (schedule[next] ?? 0));
			if (next < schedule.length) return;
			this.isOver = true;
			this.endWhenIdle();
		});
	}

	/** `intendedAtMs` is on the clock of process.hrtime. */
	private sendDue(intendedAtMs: number): void {
		const connection = this.takeIdle();
		if (connection === undefined) {
			this.counts.dropped += 1;
			return;
		}
		this.lagsNs.push((clockMs() - intendedAtMs) * 1e6);
		this.send(connection, intendedAtMs, () => {
			if (connection.isOpen) this.idle.push(connection);
			this.endWhenIdle();
		});
	}

	/** A connection that the server closed is replaced; the new one connects within its first call. */
	private takeIdle(): LoadConnection | undefined {
		for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
			if (connection.isOpen) return connection;
			this.all.delete(connection);
		}
		for (const connection of this.all) if (!connection.isOpen) this.all.delete(connection);
		return this.all.size < this.plan.connections ? this.open() : undefined;
	}

	private runClosed(): void {
		const endsAtMs = clockMs() + this.plan.durationMs;
		const callAgain = (connection: LoadConnection): void => {
			const nowMs = clockMs();
			if (nowMs >= endsAtMs || this.isOver) {
				this.isOver = true;
				this.endWhenIdle();
				return;
			}
			const open = connection.isOpen ? connection : this.open();
			this.send(open, nowMs, () => callAgain(open));
		};
		for (const connection of this.idle.splice(0)) callAgain(connection);
	}

	private send(connection: LoadConnection, intendedAtMs: number, onEnd: () => void): void {
		const watch = this.plan.isStream ? new StreamWatch() : undefined;
		this.inFlight += 1;
		this.counts.sent += 1;
		connection.send(this.plan.firstCall + this.counts.sent, {
			...(watch && { onBody: (piece: Buffer) => watch.see(piece, clockMs()) }),
			onEnd: (end, why = "") => {
				this.inFlight -= 1;
				this.counts[end] += 1;
				if (end === "failed") this.failures[why] = (this.failures[why] ?? 0) + 1;
				if (end === "right") this.keep(intendedAtMs, watch);
				onEnd();
			},
		});
	}

	private keep(intendedAtMs: number, watch: StreamWatch | undefined): void {
		this.latenciesNs.push((clockMs() - intendedAtMs) * 1e6);
		if (watch === undefined) return;
		if (watch.firstTokenAtMs !== undefined) this.firstTokensNs.push((watch.firstTokenAtMs - intendedAtMs) * 1e6);
		for (const gapMs of watch.gapsMs) this.gapsNs.push(gapMs * 1e6);
	}

	private endWhenIdle(): void {
		if (this.isOver && this.inFlight === 0) this.ended.resolve();
	}

	/** What is open after the wait has failed. */
	private giveUp(): void {
		this.isOver = true;
		for (const connection of [...this.all]) connection.close();
		this.endWhenIdle();
	}
}

function clockMs(): number {
	return Number(process.hrtime.bigint()) / 1e6;
}
