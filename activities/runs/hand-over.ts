import { exchangesSeen, mergeSteps, type RunMemory, unpackRunMemory } from "#domain/agents/run-memory.ts";
import { turnsBeyond } from "#domain/agents/turn-cursor.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { RunGuardOptions } from "./guard-options.ts";
import type { RunCall } from "./guard-port.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunAsk } from "./port.ts";
import { asksOf } from "./run-asks.ts";
import type { RunDirectory } from "./run-directory.ts";
import { observeTurns } from "./turn-reader.ts";

export type HandOversDependencies = Pick<RunGuardOptions, "store" | "policyOf" | "onError" | "nowMs"> & {
	readonly directory: Pick<RunDirectory, "takeNews">;
	/** What is known here is as new as can be, and to be told now. */
	readonly onEnd: (live: LiveRun) => void;
	/** The newest memory says that the run loops: it goes no further. */
	readonly onStop: (live: LiveRun, stop: GuardVerdict) => void;
};

/** Newer memory that is being read while the provider works. */
export type HandOver = {
	readonly ask: RunAsk;
	reads: number;
	/** Here, since it was asked for. */
	stepsAnswered: number;
	/** Until it is looked for again. */
	timer: NodeJS.Timeout | undefined;
};

/** Between two of a run; where nothing newer is found, ever longer. */
const PAUSE_MS = 50;
const PAUSE_MS_MAX = 30_000;
/** An agent that goes on at once is ahead of the flush of its last step: it is looked for again. */
const READS_MAX = 3;
const READ_AGAIN_MS = 70;
const UNDER_WAY_MAX = 64;
/** So many turns wait at most for what they cost. */
const PATIENCE_TURNS = 6;

/** Where nothing newer was found of late, and nobody else serves the run, nothing is waited for: ids are not the gateway's then. */
export function patienceOf({ handOverPauseMs, othersServe }: LiveRun): number {
	return othersServe || handOverPauseMs <= PAUSE_MS ? PATIENCE_TURNS : 0;
}

/**
 * Takes over what other gateways remember of a run, while the provider works. The body of a call shows what was said and not what it cost:
 * what the newest memory has seen takes the place of what was seen here, and what it knows of the last steps is added to what is known here.
 * Nobody waits for it.
 */
export class HandOvers {
	readonly #dependencies: HandOversDependencies;
	#underWay = 0;

	constructor(dependencies: HandOversDependencies) {
		this.#dependencies = dependencies;
	}

	/** After a reading that found turns whose steps were served elsewhere. */
	begin(live: LiveRun, call: RunCall): void {
		const { nowMs, policyOf } = this.#dependencies;
		if (live.handOver !== undefined) return this.#readNow(live, live.handOver);
		if (this.#underWay >= UNDER_WAY_MAX || nowMs() < live.handOverDueMs) return;
		const ask = asksOf(policyOf(live.teamId), call, { kind: "header", runId: live.runId, parentRunId: null });
		live.handOver = { ask, reads: 0, stepsAnswered: 0, timer: undefined };
		this.#underWay += 1;
		void this.#read(live, live.handOver);
	}

	/** The next step has come: what is waited for may be there. */
	#readNow(live: LiveRun, handOver: HandOver): void {
		if (handOver.timer === undefined) return;
		clearTimeout(handOver.timer);
		handOver.timer = undefined;
		handOver.reads = 0;
		void this.#read(live, handOver);
	}

	async #read(live: LiveRun, handOver: HandOver): Promise<void> {
		let isComplete = true;
		try {
			isComplete = await this.#takeNewest(live, handOver);
		} catch (error) {
			this.#dependencies.onError(error);
		}
		if (isComplete || handOver.reads >= READS_MAX || live.held !== undefined) this.#end(live);
		else handOver.timer = setTimeout(() => this.#readLater(live, handOver), READ_AGAIN_MS).unref();
	}

	#readLater(live: LiveRun, handOver: HandOver): void {
		handOver.timer = undefined;
		void this.#read(live, handOver);
	}

	#end(live: LiveRun): void {
		this.#underWay -= 1;
		live.handOver = undefined;
		live.handOverDueMs = this.#dependencies.nowMs() + live.handOverPauseMs;
		this.#dependencies.onEnd(live);
	}

	/** Answers whether there is nothing more to be had. */
	async #takeNewest(live: LiveRun, handOver: HandOver): Promise<boolean> {
		const { directory, nowMs, onError, store } = this.#dependencies;
		handOver.reads += 1;
		const askedAtMs = nowMs();
		const entered = await store.enter(handOver.ask);
		if (entered.kind !== "entered") return true;
		directory.takeNews(entered.chain, askedAtMs);
		const newest = entered.memory === undefined ? undefined : unpackRunMemory(entered.memory);
		if (newest?.kind === "refused") onError(new RangeError(`a loop memory ${newest.problem}`));
		if (newest?.kind !== "unpacked" || !this.#take(live, handOver, newest.memory)) {
			live.handOverPauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, live.handOverPauseMs * 2));
			return false;
		}
		live.handOverPauseMs = PAUSE_MS;
		live.othersServe = true;
		live.remembered();
		this.#settle(live);
		return live.pending === undefined;
	}

	/** Answers whether it knew more than was known here. */
	#take(live: LiveRun, { stepsAnswered }: HandOver, newest: RunMemory): boolean {
		const { memory } = live;
		if (exchangesSeen(newest) <= exchangesSeen(memory)) {
			const steps = mergeSteps(memory.steps, newest.steps);
			const isMore = steps.some((step) => !memory.steps.includes(step));
			memory.steps = steps;
			return isMore;
		}
		newest.steps = mergeSteps(newest.steps, memory.steps);
		if (stepsAnswered > 0) {
			newest.lastInputTokens = memory.lastInputTokens;
			newest.contextGrowthTokens = memory.contextGrowthTokens;
		}
		live.memory = newest;
		return true;
	}

	/** What waited for it is taken in. */
	#settle(live: LiveRun): void {
		if (live.pending === undefined) return;
		const turns = turnsBeyond(live.memory.cursors, live.pending.turns);
		const observed = observeTurns(live.memory, { ...live.pending, turns, forgiven: live.own.record.forgiven }, patienceOf(live));
		live.pending = observed.pending;
		live.warn(observed.warnings);
		if (observed.stop !== undefined && live.held === undefined) this.#dependencies.onStop(live, observed.stop);
	}
}
