import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

const MEGABYTE = 1024 * 1024;

/**
 * What one batch of a caller may hold: as much as the API that he speaks takes in one (openai 7.57.0, resources/batches.d.ts;
 * Anthropic, Message Batches). What the account behind it takes may be less: that is split into parts.
 */
export const CALLER_LIMITS: Readonly<Record<Protocol, Pick<BatchLimits, "itemsMax" | "bytesMax" | "embeddingInputsMax">>> = {
	openai: { itemsMax: 50_000, bytesMax: 200 * MEGABYTE, embeddingInputsMax: 50_000 },
	anthropic: { itemsMax: 100_000, bytesMax: 256 * MEGABYTE, embeddingInputsMax: undefined },
};

/** A file, and the boundaries, fields and headers of the form in which it comes. */
export const UPLOAD_BYTES_MAX = CALLER_LIMITS.openai.bytesMax + MEGABYTE;

/** One request, as large as the body of one call may be: it is the most that is held of a batch at a time. */
export const LINE_BYTES_MAX = 32 * MEGABYTE;

/** Of what was uploaded, unless its caller says otherwise (openai 7.57.0, FileCreateParams.expires_after). */
export const FILE_KEPT_MS = 30 * 24 * 60 * 60 * 1_000;
