import type { CeilingKind } from "./ceilings.ts";
import type { RunHold } from "./run-hold.ts";
import type { GuardName } from "./verdict.ts";

/** Ids are the deployment's, not the team's: what `x-tollgate-run` may hold. */
export const RUN_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

export const RUN_STATES = ["running", "paused", "stopped", "finished"] as const;
export type RunState = (typeof RUN_STATES)[number];

export const RUN_ORIGINS = ["header", "implicit", "registered"] as const;
export type RunOrigin = (typeof RUN_ORIGINS)[number];

/** What made a run stand still: a loop, a ceiling, a person, or a run above it. */
export type RunGuardName = GuardName | `ceiling.${CeilingKind}` | "person" | "parent";

/** A run as PostgreSQL holds it. Numbers and amounts are decimal strings, as they travel. */
export type RunRecord = {
	readonly number: string;
	readonly runId: string;
	readonly teamId: string;
	readonly keyId: string;
	readonly origin: RunOrigin;
	/** Numbers of the runs above it, root first, its own last. */
	readonly path: readonly string[];
	/** `writeRunLimits` of what it states itself; {} where it states none. */
	readonly limits: Readonly<Record<string, unknown>>;
	readonly state: RunState;
	/** null while it runs. */
	readonly hold: RunHold | null;
	/** +1 with every change of state, limits or hold. */
	readonly version: string;
	/** Times that its loops were forgiven. */
	readonly forgiven: number;
	/** Milliseconds on PostgreSQL's clock. */
	readonly openedMsAgo: number;
	/** Milliseconds for which it was held, a hold that lasts included. */
	readonly pausedMs: number;
	/** Children it has begun. */
	readonly children: number;
	/** What a loop does to it. */
	readonly onLoop: "pause" | "stop";
};

/** What all gateways together took of a run and of all below it. */
export type RunTotals = {
	readonly costNanoUsd: string;
	readonly inputTokens: number;
	readonly outputTokens: number;
	readonly steps: number;
	readonly outputBytes: number;
	readonly toolCalls: Readonly<Record<string, number>>;
};
