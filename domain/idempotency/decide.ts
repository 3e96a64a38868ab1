/**
 * What a call with an `Idempotency-Key` meets, and what it leaves behind (money-path §6). A key stands for one request: it is
 * never sent twice, also where nobody knows what became of it; only what was never sent or billed is forgotten.
 */

/** Longest key. Stripe's limit, which callers know. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;
/** Largest answer that is kept. */
export const KEPT_ANSWER_BYTES_MAX = 1024 * 1024;

/** 1 to 255 printable ASCII characters. */
export function isIdempotencyKey(text: string): boolean {
	return text.length <= IDEMPOTENCY_KEY_LENGTH_MAX && /^[\x20-\x7e]+$/.test(text);
}

/** `charged`: sent, and no complete answer says what it did. `too_large`: answered, above `KEPT_ANSWER_BYTES_MAX`. */
export type UnknownReason = "charged" | "too_large";

export type KnownRecord = {
	readonly state: "open" | "answered" | "unknown";
	readonly isSameRequest: boolean;
	/** The call that opened the record may still end it. */
	readonly isHolderLive: boolean;
	readonly reason: UnknownReason | null;
};

/** `interrupted`: the gateway that served the call ended, or could not say how the call ended. */
export type RepeatDecision =
	| { readonly kind: "replay" }
	| { readonly kind: "in_flight" }
	| { readonly kind: "mismatch" }
	| { readonly kind: "outcome_unknown"; readonly reason: UnknownReason | "interrupted" };

/** What a call gets whose key is taken. */
export function decideRepeat(record: KnownRecord): RepeatDecision {
	if (!record.isSameRequest) return { kind: "mismatch" };
	if (record.state === "answered") return { kind: "replay" };
	if (record.state === "open") return record.isHolderLive ? { kind: "in_flight" } : { kind: "outcome_unknown", reason: "interrupted" };
	return { kind: "outcome_unknown", reason: record.reason ?? "charged" };
}

/**
 * How the money of a call ended. `unsent`: no attempt, or every one released; `open`: an attempt was admitted and its
 * ending could not be booked, so it counts as spent.
 */
export type MoneyEnd = "unsent" | "open" | "settled" | "charged";

export type RecordEnd = { readonly kind: "removed" } | { readonly kind: "answered" } | { readonly kind: "unknown"; readonly reason: UnknownReason };

/** What is kept of a call that took the key. `isWhole`: the complete answer is at hand. */
export function decideRecordEnd(call: { readonly money: MoneyEnd; readonly isWhole: boolean; readonly answerBytes: number }): RecordEnd {
	if (call.money === "unsent") return { kind: "removed" };
	if (call.money !== "settled" || !call.isWhole) return { kind: "unknown", reason: "charged" };
	return call.answerBytes > KEPT_ANSWER_BYTES_MAX ? { kind: "unknown", reason: "too_large" } : { kind: "answered" };
}
