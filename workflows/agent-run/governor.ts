import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { condition, setCurrentDetails, upsertMemo, upsertSearchAttributes } from "@temporalio/workflow";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { isRunOver, nextRunTimeMs, type RunGovernanceEvent, reduceRunGovernance } from "#domain/agents/run-governance.ts";
import { guardWord, hasRoomForDecision, type RunEffect, type RunGovernanceState, runUsedPercent, runWord } from "#domain/agents/run-governance-state.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { decideRun, remindRun } from "../shared/activity-proxies.ts";
import { guardHandler } from "../shared/handler-errors.ts";
import { STATE_SEARCH_ATTRIBUTE, USED_SEARCH_ATTRIBUTE } from "../team-budget/messages.ts";
import { renderRunDetails } from "./details.ts";
import { type AgentRunInput, type AgentRunStatus, GUARD_SEARCH_ATTRIBUTE, type RunVersionResult } from "./messages.ts";
import { initialState } from "./state.ts";

/** An update is answered within so long, whether or not PostgreSQL holds what it says by then: whoever sent it waits a little longer. */
const ANSWER_MS = 8_000;
const stateAttribute = defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD);
const usedAttribute = defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT);
const guardAttribute = defineSearchAttributeKey(GUARD_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD);

type Outcome = { readonly version: string } | { readonly failure: ApplicationFailure };

/**
 * Holds the state of one run of the workflow between messages. Every change goes through the pure reducer; every change is shown. It acts
 * on the world in `carryOut` alone.
 */
export class RunGovernor {
	state: RunGovernanceState;
	messagesHandled = 0;
	private readonly input: AgentRunInput;
	/** Of decisions whose update still waits, by effect. */
	private readonly outcomes = new Map<number, Outcome | undefined>();
	private shown: { readonly word: string; readonly guard: string; readonly used: number } | undefined;

	constructor(input: AgentRunInput) {
		this.input = input;
		this.state = initialState(input);
		// Search attributes and the memo come along with continue-as-new.
		if (input.state !== undefined) this.shown = this.words();
		this.show();
	}

	takeReport(snapshot: RunSnapshot): void {
		this.messagesHandled++;
		this.apply({ kind: "reported", snapshot });
	}

	/**
	 * A person's decision: one synchronous step, then the wait for PostgreSQL.
	 * @throws ApplicationFailure what PostgreSQL says against it; "governance.unreachable" where it does not answer in time: the decision
	 *   stands in the outbox, and is carried out on the version it was made on or not at all.
	 */
	async decide(by: string, reason: string, decision: RunDecision["decision"]): Promise<RunVersionResult> {
		this.messagesHandled++;
		if (this.state.snapshot === null) await condition(() => this.state.snapshot !== null, ANSWER_MS);
		const id = guardHandler(() => {
			if (this.state.snapshot === null) throw unreachable("nothing was told of this run yet; nothing was changed, try again");
			if (!hasRoomForDecision(this.state)) throw unreachable("too many decisions about this run wait for PostgreSQL; try again when it answers");
			const { nextEffectId } = this.state;
			this.outcomes.set(nextEffectId, undefined);
			this.apply({ kind: "decided", by, reason, decision });
			return nextEffectId;
		})();
		await condition(() => this.outcomes.get(id) !== undefined, ANSWER_MS);
		const outcome = this.outcomes.get(id);
		this.outcomes.delete(id);
		if (outcome === undefined) throw unreachable("PostgreSQL does not answer; the decision is carried out when it does, unless the run changes before");
		if ("failure" in outcome) throw outcome.failure;
		return outcome;
	}

	passTime(): void {
		this.apply({ kind: "timePassed", nowMs: Date.now() });
	}

	/** When time alone asks for attention; null = never. */
	nextTimeMs(): number | null {
		return nextRunTimeMs(this.state);
	}

	isOver(): boolean {
		return isRunOver(this.state, Date.now());
	}

	status(): AgentRunStatus {
		return { snapshot: this.state.snapshot, waitingEffects: this.state.outbox.length, messagesHandled: this.messagesHandled };
	}

	memo(): Record<string, unknown> {
		return { team: this.state.teamId, run: this.state.runId, state: runWord(this.state) };
	}

	/** Throws ActivityFailure and keeps the effect when PostgreSQL is away. */
	async carryOut(effect: RunEffect): Promise<void> {
		if (effect.kind === "remind") {
			await remindRun({ runId: this.state.runId, reminder: effect.reminder });
			return this.apply({ kind: "effectDone", id: effect.id, version: null, snapshot: null });
		}
		const held = await decideRun(effect.decision);
		if (held.kind === "decided") {
			this.answer(effect.id, { version: held.version });
			return this.apply({ kind: "effectDone", id: effect.id, version: held.version, snapshot: held.snapshot });
		}
		const problem = held.problems.map(({ field, problem: text }) => `${field}: ${text}`).join("; ");
		this.answer(effect.id, { failure: ApplicationFailure.nonRetryable(problem, held.code, held.problems) });
		this.apply({ kind: "effectRefused", id: effect.id, problem, snapshot: held.snapshot });
	}

	/** After PostgreSQL refused the effect as what it cannot hold. */
	giveUp(effect: RunEffect, problem: string): void {
		this.answer(effect.id, { failure: ApplicationFailure.nonRetryable(problem, "admin.invalid") });
		this.apply({ kind: "effectRefused", id: effect.id, problem, snapshot: null });
	}

	private answer(id: number, outcome: Outcome): void {
		if (this.outcomes.has(id)) this.outcomes.set(id, outcome);
	}

	private apply(event: RunGovernanceEvent): void {
		this.state = reduceRunGovernance(this.state, event);
		this.show();
	}

	private words() {
		return { word: runWord(this.state), guard: guardWord(this.state), used: runUsedPercent(this.state) };
	}

	private show(): void {
		setCurrentDetails(renderRunDetails(this.state));
		// Whoever started it set what is searched for; the first report comes in the same task.
		if (this.state.snapshot === null) return;
		const { shown, input } = this;
		const { word, guard, used } = this.words();
		this.shown = { word, guard, used };
		const updates = [
			...(input.hasSearchAttributes && word !== shown?.word ? [{ key: stateAttribute, value: word }] : []),
			// In whole tens: at most a few events a run.
			...(input.hasUsedAttribute === true && used !== (shown?.used ?? 0) ? [{ key: usedAttribute, value: used }] : []),
			...(input.hasGuardAttribute === true && guard !== (shown?.guard ?? "") ? [{ key: guardAttribute, value: guard }] : []),
		];
		if (word !== shown?.word) upsertMemo(this.memo());
		if (updates.length > 0) upsertSearchAttributes(updates);
	}
}

function unreachable(message: string): ApplicationFailure {
	return ApplicationFailure.nonRetryable(message, "governance.unreachable");
}
