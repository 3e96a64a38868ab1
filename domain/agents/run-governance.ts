import type { RunDecision } from "./run-decision.ts";
import { type FencedDecision, PAUSE_HOURS, type RunEffect, type RunGovernanceState } from "./run-governance-state.ts";
import type { RunSnapshot } from "./run-snapshot.ts";

/**
 * Every decision of a run's workflow: `(state, event) → state`. What has to happen outside stands in the state's outbox. Reports are
 * absolute and ordered by the run's version: a lost, doubled or reordered one does no harm. Nothing is in force before PostgreSQL holds it.
 */
export type RunGovernanceEvent =
	| { readonly kind: "reported"; readonly snapshot: RunSnapshot }
	/** A person's word, on the run as this state knows it; needs a snapshot. */
	| { readonly kind: "decided"; readonly by: string; readonly reason: string; readonly decision: RunDecision["decision"] }
	| { readonly kind: "timePassed"; readonly nowMs: number }
	/** PostgreSQL holds what a decision said under `version`; null for a reminder. */
	| { readonly kind: "effectDone"; readonly id: number; readonly version: string | null; readonly snapshot: RunSnapshot | null }
	/** PostgreSQL will never take it as it was said. */
	| { readonly kind: "effectRefused"; readonly id: number; readonly problem: string; readonly snapshot: RunSnapshot | null };

/** A stopped run may be taken up again for so long; then its workflow ends, and the row goes on without one. */
export const STOPPED_SHOWN_MS = 7 * 86_400_000;
/** A reading so much older than another, although its version is higher, is of a database that was restored meanwhile. */
const RESTORED_MS = 60_000;
const HOUR_MS = 3_600_000;
const PROBLEM_LENGTH_MAX = 400;
/** People are reminded when so many sevenths of the time to answer are over: after a day, and a day before the end of a week. */
const REMINDED_AT_SEVENTHS = [1, 6] as const;
/** Who ends a pause that nobody answered. */
const TIME = "tollgate";

export function reduceRunGovernance(state: RunGovernanceState, event: RunGovernanceEvent): RunGovernanceState {
	switch (event.kind) {
		case "reported":
			return takeSnapshot(state, event.snapshot);
		case "decided":
			return withDecision(state, { by: event.by, reason: event.reason, decision: event.decision });
		case "timePassed":
			return passTime(state, event.nowMs);
		case "effectDone":
			return takeSnapshot(follow(state, event.id, event.version), event.snapshot);
		case "effectRefused":
			return takeSnapshot(refuse(state, event.id, event.problem), event.snapshot);
	}
}

/** When time alone asks for attention; null = never. */
export function nextRunTimeMs(state: RunGovernanceState): number | null {
	const { snapshot } = state;
	if (snapshot?.run.state === "stopped") return stoppedAtMs(snapshot) + STOPPED_SHOWN_MS;
	if (snapshot?.run.state !== "paused") return null;
	const reminders = reminderTimesMs(snapshot).slice(remindedCount(state, snapshot));
	const times = [...reminders, ...(mayExpire(state, snapshot) ? [pauseEndsAtMs(snapshot)] : [])];
	return times.length === 0 ? null : Math.min(...times);
}

/** Nothing is left to show or to wait for. */
export function isRunOver({ snapshot, outbox }: RunGovernanceState, nowMs: number): boolean {
	if (snapshot === null || outbox.length > 0) return false;
	return snapshot.run.state === "finished" || (snapshot.run.state === "stopped" && nowMs >= stoppedAtMs(snapshot) + STOPPED_SHOWN_MS);
}

/** When a pause becomes a stop. */
export function pauseEndsAtMs(snapshot: RunSnapshot): number {
	return heldAtMs(snapshot) + pauseMs(snapshot);
}

/** Since when it is held. */
export function heldAtMs(snapshot: RunSnapshot): number {
	return snapshot.heldAtMs ?? lastOf(snapshot, ["paused", "stopped"]) ?? readAtMs(snapshot);
}

function stoppedAtMs(snapshot: RunSnapshot): number {
	return Math.max(heldAtMs(snapshot), lastOf(snapshot, ["stopped"]) ?? 0);
}

function lastOf({ events }: RunSnapshot, kinds: readonly string[]): number | undefined {
	return events.findLast(({ kind }) => kinds.includes(kind))?.atMs;
}

function pauseMs({ pauseHours = PAUSE_HOURS }: RunSnapshot): number {
	return pauseHours * HOUR_MS;
}

function reminderTimesMs(snapshot: RunSnapshot): readonly number[] {
	return REMINDED_AT_SEVENTHS.map((sevenths) => heldAtMs(snapshot) + Math.floor((pauseMs(snapshot) * sevenths) / 7));
}

function remindedCount({ reminded }: RunGovernanceState, snapshot: RunSnapshot): number {
	return reminded?.heldAtMs === heldAtMs(snapshot) ? reminded.count : 0;
}

function mayExpire({ outbox, unendableVersion }: RunGovernanceState, { run }: RunSnapshot): boolean {
	const isUnderWay = outbox.some((effect) => effect.kind === "decide" && effect.decision.decision.kind === "expire");
	return !isUnderWay && unendableVersion !== run.version;
}

/** On PostgreSQL's clock: when the rows were read. */
function readAtMs({ openedAtMs, run }: RunSnapshot): number {
	return openedAtMs + run.openedMsAgo;
}

function takeSnapshot(state: RunGovernanceState, snapshot: RunSnapshot | null): RunGovernanceState {
	if (snapshot === null || snapshot.run.runId !== state.runId) return state;
	return state.snapshot === null || isNewer(snapshot, state.snapshot) ? { ...state, snapshot } : state;
}

function isNewer(next: RunSnapshot, held: RunSnapshot): boolean {
	const laterMs = readAtMs(next) - readAtMs(held);
	const versions = BigInt(next.run.version) - BigInt(held.run.version);
	if (versions === 0n) return laterMs > 0;
	return versions > 0n ? laterMs > -RESTORED_MS : laterMs > RESTORED_MS;
}

type Decided = { readonly by: string; readonly reason: string; readonly decision: RunDecision["decision"] };

function withDecision(state: RunGovernanceState, { by, reason, decision }: Decided): RunGovernanceState {
	if (state.snapshot === null) return state;
	const { runId, teamId, snapshot } = state;
	const fenced: FencedDecision = { runId, teamId, by, reason, knownVersion: snapshot.run.version, decision };
	return withEffect(state, { id: state.nextEffectId, kind: "decide", decision: fenced });
}

function withEffect(state: RunGovernanceState, effect: RunEffect): RunGovernanceState {
	return { ...state, outbox: [...state.outbox, effect], nextEffectId: state.nextEffectId + 1 };
}

function passTime(state: RunGovernanceState, nowMs: number): RunGovernanceState {
	const { snapshot } = state;
	if (snapshot?.run.state !== "paused") return state;
	const isOver = nowMs >= pauseEndsAtMs(snapshot);
	if (isOver && mayExpire(state, snapshot)) {
		const reason = `nobody answered within ${snapshot.pauseHours ?? PAUSE_HOURS} hours`;
		return withDecision(state, { by: TIME, reason, decision: { kind: "expire" } });
	}
	// After an outage the last one that is due stands for those before it.
	const due = reminderTimesMs(snapshot).filter((atMs) => nowMs >= atMs).length;
	if (due <= remindedCount(state, snapshot)) return state;
	const counted = { ...state, reminded: { heldAtMs: heldAtMs(snapshot), count: due } };
	return isOver ? counted : withEffect(counted, { id: state.nextEffectId, kind: "remind", reminder: due });
}

/** A decision that waited behind another of the same workflow was made on what that one leaves. */
function follow(state: RunGovernanceState, id: number, version: string | null): RunGovernanceState {
	const done = state.outbox.find((effect) => effect.id === id);
	const rest = { ...state, outbox: state.outbox.filter((effect) => effect.id !== id) };
	if (done?.kind !== "decide" || version === null) return rest;
	const { knownVersion } = done.decision;
	const outbox = rest.outbox.map((effect): RunEffect => {
		if (effect.kind !== "decide" || effect.decision.knownVersion !== knownVersion) return effect;
		return { ...effect, decision: { ...effect.decision, knownVersion: version } };
	});
	return { ...rest, outbox, refused: null };
}

function refuse(state: RunGovernanceState, id: number, reason: string): RunGovernanceState {
	const effect = state.outbox.find((waiting) => waiting.id === id);
	const rest = { ...state, outbox: state.outbox.filter((waiting) => waiting.id !== id) };
	if (effect?.kind !== "decide") return rest;
	const { by, decision, knownVersion } = effect.decision;
	// Somebody answered meanwhile: nothing that a person has to know.
	if (decision.kind === "expire") return { ...rest, unendableVersion: knownVersion };
	const problem = reason.replaceAll(/[\p{Cc}\p{Cs}]/gu, "?").slice(0, PROBLEM_LENGTH_MAX);
	return { ...rest, refused: { decision: decision.kind, by, problem } };
}
