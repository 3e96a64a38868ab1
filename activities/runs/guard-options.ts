import type { RunPolicy } from "#domain/agents/run-policy.ts";
import type { GrantedItem } from "../authority/port.ts";
import type { RunStore } from "./port.ts";

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
	readonly writer: GuardedWriter;
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

/** What the guard knows of the ledger writer. Rows are enqueued before it is told how a step ended. */
export type GuardedWriter = {
	/** Since the start. */
	readonly enqueuedRows: number;
	/** Of those, not committed yet. */
	readonly pendingRows: number;
	/** Something of runs is to be told, and no row may come that it could ride with. */
	noteRuns?(): void;
};
