import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import { PUBLISHED_BATCH_LIMITS } from "#config/batch-limits.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/**
 * What one batch of a caller may hold: as much as the API that he speaks takes in one. What the account behind it takes may be less: that is
 * split into parts.
 */
export const CALLER_LIMITS: Readonly<Record<Protocol, Pick<BatchLimits, "itemsMax" | "bytesMax" | "embeddingInputsMax">>> = PUBLISHED_BATCH_LIMITS;

/** A file, and the boundaries, fields and headers of the form in which it comes. Bytes. */
export const UPLOAD_BYTES_MAX = CALLER_LIMITS.openai.bytesMax + 1_000_000;

/** One request, as large as the body of one call may be (DEFAULT_SERVER_LIMITS.bodyBytesMax): it is the most that is held of a batch at a time. */
export const LINE_BYTES_MAX = 32 * 1024 * 1024;

/** Of what was uploaded, unless its caller says otherwise (openai 7.57.0, FileCreateParams.expires_after). */
export const FILE_KEPT_MS = 30 * 24 * 60 * 60 * 1_000;
