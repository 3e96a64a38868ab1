import type { DegradeLine } from "#domain/budget/degrade.ts";
import type { LeaseFacts, Unit } from "#domain/budget/window-lease.ts";
import type { KeyResolution } from "../request/port.ts";

/**
 * The SQL authority as the gateway uses it: one function call in one statement each (money-path §1).
 * Amounts are bigint in the unit of the budget. Implemented by ./postgres.ts over migrations/0002.
 */
export type BudgetRule = {
	readonly budgetId: string;
	/** null = organisation. */
	readonly teamId: string | null;
	/** "run": a ceiling of an agent run, whose number is the value; met by the calls of the run and of those below it, never in `TeamRecord.budgets`. */
	readonly dimension: "organization" | "team" | "feature" | "user" | "model" | "provider" | "key" | "environment" | "run";
	readonly dimensionValue: string;
	/** Id of the run, as people know it; absent for all other budgets. */
	readonly name?: string;
	readonly unit: Unit;
	readonly windowKind: "hour" | "day" | "week" | "month" | "quarter" | "lifetime";
	/** Degrade lines of an enforced budget, in the order of its definition; null or absent where it has none. */
	readonly degrade?: readonly DegradeLine[] | null;
};

export type TeamRecord = {
	readonly teamId: string;
	readonly isUnlimited: boolean;
	readonly isDeleted: boolean;
	/** Raw policy JSON; defaults are applied by domain/budget/team-policy.ts. */
	readonly policy: Readonly<Record<string, unknown>>;
	readonly budgets: readonly BudgetRule[];
	/** Caps and rates as stored; read by domain/limits/team-limits.ts. */
	readonly limits?: unknown;
	/** What the team says of its agent runs, as stored; read by domain/agents/team-runs.ts. */
	readonly runs?: unknown;
	/** Throttles in force. */
	readonly throttles?: readonly { readonly dimension: "key" | "user"; readonly value: string; readonly requestsPerMinute: number; readonly endsInMs: number }[];
	/** Revision the record was read at. */
	readonly revision: bigint;
};

/** A key as resolved, how long the answer holds (null = until revoked), and its team. */
export type ResolvedKey = {
	readonly resolution: KeyResolution;
	readonly expiresInMs: number | null;
	readonly maxAsserted: number;
	readonly team: TeamRecord | undefined;
};

export type Claim = { readonly id: bigint; readonly windowIds: readonly string[] };

/** One item of a grant: a budget, and what the gateway knows of its lease there. */
export type GrantItem = {
	readonly budgetId: string;
	/** undefined when the gateway holds no lease of a current window there. */
	readonly windowId: string | undefined;
	readonly leaseGranted: bigint;
	readonly idle: bigint;
	readonly lookahead: bigint;
};

export type GrantRequest = {
	/** Ascending by budget id. */
	readonly items: readonly GrantItem[];
	/** Per waiting call, in order: need per item (0 where the call does not meet it). */
	readonly needs: readonly (readonly bigint[])[];
	readonly wantsClaim: boolean;
	/** Last attempt before refusing: leaves no room for other gateways' claims. */
	readonly isFinal: boolean;
	/** A call is asked for that no gateway can have answered yet: the claims it needs get new ids. Default false. */
	readonly isNewAsk?: boolean;
	/** No other call of this gateway waits in these budgets: claims in windows that are short no more end. Default false. */
	readonly dropsClaims?: boolean;
	/** Like `needs`: the place of the degrade line that the call may not pass there, null where there is none. Absent = none at all. */
	readonly lines?: readonly (readonly (number | null)[])[];
};

/** The budget window and this gateway's lease row, as of the commit of the grant. */
export type GrantedItem = LeaseFacts & {
	readonly endsInMs: number | null;
	/** Settled money of all gateways in this window. */
	readonly posted: bigint;
	/** Pending money of other gateways; the part of it whose gateway is silent for 1 s. Asked for only where a call was not served, else 0. */
	readonly heldElsewhere: bigint;
	readonly heldUnreachable: bigint;
	/** By when that part is booked or free again at the latest, ISO 8601; null where there is none, or every call was served. */
	readonly heldUntil: string | null;
	/** This gateway's open claim here; 0 = none. */
	readonly claimId: bigint;
	/** The newest claim that every reachable gateway with pending money here has answered; null: there is no such gateway, or every call was served. */
	readonly leastAnswered: bigint | null;
};

export type AheadRequest = {
	/** Ascending by budget id; `want` is what the lease of the next window should hold. */
	readonly items: readonly { readonly budgetId: string; readonly want: bigint }[];
};

/** The next window and the lease there, as of the commit. Budgets whose next window cannot be leased yet are left out. */
export type AheadReply = { readonly items: readonly (GrantedItem & { readonly startsInMs: number })[] };

export type GrantReply = {
	readonly served: readonly boolean[];
	readonly items: readonly GrantedItem[];
	readonly revision: bigint;
	readonly claims: readonly Claim[];
};

export type HeartbeatRequest = {
	/** Absolute lease.returned per window ("return to"). */
	readonly returns: readonly { readonly windowId: string; readonly returnTo: bigint }[];
	readonly answeredClaim: bigint;
	readonly seenRevision: bigint;
	readonly flushedRequest: bigint;
};

export type HeartbeatReply = {
	readonly revision: bigint;
	readonly flushRequest: bigint;
	readonly claims: readonly Claim[];
	/** False when a window's row was locked for too long: no money went back and no claim was answered. */
	readonly isReturned: boolean;
};

/** One administrative change. `teamId` null: it may concern every team. */
export type Change = { readonly revision: bigint; readonly kind: string; readonly subject: string; readonly teamId: string | null };

/** "fenced": a later epoch of this gateway exists, or this one was closed. It may settle, never spend. */
export type Fenced = { readonly isFenced: true };

export type ReceivedQuestion = { readonly teamId: string; readonly ids: readonly string[] };

export type Authority = {
	grant(request: GrantRequest): Promise<GrantReply | Fenced>;
	/** Leases of the next windows, in the last minute of the present ones. May be repeated: "raise to". */
	grantAhead(request: AheadRequest): Promise<AheadReply | Fenced>;
	heartbeat(request: HeartbeatRequest): Promise<HeartbeatReply | Fenced>;
	/** One round trip at most; life is judged on PostgreSQL's clock. */
	resolveKey(secret: string): Promise<ResolvedKey>;
	/** In one round trip; those that do not exist are left out. */
	loadTeams(teamIds: readonly string[]): Promise<readonly TeamRecord[]>;
	/** Neither revoked nor expired, on PostgreSQL's clock. */
	isKeyInForce(keyId: string): Promise<boolean>;
	/** What this gateway knows it was granted and gave back, where its rows show less (a failover lost commits). */
	present(leases: readonly { readonly windowId: string; readonly granted: bigint; readonly returned: bigint }[]): Promise<void>;
	changesSince(revision: bigint): Promise<readonly Change[]>;
	/** True when the value is known or was added under the key's cap of distinct values. */
	assertValue(input: { readonly keyId: string; readonly dimension: string; readonly value: string; readonly maxAsserted: number }): Promise<boolean>;
	/** Those of the answers, and of their items, that a settled call of the team received. */
	answersOf(input: ReceivedQuestion): Promise<readonly string[]>;
	itemsOf(input: ReceivedQuestion): Promise<readonly string[]>;
	/** Wakes the other gateways to read open claims; its own transaction, best effort. */
	announceClaim(): Promise<void>;
	/** Calls back on a claim or a change announced by others. */
	listen(onNews: (channel: "tollgate_claim" | "tollgate_change") => void): Promise<void>;
	close(): Promise<void>;
	/** Statements sent, for counters. */
	readonly statements: number;
};
