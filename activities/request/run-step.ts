import type { ToolCall } from "#domain/agents/run-event.ts";
import { assert } from "#domain/assert.ts";
import type { Endpoint, InspectedRequest } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import { cleanText } from "../ledger/clean-text.ts";
import type { RunCall, RunEntry, RunGuard, RunStepEntered, StepAnswer } from "../runs/guard-port.ts";
import type { Leaving } from "./leaving.ts";
import type { Admission, AdmissionInput, KeyIdentity, Refusal, RequestAuthority } from "./port.ts";
import { NAMES_NO_RUN, type RunNaming } from "./run-naming.ts";

/**
 * Calls as steps of agent runs: what the pipeline asks of the guard, and what the guard is owed. A step is told how it ended exactly once,
 * and a call is not sent once its run is held, also where that happens while it waits for budget.
 */
export type StepEntry = { readonly kind: "refused"; readonly refusal: Refusal } | { readonly kind: "step"; readonly step: CallStep };

/** The steps of one gateway. */
export class CallRuns {
	readonly #guard: Pick<RunGuard, "enter" | "follow" | "rest">;
	/** Those that wait for budget. */
	readonly #waiting = new Set<CallStep>();

	constructor(guard: Pick<RunGuard, "enter" | "follow" | "rest">) {
		this.#guard = guard;
	}

	/** undefined: the call has no run. Synchronous for a run this gateway holds. */
	enter(call: RunCall, caller: Leaving): StepEntry | undefined | Promise<StepEntry | undefined> {
		const entry = this.#guard.enter(call);
		return entry instanceof Promise ? entry.then((found) => this.#begin(found, caller)) : this.#begin(entry, caller);
	}

	/** Trees that changed, from the change log. */
	follow(rootRunIds: readonly string[]): void {
		this.#guard.follow(rootRunIds);
		this.turnAway();
	}

	/** With every heartbeat: nobody waits for budget of a run that stands. */
	turnAway(): void {
		for (const step of this.#waiting) step.turnAwayIfHeld();
	}

	/** With every heartbeat, between two grants: what is idle rests. */
	rest(nowMs: number): void {
		this.#guard.rest(nowMs);
	}

	#begin(entry: RunEntry | undefined, caller: Leaving): StepEntry | undefined {
		if (entry?.kind !== "step") return entry;
		return { kind: "step", step: new CallStep(entry.step, caller, this.#waiting) };
	}
}

/** One call over all its tries. To the admission queue it is the caller, who also leaves when the run is held. */
export class CallStep implements Leaving {
	readonly #step: RunStepEntered;
	readonly #caller: Leaving;
	readonly #waiting: Set<CallStep>;
	#listeners: (() => void)[] = NOBODY;
	#isTold = false;

	constructor(step: RunStepEntered, caller: Leaving, waiting: Set<CallStep>) {
		this.#step = step;
		this.#caller = caller;
		this.#waiting = waiting;
	}

	get runId(): string {
		return this.#step.runId;
	}

	get run(): NonNullable<AdmissionInput["run"]> {
		return this.#step.run;
	}

	/** How a soft ceiling makes the call be served; undefined: as asked. */
	get serving(): Serving | undefined {
		return this.#step.serving;
	}

	get warnings(): readonly string[] {
		return this.#step.warnings;
	}

	get isTold(): boolean {
		return this.#isTold;
	}

	get hasLeft(): boolean {
		return this.#caller.hasLeft || this.#step.heldMeanwhile() !== undefined;
	}

	onLeave(listener: () => void): void {
		this.#caller.onLeave(listener);
		this.#listeners = [...this.#listeners, listener];
		this.#waiting.add(this);
	}

	forget(listener: () => void): void {
		this.#caller.forget(listener);
		this.#listeners = this.#listeners.filter((other) => other !== listener);
	}

	turnAwayIfHeld(): void {
		if (this.#step.heldMeanwhile() === undefined) return;
		const listeners = this.#waitIsOver();
		for (const listener of listeners) listener();
	}

	/** What the run makes of an admission: whoever was admitted while it was held is not sent, and a budget of the run that is spent holds it. */
	judge(admission: Admission): Admission | Promise<Admission> {
		this.#waitIsOver();
		const held = this.#step.heldMeanwhile();
		if (held !== undefined) {
			if (admission.kind === "admitted") admission.attempt.release("run_held");
			return { kind: "refused", refusal: held };
		}
		if (admission.kind === "admitted" || admission.servedAs !== undefined || admission.refusal.budgetId === undefined) return admission;
		const told = this.#step.refusedBy(admission.refusal);
		const refused = (refusal: Refusal | undefined): Admission => (refusal === undefined ? admission : { kind: "refused", refusal });
		return told instanceof Promise ? told.then(refused) : refused(told);
	}

	sent(): void {
		this.#step.sent();
	}

	counterOf(tool: string): string {
		return this.#step.counterOf(tool);
	}

	/** Booked. Told in the turn of the event loop in which the last byte leaves, so that the caller's next step finds it counted. */
	answered(answer: StepAnswer): void {
		this.#tell();
		this.#step.answered(answer);
	}

	/** The call is over: not sent, or nothing was billed, unless it was told otherwise. */
	end(): void {
		this.#waitIsOver();
		if (this.#isTold) return;
		this.#tell();
		this.#step.left();
	}

	#tell(): void {
		assert(!this.#isTold, `the step of run ${this.#step.runId} is told once`);
		this.#isTold = true;
	}

	#waitIsOver(): readonly (() => void)[] {
		const listeners = this.#listeners;
		if (listeners === NOBODY) return NOBODY;
		this.#listeners = NOBODY;
		this.#waiting.delete(this);
		return listeners;
	}
}

const NOBODY: (() => void)[] = [];

type Naming = { readonly key: KeyIdentity; readonly asserted: { readonly user?: string; readonly feature?: string }; readonly run?: RunNaming | undefined };
type Read = { readonly request: InspectedRequest; readonly parsed: unknown /** Of the deployment that is tried first. */; readonly provider: string };

/** What the guard is told of a call. Budgets are counted only where a run is opened. */
export class CallOfRun implements RunCall {
	readonly key: KeyIdentity;
	readonly feature: string | null;
	readonly claim: RunCall["claim"];
	readonly agent: string;
	readonly endpoint: Endpoint;
	readonly conversation: unknown;
	readonly model: string;
	readonly #authority: Pick<RequestAuthority, "countBudgets">;
	readonly #asserted: Naming["asserted"];
	readonly #provider: string;

	constructor(authority: Pick<RequestAuthority, "countBudgets">, { key, asserted, run = NAMES_NO_RUN }: Naming, { request, parsed, provider }: Read) {
		this.key = key;
		this.feature = asserted.feature ?? key.feature;
		this.claim = run.claim;
		this.agent = run.agent;
		this.endpoint = request.endpoint;
		this.conversation = parsed;
		this.model = request.model;
		this.#authority = authority;
		this.#asserted = asserted;
		this.#provider = provider;
	}

	get otherWindows(): number {
		const { key, model } = this;
		return this.#authority.countBudgets({ key, asserted: this.#asserted, model, provider: this.#provider });
	}
}

/** Most answers call one tool, and agents have few of them: made once for each. */
const ONCE = new Map<string, Readonly<Record<string, number>>>();
const ONCE_MAX = 1_024;

function onceOf(tool: string): Readonly<Record<string, number>> {
	let once = ONCE.get(tool);
	if (once === undefined) {
		once = { [tool]: 1 };
		if (ONCE.size >= ONCE_MAX) ONCE.clear();
		ONCE.set(tool, once);
	}
	return once;
}

/** Longest name of a tool that a ceiling can name. */
const TOOL_LENGTH_MAX = 128;

/** Calls by tool, as the books keep them; undefined where there are none. Names are a model's: they hold anything, and there may be ever new ones. */
export function countCalls(calls: readonly ToolCall[], step: Pick<CallStep, "counterOf">): Readonly<Record<string, number>> | undefined {
	const [first] = calls;
	if (first === undefined) return undefined;
	if (calls.length === 1) return onceOf(step.counterOf(cleanText(first.tool, TOOL_LENGTH_MAX)));
	const counts = new Map<string, number>();
	for (const call of calls) {
		const tool = step.counterOf(cleanText(call.tool, TOOL_LENGTH_MAX));
		counts.set(tool, (counts.get(tool) ?? 0) + 1);
	}
	return Object.fromEntries(counts);
}
