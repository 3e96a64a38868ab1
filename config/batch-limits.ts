import { z } from "zod";
import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/**
 * Limits on batches, as the providers published them on 2026-11-23. A megabyte is a million bytes, here and for callers: OpenAI says "200 MB"
 * and Anthropic "256 MB", neither says how many bytes these are, and a file that is within the smaller reading is never refused. An account may have other ones: the providers file says so (`batches`).
 */

const DAY_MS = 86_400_000;

export const PUBLISHED_BATCH_LIMITS: Readonly<Record<Protocol, BatchLimits>> = {
	// OpenAI, Batch API guide ("Rate limits", "Batch expiration") and API reference of POST /v1/batches and POST /v1/files. The cap on
	// enqueued prompt tokens is per model and project, and stands in the console alone.
	openai: {
		itemsMax: 50_000,
		bytesMax: 200_000_000,
		embeddingInputsMax: 50_000,
		batchesPerHour: 2_000,
		enqueuedTokensMax: undefined,
		windowMs: DAY_MS,
		// The output file is deleted 30 days after completion.
		resultsKeptMs: 30 * DAY_MS,
	},
	// Anthropic, Message Batches guide ("Batch limitations"). Its limits on requests in the queue depend on the account.
	anthropic: {
		itemsMax: 100_000,
		bytesMax: 256_000_000,
		embeddingInputsMax: undefined,
		batchesPerHour: undefined,
		enqueuedTokensMax: undefined,
		windowMs: DAY_MS,
		// 29 days, counted from creation.
		resultsKeptMs: 29 * DAY_MS,
	},
};

/** What the providers file may say in the place of a published limit. */
export const batchLimitFields = {
	itemsMax: z.int().min(1).optional(),
	bytesMax: z.int().min(1).optional(),
	enqueuedTokensMax: z.int().min(1).optional(),
	batchesPerHour: z.int().min(1).optional(),
};

type LimitsInFile = { readonly [Field in keyof typeof batchLimitFields]: number | undefined };

/** The published limits, with those of the file in their place. */
export function batchLimitsFor(protocol: Protocol, inFile: Partial<LimitsInFile> = {}): BatchLimits {
	const published = PUBLISHED_BATCH_LIMITS[protocol];
	return {
		...published,
		itemsMax: inFile.itemsMax ?? published.itemsMax,
		bytesMax: inFile.bytesMax ?? published.bytesMax,
		enqueuedTokensMax: inFile.enqueuedTokensMax ?? published.enqueuedTokensMax,
		batchesPerHour: inFile.batchesPerHour ?? published.batchesPerHour,
	};
}
