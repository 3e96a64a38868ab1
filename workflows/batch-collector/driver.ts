import { ActivityFailure, defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { condition, log, setCurrentDetails, upsertMemo, upsertSearchAttributes, workflowInfo } from "@temporalio/workflow";
import { type CollectorMove, type CollectorStep, nextCollectorMove } from "#domain/batching/collector-plan.ts";
import { type CollectorEvent, collectorWord, reduceCollector } from "#domain/batching/collector-reducer.ts";
import type { CollectorState } from "#domain/batching/collector-state.ts";
import { STATE_SEARCH_ATTRIBUTE } from "../team-budget/messages.ts";
import { carryOut } from "./carry-out.ts";
import { renderCollectorDetails } from "./details.ts";
import type { BatchCollectorInput, BatchCollectorStatus, FlushNowResult } from "./messages.ts";
import { initialState } from "./state.ts";

const stateAttribute = defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD);
/** Whoever sent the update waits for ten. */
const ANSWER_WITHIN_MS = 8_000;

/** Holds the state of one run of the workflow between steps. What is next, and what a step means, the pure rules say; every change is shown. */
export class CollectorDriver {
	state: CollectorState;
	private readonly input: BatchCollectorInput;
	private changes = 0;
	private shownWord: ReturnType<typeof collectorWord>;

	constructor(input: BatchCollectorInput) {
		this.input = input;
		this.state = initialState(input);
		// Search attributes and the memo come along with continue-as-new; whoever started it set them.
		this.shownWord = collectorWord(this.state);
		this.show();
	}

	next(): CollectorMove {
		return nextCollectorMove(this.state, Date.now());
	}

	takeTold(): void {
		this.change({ kind: "told" });
	}

	/** It sends what waits, and ends. */
	end(): void {
		this.change({ kind: "ending" });
	}

	/** Answers when nothing waits any more, or when PostgreSQL does not answer in time. */
	async flushNow(by: string): Promise<FlushNowResult> {
		const { flushes, flushedItems } = this.state;
		this.change({ kind: "asked", by });
		const isDone = await condition(() => this.state.askedBy === null, ANSWER_WITHIN_MS);
		return { isDone, batches: this.state.flushes - flushes, items: this.state.flushedItems - flushedItems };
	}

	/** Until then, or until something changes. */
	async wait(untilMs: number): Promise<void> {
		const seen = this.changes;
		await condition(() => this.changes !== seen, Math.max(untilMs - Date.now(), 1));
	}

	async take(step: CollectorStep): Promise<void> {
		const seen = this.changes;
		try {
			this.apply(await carryOut(this.state.scope, step));
		} catch (error) {
			if (!(error instanceof ActivityFailure)) throw error;
			const message = error.cause?.message ?? error.message;
			log.warn("a step of a collector failed and is planned again", { step: step.kind, error: message });
			this.apply({ kind: "failed", step, message, nowMs: Date.now(), jitter: Math.random() });
		}
		// What came meanwhile may not be in the rows as the step saw them.
		if (this.changes !== seen) this.apply({ kind: "told" });
	}

	status(): BatchCollectorStatus {
		const move = this.next();
		const { historyLength } = workflowInfo();
		return { state: this.state, next: move.kind, nextAtMs: move.kind === "wait" ? move.untilMs : null, historyEvents: historyLength };
	}

	memo(): Record<string, unknown> {
		const { teamId, deployment, model } = this.state.scope;
		return { team: teamId, deployment, model, state: this.shownWord };
	}

	private change(event: CollectorEvent): void {
		this.changes++;
		this.apply(event);
	}

	private apply(event: CollectorEvent): void {
		this.state = reduceCollector(this.state, event);
		this.show();
	}

	private show(): void {
		setCurrentDetails(renderCollectorDetails(this.state, Date.now()));
		const word = collectorWord(this.state);
		if (word === this.shownWord) return;
		this.shownWord = word;
		upsertMemo(this.memo());
		if (this.input.hasSearchAttributes) upsertSearchAttributes([{ key: stateAttribute, value: word }]);
	}
}
