import { exchangesSeen, type RunMemory, STEPS_REMEMBERED, unpackRunMemory } from "#domain/agents/run-memory.ts";
import { turnsBeyond } from "#domain/agents/turn-cursor.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { RunGuardOptions } from "./guard-options.ts";
import type { RunCall } from "./guard-port.ts";
import type { HandOver, LiveRun } from "./live-run.ts";
import { asksOf } from "./run-asks.ts";
import type { RunDirectory } from "./run-directory.ts";
import { observeTurns, type Reading } from "./turn-reader.ts";

export type HandOversDependencies = Pick<RunGuardOptions, "store" | "policyOf" | "onError" | "nowMs"> & {
	readonly directory: Pick<RunDirectory, "takeNews">;
	/** The newest memory says that the run loops: it goes no further. */
	readonly onStop: (live: LiveRun, stop: GuardVerdict) => void;
};

/** So often at most the memory of a run is read; where nothing newer is found, ever less often. */
const HAND_OVER_MS = 250;
const HAND_OVER_MS_MAX = 30_000;
const UNDER_WAY_MAX = 64;
/** Bodies read while one is under way: more of them come only where PostgreSQL is slow, and are lost to it. */
const READINGS_MAX = 16;

/** What was read meanwhile is read into the newer memory as well. */
export function keepReading({ read }: HandOver, reading: Reading): void {
	if (read.length < READINGS_MAX) read.push(reading);
}

/**
 * Takes over what other gateways remember of a run, while the provider works. The body of a call shows what was said and not what it cost, so
 * the newest memory takes the place of the one here, and what the bodies since have shown is read into it again. Nobody waits for it.
 */
export class HandOvers {
	readonly #dependencies: HandOversDependencies;
	#underWay = 0;

	constructor(dependencies: HandOversDependencies) {
		this.#dependencies = dependencies;
	}

	/** After a reading that found the step before served elsewhere. */
	begin(live: LiveRun, call: RunCall, { reading, exchangesBefore }: { readonly reading: Reading; readonly exchangesBefore: number }): void {
		const { nowMs, policyOf } = this.#dependencies;
		if (this.#underWay >= UNDER_WAY_MAX || nowMs() < live.handOverDueMs) return;
		live.handOver = { exchangesBefore, read: [reading], stepsAnswered: 0 };
		const ask = asksOf(policyOf(live.teamId), call, { kind: "header", runId: live.runId, parentRunId: null });
		void this.#read(live, live.handOver, ask);
	}

	async #read(live: LiveRun, handOver: HandOver, ask: ReturnType<typeof asksOf>): Promise<void> {
		const { directory, nowMs, onError, store } = this.#dependencies;
		this.#underWay += 1;
		try {
			const askedAtMs = nowMs();
			const entered = await store.enter(ask);
			if (entered.kind !== "entered") return;
			directory.takeNews(entered.chain, askedAtMs);
			const newest = entered.memory === undefined ? undefined : unpackRunMemory(entered.memory);
			if (newest?.kind === "refused") onError(new RangeError(`a loop memory ${newest.problem}`));
			const isNewer = newest?.kind === "unpacked" && exchangesSeen(newest.memory) > handOver.exchangesBefore;
			live.handOverWaitMs = isNewer ? HAND_OVER_MS : Math.min(HAND_OVER_MS_MAX, Math.max(HAND_OVER_MS, live.handOverWaitMs * 2));
			if (isNewer) this.#take(live, handOver, newest.memory);
		} catch (error) {
			onError(error);
		} finally {
			this.#underWay -= 1;
			live.handOver = undefined;
			live.handOverDueMs = nowMs() + live.handOverWaitMs;
		}
	}

	#take(live: LiveRun, { read, stepsAnswered }: HandOver, newest: RunMemory): void {
		let stop: GuardVerdict | undefined;
		for (const reading of read) {
			const turns = turnsBeyond(newest.cursors, reading.turns);
			const observed = observeTurns(newest, { ...reading, turns, forgiven: live.own.record.forgiven });
			live.warn(observed.warnings);
			if (turns.turns.length > 0) stop = observed.stop;
		}
		const { memory } = live;
		const own = memory.steps.slice(0, stepsAnswered);
		newest.steps = [...own, ...newest.steps, ...memory.steps.slice(stepsAnswered)].slice(0, STEPS_REMEMBERED);
		if (stepsAnswered > 0) {
			newest.lastInputTokens = memory.lastInputTokens;
			newest.contextGrowthTokens = memory.contextGrowthTokens;
		}
		live.othersServe = true;
		live.memory = newest;
		live.memoryChanges += 1;
		if (stop !== undefined && live.held === undefined) this.#dependencies.onStop(live, stop);
	}
}
