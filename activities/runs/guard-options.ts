import type { RunTotals } from "#domain/agents/run.ts";
import type { RunPolicy } from "#domain/agents/run-policy.ts";
import type { GrantedItem } from "../authority/port.ts";
import type { RunNote, RunStore } from "./port.ts";

/** What the guard of one gateway epoch is made of: `openRunGuard` in ./run-guard.ts. */
export type RunGuardOptions = {
	readonly store: RunStore;
	/** Stands in holds, as who holds. */
	readonly gatewayId: string;
	/** What holds for the runs of a team; the same object as long as it is the same policy. */
	readonly policyOf: (teamId: string) => RunPolicy;
	/** Leases that came with a run that was opened; asked for at `askedAtMs`, on the clock of `nowMs`. */
	readonly adoptLeases: (leases: readonly GrantedItem[], askedAtMs: number) => void;
	/** Budgets of runs at rest, of which nothing is unflushed. Answers those it forgot; the others are named again. */
	readonly forgetResting: (budgetIds: ReadonlySet<string>) => readonly string[];
	/** Rows are enqueued before the guard is told how a step ended. */
	readonly writer: { /** Since the start. */ readonly enqueuedRows: number /** Of those, not committed yet. */; readonly pendingRows: number };
	/** News of the change log that rode on an answer of the store. */
	readonly onRevision?: (revision: bigint) => void;
	/** PostgreSQL did not answer: the call is refused, or what was to be told is told later. */
	readonly onError: (error: unknown) => void;
	/** Monotonic, milliseconds. */
	readonly nowMs: () => number;
	/** Milliseconds since 1970. Other gateways read it in loop memories: how long ago a run had its last exchange. */
	readonly wallClockMs: () => number;
	readonly randomBytes: (bytes: number) => Uint8Array;
};

/** What rides with the flushes of the ledger writer. */
export type RunFlushes = {
	/** Loop memories and warnings that are due, at most `most`; they stay due until they are told. */
	takeUntold(most: number): readonly RunNote[];
	/** They are committed. */
	told(notes: readonly RunNote[]): void;
	/** Of the runs of a committed chunk and of those above them; whether another gateway serves the run too. */
	totals(runs: readonly { readonly number: string; readonly othersServe: boolean; readonly totals: RunTotals }[]): void;
};
