import type { Ceiling, RunTally } from "#domain/agents/ceilings.ts";
import type { RunRecord, RunTotals } from "#domain/agents/run.ts";
import type { RunStep } from "#domain/agents/run-event.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import { emptyTally, foldStep, TOOLS_COUNTED_MAX } from "#domain/agents/run-tally.ts";
import { stepCeilings } from "#domain/agents/step-ceilings.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { ChainRun } from "./port.ts";

/** Limits of a run as its steps meet them. */
export type ReadLimits = {
	readonly ceilings: readonly Ceiling[];
	/** What of them is judged before a step. */
	readonly ofSteps: readonly Ceiling[];
	/** Tools with a ceiling of their own: counted by themselves, however many others were called before. */
	readonly namedTools: ReadonlySet<string>;
};

/** A run as a gateway knows it, one for all runs below it: what it states, how it stands, and what its tree took. */
export class RunNode {
	readonly number: string;
	readonly runId: string;
	record: RunRecord;
	budgets: readonly BudgetRule[];
	limits: ReadLimits;
	/** Of all gateways, as far as it is known here: own steps at once, those of others with what PostgreSQL tells. */
	tally: RunTally = emptyTally(0);
	/** The version that was known when it was held here, until PostgreSQL has answered; undefined: nothing is untold. */
	heldAtVersion: string | undefined;
	/** Something of its tree has changed: read again before the next step. */
	isStale = false;
	/** Live runs in whose chain it stands. */
	users = 0;
	/** Row of the writer with which the last step of its tree was enqueued. */
	flushMark = 0;
	/** Open for so long, pauses left out, since this moment of the monotonic clock. */
	#startedAtMs: number;

	constructor(found: ChainRun, readAtMs: number) {
		this.number = found.run.number;
		this.runId = found.run.runId;
		this.record = found.run;
		this.budgets = found.budgets;
		this.limits = readLimits(found.run);
		this.#startedAtMs = startOf(found.run, readAtMs);
		this.addTotals(found.totals);
	}

	get isHeld(): boolean {
		return this.record.state !== "running";
	}

	/** As it was read from PostgreSQL; what is older than what is known here says nothing. */
	take({ run, budgets, totals }: ChainRun, readAtMs: number): void {
		this.isStale = false;
		this.budgets = budgets;
		this.addTotals(totals);
		this.takeRecord(run, readAtMs);
	}

	takeRecord(run: RunRecord, readAtMs: number): void {
		if (this.heldAtVersion === undefined ? BigInt(run.version) < BigInt(this.record.version) : run.version === this.heldAtVersion) return;
		this.wasTold(run, readAtMs);
	}

	/** What PostgreSQL answered to a hold: it has the last word. */
	wasTold(run: RunRecord, readAtMs: number): void {
		this.heldAtVersion = undefined;
		if (run.version !== this.record.version) this.limits = readLimits(run);
		this.record = run;
		this.#startedAtMs = startOf(run, readAtMs);
	}

	/** At once, before anybody else knows: its version is the one that PostgreSQL will give it. */
	hold(hold: RunHold): void {
		this.heldAtVersion = this.record.version;
		this.record = { ...this.record, state: hold.state, hold, version: (BigInt(this.record.version) + 1n).toString() };
	}

	addStep(step: RunStep): void {
		this.tally = foldStep(this.tally, step, this.limits.namedTools);
	}

	/** Amounts only grow, and both sides may be behind: this gateway of what others took, PostgreSQL of what is not flushed yet. */
	addTotals(totals: RunTotals): void {
		const { tally } = this;
		const costNanoUsd = BigInt(totals.costNanoUsd);
		this.tally = {
			...tally,
			costNanoUsd: costNanoUsd > tally.costNanoUsd ? costNanoUsd : tally.costNanoUsd,
			inputTokens: Math.max(tally.inputTokens, totals.inputTokens),
			outputTokens: Math.max(tally.outputTokens, totals.outputTokens),
			steps: Math.max(tally.steps, totals.steps),
			outputBytes: Math.max(tally.outputBytes, totals.outputBytes),
			toolCalls: moreOfEach(tally.toolCalls, totals.toolCalls, this.limits.namedTools),
		};
	}

	/** Before a step of a run that stands `depth` levels below it, whose context has grown by `contextGrowthTokens`. */
	tallyAt(nowMs: number, { depth, contextGrowthTokens }: { readonly depth: number; readonly contextGrowthTokens: number }): RunTally {
		const { costNanoUsd, inputTokens, outputTokens, steps, outputBytes, toolCalls, lastInputTokens } = this.tally;
		const elapsedMs = nowMs - this.#startedAtMs;
		const width = this.record.children;
		return { costNanoUsd, inputTokens, outputTokens, steps, outputBytes, elapsedMs, toolCalls, depth, width, contextGrowthTokens, lastInputTokens };
	}
}

function startOf({ openedMsAgo, pausedMs }: RunRecord, readAtMs: number): number {
	return readAtMs - Math.max(0, openedMsAgo - pausedMs);
}

/** Most runs of a team have the same limits, its defaults: read once, and held once. */
const LIMITS_KEPT_MAX = 1_000;
const keptLimits = new Map<string, ReadLimits>();

/** Limits were checked before they were stored: what cannot be read was stored by a newer release, whose budgets hold all the same. */
function readLimits({ limits }: RunRecord): ReadLimits {
	const text = JSON.stringify(limits);
	const known = keptLimits.get(text);
	if (known !== undefined) return known;
	const checked = checkRunLimits(limits);
	const ceilings = checked.kind === "valid" ? checked.value : [];
	const read = { ceilings, ofSteps: stepCeilings(ceilings), namedTools: namedIn(ceilings) };
	if (keptLimits.size >= LIMITS_KEPT_MAX) keptLimits.clear();
	keptLimits.set(text, read);
	return read;
}

const NO_TOOLS: ReadonlySet<string> = new Set();

function namedIn(ceilings: readonly Ceiling[]): ReadonlySet<string> {
	const named = ceilings.flatMap(({ tool }) => (tool === undefined || tool === "*" ? [] : [tool]));
	return named.length === 0 ? NO_TOOLS : new Set(named);
}

function moreOfEach(
	calls: Readonly<Record<string, number>>,
	told: Readonly<Record<string, number>>,
	named: ReadonlySet<string>,
): Readonly<Record<string, number>> {
	const names = Object.keys(told);
	if (names.every((name) => Object.hasOwn(calls, name) && (calls[name] ?? 0) >= (told[name] ?? 0))) return calls;
	const more = new Map(Object.entries(calls));
	for (const name of names)
		if (more.has(name) || named.has(name) || more.size < TOOLS_COUNTED_MAX) more.set(name, Math.max(more.get(name) ?? 0, told[name] ?? 0));
	return Object.fromEntries(more);
}
