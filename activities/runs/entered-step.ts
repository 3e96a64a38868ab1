import type { CeilingVerdict } from "#domain/agents/ceilings.ts";
import { counterOf } from "#domain/agents/run-tally.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import type { AdmissionInput, Refusal } from "../request/port.ts";
import type { RunStepEntered, StepAnswer } from "./guard-port.ts";
import type { LiveRun } from "./live-run.ts";
import { warningGuards } from "./turn-reader.ts";

/** Who keeps the runs that steps belong to. */
export type StepKeeper = {
	heldRefusal(live: LiveRun): Refusal | undefined;
	refusedBy(live: LiveRun, refusal: Refusal): Refusal | undefined;
	sent(step: EnteredStep): void;
	answered(step: EnteredStep, answer: StepAnswer): void;
	left(step: EnteredStep): void;
};

export type EnteredCall = {
	readonly endpoint: Endpoint /** Later calls of its key may go on from its answer without naming the run. */;
	readonly isFollowed: boolean;
};

/** One class, no closures: every call of a run makes one. */
export class EnteredStep implements RunStepEntered {
	readonly live: LiveRun;
	readonly call: EnteredCall;
	readonly serving: Serving | undefined;
	readonly #soft: readonly CeilingVerdict[];
	readonly #keeper: StepKeeper;

	constructor(
		keeper: StepKeeper,
		live: LiveRun,
		call: EnteredCall,
		judged: { readonly serving: Serving | undefined; readonly soft: readonly CeilingVerdict[] },
	) {
		this.#keeper = keeper;
		this.live = live;
		this.call = call;
		this.serving = judged.serving;
		this.#soft = judged.soft;
	}

	get runId(): string {
		return this.live.runId;
	}

	/** As of now: what its body showed may have been read after it was sent. */
	get warnings(): readonly string[] {
		const guards = warningGuards(this.live.memory);
		return this.#soft.length === 0 ? guards : [...new Set([...guards, ...this.#soft.map(({ guard }) => guard)])];
	}

	get run(): NonNullable<AdmissionInput["run"]> {
		return this.live.run;
	}

	counterOf(tool: string): string {
		const { nodes, root } = this.live;
		for (const { limits } of nodes) if (limits.namedTools.has(tool)) return tool;
		return counterOf(root.tally.toolCalls, tool);
	}

	refusedBy(refusal: Refusal): Refusal | undefined {
		return this.#keeper.refusedBy(this.live, refusal);
	}

	heldMeanwhile(): Refusal | undefined {
		return this.#keeper.heldRefusal(this.live);
	}

	sent(): void {
		this.#keeper.sent(this);
	}

	answered(answer: StepAnswer): void {
		this.#keeper.answered(this, answer);
	}

	left(): void {
		this.#keeper.left(this);
	}
}
