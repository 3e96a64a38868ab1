import { setTimeout as delay } from "node:timers/promises";
import { RoleLoop } from "../shared/role-loop.ts";
import type { DueRun, RunSink, StarterObserver, UntoldRuns } from "./port.ts";
import { RunPace } from "./run-pace.ts";

/**
 * One starter in the whole system (advisory lock) tells the workflows of runs what PostgreSQL holds, and begins them where there is none:
 * held runs first, then registered, then warned ones, no more than 20 starts a second; then what moved, at most once in ten seconds and
 * run, 50 signals a second in all. With Temporal away nothing is lost: what was not told is due again, and a snapshot is absolute.
 */
export type RunStarterOptions = {
	readonly source: UntoldRuns;
	readonly sink: RunSink;
	readonly observer: StarterObserver;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least. Default 250 ms. */
	readonly intervalMs?: number;
};

const DEFAULT_INTERVAL_MS = 250;
const TOLD_INTERVAL_MS = 10_000;
const IN_FLIGHT_MAX = 8;
/** A few more than leave between two looks. */
const DUE_MAX = 16;
const STARTS_MAX = 8;
/** Rows are dated before they are committed. */
const MOVED_OVERLAP_MS = 5_000;
const MOVED_MAX = 5_000;

export class RunStarter {
	private readonly options: RunStarterOptions;
	private readonly pace = new RunPace();
	/** When runs were told last, by number; no older than TOLD_INTERVAL_MS. */
	private readonly toldAt = new Map<string, number>();
	/** Runs that took steps since they were told. */
	private readonly moved = new Set<string>();
	private movedReadAtMs = Number.NEGATIVE_INFINITY;
	private readonly loop: RoleLoop;

	constructor(options: RunStarterOptions) {
		this.options = options;
		const { source, observer, now } = options;
		this.loop = new RoleLoop({ tryLock: () => source.tryLock(), look: () => this.look(), observer, now, intervalMs: () => this.intervalMs });
	}

	start(delayMs?: number): void {
		this.loop.start(delayMs);
	}

	/** Resolves when the cycle under way is over. */
	stop(): Promise<void> {
		return this.loop.stop();
	}

	/** One look, and what may be told until the next. An outage is told to the observer, anything else rejects. */
	cycle(): Promise<void> {
		return this.loop.cycle();
	}

	private async look(): Promise<void> {
		await this.tellDue();
		await this.readMoved();
	}

	private get intervalMs(): number {
		return this.options.intervalMs ?? DEFAULT_INTERVAL_MS;
	}

	private async readMoved(): Promise<void> {
		const nowMs = this.options.now();
		if (nowMs - this.movedReadAtMs < TOLD_INTERVAL_MS) return;
		const found = await this.options.source.movedWithin(Math.min(nowMs - this.movedReadAtMs, TOLD_INTERVAL_MS * 6) + MOVED_OVERLAP_MS);
		this.movedReadAtMs = nowMs;
		for (const number of found) if (this.moved.size < MOVED_MAX) this.moved.add(number);
	}

	private async tellDue(): Promise<void> {
		const nowMs = this.options.now();
		for (const [number, atMs] of this.toldAt) if (nowMs - atMs >= TOLD_INTERVAL_MS) this.toldAt.delete(number);
		const due = await this.options.source.due({ limit: DUE_MAX, starts: STARTS_MAX, except: [...this.toldAt.keys()], moved: [...this.moved] });
		const told: DueRun[] = [];
		const inFlight = new Set<Promise<void>>();
		let isAway = false;
		for (const run of due) {
			if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
			if (isAway || this.loop.isStopped) break;
			// Who is not told in time is due again at the next look, behind whoever is held meanwhile.
			const leavesAtMs = this.pace.freeAtMs(this.options.now(), run.isNew);
			if (leavesAtMs >= nowMs + this.intervalMs) continue;
			if (leavesAtMs > this.options.now()) await (this.options.wait ?? delay)(leavesAtMs - this.options.now());
			const arrived = this.pace.take(run.isNew);
			const telling = this.tell(run).then((outcome) => {
				arrived(this.options.now());
				isAway ||= outcome === "away";
				if (outcome === "told") told.push(run);
			});
			inFlight.add(telling);
			void telling.finally(() => inFlight.delete(telling));
		}
		await Promise.all(inFlight);
		if (told.length === 0) return;
		await this.options.source.recordTold(told);
		for (const run of told) this.options.observer.told(run);
	}

	private async tell(run: DueRun): Promise<"told" | "away" | "failed"> {
		try {
			await this.options.sink.report(run.snapshot);
		} catch (error) {
			if (this.loop.isAway(error)) return "away";
			// It is not to fill the log.
			this.toldAt.set(run.number, this.options.now());
			return "failed";
		}
		this.loop.temporalAnswered();
		this.toldAt.set(run.number, this.options.now());
		this.moved.delete(run.number);
		return "told";
	}
}
