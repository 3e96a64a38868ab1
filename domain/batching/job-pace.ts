/**
 * How long the job of a batch waits before it asks again. Jitter is a number from 0 up to 1 that the caller draws, so that a thousand batches
 * that were handed in together are not asked about together.
 */

/** A fifth of what it waited already: at most so much later than it could be a batch is noticed, and a day takes some 115 looks. */
const POLL_SHARE = 5;
const POLL_MS_MIN = 30_000;
const POLL_MS_MAX = 900_000;
/** A batch that is being cancelled ends within minutes. */
const CANCELLING_POLL_MS_MAX = 60_000;

const RETRY_MS_FIRST = 5_000;
const RETRY_MS_MAX = 900_000;

const HOUR_MS = 3_600_000;
/** Until other batches of the account may have ended. */
const TOKENS_WAIT_MS = 60_000;

/** Until the next look at a provider batch that has run for `waitedMs`: within a tenth of 30 s to 15 minutes (1 minute where it is being cancelled). */
export function pollDelayMs(waitedMs: number, jitter: number, isCancelling = false): number {
	const share = Math.max(waitedMs, 0) / POLL_SHARE;
	const most = isCancelling ? CANCELLING_POLL_MS_MAX : POLL_MS_MAX;
	return Math.round(Math.min(Math.max(share, POLL_MS_MIN), most) * (0.9 + 0.2 * jitter));
}

/** After `failures` in a row, from 1: doubling from 5 s to 15 minutes, of which the second half is jitter. `askedMs`: what the provider asked to be waited. */
export function retryDelayMs(failures: number, jitter: number, askedMs = 0): number {
	const whole = Math.min(RETRY_MS_FIRST * 2 ** Math.min(Math.max(failures - 1, 0), 20), RETRY_MS_MAX);
	return Math.max(Math.round(whole * (0.5 + 0.5 * jitter)), askedMs);
}

/** What one provider account has of ours. Times in milliseconds since 1970, on the clock of `nowMs`. */
export type ProviderLoad = {
	readonly nowMs: number;
	/** When batches were submitted within the last hour, any order. */
	readonly submittedAtMs: readonly number[];
	/** Input tokens, by their bounds, of the parts of the same model that are submitted and have not ended. */
	readonly waitingTokens: number;
	/** The same of the part that is to go. */
	readonly partTokens: number;
};

export type SubmitRoom = { readonly kind: "room" } | { readonly kind: "wait"; readonly waitMs: number; readonly why: string };

/**
 * Whether another batch may go to the account now. The limits are the provider's: what it refuses all the same is waited for as well.
 * A part above the limit of tokens by itself goes when nothing else waits, and the provider says what it thinks of it.
 */
export function decideSubmitRoom(
	{ nowMs, submittedAtMs, waitingTokens, partTokens }: ProviderLoad,
	limits: { readonly batchesPerHour: number | undefined; readonly enqueuedTokensMax: number | undefined },
): SubmitRoom {
	const { batchesPerHour, enqueuedTokensMax } = limits;
	const lately = submittedAtMs.filter((atMs) => atMs > nowMs - HOUR_MS).toSorted((left, right) => left - right);
	if (batchesPerHour !== undefined && lately.length >= batchesPerHour) {
		// As many have to be older than an hour as leave one place.
		const last = lately[lately.length - batchesPerHour] ?? nowMs;
		return { kind: "wait", waitMs: Math.max(last + HOUR_MS - nowMs, 1), why: `${batchesPerHour} batches went to the provider within an hour` };
	}
	if (enqueuedTokensMax !== undefined && waitingTokens > 0 && waitingTokens + partTokens > enqueuedTokensMax)
		return { kind: "wait", waitMs: TOKENS_WAIT_MS, why: `${waitingTokens} of ${enqueuedTokensMax} tokens wait at the provider` };
	return { kind: "room" };
}
