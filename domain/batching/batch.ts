import type { Endpoint } from "../bound/request.ts";
import type { NanoUsd } from "../money/nano-usd.ts";
import type { PriceTier, Protocol } from "../pricing/price-book.ts";

/**
 * A batch as Tollgate keeps it. It is the caller's: one provider batch, or several where it was split or where its unfinished rest went
 * again (those are parts, batch-part.ts). Ids that leave the gateway are ours.
 */

/** `batch_…` and `file-…` for OpenAI's wire, `msgbatch_…` for Anthropic's; 24 characters of A-Z a-z 0-9 behind the mark. */
export const BATCH_ID_PATTERN = /^(batch|msgbatch)_[A-Za-z0-9]{24}$/;
export const FILE_ID_PATTERN = /^file-[A-Za-z0-9]{24}$/;

/** Endpoints whose bodies a batch may carry. */
export const BATCH_ENDPOINTS = ["chat.completions", "responses", "embeddings", "messages"] as const satisfies readonly Endpoint[];
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

/** `caller`: made by POST /v1/batches or /v1/messages/batches; `collected`: of items that were handed in alone. */
export type BatchOrigin = "caller" | "collected";

/**
 * `collecting` (collected ones alone) → `held` → `running` → `finalizing` → `completed` | `expired` | `cancelled`; `failed` from `held` and
 * `running` (the provider took none of it). `cancelling` stands between `running` and `cancelled`.
 * The last four are final: every item has an outcome, nothing is held any more.
 */
export const BATCH_STATES = ["collecting", "held", "running", "cancelling", "finalizing", "completed", "expired", "cancelled", "failed"] as const;
export type BatchState = (typeof BATCH_STATES)[number];

/** How an item ended; `null` while it has not. Only `succeeded` and a billed `errored` have a ledger entry. */
export const ITEM_OUTCOMES = ["succeeded", "errored", "expired", "cancelled"] as const;
export type ItemOutcome = (typeof ITEM_OUTCOMES)[number];

/** By outcome, and those without one. Whole numbers; the sum is the batch's number of items. */
export type ItemCounts = { readonly open: number } & Readonly<Record<ItemOutcome, number>>;

/** What the key's policy lets us do with a caller's own batch beside driving it (virtual key `batches`, default neither). */
export type CallerBatchRules = {
	/** Items that expired or failed for reasons of the provider go into another batch, once. */
	readonly mayResubmit: boolean;
	/** What no batch may carry any more of them goes in real time, at its price: of a collected batch also what its deadline leaves no time for. */
	readonly mayRelane: boolean;
};

/** One request of a batch, as bounded when its money was held. Its number within the batch, from 1, is the line it stood in. */
export type HeldItem = {
	readonly n: number;
	/** The caller's `custom_id`, unchanged; the deferred id for items that were handed in alone. */
	readonly customId: string;
	/** The most it can cost at the tiers of `tiers`, and tokens (input and output together). */
	readonly boundNanoUsd: NanoUsd;
	readonly boundTokens: number;
	/** Input tokens of the bound: what counts towards a provider's enqueued tokens. */
	readonly boundInputTokens: number;
	/** Texts or token lists of an embeddings request, 0 at other endpoints: what counts towards a provider's limit of inputs. Default 1. */
	readonly embeddingInputs?: number;
	/** Of the body as it will be sent, without a newline. */
	readonly bytes: number;
	readonly tiers: readonly PriceTier[];
};

/** What all items of one batch share. */
export type BatchScope = {
	readonly teamId: string;
	readonly protocol: Protocol;
	readonly endpoint: BatchEndpoint;
	/** Alias as asked for, the deployment that serves it, and its provider. */
	readonly model: string;
	readonly deployment: string;
	readonly provider: string;
};
