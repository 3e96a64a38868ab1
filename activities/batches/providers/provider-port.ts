import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";

/** Limits a provider sets on batches; config/batch-limits.ts holds them with their source and date. */
export type BatchLimits = {
	readonly itemsMax: number;
	readonly bytesMax: number;
	/** Of embeddings: inputs of all items together; undefined = no such limit. */
	readonly embeddingInputsMax: number | undefined;
	readonly batchesPerHour: number | undefined;
	/** Of prompts that wait at the provider, per model; undefined = none known. A file of the deployment may say. */
	readonly enqueuedTokensMax: number | undefined;
	/** From submission until the provider gives up on what is unfinished. */
	readonly windowMs: number;
	/** Results can be read for so long: after the end (OpenAI), or after creation (Anthropic). */
	readonly resultsKeptMs: number;
};

export type PartToSubmit = {
	readonly token: string;
	readonly endpoint: BatchEndpoint;
	readonly items: number;
	readonly bytes: number;
	/**
	 * Lines in the provider's own form, one per item and each ended by a line feed, in pieces of any size; read anew for each attempt and
	 * opened once per call of `upload` (OpenAI) or `create` (Anthropic). Another number of lines than `items` breaks the call off.
	 */
	readonly openLines: () => AsyncIterable<Uint8Array>;
	/** File uploaded by an earlier attempt whose batch was not created; null = none. */
	readonly providerFileId: string | null;
};

/**
 * One provider account that runs batches, through the official SDK with `maxRetries: 0`: the workflow owns retries. Rejections are
 * CostControlError: "provider.unreachable" and "provider.overloaded" (retryable, with `retryAfterMs` where the provider says),
 * "provider.refused" (what it says of the request, not retryable), "provider.quota" (a spend or credit limit of the account: stop and alert),
 * "provider.results_gone" (past their retention). Their `details`: `provider`, `asked`, `retryAfterMs` (null = not said), and where it answered
 * `status`, `code`, `type`, `param`, `requestId`. A "provider.refused" with status 404 of `poll`: the provider does not know the batch.
 */
export type BatchProvider = {
	readonly limits: BatchLimits;
	/** OpenAI alone: uploads the request file. Resolves with its id, which is to be recorded before `create`. Anthropic resolves with null. */
	upload(part: PartToSubmit): Promise<string | null>;
	/** Creates the provider batch. An outcome that is not known rejects as "provider.unreachable": `find` before trying again. */
	create(part: PartToSubmit): Promise<ProviderBatchStatus>;
	/**
	 * Batches that may be this part, made since `sinceMs` less five minutes: OpenAI by metadata (certain), Anthropic by creation time and
	 * number of items among those not known to be another part's (`isCertain` false until results confirm the custom ids).
	 */
	find(
		part: Pick<PartToSubmit, "token" | "items">,
		known: { readonly sinceMs: number; readonly isOthers: (providerBatchId: string) => boolean },
	): Promise<FoundBatch[]>;
	poll(providerBatchId: string): Promise<ProviderBatchStatus>;
	/** Asks for it; the batch may run on for minutes, and may end as finished. */
	cancel(providerBatchId: string): Promise<ProviderBatchStatus>;
	/** Everything the provider says of the items, in any order, streamed. Of a batch that ended. */
	results(status: ProviderBatchStatus): AsyncIterable<ResultLine>;
	/** Files we uploaded and results that were read; what is gone already is no error. */
	forget(of: { readonly providerFileId: string | null; readonly status: ProviderBatchStatus }): Promise<void>;
};

export type FoundBatch = { readonly status: ProviderBatchStatus; readonly isCertain: boolean };
