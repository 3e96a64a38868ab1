import type { RunHold } from "#domain/agents/run-hold.ts";
import type { TaskKind } from "#domain/audit/task-kind.ts";
import type { Bound, Endpoint } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { Unit } from "#domain/budget/window-lease.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { LimitEvidence } from "#domain/limits/limit-name.ts";
import type { ActiveLimits } from "#domain/limits/rate-rules.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { PriceBook, PriceLine, Protocol } from "#domain/pricing/price-book.ts";
import type { ReportedUsage, Usage } from "#domain/usage/usage.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { RateKeeper } from "../limits/rate-keeper.ts";
import type { JournalTurn } from "./journal-turn.ts";
import type { Leaving } from "./leaving.ts";

/** Contract between the HTTP skin (gateway/) and the request layer: who, how much at most, reserve, settle | release | charge. */

/** A virtual key as the gateway may see it: never the secret. */
export type KeyIdentity = {
	readonly keyId: string;
	readonly teamId: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	/** null = all. */
	readonly models: readonly string[] | null;
	readonly endpoints: readonly string[] | null;
	readonly mayAssert: readonly ("user" | "feature")[];
	/** A call that names no run joins an implicit one. Absent = no. */
	readonly requiresRun?: boolean;
	/** Batches made with it are resubmitted where they leave items undone. Absent = no. */
	readonly resubmitsBatches?: boolean;
	/** What no batch may carry any more of them goes in real time. Absent = no. */
	readonly relanesBatches?: boolean;
};

export type KeyResolution =
	| { readonly kind: "known"; readonly key: KeyIdentity }
	| { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string };

/** Team policy the skin needs; defaults in domain/budget/team-policy.ts. */
export type TeamPolicy = {
	/** How long a call waits for money that is held, not spent. Default 5,000 ms. */
	readonly admissionWaitMs: number;
	/** Lowest cap a clamp may set; default 256, 4,096 for reasoning models. */
	readonly clampFloorTokens: number;
	readonly clampFloorReasoningTokens: number;
	/** Whether a clamp may lower the caller's own cap; default false. */
	readonly mayLowerCallerCap: boolean;
	readonly unknownFields: "refuse" | "pass";
	readonly onDisconnect: "drain" | "cancel";
	/** Kept per gateway and budget for an outage of the authority; default 0, 0. */
	readonly outageAllowanceNanoUsd: number;
	readonly outageAllowanceTokens: number;
	readonly maxCallMs: number;
	/** Caps and rates; absent where the team has none. */
	readonly limits?: ActiveLimits | undefined;
};

/** An amount in the unit of its budget. */
export type Left = { readonly unit: Unit; readonly amount: bigint };

export type AdmissionInput = {
	readonly requestId: string;
	readonly key: KeyIdentity;
	/** Attribution asserted by a key that may (x-tollgate-user / -feature); already checked against mayAssert. */
	readonly asserted: { readonly user?: string; readonly feature?: string };
	readonly claimed: Readonly<Record<string, string>>;
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	/** Model alias served, and the deployment chosen for it. */
	readonly model: string;
	/** How lines of budgets made the call be served; absent = as asked. */
	readonly serving?: Serving | undefined;
	readonly provider: string;
	readonly deployment: string;
	readonly line: PriceLine;
	/** The book it is bounded with, and will be settled with. */
	readonly book: PriceBook;
	readonly bound: Bound;
	/** The agent run it belongs to; absent = none. Its budgets are met beside those that match. */
	readonly run?:
		| {
				/** Numbers, root first, its own last. */
				readonly runIds: readonly string[];
				/** Of the whole chain, ascending by id. */
				readonly budgets: readonly BudgetRule[];
		  }
		| undefined;
	/** The output cap to which a limit of the team lowered `bound` already; the body must carry it. Absent: none did. */
	readonly cappedOutputTokens?: number | undefined;
	/**
	 * A lower bound of the same call that takes a moment to prove; asked for once, and only where `bound` would be
	 * refused or clamped. Resolves to undefined where there is none. Absent: none can be proven. `left` is what the
	 * budget that is short could have free at most; undefined for a clamp.
	 */
	readonly refineBound?: ((left: Left | undefined) => Promise<Bound | undefined>) | undefined;
	/** A caller who leaves before sending is not admitted. */
	readonly leaving: Leaving;
};

export type Refusal = {
	readonly code: ErrorCode;
	readonly message: string;
	/** Human name of the budget, e.g. "team demo, day". */
	readonly budget: string | null;
	/** Absent where no budget refused. */
	readonly budgetId?: string;
	readonly unit: Unit | null;
	readonly limitAmount: bigint | null;
	readonly leftAmount: bigint | null;
	/** What the call can cost at most, in that unit; absent where it is not known. */
	readonly needAmount?: bigint;
	/** ISO 8601; null for lifetime windows and budget.none. */
	readonly resetsAt: string | null;
	/** Money held by calls in flight or an unreachable gateway, and until when at the latest. */
	readonly heldAmount: bigint | null;
	/** By when what an unreachable gateway holds is booked or free again at the latest, ISO 8601; null where none does. */
	readonly heldUntil: string | null;
	readonly howToAsk: string;
	/** Seconds, for 503s and run.too_many. */
	readonly retryAfterSeconds: number | null;
	/** Header or field at fault, for run.* refusals that name one; and every mistake, where there may be several. */
	readonly field?: string;
	readonly problems?: readonly FieldProblem[];
	/** The run that stands still, for run.paused and run.stopped. */
	readonly run?: { readonly runId: string; readonly version: string; readonly hold: RunHold };
};

export type SettleInput = {
	readonly reported: ReportedUsage;
	readonly providerRequestId: string | null;
	readonly httpStatus: number | null;
	readonly durationMs: number;
	/** Id of an answer the provider keeps, for the endpoints where a later call may continue one. */
	readonly answerId?: string | undefined;
	/** Ids of its items, which a later call may name. */
	readonly itemIds?: readonly string[] | undefined;
	/** Calls of tools in the answer by tool, and bytes of its body; only where the call has a run. */
	readonly toolCalls?: Readonly<Record<string, number>> | undefined;
	readonly outputBytes?: number | undefined;
	readonly taskKind?: TaskKind | undefined;
};

/** What an ending says of the answer beside its usage. */
export type EndingDetail = Omit<SettleInput, "reported" | "answerId" | "itemIds" | "taskKind">;

/** What was received of a call we cut, plus the margin of its stated rule. */
export type EstimateInput = EndingDetail & { readonly usage: Usage; readonly reason: string };

/** What was booked for an attempt. */
export type Booked = { readonly outcome: "settled" | "unresolved" | "estimated"; readonly costNanoUsd: NanoUsd };

/**
 * A reservation that is journaled and may be sent. Exactly one of the three endings is called, once;
 * each journals synchronously before it returns, or in a step of `RequestAuthority.journalTurn`; so: before the last byte of
 * the answer leaves.
 */
export type Attempt = {
	/** `gateway-epoch-n`; travels as x-client-request-id. */
	readonly attemptId: string;
	readonly reservedNanoUsd: NanoUsd;
	/** Set when the call was clamped: the output cap the body must carry. */
	readonly clampedOutputTokens: number | undefined;
	/** Smallest money left over the matching budgets as of the last grant; undefined for an unlimited team. */
	readonly budgetLeftNanoUsd: NanoUsd | undefined;
	/** Tokens booked, once it has ended; undefined before, and where the ending could not be journaled. */
	readonly tokensBooked: number | undefined;
	/** 2xx with an answer: settled when the usage is usable, else charged at the reservation, unresolved. */
	settle(input: SettleInput): Booked;
	/** Nothing was billed (no byte written, or a status that does not bill). */
	release(reason: string): void;
	/**
	 * A call we cut because the caller left and policy says cancel: books the cost of this estimate, marked estimated,
	 * never above the reservation. Where absent, such a call is charged.
	 */
	estimate(input: EstimateInput): Booked;
	/** Anything else: it may have run, so it is spent (I5). */
	charge(reason: string, detail: EndingDetail): Booked;
};

/** A call that a limit refused. */
export type LimitRefusal = {
	readonly requestId: string;
	readonly key: Pick<KeyIdentity, "keyId" | "teamId">;
	readonly code: ErrorCode;
	readonly evidence: LimitEvidence;
	/** Of a batch: the request that is beyond the limit, from 1. */
	readonly line?: number;
};

/** `servedAs`: not refused in the end, but to be asked for again as served so, because spend has passed a line that degrades it. */
export type Admission =
	| { readonly kind: "admitted"; readonly attempt: Attempt }
	| { readonly kind: "refused"; readonly refusal: Refusal; readonly servedAs?: Serving };

/** The request layer as the gateway uses it. Returns plain values on the hot path, promises only when it has to wait. */
export type RequestAuthority = {
	/** Key secret → identity. Synchronous for a known key. `connection`: on which it was shown; what was shown there last is remembered as long as it is open. */
	resolveKey(secret: string, connection?: object): KeyResolution | Promise<KeyResolution>;
	teamPolicy(teamId: string): TeamPolicy;
	/** Checks and counts an asserted value against the key's cap of distinct values. */
	mayAssertValue(key: KeyIdentity, dimension: "user" | "feature", value: string): boolean | Promise<boolean>;
	/** The first of the answers, or of their items, that the team did not receive. Synchronous for the recent ones of this gateway. */
	findUnknownAnswer(teamId: string, answerIds: readonly string[]): string | undefined | Promise<string | undefined>;
	findUnknownItem(teamId: string, itemIds: readonly string[]): string | undefined | Promise<string | undefined>;
	/** Current price book. */
	priceBook(): PriceBook;
	/** Budgets that such a call meets, those of an agent run apart. */
	countBudgets(call: Pick<AdmissionInput, "key" | "asserted" | "model" | "provider">): number;
	/** Reserve in every matching budget, journal, return the attempt; or refuse with evidence. */
	admit(input: AdmissionInput): Admission | Promise<Admission>;
	/** Endings called in a step of it are journaled with the others of the turn; where that fails they count as unknown, at their reservations. */
	readonly journalTurn: Pick<JournalTurn, "add">;
	/** Requests and tokens per minute, calls in flight. */
	readonly rates: Pick<RateKeeper, "open" | "take" | "end">;
	/** Journals it, or counts it where the same limit refuses many. */
	recordLimitRefusal(refusal: LimitRefusal): void;
	/** For /readyz: authority reachable, lease live, journal writable. */
	readiness(): { readonly isReady: boolean; readonly reasons: readonly string[] };
	/** Counters for tests and /metrics. */
	readonly counters: AuthorityCounters;
	/** Stops admitting, waits for open attempts up to `deadlineMs`, flushes, returns idle money, closes the epoch. */
	drain(deadlineMs: number): Promise<void>;
};

export type AuthorityCounters = {
	/** SQL statements awaited by a call before it was sent (0 on a live lease and a known key). */
	sqlRoundTripsBeforeSend: number;
	admitted: number;
	/** Of those, the ones that took from the money kept for an outage. */
	admittedOnAllowance: number;
	refused: number;
	/** Admitted, though an observed budget would have refused it: one per call and budget. */
	observedRefusals: number;
	/** Asked for again as another alias, because a line degrades it. */
	degraded: number;
	clamped: number;
	settled: number;
	released: number;
	unresolved: number;
	overruns: number;
	grants: number;
	recallsAnswered: number;
	/** Statements about rates, in the background or for a call that waits. */
	rateExchanges: number;
	openReservations: number;
	/** Of calls whose usage is known, with what cached, written and reasoned tokens are in them, as in Usage. */
	inputTokens: number;
	cachedInputTokens: number;
	cacheWriteTokens: number;
	outputTokens: number;
	reasoningTokens: number;
};
