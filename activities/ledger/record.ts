import type { TaskKind } from "#domain/audit/task-kind.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { Unit } from "#domain/budget/window-lease.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import type { Usage } from "#domain/usage/usage.ts";

/**
 * What the journal holds and the ledger writer flushes. Money is a decimal string of nano-USD
 * because every record is one line of JSON in the journal; ids of windows are decimal strings too.
 * Attempt id = `<gateway>-<epoch>-<n>`.
 *
 * `runIds`, `reservedOutputTokens` and `costOutputTokens` stand in the records of a call with an agent run, always, and in no
 * other: records of ordinary calls are as long as before. So what a row takes of a window is, by the window's unit,
 * - output_tokens: `costOutputTokens`, reserved `reservedOutputTokens`;
 * - input_tokens: `costTokens` less `costOutputTokens`, reserved `reservedTokens` less `reservedOutputTokens`;
 * - steps: 1 and reserved 1, both 0 for the endpoint count_tokens, which is no step;
 * and only calls with a run are held in windows of these three. An outcome that was made up from the reservation (a crash, a
 * row the ledger rejects) costs what was reserved, in each.
 */
export type ReservationRecord = {
	readonly type: "reservation";
	readonly n: number;
	readonly attemptId: string;
	readonly requestId: string;
	/** Gateway wall clock, epoch milliseconds; informational (only PostgreSQL's clock counts). */
	readonly reservedAtMs: number;
	readonly teamId: string;
	readonly keyId: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	readonly asserted: Readonly<Record<string, string>> | null;
	readonly claimed: Readonly<Record<string, string>> | null;
	readonly provider: string;
	readonly deployment: string;
	readonly protocol: Protocol;
	readonly endpoint: Endpoint;
	readonly model: string;
	/** Model of the price line that was reserved at; another than `model` where that is a configured alias. */
	readonly pricedModel: string;
	/** Price tiers it was reserved for: what an answer that names no known model or tier is priced at, at the dearest. */
	readonly pricedTiers: readonly string[];
	readonly priceVersion: number;
	/** When that version was read, on PostgreSQL's clock: which of its dated prices held. */
	readonly pricesAsOfMs: number;
	readonly reservedNanoUsd: string;
	readonly reservedTokens: number;
	readonly clampedOutputTokens: number | null;
	/** Windows the reservation is held in; `unit` says which of the amounts counts there. */
	readonly windows: readonly { readonly id: string; readonly unit: Unit }[];
	/** Numbers of the agent run and of those above it, root first; absent = no run. */
	readonly runIds?: readonly string[] | undefined;
	/** Output tokens among `reservedTokens`; absent = no run. */
	readonly reservedOutputTokens?: number | undefined;
	/** Absent for a call that is served as it was asked for. */
	readonly degraded?: DegradedRecord | undefined;
};

/** Why another model alias serves a call than its caller asked for: the last degrade line that was applied, and its numbers then. */
export type DegradedRecord = {
	readonly askedModel: string;
	readonly by: {
		readonly budgetId: string;
		/** From 1, among the budget's degrade lines. */
		readonly place: number;
		readonly windowId: string;
		readonly windowSeq: string;
		readonly lineAmount: string;
		readonly granted: string;
		/** Of the gateway that asked. */
		readonly idle: string;
		readonly need: string;
	};
};

/** How an attempt ended. `released` leaves no ledger row; everything else is one entry. */
export type OutcomeRecord = {
	readonly type: "outcome";
	readonly n: number;
	readonly outcome: "settled" | "unresolved" | "estimated" | "released";
	readonly reason: string | null;
	readonly costNanoUsd: string;
	readonly costTokens: number;
	/** Part of the cost that no idle money of the lease covered (domain: overrun); per unit nano-USD. */
	readonly overrunNanoUsd: string;
	/** Window id → overrun there, in the unit of the window; a window it does not name has none. Absent: every money window has `overrunNanoUsd`. */
	readonly windowOverruns?: Readonly<Record<string, string>> | undefined;
	readonly usage: Usage | null;
	readonly answeredModel: string | null;
	readonly serviceTier: string | null;
	readonly priceVersion: number;
	readonly providerRequestId: string | null;
	readonly httpStatus: number | null;
	readonly durationMs: number | null;
	/** Id of an answer the provider keeps (OpenAI responses): its team may continue it. */
	readonly answerId?: string | undefined;
	/** Ids of its items; absent where there are none. */
	readonly itemIds?: readonly string[] | undefined;
	/** Output tokens among `costTokens`; absent = no run. */
	readonly costOutputTokens?: number | undefined;
	/** Calls of tools in the answer by tool, and bytes of its body; only where the call has a run. */
	readonly toolCalls?: Readonly<Record<string, number>> | undefined;
	readonly outputBytes?: number | undefined;
	/** What kind of work it was; absent where its end or its body is not known, and for batches. */
	readonly taskKind?: TaskKind | undefined;
};

export type RefusalRecord = {
	readonly type: "refusal";
	readonly refusalId: string;
	readonly requestId: string;
	readonly refusedAtMs: number;
	readonly teamId: string;
	readonly keyId: string;
	readonly code: string;
	readonly budgetId: string | null;
	readonly windowId: string | null;
	readonly windowSeq: string | null;
	readonly limitAmount: string | null;
	readonly granted: string | null;
	readonly idle: string | null;
	readonly need: string | null;
	readonly openReservations: string | null;
	readonly waitedMs: number;
	readonly isRemembered: boolean;
	/** The call was let pass: an observed budget would have refused it. Absent = no. */
	readonly isObserved?: boolean;
	/** Of a limit (no budget): its name as in x-tollgate-limit; `limitAmount` and `need` are in the unit of its measure. */
	readonly limitName?: string;
	/** What all gateways together had taken of that limit; absent for a cap. */
	readonly stoodAt?: string;
	/** Calls that it refused since the record before, and that have none of their own. Absent = 0. */
	readonly unrecordedBefore?: number;
	/** Of a batch that a cap refused: the first request that is beyond it, from 1. */
	readonly line?: number;
};

export type JournalRecord = ReservationRecord | OutcomeRecord | RefusalRecord;

/** One ledger row to flush: a reservation joined with how it ended. */
export type AttemptRow = { readonly reservation: ReservationRecord; readonly outcome: OutcomeRecord };

/** Append-only local file; see money-path §5. Opened by activities/ledger/journal.ts. */
export type Journal = {
	/**
	 * Synchronous append (one writeSync; 1–15 µs). Throws CostControlError "journal.unwritable" on a
	 * short or failed write: the call must then not be sent.
	 */
	append(record: JournalRecord): void;
	/**
	 * What `work` appends becomes one write when it returns. Throws "journal.unwritable" when that write fails: the journal then
	 * holds none of it.
	 */
	together(work: () => void): void;
	close(): void;
};

/** Flushes rows to PostgreSQL in chunks of ≤ 50 ms or 500 calls; activities/ledger/writer.ts. */
export type LedgerWriter = {
	/** Queues a row that is already journaled. Never blocks, never throws. */
	enqueueAttempt(row: AttemptRow): void;
	enqueueRefusal(record: RefusalRecord): void;
	/** Notes of agent runs wait: they leave within 50 ms though no row does. Absent where the writer carries none. */
	noteRuns?(): void;
	/** Resolves when everything enqueued before the call is committed, rejects when PostgreSQL stays away for `deadlineMs`. */
	flush(deadlineMs: number): Promise<void>;
	/** Rows enqueued and not yet committed. */
	readonly pendingRows: number;
	/** Stops the timer after a last flush attempt of at most `deadlineMs`. */
	close(deadlineMs: number): Promise<void>;
};
