import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType, TemporalFailure } from "@temporalio/common";
import { condition, log, setCurrentDetails, upsertMemo, upsertSearchAttributes } from "@temporalio/workflow";
import type { GovernanceEvent, HeldBudgets, HeldRevision } from "#activities/budgets/port.ts";
import { nextIncreaseEndMs } from "#domain/budget/increases.ts";
import { presentDefinition } from "#domain/budget/older-definition.ts";
import { hasRoomForChange, type Lane, laneOf, reviseEffect, waitingIn } from "#domain/budget/team-budget-outbox.ts";
import { definitionsOf, nextWindowEndMs, reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { type BudgetEffect, type HeldFreeze, stateWord, type TeamBudgetState, type TotalsReport, usedPercent } from "#domain/budget/team-budget-state.ts";
import { announceEvents, announceEventsLocally, readBudgets, setFrozen, writeBudgets } from "../shared/activity-proxies.ts";
import { guardHandler } from "../shared/handler-errors.ts";
import { renderDetails } from "./details.ts";
import { removedSelectors, toGovernanceEvents } from "./effects.ts";
import { isIncreaseEffect, writeIncrease } from "./increase-effects.ts";
import { type RevisionResult, STATE_SEARCH_ATTRIBUTE, type TeamBudgetInput, type TeamBudgetStatus, USED_SEARCH_ATTRIBUTE } from "./messages.ts";
import { initialState } from "./state.ts";

const ANNOUNCEMENTS_PER_ACTIVITY = 50;
/** A window's end is PostgreSQL's to decide; this workflow shows the next one a little later. */
const WINDOW_END_SLACK_MS = 1_000;
const stateAttribute = defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD);
const usedAttribute = defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT);

/**
 * Holds the state of one run between messages. Every change goes through the pure reducer; every change is shown.
 * It never waits except for the first load, and never acts on the world except in `carryOut` and `reread`.
 */
export class TeamBudgetGovernor {
	state: TeamBudgetState;
	messagesHandled = 0;
	private readonly hasSearchAttributes: boolean;
	private readonly hasUsedAttribute: boolean;
	private readonly isBounded: boolean;
	private readonly isLocal: boolean;
	private announcementsPerActivity = ANNOUNCEMENTS_PER_ACTIVITY;
	private shownWord: string | undefined;
	private shownUsed: number;
	private earlyReport: TotalsReport | undefined;

	/** `isBounded`: refuse changes while too many wait. `isLocal`: PATCHES "local-announcements". False only for runs that an older release began. */
	constructor(input: TeamBudgetInput, { isBounded, isLocal }: { readonly isBounded: boolean; readonly isLocal: boolean }) {
		this.state = initialState(input);
		this.isBounded = isBounded;
		this.isLocal = isLocal;
		this.hasSearchAttributes = input.hasSearchAttributes;
		this.hasUsedAttribute = input.hasUsedAttribute === true;
		// Search attributes and the memo come along with continue-as-new.
		this.shownWord = input.state === undefined ? undefined : stateWord(this.state);
		this.shownUsed = usedPercent(this.state);
		this.show();
	}

	apply(event: TeamBudgetEvent): void {
		this.state = reduceTeamBudget(this.state, event).state;
		if (event.kind === "loaded" && this.earlyReport !== undefined)
			this.state = reduceTeamBudget(this.state, { kind: "totalsReported", report: this.earlyReport }).state;
		this.show();
	}

	/** PostgreSQL's rows, as this or an older worker read them. */
	takeHeld(kind: "loaded" | "reread", held: HeldBudgets): void {
		this.apply({ kind, ...held, budgets: held.budgets.map(presentDefinition) });
	}

	/** A person's decision: one synchronous step, except in the very first moments, when PostgreSQL's revision is not known yet. */
	async decide(makeEvent: () => TeamBudgetEvent): Promise<RevisionResult> {
		await this.takeMessage();
		return guardHandler(() => {
			this.requireRoom();
			this.apply(makeEvent());
			return { revision: this.state.revision };
		})();
	}

	/** Counts a message of a person; resolves when PostgreSQL's rows are known. */
	async takeMessage(): Promise<void> {
		this.messagesHandled++;
		if (!this.state.isLoaded) await condition(() => this.state.isLoaded);
	}

	/** @throws ApplicationFailure "governance.unreachable" while too many changes wait for PostgreSQL. */
	requireRoom(): void {
		if (this.isBounded && !hasRoomForChange(this.state)) throw tooManyWaiting();
	}

	takeReport(report: TotalsReport): void {
		this.messagesHandled++;
		if (this.state.isLoaded) this.apply({ kind: "totalsReported", report });
		else this.earlyReport = report;
	}

	passTime(): void {
		this.apply({ kind: "timePassed", nowMs: Date.now() - WINDOW_END_SLACK_MS });
	}

	/** When time alone asks for attention; null = never. */
	nextEndMs(): number | null {
		const ends = [nextWindowEndMs(this.state), nextIncreaseEndMs(this.state.increases)].filter((endMs) => endMs !== null);
		return ends.length === 0 ? null : Math.min(...ends) + WINDOW_END_SLACK_MS;
	}

	status(): TeamBudgetStatus {
		const { outbox, nextEffectId: _, ...rest } = this.state;
		return { ...rest, waitingEffects: outbox.length, messagesHandled: this.messagesHandled };
	}

	memo(): Record<string, unknown> {
		return { team: this.state.teamId, state: stateWord(this.state), policyRevision: this.state.revision };
	}

	hasWork(lane: Lane): boolean {
		return waitingIn(this.state, lane).length > 0 || (lane === "writes" && this.state.mustReread);
	}

	/** The oldest effect of a lane, or undefined: what is left to do there is to read again. */
	oldestOf(lane: Lane): BudgetEffect | undefined {
		return waitingIn(this.state, lane)[0];
	}

	/** Carries out an effect (announcements in groups). Throws ActivityFailure and keeps it when the world is away. */
	async carryOut(effect: BudgetEffect): Promise<void> {
		if (effect.kind === "announce" || effect.kind === "announceRefusal" || effect.kind === "announceIncrease") return this.announce();
		const { teamId } = this.state;
		const { revision, requestedBy } = effect;
		const { heldRevision, freeze }: HeldRevision & { readonly freeze?: HeldFreeze } = isIncreaseEffect(effect)
			? await writeIncrease(teamId, effect)
			: effect.kind === "writeBudgets"
				? await writeBudgets({
						teamId,
						revision,
						requestedBy,
						set: definitionsOf(this.state, effect.setKeys),
						remove: removedSelectors(this.state, effect.removeKeys),
					})
				: await setFrozen({ teamId, revision, requestedBy, isFrozen: effect.isFrozen, reason: effect.reason, knownSeq: effect.knownSeq });
		if (heldRevision > revision) this.state = reviseEffect(this.state, effect.id, heldRevision);
		else this.apply({ kind: "effectDone", id: effect.id, heldRevision, ...(freeze && { freeze }) });
	}

	/** Takes PostgreSQL's rows over its own, where nothing of its own waits to be written. */
	async reread(): Promise<void> {
		this.takeHeld("reread", await readBudgets({ teamId: this.state.teamId }));
	}

	/** After PostgreSQL refused the effect for what it says. Of a group of announcements, one at a time is then tried. */
	giveUp(effect: BudgetEffect, problem: string): void {
		const isGroup = laneOf(effect) === "announcements" && this.announcementsPerActivity > 1;
		if (isGroup) this.announcementsPerActivity = 1;
		else this.apply({ kind: "effectRefused", id: effect.id, problem });
	}

	private async announce(): Promise<void> {
		const batch = waitingIn(this.state, "announcements").slice(0, this.announcementsPerActivity);
		await this.tellOnce(toGovernanceEvents(this.state.teamId, batch));
		for (const { id } of batch) this.apply({ kind: "effectDone", id, heldRevision: null });
		if (waitingIn(this.state, "announcements").length === 0) this.announcementsPerActivity = ANNOUNCEMENTS_PER_ACTIVITY;
	}

	/** Every event has a key: tried again, it is told once. */
	private async tellOnce(events: GovernanceEvent[]): Promise<void> {
		try {
			if (this.isLocal) return await announceEventsLocally({ events });
		} catch (error) {
			// A local activity fails with its own error, where others come in an ActivityFailure: it must not end the workflow.
			if (!(error instanceof TemporalFailure)) throw error;
			log.warn("announcements go on outside their task", { error: error.message });
		}
		await announceEvents({ events });
	}

	private show(): void {
		setCurrentDetails(renderDetails(this.state));
		const [word, used] = [stateWord(this.state), usedPercent(this.state)];
		const isWordNew = word !== this.shownWord;
		// In whole tens: at most a few events a window.
		const isUsedNew = this.hasUsedAttribute && used !== this.shownUsed;
		this.shownWord = word;
		if (this.hasUsedAttribute) this.shownUsed = used;
		const usedUpdate = isUsedNew ? [{ key: usedAttribute, value: used }] : [];
		const wordUpdate = isWordNew && this.hasSearchAttributes ? [{ key: stateAttribute, value: word }] : [];
		if (!this.isLocal && isUsedNew) upsertSearchAttributes(usedUpdate);
		if (isWordNew) upsertMemo(this.memo());
		const rest = this.isLocal ? [...wordUpdate, ...usedUpdate] : wordUpdate;
		if (rest.length > 0) upsertSearchAttributes(rest);
	}
}

function tooManyWaiting(): ApplicationFailure {
	const message = "too many changes of this team wait for PostgreSQL already; limits in force stay in force, try again when it answers";
	return ApplicationFailure.nonRetryable(message, "governance.unreachable");
}
