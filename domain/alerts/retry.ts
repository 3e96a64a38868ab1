/**
 * What becomes of a try to deliver: pure, so that every answer and every silence has its row in a test. An answer that says never is
 * not asked again; everything else is, from one second to a quarter of an hour apart, for a day.
 */
export type SendOutcome =
	| { readonly kind: "delivered"; readonly said: string }
	| {
			readonly kind: "failed";
			/** Shown to people; no secret in it. */
			readonly said: string;
			/** Trying again cannot help. */
			readonly isFinal: boolean;
			/** It was sent and no answer came: the receiver may have it. */
			readonly mayHaveArrived: boolean;
			/** The receiver asked to be left alone for so long. */
			readonly pauseMs: number;
	  };

export type DeliveryStep =
	| { readonly kind: "delivered"; readonly said: string }
	| { readonly kind: "retry"; readonly said: string; readonly afterMs: number; readonly mayHaveArrived: boolean; readonly pauseMs: number }
	| { readonly kind: "dead"; readonly said: string; readonly mayHaveArrived: boolean; readonly pauseMs: number };

export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 15 * 60_000;
export const GIVE_UP_AFTER_MS = 24 * 3_600_000;
/** A receiver that asks for more is asked again all the same. */
export const LONGEST_PAUSE_MS = 3_600_000;

export type Tried = {
	/** Counts from 1. */
	readonly attempt: number;
	/** Since the first. */
	readonly triedForMs: number;
	/** In [0, 1). */
	readonly random: number;
	/** Default: a day. */
	readonly giveUpAfterMs?: number | undefined;
};

export function decideDelivery(outcome: SendOutcome, tried: Tried): DeliveryStep {
	if (outcome.kind === "delivered") return outcome;
	const { said, mayHaveArrived, isFinal } = outcome;
	const pauseMs = Math.min(Math.max(0, outcome.pauseMs), LONGEST_PAUSE_MS);
	if (isFinal || tried.triedForMs >= (tried.giveUpAfterMs ?? GIVE_UP_AFTER_MS)) return { kind: "dead", said, mayHaveArrived, pauseMs };
	return { kind: "retry", said, mayHaveArrived, pauseMs, afterMs: Math.max(pauseMs, backOffMs(tried.attempt, tried.random)) };
}

/** Doubles from one second; half of it is left to chance, so that what failed together is not tried together. */
export function backOffMs(attempt: number, random: number): number {
	const whole = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 20));
	return Math.round(whole / 2 + (whole / 2) * random);
}

/** Statuses below 500 that may be another in a moment: timeout, conflict, locked, too early, too many. */
const PASSING = new Set([408, 409, 423, 425, 429]);

/** What an HTTP answer says about trying again. */
export function isFinalStatus(status: number): boolean {
	return status >= 300 && status < 500 && !PASSING.has(status);
}

/** `Retry-After` in seconds, or as a date, which needs the receiver's idea of now; 0 where there is none to read. */
export function readRetryAfterMs(header: string | undefined, nowMs: number, parseDate: (text: string) => number): number {
	if (header === undefined) return 0;
	if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1_000;
	const atMs = parseDate(header);
	return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}
