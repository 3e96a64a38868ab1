import type { RunDecision } from "./run-decision.ts";
import type { RunSnapshot, StandingCeiling } from "./run-snapshot.ts";

/**
 * What the workflow of a run remembers: plain JSON. PostgreSQL holds the run; this is the newest that was told of it, and what a person
 * or time decided and PostgreSQL does not hold yet.
 */
export type RunGovernanceState = {
	readonly schemaVersion: 1;
	readonly runId: string;
	readonly teamId: string;
	/** null until the first report. */
	readonly snapshot: RunSnapshot | null;
	/** Reminders of the hold that began then: each is told once. */
	readonly reminded: { readonly heldAtMs: number; readonly count: number } | null;
	/** Version whose end PostgreSQL refused: asking again would be answered the same. */
	readonly unendableVersion: string | null;
	readonly outbox: readonly RunEffect[];
	readonly nextEffectId: number;
	/** The last decision that PostgreSQL refused, for the person who looks. */
	readonly refused: RefusedDecision | null;
};

/** What leaves the workflow, in order. Doing one twice is doing it once: a decision by the version it was made on, a reminder by its number. */
export type RunEffect =
	| { readonly id: number; readonly kind: "decide"; readonly decision: FencedDecision }
	| { readonly id: number; readonly kind: "remind"; readonly reminder: number };

export type FencedDecision = RunDecision & { readonly knownVersion: string };
export type RefusedDecision = { readonly decision: RunDecision["decision"]["kind"]; readonly by: string; readonly problem: string };

/** A pause that nobody answers becomes a stop after so long, unless the team's policy says otherwise. */
export const PAUSE_HOURS = 168;
/** Decisions of people that may wait for PostgreSQL; the next one is refused and can be tried again. */
export const WAITING_DECISIONS_MAX = 20;

export function emptyRunGovernance(runId: string, teamId: string): RunGovernanceState {
	return { schemaVersion: 1, runId, teamId, snapshot: null, reminded: null, unendableVersion: null, outbox: [], nextEffectId: 1, refused: null };
}

export function hasRoomForDecision({ outbox }: RunGovernanceState): boolean {
	return outbox.length < WAITING_DECISIONS_MAX;
}

export type RunWord = "running" | "warned" | "paused" | "stopped" | "finished";

/** What a person sees at a glance. */
export function runWord({ snapshot }: RunGovernanceState): RunWord {
	if (snapshot === null) return "running";
	const { state } = snapshot.run;
	return state === "running" && snapshot.events.some(({ kind }) => kind === "warned") ? "warned" : state;
}

/** The guard that holds the run, "" while it runs. */
export function guardWord({ snapshot }: RunGovernanceState): string {
	return snapshot?.run.hold?.guard ?? "";
}

/** A tiny ceiling after much was taken says no more than that. */
const USED_TENS_MAX = 100n;

/** How much of the fullest hard ceiling is taken, in percent rounded down to whole tens; 0 without one. */
export function runUsedPercent({ snapshot }: RunGovernanceState): number {
	return (snapshot?.ceilings ?? []).reduce((most, ceiling) => Math.max(most, usedTensOf(ceiling) * 10), 0);
}

function usedTensOf({ at, taken, isSoft }: StandingCeiling): number {
	const limit = BigInt(at);
	if (isSoft === true || limit === 0n) return 0;
	const tens = (BigInt(taken) * 10n) / limit;
	return Number(tens < USED_TENS_MAX ? tens : USED_TENS_MAX);
}
