import { exchangesSeen, type RunMemory, STEPS_REMEMBERED, stepOf, unpackRunMemory } from "#domain/agents/run-memory.ts";
import { turnsBeyond } from "#domain/agents/turn-cursor.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { RunGuardOptions } from "./guard-options.ts";
import type { RunCall } from "./guard-port.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunAsk } from "./port.ts";
import { asksOf } from "./run-asks.ts";
import type { RunDirectory } from "./run-directory.ts";
import { observeTurns, type Reading } from "./turn-reader.ts";

export type HandOversDependencies = Pick<RunGuardOptions, "store" | "policyOf" | "onError" | "nowMs"> & {
	readonly directory: Pick<RunDirectory, "takeNews">;
	/** It is as new as any, and to be told in its turn. */
	readonly onTaken: (live: LiveRun) => void;
	/** The newest memory says that the run loops: it goes no further. */
	readonly onStop: (live: LiveRun, stop: GuardVerdict) => void;
};

/** Newer memory that is being read while the provider works, and what was read of bodies since it was asked for. */
export class HandOver {
	readonly exchangesBefore: number;
	readonly ask: RunAsk;
	readonly read: Reading[];
	reads = 0;
	/** Here, since it was asked for. */
	stepsAnswered = 0;

	constructor(ask: RunAsk, { reading, exchangesBefore }: { readonly reading: Reading; readonly exchangesBefore: number }) {
		this.ask = ask;
		this.exchangesBefore = exchangesBefore;
		this.read = [reading];
	}

	/** Whether that memory knows more than this gateway did: exchanges it had not read, or what the step cost that it asked for. */
	isBehind(newest: RunMemory): boolean {
		const more = exchangesSeen(newest) - this.exchangesBefore;
		const [asked] = this.read;
		const last = asked?.turns.turns.at(-1);
		return more > 0 || (more === 0 && last !== undefined && stepOf(newest, last) !== undefined);
	}

	/** What was read meanwhile is read into the newer memory as well. */
	keep(reading: Reading): void {
		if (this.read.length < READINGS_MAX) this.read.push(reading);
	}
}

/** Bodies read while one is under way: more of them come only where PostgreSQL is slow, and are lost to it. */
const READINGS_MAX = 16;
/** Between two of a run; where nothing newer is found, ever longer. */
const PAUSE_MS = 50;
const PAUSE_MS_MAX = 30_000;
/** An agent that goes on at once is ahead of the flush of its last step: it is looked for again. */
const READS_MAX = 3;
const READ_AGAIN_MS = 70;
const UNDER_WAY_MAX = 64;

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
	begin(live: LiveRun, call: RunCall, found: { readonly reading: Reading; readonly exchangesBefore: number }): void {
		const { nowMs, policyOf } = this.#dependencies;
		if (this.#underWay >= UNDER_WAY_MAX || nowMs() < live.handOverDueMs) return;
		live.handOver = new HandOver(asksOf(policyOf(live.teamId), call, { kind: "header", runId: live.runId, parentRunId: null }), found);
		this.#underWay += 1;
		void this.#read(live, live.handOver);
	}

	async #read(live: LiveRun, handOver: HandOver): Promise<void> {
		let isComplete = true;
		try {
			isComplete = await this.#takeNewest(live, handOver);
		} catch (error) {
			this.#dependencies.onError(error);
		}
		if (isComplete || handOver.reads >= READS_MAX || live.held !== undefined) this.#end(live);
		else setTimeout(() => void this.#read(live, handOver), READ_AGAIN_MS).unref();
	}

	#end(live: LiveRun): void {
		this.#underWay -= 1;
		live.handOver = undefined;
		live.handOverDueMs = this.#dependencies.nowMs() + live.handOverPauseMs;
	}

	/** Answers whether there is nothing more to be had. */
	async #takeNewest(live: LiveRun, handOver: HandOver): Promise<boolean> {
		const { directory, nowMs, onError, onTaken, store } = this.#dependencies;
		handOver.reads += 1;
		const askedAtMs = nowMs();
		const entered = await store.enter(handOver.ask);
		if (entered.kind !== "entered") return true;
		directory.takeNews(entered.chain, askedAtMs);
		const newest = entered.memory === undefined ? undefined : unpackRunMemory(entered.memory);
		if (newest?.kind === "refused") onError(new RangeError(`a loop memory ${newest.problem}`));
		if (newest?.kind !== "unpacked" || !handOver.isBehind(newest.memory)) {
			live.handOverPauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, live.handOverPauseMs * 2));
			return false;
		}
		live.handOverPauseMs = PAUSE_MS;
		const isBehind = this.#take(live, handOver, newest.memory);
		onTaken(live);
		return !isBehind;
	}

	/** Answers whether the last step, served elsewhere, is still not known. */
	#take(live: LiveRun, { read, stepsAnswered }: HandOver, newest: RunMemory): boolean {
		const { memory } = live;
		let stop: GuardVerdict | undefined;
		let isBehind = false;
		// What was served here meanwhile may be among what is read again.
		newest.steps = [...memory.steps.slice(0, stepsAnswered), ...newest.steps, ...memory.steps.slice(stepsAnswered)];
		for (const reading of read) {
			const turns = turnsBeyond(newest.cursors, reading.turns);
			const observed = observeTurns(newest, { ...reading, turns, forgiven: live.own.record.forgiven });
			live.warn(observed.warnings);
			if (turns.turns.length === 0) continue;
			stop = observed.stop;
			isBehind ||= observed.isBehind;
		}
		newest.steps = newest.steps.slice(0, STEPS_REMEMBERED);
		if (stepsAnswered > 0) {
			newest.lastInputTokens = memory.lastInputTokens;
			newest.contextGrowthTokens = memory.contextGrowthTokens;
		}
		live.othersServe = true;
		live.memory = newest;
		if (stop !== undefined && live.held === undefined) this.#dependencies.onStop(live, stop);
		return isBehind;
	}
}
