import { implicitRun } from "#domain/agents/implicit-run.ts";
import { mayStop } from "#domain/agents/loop-detector.ts";
import type { RunRecord } from "#domain/agents/run.ts";
import { NO_CALLS } from "#domain/agents/run-event.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import { newPauseId } from "#domain/agents/run-ids.ts";
import { callKeyOf, exchangesSeen, rememberStep, stepThatCalled } from "#domain/agents/run-memory.ts";
import { isUnread, type TurnsOfBody, turnsBeyond, turnsSince } from "#domain/agents/turn-cursor.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import { cleanText } from "../ledger/clean-text.ts";
import type { Leaving } from "../request/leaving.ts";
import type { Refusal } from "../request/port.ts";
import { EnteredStep, type StepKeeper } from "./entered-step.ts";
import type { RunGuardOptions } from "./guard-options.ts";
import type { RunCall, RunEntry, RunGuard, StepAnswer, WatchedRun } from "./guard-port.ts";
import { HandOvers, patienceOf } from "./hand-over.ts";
import { judgeEntry } from "./judge-entry.ts";
import { LateReading } from "./late-reading.ts";
import type { LiveRun } from "./live-run.ts";
import type { RunFlushes, RunName } from "./port.ts";
import { RunDirectory } from "./run-directory.ts";
import type { RunNode } from "./run-node.ts";
import { RunNotes } from "./run-notes.ts";
import { ASK_AGAIN_MS, budgetHold, ceilingHold, type HoldMaking, heldRefusal, loopHold } from "./run-refusal.ts";
import { RunRest } from "./run-rest.ts";
import { RunWatchers } from "./run-watchers.ts";
import { exchangesIn, observeTurns, type Reading } from "./turn-reader.ts";
import { UntoldHolds } from "./untold-holds.ts";

export type OpenedRunGuard = { readonly guard: RunGuard; readonly flushes: RunFlushes };

/** The guard of one gateway epoch, and what rides with the flushes of its ledger. */
export function openRunGuard(options: RunGuardOptions): OpenedRunGuard {
	const directory = new RunDirectory(options);
	const notes = new RunNotes(directory, options.nowMs);
	return { guard: new GatewayRunGuard(options, directory, notes), flushes: notes };
}

/** Longest name of a tool that a ceiling can name; of remembered arguments what is read of them. */
const TOOL_LENGTH_MAX = 128;
const REMEMBERED_ARGS_MAX = 4_096;

/** Holds and refuses in memory what loops or is beyond a ceiling; PostgreSQL is told, and asked only for what this gateway does not know. */
class GatewayRunGuard implements RunGuard, StepKeeper {
	readonly #options: RunGuardOptions;
	readonly #directory: RunDirectory;
	readonly #notes: RunNotes;
	readonly #holds: UntoldHolds;
	readonly #handOvers: HandOvers;
	readonly #watchers: RunWatchers;
	readonly #rest: RunRest;
	readonly #later = new LateReading();
	/** By team: in how many milliseconds a pause is usually answered, as PostgreSQL said last. */
	readonly #estimates = new Map<string, number>();

	constructor(options: RunGuardOptions, directory: RunDirectory, notes: RunNotes) {
		const { onError, store } = options;
		this.#options = options;
		this.#directory = directory;
		directory.readsWith((live, reading) => this.#readLate(live, reading));
		this.#notes = notes;
		this.#holds = new UntoldHolds({ store, onError, onTold: (node, record) => this.#wasTold(node, record) });
		this.#handOvers = new HandOvers({
			...options,
			directory,
			onEnd: (live) => this.#handedOver(live),
			onStop: (live, stop) => void this.#holdLoop(live, stop),
		});
		this.#watchers = new RunWatchers({ store, onError, known: (teamId, runId) => this.#known(teamId, runId) });
		this.#rest = new RunRest({ ...options, directory, notes });
	}

	get sizes(): RunGuard["sizes"] {
		let held = this.#directory.resting.heldSize;
		for (const live of this.#directory.lives()) if (live.held !== undefined) held += 1;
		return { live: this.#directory.size, resting: this.#directory.resting.size, held, watched: this.#watchers.size };
	}

	enter(call: RunCall): RunEntry | undefined | Promise<RunEntry | undefined> {
		const { claim, key } = call;
		if (claim === null) return key.requiresRun === true ? this.#enterUnnamed(call) : undefined;
		const live = this.#directory.live(claim.runId);
		if (live === undefined) {
			const held = this.#directory.resting.heldOf(claim.runId, key.teamId);
			if (held !== undefined) return { kind: "refused", refusal: heldRefusal(held, claim.runId) };
			return this.#load(call, { kind: "header", ...claim });
		}
		// What is wrong with a claim the store says, in the words it has for it.
		const isOthers = live.teamId !== key.teamId || (claim.parentRunId !== null && claim.parentRunId !== live.parentRunId);
		return isOthers ? this.#load(call, { kind: "header", ...claim }) : this.#enterLive(live, call);
	}

	follow(rootRunIds: readonly string[]): void {
		for (const live of this.#directory.changed(rootRunIds)) void this.#directory.refresh(live);
		this.#watchers.wake(rootRunIds);
	}

	whenChanged(watched: WatchedRun, waitMs: number, leaving: Leaving): Promise<RunRecord | undefined> {
		return this.#watchers.whenChanged(watched, waitMs, leaving);
	}

	rest(nowMs: number): void {
		this.#holds.tellAgain();
		// Told though no row goes out: it would wait for the next call of anybody, and a crash would lose it.
		if (this.#notes.hasDue) this.#options.writer.noteRuns?.();
		this.#rest.rest(nowMs);
	}

	beginDrain(): void {
		this.#watchers.beginDrain();
	}

	heldRefusal(live: LiveRun): Refusal | undefined {
		const { held } = live;
		if (held === undefined) return undefined;
		if (live.heldRefusal?.of !== held.record) live.heldRefusal = { of: held.record, refusal: heldRefusal(held, live.runId) };
		return live.heldRefusal.refusal;
	}

	refusedBy(live: LiveRun, refusal: Refusal): Refusal | undefined {
		if (refusal.code !== "budget.exceeded" && refusal.code !== "budget.overrun") return undefined;
		const rule = live.run.budgets.find(({ budgetId }) => budgetId === refusal.budgetId);
		const ofRun = rule && live.nodes.find(({ number }) => number === rule.dimensionValue);
		if (rule === undefined || ofRun === undefined) return undefined;
		return this.heldRefusal(live) ?? this.#hold(live, (making) => budgetHold(refusal, rule, ofRun, making));
	}

	sent({ live }: EnteredStep): void {
		this.#later.sent(live);
	}

	answered({ live, call }: EnteredStep, { calls, outputBytes, answerId, booked, usage }: StepAnswer): void {
		this.#ended(live);
		if (live.pending?.turns.isKept === true) this.#giveUpWaiting(live);
		const { memory } = live;
		const { inputTokens = 0, outputTokens = 0 } = usage ?? {};
		// Counting tokens is no step.
		if (call.endpoint !== "count_tokens") {
			const toolNames = calls.map(({ tool }) => cleanText(tool, TOOL_LENGTH_MAX));
			for (const node of live.nodes) node.addStep({ costNanoUsd: booked.costNanoUsd, inputTokens, outputTokens, outputBytes, toolNames });
			if (inputTokens > 0) {
				memory.contextGrowthTokens = memory.lastInputTokens === 0 ? 0 : Math.max(0, inputTokens - memory.lastInputTokens);
				memory.lastInputTokens = inputTokens;
			}
		}
		const [first] = calls;
		if (first !== undefined) {
			const kept = call.endpoint === "responses" ? calls.map((made) => ({ ...made, argsText: made.argsText.slice(0, REMEMBERED_ARGS_MAX) })) : NO_CALLS;
			const seen = exchangesSeen(memory) + exchangesIn(live.pending);
			rememberStep(memory, { callKey: callKeyOf(first.callId), costNanoUsd: booked.costNanoUsd, tokens: inputTokens + outputTokens, seen, calls: kept });
		}
		if (live.handOver !== undefined) live.handOver.stepsAnswered += 1;
		live.remembered();
		this.#notes.mark(live);
		if (answerId !== undefined && call.isFollowed) this.#directory.received(answerId, live);
	}

	left({ live }: EnteredStep): void {
		this.#ended(live);
	}

	#ended(live: LiveRun): void {
		live.openSteps -= 1;
		live.lastUsedMs = this.#options.nowMs();
		const { enqueuedRows } = this.#options.writer;
		for (const node of live.nodes) node.flushMark = enqueuedRows;
	}

	#enterUnnamed(call: RunCall): RunEntry | undefined | Promise<RunEntry | undefined> {
		const named = implicitRun(call.key.keyId, call.endpoint, call.conversation);
		if (named === undefined) return undefined;
		const live = this.#directory.implicit(named);
		return live === undefined || live.teamId !== call.key.teamId ? this.#load(call, named) : this.#enterLive(live, call);
	}

	#enterLive(live: LiveRun, call: RunCall): RunEntry | Promise<RunEntry> {
		live.lastUsedMs = this.#options.nowMs();
		if (!live.isStale) return this.#step(live, call);
		return this.#directory.reload(live, call).then((found) => (found.kind === "refused" ? found : this.#step(found.live, call)));
	}

	async #load(call: RunCall, named: RunName): Promise<RunEntry> {
		const found = await this.#directory.load(call, named);
		if (found.kind === "refused") return found;
		found.live.lastUsedMs = this.#options.nowMs();
		this.#rest.wake(found.live);
		return this.#step(found.live, call);
	}

	#step(live: LiveRun, call: RunCall): RunEntry {
		const held = this.heldRefusal(live);
		if (held !== undefined) return { kind: "refused", refusal: held };
		const stop = this.#read(live, call);
		if (stop !== undefined) return { kind: "refused", refusal: this.#holdLoop(live, stop) };
		const judged = judgeEntry(live, call.model, this.#options.nowMs());
		if (judged.kind === "held") {
			const { verdict, ofRun } = judged;
			return { kind: "refused", refusal: this.#hold(live, (making) => ceilingHold(verdict, ofRun, making)) };
		}
		if (judged.soft.length > 0) this.#warn(live, judged.soft);
		live.openSteps += 1;
		return { kind: "step", step: new EnteredStep(this, live, { endpoint: call.endpoint, isFollowed: call.key.requiresRun === true }, judged) };
	}

	/** What the body holds that was not read yet. Answers a loop that goes no further. */
	#read(live: LiveRun, call: RunCall): GuardVerdict | undefined {
		if (call.endpoint === "embeddings" || call.endpoint === "count_tokens") return undefined;
		const { forgiven } = live.own.record;
		if (live.pending?.turns.isKept === true) this.#giveUpWaiting(live);
		const { memory } = live;
		const turns = turnsSince(memory.cursors, call);
		if (turns.callIds.length === 0 && memory.forgiven >= forgiven) return undefined;
		const reading: Reading = { turns, agent: call.agent, atMs: this.#options.wallClockMs(), forgiven };
		if (this.#canReadLater(live, turns, forgiven)) {
			live.putOff(reading);
			this.#later.add(live);
			return undefined;
		}
		// Of a conversation that begins beside others no later body would show this turn as new.
		const canWait = turns.place >= 0 || turns.isKept || isUnread(memory.cursors);
		const observed = observeTurns(memory, reading, canWait ? patienceOf(live) : 0);
		live.remembered();
		live.pending = observed.pending;
		if (observed.warnings.length > 0) this.#warn(live, observed.warnings);
		if (observed.pending !== undefined) this.#handOvers.begin(live, call);
		return observed.stop;
	}

	/** What stops nobody, and what nobody has to be asked for, is read while the provider works. */
	#canReadLater(live: LiveRun, { callIds, isKept }: TurnsOfBody, forgiven: number): boolean {
		const { memory } = live;
		if (isKept || callIds.length === 0 || memory.forgiven < forgiven || live.pending !== undefined || live.handOver !== undefined) return false;
		let exchanges = 0;
		for (const ids of callIds) {
			if (stepThatCalled(memory, ids) === undefined) return false;
			exchanges += ids.length;
		}
		return !mayStop(memory.loop, exchanges);
	}

	/** Of steps that are known here, so that nothing of it waits. */
	#readLate(live: LiveRun, reading: Reading): void {
		const { stop, warnings } = observeTurns(live.memory, reading, 0);
		live.remembered();
		if (warnings.length > 0) this.#warn(live, warnings);
		if (stop !== undefined && live.held === undefined) this.#holdLoop(live, stop);
	}

	/** No later body holds it again. */
	#giveUpWaiting(live: LiveRun): void {
		if (live.pending === undefined) return;
		observeTurns(live.memory, { ...live.pending, turns: turnsBeyond(live.memory.cursors, live.pending.turns) }, 0);
		live.pending = undefined;
	}

	/** Told with the flush of the step that is under way; where that has left already, with one of its own. */
	#handedOver(live: LiveRun): void {
		if (!live.hasNewMemory) return;
		this.#notes.mark(live);
		if (live.openSteps === 0) this.#options.writer.noteRuns?.();
	}

	#warn(live: LiveRun, verdicts: Parameters<LiveRun["warn"]>[0]): void {
		live.warn(verdicts);
		if (live.untold.length > 0) this.#notes.mark(live);
	}

	#holdLoop(live: LiveRun, stop: GuardVerdict): Refusal {
		return this.#hold(live, (making) => loopHold(stop, live.own, making));
	}

	/** The run whose call was refused, at once; all below it are held with it. */
	#hold(live: LiveRun, make: (making: HoldMaking) => RunHold): Refusal {
		const { gatewayId, randomBytes } = this.#options;
		const askAgainMs = this.#estimates.get(live.teamId) ?? ASK_AGAIN_MS;
		this.#holds.add(live.own, make({ pauseId: newPauseId(randomBytes), askAgainMs, by: `gateway ${gatewayId}` }));
		return this.heldRefusal(live) ?? heldRefusal(live.own, live.runId);
	}

	#wasTold(node: RunNode, record: RunRecord): void {
		node.wasTold(record, this.#options.nowMs());
		if (record.state === "paused" && record.hold?.askAgainMs != null) this.#estimates.set(record.teamId, record.hold.askAgainMs);
		const root = this.#directory.node(record.path[0] ?? record.number);
		if (root !== undefined) this.#watchers.wake([root.runId]);
	}

	#known(teamId: string, runId: string): { readonly record: RunRecord; readonly rootRunId: string } | undefined {
		const live = this.#directory.live(runId);
		return live === undefined || live.teamId !== teamId || live.isStale ? undefined : { record: live.own.record, rootRunId: live.root.runId };
	}
}
