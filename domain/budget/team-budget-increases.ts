import { CLOSED_KEPT_MAX, closeDueIncreases, type Increase } from "./increases.ts";
import { nextRevision } from "./policy-revision.ts";
import { type NewEffect, type Reduced, withEffects } from "./team-budget-outbox.ts";
import type { BudgetEffect, TeamBudgetState } from "./team-budget-state.ts";

/**
 * Increases in a team's state, and what leaves through its outbox: every step is written to PostgreSQL under a revision of
 * its own, in order, and announced once. A raise is announced as approved when PostgreSQL holds it, not before.
 */

/** A person's request or decision, as increases.ts planned it. */
export function changeIncrease(state: TeamBudgetState, increase: Increase): Reduced {
	const revision = nextRevision(state.revision);
	const requestedBy = increase.decision?.by ?? increase.requestedBy;
	if (increase.status === "approved") {
		const increases = state.increases.map((other) => (other.id === increase.id ? increase : other));
		return withEffects({ ...state, revision, increases }, [{ kind: "applyIncrease", revision, requestedBy, increase }]);
	}
	if (increase.status === "ended") {
		const increases = state.increases.filter(({ id }) => id !== increase.id);
		return withEffects(remember({ ...state, revision, increases }, [increase]), [
			{ kind: "endIncreaseEarly", revision, requestedBy: increase.ending?.by ?? "tollgate", increase },
		]);
	}
	return increase.status === "pending" ? openIncrease(state, increase) : closeIncrease(state, increase);
}

export function openIncrease(state: TeamBudgetState, increase: Increase): Reduced {
	const revision = nextRevision(state.revision);
	return withEffects({ ...state, revision, increases: [...state.increases, increase] }, [
		{ kind: "recordIncrease", revision, requestedBy: increase.requestedBy, increase },
		{ kind: "announceIncrease", event: "increase.requested", increase },
	]);
}

/** Without a raise, or without one that holds. */
export function closeIncrease(state: TeamBudgetState, increase: Increase): Reduced {
	const revision = nextRevision(state.revision);
	const requestedBy = increase.decision?.by ?? increase.requestedBy;
	const increases = state.increases.filter(({ id }) => id !== increase.id);
	return withEffects(remember({ ...state, revision, increases }, [increase]), [
		{ kind: "recordIncrease", revision, requestedBy, increase },
		announceDecided(increase),
	]);
}

/** Requests that nobody decided in time, raises whose date is over, and whatever a removed budget leaves. */
export function passIncreaseTime(state: TeamBudgetState, nowMs: number): Reduced {
	const keys = new Set(state.budgets.map(({ key }) => key));
	const looked = state.increases.map((increase) => (keys.has(increase.key) ? increase : { ...increase, isBudgetGone: true }));
	const { left, closed } = closeDueIncreases(looked, nowMs);
	if (closed.length === 0) return { state, effects: [] };
	const ended = closed.filter(({ status }) => status === "ended");
	const undecided = closed.filter(({ status }) => status !== "ended");
	const start: Reduced = { state: { ...state, increases: left }, effects: [] };
	const reduced = undecided.reduce((before, increase) => append(before, closeIncrease(before.state, increase)), start);
	return ended.length === 0 ? reduced : append(reduced, end(reduced.state, ended));
}

/** Budgets that are removed take their increases with them, also where they are set again at once. */
export function leaveBudgets(increases: readonly Increase[], removedKeys: readonly string[]): readonly Increase[] {
	return increases.map((increase) => (removedKeys.includes(increase.key) ? { ...increase, isBudgetGone: true } : increase));
}

/** PostgreSQL holds what an effect wrote. */
export function takeWritten(state: TeamBudgetState, effect: BudgetEffect | undefined): Reduced {
	if (effect?.kind === "endIncreaseEarly") return withEffects(state, [{ kind: "announceIncrease", event: "increase.ended", increase: effect.increase }]);
	if (effect?.kind !== "applyIncrease") return { state, effects: [] };
	return withEffects(state, [{ kind: "announceIncrease", event: "increase.decided", increase: effect.increase }]);
}

/** PostgreSQL will never take what an effect says: of a raise nothing is in force, of a request nothing is known, and what was to be ended holds. */
export function takeRefused(state: TeamBudgetState, effect: BudgetEffect | undefined, problem: string): Reduced {
	if (effect?.kind === "endIncreaseEarly") {
		const { ending: _, ...increase } = effect.increase;
		const increases: readonly Increase[] = [...state.increases, { ...increase, status: "approved" }];
		return { state: { ...state, increases, closedIncreases: state.closedIncreases.filter(({ id }) => id !== increase.id) }, effects: [] };
	}
	if (effect?.kind !== "applyIncrease" && effect?.kind !== "recordIncrease") return { state, effects: [] };
	const open = state.increases.find(({ id }) => id === effect.increase.id);
	if (open === undefined) return { state, effects: [] };
	const decision = { by: "tollgate", isByHand: false, atMs: open.decision?.atMs ?? open.requestedAtMs, reason: problem };
	const refused: Increase = { ...open, status: "refused", grantedAmount: null, decision };
	if (effect.kind === "applyIncrease") return closeIncrease(state, refused);
	return withEffects(remember({ ...state, increases: state.increases.filter(({ id }) => id !== open.id) }, [refused]), [announceDecided(refused)]);
}

/** Open increases as PostgreSQL holds them, except where a step of ours still waits to be written; undefined = an older activity did not tell. */
export function takeHeldIncreases(state: TeamBudgetState, held: readonly Increase[] | undefined): readonly Increase[] {
	if (held === undefined) return state.increases;
	const waiting = new Set(state.outbox.flatMap((effect) => idsOf(effect)));
	return [...held.filter(({ id }) => !waiting.has(id)), ...state.increases.filter(({ id }) => waiting.has(id))];
}

function idsOf(effect: BudgetEffect): readonly string[] {
	if (effect.kind === "recordIncrease" || effect.kind === "applyIncrease" || effect.kind === "endIncreaseEarly") return [effect.increase.id];
	return effect.kind === "endIncreases" ? effect.increaseIds : [];
}

function end(state: TeamBudgetState, ended: readonly Increase[]): Reduced {
	const revision = nextRevision(state.revision);
	return withEffects(remember({ ...state, revision }, ended), [
		{ kind: "endIncreases", revision, requestedBy: "tollgate", increaseIds: ended.map(({ id }) => id) },
		...ended.map((increase): NewEffect => ({ kind: "announceIncrease", event: "increase.ended", increase })),
	]);
}

function announceDecided(increase: Increase): NewEffect {
	return { kind: "announceIncrease", event: "increase.decided", increase };
}

function remember(state: TeamBudgetState, closed: readonly Increase[]): TeamBudgetState {
	return { ...state, closedIncreases: [...state.closedIncreases, ...closed].slice(-CLOSED_KEPT_MAX) };
}

function append(before: Reduced, following: Reduced): Reduced {
	return { state: following.state, effects: [...before.effects, ...following.effects] };
}
