/**
 * The simulated tokenizer: one token per started group of four UTF-8 bytes of a text. Simple, deterministic,
 * and never above the number of bytes, so that a bound proven from bytes holds here as it does for
 * the byte-pair encodings of the real providers.
 * What is added beyond text are the constants below; nothing else is.
 */

const BYTES_PER_TOKEN = 4;

/** Every request carries this many tokens beside its texts. */
export const TOKENS_PER_REQUEST = 3;
/** Every message carries this many tokens beside its texts. */
export const TOKENS_PER_MESSAGE = 3;
/** An image of 1024 × 1024 pixels on gpt-4o (85 + 4 tiles × 170); `detail: "low"` costs the base alone. */
export const TOKENS_PER_IMAGE_OPENAI = 765;
export const TOKENS_PER_LOW_DETAIL_IMAGE_OPENAI = 85;
/** An image of 1000 × 1000 pixels on Claude (width × height / 750). */
export const TOKENS_PER_IMAGE_ANTHROPIC = 1_334;
/** Any file or document part, counted as one page. */
export const TOKENS_PER_DOCUMENT = 500;
/** Any audio part, counted as ten seconds. */
export const TOKENS_PER_AUDIO = 100;

/** Tokens of one text; 0 for the empty text, at most its UTF-8 byte length. */
export function countTextTokens(text: string): number {
	return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** Tokens of a value that the provider reads as JSON (tool definitions, schemas). */
export function countJsonTokens(value: unknown): number {
	return value === undefined || value === null ? 0 : countTextTokens(JSON.stringify(value));
}
