import type { WrittenBlob } from "#activities/blobs/port.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import type { ProviderLoad } from "#domain/batching/job-pace.ts";
import type { EndedUnrun, FinalBatchState, PartStep } from "#domain/batching/job-plan.ts";
import type { JobState } from "#domain/batching/job-state.ts";
import type { RoleObserver } from "../../shared/role-loop.ts";
import type { DeferredStore } from "../deferred-port.ts";
import type { UnsendableItem } from "../lines/write-bodies.ts";
import type { BatchRecord, BatchStore, ItemBooking, ItemToSend } from "../port.ts";
import type { BatchProvider } from "../providers/provider-port.ts";
import type { RealTimeDependencies } from "./real-time.ts";

/** Of the store what the job of a batch needs. */
export type JobStore = Pick<
	BatchStore,
	| "read"
	| "askCancel"
	| "move"
	| "itemsToSend"
	| "itemsOfPart"
	| "writePart"
	| "movePart"
	| "parts"
	| "knownProviderBatches"
	| "book"
	| "releaseItems"
	| "closeHold"
	| "readHedge"
> &
	Pick<DeferredStore, "unanswered" | "markAnswered">;

/** What the activities of a batch's job work with. */
export type BatchJobDependencies = {
	readonly store: JobStore;
	readonly lines: JobLines;
	/** The account that runs batches of this deployment; undefined: none is offered here. */
	providerOf(batch: BatchRecord): BatchProvider | undefined;
	readLoad(of: { readonly batch: BatchRecord; readonly part: number }): Promise<ProviderLoad>;
	/** With the price book that was frozen when the batch was made. */
	openPricing(batch: BatchRecord, lane?: Lane): Promise<PriceResult>;
	readonly realTime: RealTimeDependencies;
	/** Tells Temporal that a long activity goes on. */
	heartbeat(): void;
	/** Monotonic milliseconds. */
	now(): number;
	/** Tells people; the same alert again does nothing. */
	raise(alert: BatchAlert): Promise<void>;
	/** That the account of a batch has no money, told once while it lasts; null: it took a part, or the batch has ended. */
	tellQuota(batch: Pick<BatchRecord, "batchId" | "teamId">, refused: QuotaRefusal | null): Promise<void>;
	readonly observer: JobObserver;
};

/** `account` as the providers file calls it; `message` is the provider's. */
export type QuotaRefusal = { readonly account: string; readonly part: number; readonly message: string };

export type BatchAlert = {
	readonly kind: "batch.failed" | "batch.late" | "batch.unresolved";
	readonly batch: Pick<BatchRecord, "batchId" | "teamId">;
	/** Tells apart what is told of one batch more than once. */
	readonly of?: string;
	readonly detail: Readonly<Record<string, string | number | null>>;
};

/** What one result books; without cost nothing is entered. */
export type PriceResult = (of: Pick<ItemToSend, "n" | "tryNumber">, result: ItemResult) => ItemBooking;

/** Payloads of a batch as its job writes and reads them; implemented by ./job-lines.ts. */
export type JobLines = {
	/** Writes the request file of a part: the callers' bodies under our ids, in the provider's form. */
	writeRequests(batch: BatchRecord, part: number, items: readonly ItemToSend[]): Promise<WrittenRequests>;
	openRequests(batch: BatchRecord, part: number): AsyncIterable<Uint8Array>;
	/** Bodies of these items of a caller's batch, in order of `n`, with the model that he asked for. */
	readBodies(batch: BatchRecord, items: readonly { readonly n: number }[]): AsyncIterable<{ readonly n: number; readonly body: Buffer }>;
	hasResults(batch: BatchRecord, reading: Reading): Promise<boolean>;
	/** Whole or not at all. */
	keepResults(batch: BatchRecord, reading: Reading, lines: AsyncIterable<ResultLine>): Promise<void>;
	/** Lines that could not be read come back as such, so that they are counted however often this is asked. */
	readResults(batch: BatchRecord, reading: Reading): AsyncIterable<ResultLine>;
	/** Joins what all parts brought under the callers' ids. Null: there is none of it. Doing it again gives the same. */
	joinOutputs(batch: BatchRecord, readings: readonly Reading[]): Promise<{ readonly outputFileId: string | null; readonly errorFileId: string | null }>;
	/** Of an item that was handed in alone. Answers where it is from then on. */
	keepAnswer(batch: BatchRecord, deferredId: string, body: string): Promise<string>;
	/** What an item asked for is needed no more. */
	forgetBody(bodyBlobKey: string): Promise<void>;
};

/** `unsendable`: items without a line, since what they ask for is not there. None of a caller's batch. */
export type WrittenRequests = WrittenBlob & { readonly unsendable: readonly UnsendableItem[] };

/**
 * What was said of the items of a part (from 1; 0: of items that no part carried): by one reading of the results of a provider batch (from 1), or
 * by us, who ended them (0). Where that was said otherwise `providerBatchId` is one of `SAID_BY`, and readings are numbered as they come.
 */
export type Reading = { readonly part: number; readonly reading: 0 } | { readonly part: number; readonly reading: number; readonly providerBatchId: string };

/**
 * No provider calls a batch so. `realTime`: answers of calls; `double`: provider batches that should not be, whose answers count all the same;
 * `unsendable`: what we said of items that could not be sent.
 */
export const SAID_BY = { realTime: "real-time", double: "double", unsendable: "unsendable" } as const;

export type JobObserver = {
	/** What the workflow takes for an unknown outcome, and looks after. */
	stepFailed(batchId: string, error: unknown): void;
	/** Files at a provider that could not be removed: they end there by themselves. */
	notForgotten(batchId: string, error: unknown): void;
	/** Bodies of requests that were answered and could not be removed: the sweep takes them. */
	bodiesLeft(batchId: string, error: unknown): void;
	/** Kept results that cannot be read: whoever's answer is in none but these is told that there is none. */
	resultsUnreadable(batchId: string, error: unknown): void;
};

type OfBatch = { readonly batchId: string };

type InputOf<Kind extends PartStep["kind"]> = OfBatch & Omit<Extract<PartStep, { kind: Kind }>, "kind">;
export type PartInput = OfBatch & { readonly part: number };
export type CreateInput = InputOf<"create">;
export type FindInput = InputOf<"find">;
export type CancelPartInput = InputOf<"cancel">;
export type CollectInput = InputOf<"collect">;
export type DropInput = InputOf<"drop">;
export type EndUnsentInput = OfBatch & { readonly as: EndedUnrun; readonly problem: string | null };
export type FinishInput = OfBatch & { readonly to: FinalBatchState; readonly problem: string | null };
export type CallInput = InputOf<"call">;
export type AskCancelInput = OfBatch & { readonly by: string };

/** Where the workflows of batches are told. Rejects within its own deadline when Temporal is away. */
export type BatchTeller = {
	/** Starts the workflow where it does not run. `retriesNow`: what waits is tried at once. */
	tell(batch: BatchRecord, ask: { readonly retriesNow: boolean }): Promise<void>;
};

export type BatchStarterObserver = RoleObserver & {
	told(batch: BatchRecord): void;
};

/** What the workflow of a batch says of itself. */
export type BatchProgress = {
	readonly state: JobState;
	/** What it does now, or next; "wait" until `nextAtMs`, in milliseconds since 1970. */
	readonly next: string;
	readonly nextAtMs: number | null;
};

/** The workflows of batches, as the administration asks them. Rejects as `BatchTeller` does. */
export type BatchJobs = BatchTeller & { status(batchId: string): Promise<BatchProgress> };
