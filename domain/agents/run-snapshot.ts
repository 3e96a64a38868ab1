import type { CeilingKind } from "./ceilings.ts";
import type { RunRecord, RunTotals } from "./run.ts";

/** Absolute: what the workflow is told and what people are shown. */
export type RunSnapshot = {
	readonly run: RunRecord;
	readonly rootRunId: string;
	readonly parentRunId: string | null;
	readonly openedAtMs: number;
	readonly totals: RunTotals;
	/** Of the run itself and of those above it: what is stated, and what the tree below has taken of it. */
	readonly ceilings: readonly { readonly ofRunId: string; readonly kind: CeilingKind; readonly tool?: string; readonly at: string; readonly taken: string }[];
	/** The last ones, oldest first. */
	readonly steps: readonly RunStepRow[];
	readonly events: readonly RunEventRow[];
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

