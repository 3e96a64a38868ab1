import { describe, expect, test } from "vitest";
import type { DueRun, StarterObserver, UntoldRuns } from "#activities/agent-runs/port.ts";
import { RunStarter } from "#activities/agent-runs/run-starter.ts";
import { SIGNALS_PER_SECOND, STARTS_PER_SECOND } from "#activities/shared/tell-pace.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { snapshotOf } from "#test/support/run-snapshots.ts";
import { busiestSecond } from "#test/support/starter-stand.ts";

/** Runs that wait to be told, as PostgreSQL would list them, on a clock that stands still between waits. */
class Stand {
	nowMs = 0;
	isHolder = true;
	isTemporalAway = false;
	answersAfterMs = 0;
	moved: string[] = [];
	readonly waiting: DueRun[] = [];
	readonly sent: { runId: string; atMs: number; answeredAtMs: number; isNew: boolean }[] = [];
	readonly told: string[] = [];
	readonly failures: unknown[] = [];
	readonly reachable: boolean[] = [];
	broken: string | undefined;
	readonly starter: RunStarter;

	constructor() {
		const source: UntoldRuns = {
			tryLock: async () => this.isHolder,
			due: async ({ limit, starts, except, moved }) => {
				const all = [...this.waiting, ...moved.map((number) => dueRun(number, false))].filter(({ number }) => !except.includes(number));
				return [...all.filter(({ isNew }) => isNew).slice(0, starts), ...all.filter(({ isNew }) => !isNew).slice(0, limit)];
			},
			movedWithin: async () => this.moved,
			recordTold: async (runs) => {
				for (const { number } of runs) {
					this.told.push(number);
					const place = this.waiting.findIndex((other) => other.number === number);
					if (place >= 0) this.waiting.splice(place, 1);
				}
			},
		};
		const observer: StarterObserver = {
			told: () => undefined,
			failed: (error) => void this.failures.push(error),
			reachabilityChanged: (isReachable) => void this.reachable.push(isReachable),
			roleChanged: () => undefined,
		};
		this.starter = new RunStarter({
			source,
			observer,
			sink: { report: (snapshot) => this.report(snapshot) },
			now: () => this.nowMs,
			wait: async (ms) => {
				this.nowMs += ms;
			},
		});
	}

	add(runId: string, isNew: boolean): void {
		this.waiting.push(dueRun(runId, isNew));
	}

	/** Cycles, a quarter of a second apart at least, until so much time is over. */
	async runFor(ms: number): Promise<void> {
		const endMs = this.nowMs + ms;
		while (this.nowMs < endMs) {
			const nextMs = this.nowMs + 250;
			await this.starter.cycle();
			this.nowMs = Math.max(this.nowMs, nextMs);
		}
	}

	private async report({ run }: RunSnapshot): Promise<void> {
		if (this.isTemporalAway) throw new CostControlError("governance.unreachable", "away");
		if (run.runId === this.broken) throw new Error("a payload that is too large");
		const atMs = this.nowMs;
		this.nowMs += this.answersAfterMs;
		const isNew = this.waiting.find(({ number }) => number === run.runId)?.isNew === true;
		this.sent.push({ runId: run.runId, atMs, answeredAtMs: this.nowMs, isNew });
	}
}

function dueRun(runId: string, isNew: boolean): DueRun {
	return { number: runId, version: "1", isNew, untoldEvents: [], snapshot: snapshotOf({ runId }) };
}

describe("the starter", () => {
	test("starts a thousand new runs, each once, no more than twenty in any second", async () => {
		const stand = new Stand();
		for (let n = 0; n < 1_000; n++) stand.add(`n${n}`, true);
		await stand.runFor(60_000);
		expect(stand.sent).toHaveLength(1_000);
		expect(new Set(stand.told).size).toBe(1_000);
		expect(busiestSecond(stand.sent.map(({ atMs }) => atMs))).toBe(STARTS_PER_SECOND);
		expect(stand.nowMs).toBeLessThan(61_000);
	});

	test("counts a start from when it leaves until a second after its answer: Temporal sees no more, however long each takes", async () => {
		const stand = new Stand();
		for (let n = 0; n < 60; n++) stand.add(`n${n}`, true);
		stand.answersAfterMs = 30;
		await stand.runFor(10_000);
		expect(stand.sent).toHaveLength(60);
		for (const { atMs: from } of stand.sent) {
			const seen = stand.sent.filter(({ atMs, answeredAtMs }) => answeredAtMs >= from && atMs < from + 1_000);
			expect(seen.length).toBeLessThanOrEqual(STARTS_PER_SECOND);
		}
	});

	test("tells runs that have a workflow no more than fifty in any second, and they do not wait behind starts", async () => {
		const stand = new Stand();
		for (let n = 0; n < 30; n++) stand.add(`n${n}`, true);
		for (let n = 0; n < 300; n++) stand.add(`k${n}`, false);
		await stand.runFor(1_000);
		const ofKind = (isNew: boolean) => stand.sent.filter((sent) => sent.isNew === isNew).length;
		expect(ofKind(true) + ofKind(false)).toBe(SIGNALS_PER_SECOND);
		expect(ofKind(false)).toBeGreaterThanOrEqual(SIGNALS_PER_SECOND - STARTS_PER_SECOND);
		await stand.runFor(9_000);
		expect(busiestSecond(stand.sent.map(({ atMs }) => atMs))).toBe(SIGNALS_PER_SECOND);
		expect(stand.sent).toHaveLength(330);
	});

	test("tells one run at most once in ten seconds", async () => {
		const stand = new Stand();
		const again = dueAgainAndAgain(stand, "k1");
		await again(35_000);
		expect(stand.sent.map(({ atMs }) => Math.floor(atMs / 10_000))).toEqual([0, 1, 2, 3]);
	});

	test("shows what runs took since, at most once in ten seconds, and not again where nothing moved", async () => {
		const stand = new Stand();
		stand.moved = ["m1"];
		await stand.runFor(25_000);
		expect(stand.sent.map(({ atMs }) => Math.floor(atMs / 10_000))).toEqual([0, 1, 2]);
		stand.moved = [];
		await stand.runFor(30_000);
		expect(stand.sent).toHaveLength(3);
	});

	test("does nothing where another worker is the starter", async () => {
		const stand = new Stand();
		stand.add("n1", true);
		stand.isHolder = false;
		await stand.runFor(1_000);
		expect(stand.sent).toEqual([]);
	});

	test("with Temporal away loses nothing, and says so once", async () => {
		const stand = new Stand();
		for (let n = 0; n < 5; n++) stand.add(`n${n}`, true);
		stand.isTemporalAway = true;
		await stand.runFor(3_000);
		expect([stand.told, stand.reachable]).toEqual([[], [false]]);
		stand.isTemporalAway = false;
		await stand.runFor(3_000);
		expect([stand.told.length, stand.reachable, stand.failures]).toEqual([5, [false, true], []]);
	});

	test("goes on with the others where one cannot be told, and tries that one again after a while", async () => {
		const stand = new Stand();
		stand.add("bad", true);
		stand.add("good", true);
		stand.broken = "bad";
		await stand.runFor(12_000);
		expect([stand.told, stand.failures.length]).toEqual([["good"], 2]);
	});

	test("an outage of PostgreSQL ends the cycle, anything else is told", async () => {
		const stand = new Stand();
		const broken = (error: Error) =>
			new RunStarter({
				source: { tryLock: () => Promise.reject(error), due: async () => [], movedWithin: async () => [], recordTold: async () => undefined },
				sink: { report: async () => undefined },
				observer: { told: () => undefined, failed: () => undefined, reachabilityChanged: () => undefined, roleChanged: () => undefined },
				now: () => stand.nowMs,
			});
		await expect(broken(new CostControlError("authority.unreachable", "away")).cycle()).resolves.toBeUndefined();
		await expect(broken(new Error("a column that is gone")).cycle()).rejects.toThrow("a column that is gone");
	});
});

/** A run that is due again as soon as it was told. */
function dueAgainAndAgain(stand: Stand, runId: string): (ms: number) => Promise<void> {
	return async (ms) => {
		const endMs = stand.nowMs + ms;
		while (stand.nowMs < endMs) {
			if (stand.waiting.length === 0) stand.add(runId, false);
			await stand.runFor(250);
		}
	};
}
