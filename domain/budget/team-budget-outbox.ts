import { nextRevision } from "./policy-revision.ts";
import type { BudgetEffect, TeamBudgetState } from "./team-budget-state.ts";

/**
 * The outbox of a team's workflow: what it decided and did not carry out yet. Two lanes, each in order: a write that
 * PostgreSQL does not take never holds up an announcement. Both are bounded, because the outbox travels in the state.
 */
export type Lane = "writes" | "announcements";

export type Reduced = { readonly state: TeamBudgetState; readonly effects: readonly BudgetEffect[] };
export type NewEffect = BudgetEffect extends infer Effect ? (Effect extends BudgetEffect ? Omit<Effect, "id"> : never) : never;

/** Changes of people that may wait for PostgreSQL, and budgets named in them; the next one is refused and can be tried again. */
export const WAITING_CHANGES_MAX = 20;
export const WAITING_KEYS_MAX = 500;
/** Beyond this the oldest announcements are given up, counted and shown: after days without Temporal, not in a day's work. */
export const WAITING_ANNOUNCEMENTS_MAX = 800;
const PROBLEM_LENGTH_MAX = 200;

export function laneOf(effect: BudgetEffect): Lane {
	return effect.kind === "announce" || effect.kind === "announceRefusal" || effect.kind === "announceIncrease" ? "announcements" : "writes";
}

export function waitingIn(state: TeamBudgetState, lane: Lane): readonly BudgetEffect[] {
	return state.outbox.filter((effect) => laneOf(effect) === lane);
}

/** Budgets that a waiting change sets or ends: PostgreSQL's rows of these are not news. */
export function waitingKeys(state: TeamBudgetState): ReadonlySet<string> {
	return new Set(state.outbox.flatMap((effect) => (effect.kind === "writeBudgets" ? [...effect.setKeys, ...effect.removeKeys] : [])));
}

export function hasRoomForChange(state: TeamBudgetState): boolean {
	return waitingIn(state, "writes").length < WAITING_CHANGES_MAX && waitingKeys(state).size < WAITING_KEYS_MAX;
}

export function withEffects(state: TeamBudgetState, newEffects: readonly NewEffect[]): Reduced {
	const effects = newEffects.map((effect, index) => ({ ...effect, id: state.nextEffectId + index }) as BudgetEffect);
	const queued = { ...state, outbox: [...state.outbox, ...effects], nextEffectId: state.nextEffectId + effects.length };
	return { state: withoutOldestAnnouncements(queued), effects };
}

export function withoutEffect(state: TeamBudgetState, id: number): TeamBudgetState {
	return { ...state, outbox: state.outbox.filter((effect) => effect.id !== id) };
}

/**
 * An effect that PostgreSQL refuses for what it says, now and for ever: it leaves the outbox. For a change of a person
 * that is announced and shown, and the state is read again, because it holds what PostgreSQL does not.
 */
export function refuseEffect(state: TeamBudgetState, id: number, reason: string): Reduced {
	const effect = state.outbox.find((waiting) => waiting.id === id);
	const rest = withoutEffect(state, id);
	if (effect === undefined) return { state, effects: [] };
	if (effect.kind === "announce" || effect.kind === "announceRefusal" || effect.kind === "announceIncrease")
		return { state: { ...rest, announcementsLost: rest.announcementsLost + 1 }, effects: [] };
	const { revision, requestedBy } = effect;
	const problem = printable(reason).slice(0, PROBLEM_LENGTH_MAX);
	const refusedChange = { revision, requestedBy: printable(requestedBy), problem };
	return withEffects({ ...rest, mustReread: true, refusedChange }, [{ kind: "announceRefusal", ...refusedChange }]);
}

/** PostgreSQL refused a revision below its own: the same change goes out again under the next free one. */
export function reviseEffect(state: TeamBudgetState, id: number, fenceRevision: number): TeamBudgetState {
	const revision = nextRevision(Math.max(state.revision, fenceRevision));
	const outbox = state.outbox.map((effect) => (effect.id === id && laneOf(effect) === "writes" ? ({ ...effect, revision } as BudgetEffect) : effect));
	return { ...state, revision, outbox };
}

function withoutOldestAnnouncements(state: TeamBudgetState): TeamBudgetState {
	const lost = waitingIn(state, "announcements").length - WAITING_ANNOUNCEMENTS_MAX;
	if (lost <= 0) return state;
	const given = new Set(
		waitingIn(state, "announcements")
			.slice(0, lost)
			.map(({ id }) => id),
	);
	return { ...state, outbox: state.outbox.filter(({ id }) => !given.has(id)), announcementsLost: state.announcementsLost + lost };
}

/** The announcement of a refused text must not be refused for the same text. */
function printable(text: string): string {
	return text.replaceAll(/[\p{Cc}\p{Cs}]/gu, "?");
}
