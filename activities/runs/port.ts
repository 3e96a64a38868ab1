import type { CeilingVerdict } from "#domain/agents/ceilings.ts";
import type { RunRecord, RunState, RunTotals } from "#domain/agents/run.ts";
import type { RunBudget } from "#domain/agents/run-budgets.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { BudgetRule, GrantedItem } from "../authority/port.ts";

/** Runs in PostgreSQL: opened, held and decided in one statement each. ./postgres.ts implements it. */

/** What a call says of its run; null where it names none. */
export type RunClaim = { readonly runId: string; readonly parentRunId: string | null } | null;

export type RunName =
	| { readonly kind: "header"; readonly runId: string; readonly parentRunId: string | null }
	| { readonly kind: "follows"; readonly answerId: string }
	| { readonly kind: "begins_with"; readonly prefix: string; readonly isFirstCall: boolean };

export type RunAsk = {
	readonly teamId: string;
	readonly keyId: string;
	readonly feature: string | null;
	readonly named: RunName;
	/** What a root gets that is opened now: `writeRunLimits` of the team's default limits, as the gateway knows them. */
	readonly defaults: Readonly<Record<string, unknown>>;
	/** The same as budgets. */
	readonly budgets: readonly RunBudget[];
	readonly newRunsPerHour: number;
	readonly onLoop: "pause" | "stop";
	/** Windows that the call meets beside the run's. */
	readonly otherWindows: number;
	/** What the first lease of each of `budgets` should hold, decimal strings in their units. */
	readonly wants: readonly string[];
};

/** `limits` are the run's own; `defaults` and `budgets` hold for a root that states none. */
export type RegisterRun = Omit<RunAsk, "named" | "otherWindows" | "wants"> & {
	readonly runId: string;
	readonly parentRunId: string | null;
	readonly limits: Readonly<Record<string, unknown>>;
};

export type RunErrorCode = Extract<ErrorCode, `run.${string}`> | "budget.too_many_windows" | "gateway.fenced";

export type EnteredRun =
	| {
			readonly kind: "entered";
			/** It was opened now, not found. */
			readonly isOpened?: boolean;
			/** Root first, the run itself last. */
			readonly chain: readonly ChainRun[];
			/** Of budgets that were opened with it. */
			readonly leases: readonly GrantedItem[];
			/** The newest loop memory of any gateway. */
			readonly memory: Uint8Array | undefined;
			readonly revision: bigint;
	  }
	| {
			readonly kind: "refused";
			readonly code: RunErrorCode;
			readonly field: string;
			readonly message: string;
			readonly retryAfterSeconds?: number;
			/** Every mistake, for run.invalid where there may be several; `field` is the first one's. */
			readonly problems?: readonly FieldProblem[];
			/** What holds the parent, for run.paused and run.stopped: nothing is opened below it meanwhile. */
			readonly run?: { readonly runId: string; readonly version: string; readonly hold: RunHold };
	  };

/** `budgets` are those that this run states itself. */
export type ChainRun = { readonly run: RunRecord; readonly budgets: readonly BudgetRule[]; readonly totals: RunTotals };

/** The gateway's side. Every promise rejects where PostgreSQL does not answer. */
export type RunStore = {
	/** One round trip: finds or opens, whole or not at all. */
	enter(ask: RunAsk): Promise<EnteredRun>;
	/** Registration: with limits of its own, and no call that waits. */
	register(ask: RegisterRun): Promise<EnteredRun>;
	/** Those of one turn of the event loop together, answered in the order asked. Held or ended already: the record as it is. */
	hold(holds: readonly RunHolding[]): Promise<readonly RunRecord[]>;
	/** Of runs that this gateway knows; missing ones are gone. */
	read(numbers: readonly string[]): Promise<readonly ChainRun[]>;
	/** By id, as of a team; undefined where the team has none of that name. */
	find(teamId: string, runId: string): Promise<ChainRun | undefined>;
	finish(input: { readonly teamId: string; readonly runId: string; readonly by: string }): Promise<RunDecisionResult>;
};

export type RunHolding = { readonly number: string; readonly knownVersion: string; readonly hold: Omit<RunHold, "askAgainMs"> };

/** For people: the worker's side (administration routes, workflow activities). */
export type RunGovernanceStore = {
	decide(input: RunDecision): Promise<RunDecisionResult>;
	snapshot(runId: string): Promise<RunSnapshot | undefined>;
	list(filter: RunFilter): Promise<readonly RunListItem[]>;
};

/** Newest first; `before` is the number of the last one seen. */
export type RunFilter = { readonly teamId?: string; readonly state?: RunState; readonly limit: number; readonly before?: string };

export type RunDecisionResult =
	| { readonly kind: "decided"; readonly run: RunRecord; readonly revision: bigint }
	| { readonly kind: "refused"; readonly code: ErrorCode; readonly problems: readonly FieldProblem[] };

export type RunListItem = Pick<RunRecord, "number" | "runId" | "teamId" | "state" | "origin" | "hold" | "version"> & {
	readonly costNanoUsd: string;
	readonly steps: number;
	readonly openedAtMs: number;
};

/** What rides with a flush of the ledger writer. */
export type RunNote = {
	readonly number: string;
	/** `packRunMemory`, base64; absent = only verdicts. */
	readonly memory?: string;
	/** Exchanges the memory has seen: the one with the most is the newest. */
	readonly exchanges: number;
	/** Warnings that were not told yet. */
	readonly verdicts: readonly (GuardVerdict | CeilingVerdict)[];
};

/** What flushes of the ledger carry for the runs of a gateway, and what they bring back. The ledger writer calls it, one flush after the other. */
export type RunFlushes = {
	/** Notes that are not told yet, at most so many; they stay untold until `told` names them, since a flush may fail. Empty costs nothing. */
	takeUntold(most: number): readonly RunNote[];
	/** These are in PostgreSQL now, or never will be: of a note it cannot store, people are told as of a row in quarantine. */
	told(notes: readonly RunNote[]): void;
	/** What all gateways together took of the runs of a flush and of those above them, as of its commit. */
	totals(totals: readonly FlushedRun[]): void;
};

export type FlushedRun = {
	readonly number: string;
	readonly totals: RunTotals;
	/** Another gateway that may still spend has served the run: its memory has to be written with every flush. */
	readonly othersServe: boolean;
};
