import type { CeilingKind } from "./ceilings.ts";
import type { RunRecord, RunTotals } from "./run.ts";

/** Absolute: what the workflow is told and what people are shown. */
export type RunSnapshot = {
	readonly run: RunRecord;
	readonly rootRunId: string;
	readonly parentRunId: string | null;
	readonly openedAtMs: number;
	/** Since when it is held, on PostgreSQL's clock; null or absent while it runs. */
	readonly heldAtMs?: number | null;
	/** After so long a pause that nobody answered becomes a stop; absent = 168. */
	readonly pauseHours?: number;
	readonly totals: RunTotals;
	/** Of the run itself and of those above it, the run's own first. */
	readonly ceilings: readonly StandingCeiling[];
	/** The last ones, oldest first. */
	readonly steps: readonly RunStepRow[];
	/** The last ones, oldest first. */
	readonly events: readonly RunEventRow[];
};
/** What is stated, and what the tree below has taken of it; decimal strings in the unit of the kind. */
export type StandingCeiling = {
	readonly ofRunId: string;
	readonly kind: CeilingKind;
	readonly tool?: string;
	readonly at: string;
	readonly taken: string;
	/** Warns or degrades there, and does not hold. */
	readonly isSoft?: true;
};
export type RunStepRow = {
	readonly atMs: number;
	readonly requestId: string;
	readonly model: string;
	readonly costNanoUsd: string;
	readonly tokens: number;
	readonly outcome: string;
};
/** `kind`: opened, warned, paused, resumed, raised, stopped, finished. */
export type RunEventRow = { readonly seq: string; readonly atMs: number; readonly kind: string; readonly detail: Readonly<Record<string, unknown>> };
