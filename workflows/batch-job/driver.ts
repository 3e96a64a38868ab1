import { ActivityFailure, ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { condition, log, setCurrentDetails, upsertMemo, upsertSearchAttributes, workflowInfo } from "@temporalio/workflow";
import { type JobMove, type JobStep, nextMove } from "#domain/batching/job-plan.ts";
import { type JobEvent, reduceJob } from "#domain/batching/job-reducer.ts";
import { type JobState, jobWord } from "#domain/batching/job-state.ts";
import { askBatchCancel } from "../shared/activity-proxies.ts";
import { STATE_SEARCH_ATTRIBUTE } from "../team-budget/messages.ts";
import { carryOut } from "./carry-out.ts";
import { renderBatchDetails } from "./details.ts";
import type { BatchJobInput, BatchJobStatus, CancelBatchResult } from "./messages.ts";
import { initialState } from "./state.ts";

const stateAttribute = defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD);

/** Holds the state of one run of the workflow between steps. What is next, and what a step means, the pure rules say; every change is shown. */
export class BatchDriver {
	state: JobState;
	/** There is no such batch. */
	isGone = false;
	private readonly input: BatchJobInput;
	private changes = 0;
	/** Steps that ended. */
	private steps = 0;
	/** The part that is called in real time, beside everything else. */
	private called: number | null = null;
	private shownWord: string | undefined;

	constructor(input: BatchJobInput) {
		this.input = input;
		this.state = initialState(input);
		// Search attributes and the memo come along with continue-as-new.
		if (input.state !== undefined) this.shownWord = jobWord(this.state);
		this.show();
	}

	next(): JobMove {
		return this.isGone ? { kind: "done" } : nextMove(this.state, Date.now(), this.called);
	}

	takeChange(retriesNow: boolean): void {
		this.changes++;
		this.apply({ kind: "told", retriesNow });
	}

	/** Until then, or until something changes. */
	async wait(untilMs: number): Promise<void> {
		const seen = this.changes;
		await condition(() => this.changes !== seen, Math.max(untilMs - Date.now(), 1));
	}

	/** Until the step is done; a call in real time only begins. */
	async take(step: JobStep): Promise<void> {
		if (step.kind === "call") void this.call(step);
		else await this.carryOut(step);
	}

	/** Until nothing is called in real time. */
	async callEnds(): Promise<void> {
		await condition(() => this.called === null);
	}

	private async call(step: Extract<JobStep, { kind: "call" }>): Promise<void> {
		const { steps } = this;
		this.called = step.part;
		await this.carryOut(step);
		this.called = null;
		// Wakes whoever waits. What else was done meanwhile may have seen older rows, or newer ones.
		if (this.steps === steps + 1) this.changes++;
		else this.takeChange(false);
	}

	private async carryOut(step: JobStep): Promise<void> {
		const seen = this.changes;
		try {
			const result = await carryOut(this.state.batchId, step);
			this.steps++;
			if (result === null) this.isGone = true;
			else this.apply({ kind: "stepped", step, result, nowMs: Date.now(), jitter: Math.random() });
		} catch (error) {
			if (!(error instanceof ActivityFailure)) throw error;
			const message = error.cause?.message ?? error.message;
			this.steps++;
			log.warn("a step of a batch failed and is planned again", { step: step.kind, error: message });
			this.apply({ kind: "failed", step, message, nowMs: Date.now(), jitter: Math.random() });
		}
		// What changed meanwhile may not be in the rows as the step saw them.
		if (this.changes !== seen) this.apply({ kind: "told", retriesNow: false });
	}

	/** @throws ApplicationFailure where PostgreSQL does not answer in time, or refuses it. */
	async cancel(by: string): Promise<CancelBatchResult> {
		try {
			const { picture } = await askBatchCancel({ batchId: this.state.batchId, by });
			this.takeChange(true);
			return { state: picture.batch.state };
		} catch (error) {
			if (!(error instanceof ActivityFailure)) throw error;
			if (error.cause instanceof ApplicationFailure && error.cause.type != null) throw ApplicationFailure.nonRetryable(error.cause.message, error.cause.type);
			throw ApplicationFailure.nonRetryable("PostgreSQL does not answer; nothing was changed, try again", "governance.unreachable");
		}
	}

	status(): BatchJobStatus {
		const move = this.next();
		const { historyLength } = workflowInfo();
		return { state: this.state, next: move.kind, nextAtMs: move.kind === "wait" ? move.untilMs : null, historyEvents: historyLength };
	}

	memo(): Record<string, unknown> {
		return { team: this.state.teamId, batch: this.state.batchId, state: jobWord(this.state) };
	}

	private apply(event: JobEvent): void {
		this.state = reduceJob(this.state, event);
		this.show();
	}

	private show(): void {
		setCurrentDetails(renderBatchDetails(this.state));
		// Whoever started it set what is searched for.
		if (this.state.picture === null) return;
		const word = jobWord(this.state);
		if (word === this.shownWord) return;
		this.shownWord = word;
		upsertMemo(this.memo());
		if (this.input.hasSearchAttributes) upsertSearchAttributes([{ key: stateAttribute, value: word }]);
	}
}
