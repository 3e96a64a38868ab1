import type { RunGuardOptions } from "./guard-options.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunDirectory } from "./run-directory.ts";
import type { RunNotes } from "./run-notes.ts";

export type RunRestDependencies = Pick<RunGuardOptions, "writer" | "forgetResting" | "nowMs"> & {
	readonly directory: RunDirectory;
	readonly notes: Pick<RunNotes, "forget">;
};

export const LIVE_MAX = 20_000;
const IDLE_MS = 60_000;
/** What could not be told by then, for want of a flush, is not worth the room: what was told before is a second older at most. */
const UNTOLD_IDLE_MS = 300_000;
const SWEEP_MS = 5_000;
const CROWDED_SWEEP_MS = 100;
const FORGOTTEN_AT_ONCE = 500;

/** Lets live parts go that PostgreSQL has all of, and the leases of budgets that no live run has now. */
export class RunRest {
	readonly #dependencies: RunRestDependencies;
	#nextSweepMs = Number.NEGATIVE_INFINITY;
	/** Budgets of runs at rest whose leases are still known. */
	readonly #budgets = new Set<string>();

	constructor(dependencies: RunRestDependencies) {
		this.#dependencies = dependencies;
	}

	/** With each heartbeat. */
	rest(nowMs: number): void {
		if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
		this.#forgetLeases();
	}

	/** It is read: its budgets are spent from again. */
	wake(live: LiveRun): void {
		if (this.#budgets.size > 0) for (const { budgetId } of live.run.budgets) this.#budgets.delete(budgetId);
		const { directory, nowMs } = this.#dependencies;
		if (directory.size > LIVE_MAX && nowMs() >= this.#nextSweepMs - SWEEP_MS + CROWDED_SWEEP_MS) this.#sweep(nowMs());
	}

	#sweep(nowMs: number): void {
		const { directory } = this.#dependencies;
		this.#nextSweepMs = nowMs + SWEEP_MS;
		for (const live of [...directory.lives()]) if (nowMs - live.lastUsedMs >= IDLE_MS && this.#mayRest(live, nowMs)) this.#letGo(live);
		const surplus = directory.size - LIVE_MAX;
		if (surplus <= 0) return;
		const idle = [...directory.lives()].filter((live) => this.#mayRest(live, Number.POSITIVE_INFINITY));
		for (const live of idle.sort((left, right) => left.lastUsedMs - right.lastUsedMs).slice(0, surplus)) this.#letGo(live);
	}

	/** Nothing of it is under way, and PostgreSQL has all that is in its books. */
	#mayRest(live: LiveRun, nowMs: number): boolean {
		if (live.openSteps > 0 || live.handOver !== undefined || live.hasUntoldHold) return false;
		const { enqueuedRows, pendingRows } = this.#dependencies.writer;
		if (live.own.flushMark > enqueuedRows - pendingRows) return false;
		return (!live.hasNewMemory && live.untold.length === 0) || nowMs - live.lastUsedMs >= UNTOLD_IDLE_MS;
	}

	#letGo(live: LiveRun): void {
		const { directory, notes } = this.#dependencies;
		notes.forget(live);
		for (const { budgets } of directory.letGo(live)) for (const { budgetId } of budgets) this.#budgets.add(budgetId);
	}

	#forgetLeases(): void {
		if (this.#budgets.size === 0) return;
		const asked = new Set<string>();
		for (const budgetId of this.#budgets) if (asked.size < FORGOTTEN_AT_ONCE) asked.add(budgetId);
		// What cannot be forgotten yet is asked for after all others.
		for (const budgetId of asked) this.#budgets.delete(budgetId);
		for (const budgetId of this.#dependencies.forgetResting(asked)) asked.delete(budgetId);
		for (const budgetId of asked) this.#budgets.add(budgetId);
	}
}
