import type { GrantedItem } from "#activities/authority/port.ts";
import type { OutcomeRecord, RefusalRecord, ReservationRecord } from "#activities/ledger/record.ts";
import type { Refusal } from "#activities/request/port.ts";
import type { ItemAnswer } from "#activities/telemetry/item-answer.ts";
import type { TraceContext } from "#activities/telemetry/port.ts";
import type { BatchOrigin, BatchScope, BatchState, CallerBatchRules, HeldItem, ItemCounts, ItemOutcome } from "#domain/batching/batch.ts";
import type { PartRecord, PartState, ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import type { Usage } from "#domain/usage/usage.ts";
import type { ItemEnding } from "./lines/item-endings.ts";

/**
 * Batches in PostgreSQL, as gateway, worker and command line use them: one function call in one statement each. Everything here is
 * idempotent, so that an activity may be tried again at any point. Implemented by ./postgres.ts over migrations/0024 and 0025.
 * Numbers travel as decimal strings, times as milliseconds since 1970 on PostgreSQL's clock.
 */

/** Who pays, frozen when the batch was made: as a reservation of a call holds it. */
export type Attribution = {
	readonly keyId: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	readonly asserted: Readonly<Record<string, string>> | null;
	readonly claimed: Readonly<Record<string, string>> | null;
};

export type FileRecord = {
	readonly fileId: string;
	readonly teamId: string;
	readonly keyId: string;
	/** "batch" (uploaded), "batch_output" (made by us, results and errors alike). */
	readonly purpose: "batch" | "batch_output";
	readonly filename: string;
	readonly bytes: number;
	/** Lines, for what was uploaded: found when it was checked. */
	readonly lines: number | null;
	readonly blobKey: string;
	readonly createdAtMs: number;
	/** null = until it is deleted. */
	readonly expiresAtMs: number | null;
};

export type BatchRecord = BatchScope & {
	readonly batchId: string;
	/** Of its holder: `holderOf(number)`. */
	readonly number: string;
	readonly origin: BatchOrigin;
	/** null of a collected one: each item has its own. */
	readonly attribution: Attribution | null;
	readonly rules: CallerBatchRules;
	readonly state: BatchState;
	/** Changes with every change of the record. */
	readonly version: string;
	readonly items: number;
	readonly counts: ItemCounts;
	readonly inputFileId: string | null;
	readonly outputFileId: string | null;
	readonly errorFileId: string | null;
	/** The caller's own, as he gave it. */
	readonly metadata: Readonly<Record<string, string>> | null;
	/** Items have to be back by then; null = whenever the provider is done. */
	readonly deadlineMs: number | null;
	/** How long the files it makes are kept; null or absent = as long as is usual. */
	readonly outputKeptMs?: number | null;
	/** Model of the price line that it is bounded at; another than `model` where that is a configured alias. Absent = `model`. */
	readonly pricedModel?: string;
	/** Price book frozen when money was held: what the batch costs whenever it ends. */
	readonly priceVersion: number;
	readonly pricesAsOfMs: number;
	/** Nano-USD as decimal strings. `held`: reserved for items without an outcome. */
	readonly heldNanoUsd: string;
	readonly settledNanoUsd: string;
	readonly createdAtMs: number;
	readonly runningSinceMs: number | null;
	readonly finalizingSinceMs: number | null;
	readonly endedAtMs: number | null;
	readonly cancelAskedAtMs: number | null;
	/** Why it failed, or what an operator should know. */
	readonly problem: string | null;
	/** Of the call that made it; null or absent: it named no trace. */
	readonly traceContext?: TraceContext | null;
};

export type NewBatch = BatchScope & {
	readonly batchId: string;
	readonly origin: "caller";
	readonly attribution: Attribution;
	readonly rules: CallerBatchRules;
	readonly inputFileId: string | null;
	readonly metadata: Readonly<Record<string, string>> | null;
	readonly deadlineMs: number | null;
	readonly outputKeptMs?: number | null;
	/** Absent = `model`. */
	readonly pricedModel?: string;
	readonly priceVersion: number;
	readonly pricesAsOfMs: number;
	readonly traceContext?: TraceContext | null;
};

/** A window the batch is held in, and how much of it, in its unit. */
export type HeldWindow = { readonly windowId: string; readonly unit: "nano_usd" | "tokens"; readonly amount: bigint };

export type HoldResult =
	| { readonly kind: "held"; readonly windows: readonly HeldWindow[] }
	/**
	 * Not yet: claims stand, ask again while the wait lasts. With `waitIsOver` too, until the other gateways had time to answer; after that nobody
	 * knows, which is no refusal (hold-in-time.ts does all of this).
	 */
	| { readonly kind: "short"; readonly items: readonly GrantedItem[] }
	| { readonly kind: "refused"; readonly refusal: Refusal; readonly record: RefusalRecord };

/** One try of an item, as price-item.ts makes it of what the provider says. `costNanoUsd` null: not billed, nothing is entered. */
export type ItemBooking = {
	readonly n: number;
	readonly tryNumber: number;
	readonly outcome: ItemOutcome;
	readonly costNanoUsd: bigint | null;
	readonly costTokens: number;
	readonly usage: Usage | null;
	readonly answeredModel: string | null;
	readonly serviceTier: string | null;
	readonly providerRequestId: string | null;
	readonly httpStatus: number | null;
	/**
	 * Why nobody knows what it cost: it is charged at its bound, unresolved, whatever the amounts here say. Absent or null: it is known.
	 */
	readonly unresolvedReason?: string | null;
	/** Nothing is known of the try at all, and never will be: an item that has an outcome after all keeps that alone. Default false. */
	readonly isLost?: boolean;
	/** What an operator should know of a cost that is known: no price fits the answer quite. */
	readonly alert?: string | null;
	/** What the same usage costs in real time; null or absent: nobody asked. */
	readonly realTimeNanoUsd?: bigint | null;
	/** That this try went; absent: that of the newest one. */
	readonly lane?: Lane;
	/** What its span shows of the answer; absent: there is none, or no spans are sent. */
	readonly answer?: ItemAnswer | undefined;
};

/** A try that was booked newly, as the ledger has it. */
export type BookedTry = {
	readonly batch: BatchRecord;
	readonly booking: ItemBooking;
	readonly reservation: ReservationRecord;
	/** null: not billed, the ledger has nothing of it. */
	readonly outcome: OutcomeRecord | null;
	/** Its item has its outcome from another try. */
	readonly isDuplicate: boolean;
	/** Of the call that handed it in alone; null: it named no trace, or it is an item of a caller's batch. */
	readonly traceContext: TraceContext | null;
};

/** `tryNumber`: the try that a part carries, or the next one, which begins with the part that will. */
export type ItemToSend = HeldItem & {
	readonly tryNumber: number;
	/** Of an item that was handed in alone: where its body is. Absent, as those below, of items of a caller's batch. */
	readonly bodyBlobKey?: string;
	/** null: it has none. */
	readonly deadlineMs?: number | null;
	readonly mayGoRealTime?: boolean;
};

/** `isBeside`: of items that another part carries, and that are held twice. Default false. */
export type NewPart = Omit<PartRecord, "state"> & { readonly isBeside?: boolean };

export type BatchHedge = {
	readonly byMs: number | null;
	readonly parts: readonly { readonly part: number; readonly items: number; readonly waiting: number }[];
};

/** What is known of a part anew. */
export type PartDetail = {
	readonly providerFileId?: string;
	readonly status?: ProviderBatchStatus;
	/** Of the batch that `status` names; absent: as it stands. One that is certain is of no other part: rejects where it is. */
	readonly isCertain?: boolean;
};

export type BatchStore = {
	createFile(file: Omit<FileRecord, "createdAtMs">): Promise<FileRecord>;
	/** undefined: none of this team is called so. */
	readFile(teamId: string, fileId: string): Promise<FileRecord | undefined>;
	/** Newest first. */
	listFiles(teamId: string, page: Page): Promise<readonly FileRecord[]>;
	/** False: none of this team is called so. A file in use by a batch that has not ended is refused: CostControlError "file.in_use". */
	deleteFile(teamId: string, fileId: string): Promise<boolean>;

	/** A batch of which nothing is held yet; `addItems` and `hold` follow. What nothing happens to for ten minutes is swept. Without its input file: "file.missing". */
	begin(batch: NewBatch): Promise<BatchRecord>;
	/** Up to a few thousand at a time; those it knows by `n` are left as they are. */
	addItems(batchId: string, items: readonly HeldItem[]): Promise<void>;
	/** Holds the sum of the items' bounds in every budget that matches, all or nothing; with it the batch is `held`. */
	hold(batchId: string, ask: { readonly waitIsOver: boolean }): Promise<HoldResult>;
	/** Undoes `begin`: for what was refused. Does nothing to a batch that is held. */
	abandon(batchId: string): Promise<void>;

	/** With `teamId`: what this team made itself. */
	read(batchId: string, teamId?: string): Promise<BatchRecord | undefined>;
	/** Newest first. Of a team: what it made itself, and was held; else those too that collect something. */
	list(teamId: string | null, page: Page & { readonly states?: readonly BatchState[]; readonly protocol?: Protocol }): Promise<readonly BatchRecord[]>;
	/** Its caller deletes one that ended: from then on `read` and `list` of its team leave it out, and what was booked stays. False: none of this team that has ended is called so. */
	forget(teamId: string, batchId: string): Promise<boolean>;
	/** The caller or an operator wants it to end; does nothing to one that ended. */
	askCancel(batchId: string, by: string): Promise<BatchRecord>;
	/**
	 * Refuses a move that `mayMove` does not know (domain/batching/batch-moves.ts): "batch.ended" for one that is final, else "internal.invariant". A final
	 * state comes after `closeHold`.
	 */
	move(
		batchId: string,
		to: BatchState,
		detail: { readonly problem?: string; readonly outputFileId?: string; readonly errorFileId?: string },
	): Promise<BatchRecord>;

	/** Items without an outcome that no part carries, in order of `n`, from `after` on. */
	itemsToSend(batchId: string, after: number, most: number): Promise<readonly ItemToSend[]>;
	/** Items without an outcome that this part carries, in order of `n`, from `after` on: what its request file holds, and what is missing once it was collected. */
	itemsOfPart(of: { readonly batchId: string; readonly part: number }, after: number, most: number): Promise<readonly ItemToSend[]>;
	/** How items ended, of those that have an outcome, in order of `n`, from `after` on. */
	endings(batchId: string, after: number, most: number): Promise<readonly ItemEnding[]>;
	/**
	 * Records the part and which items (and which try of them) it carries, once. One of them that is not free to be sent: "internal.invariant", and nothing is
	 * written.
	 */
	writePart(part: NewPart, numbers: readonly number[]): Promise<PartRecord>;
	movePart(of: { readonly batchId: string; readonly part: number }, to: PartState, detail: PartDetail): Promise<PartRecord>;
	parts(batchId: string): Promise<readonly PartRecord[]>;
	/** By their ids; whether it is certain which part it is of. */
	knownProviderBatches(provider: string): Promise<ReadonlyMap<string, { readonly isCertain: boolean }>>;

	/**
	 * Books tries of items, at most 500 a call: ledger entries, lease counters of the holder and the items' outcomes in one statement. What is
	 * booked already stands. A billed try of an item that has an outcome is booked beside it, with the reason "duplicate"; one that was not billed
	 * changes nothing, nor does one that is not the newest of an open item. The reply tells which were new.
	 */
	book(batchId: string, bookings: readonly ItemBooking[]): Promise<readonly number[]>;
	/** The part will bring no more: items it carried that have no outcome can be sent again, or end as `expired` or `cancelled`. */
	releaseItems(of: { readonly batchId: string; readonly part: number }, as: "again" | "expired" | "cancelled"): Promise<number>;
	/**
	 * Of items that wait for their batch: by when the first of them has to be answered in real time, where so many milliseconds pass between any two (null:
	 * none of them has a deadline, or may), and what still waits for each part at its provider.
	 */
	readHedge(batchId: string, spacingMs: number): Promise<BatchHedge>;
	/** Everything has an outcome (else "internal.invariant"): gives back what is still held and closes the holder. */
	closeHold(batchId: string): Promise<void>;

	/** Batches whose workflow is to be started or told, oldest first. */
	toTell(most: number): Promise<readonly BatchRecord[]>;
};

export type Page = { readonly after: string | null; readonly limit: number };
