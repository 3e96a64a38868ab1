import { setTimeout as delay } from "node:timers/promises";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { UnreachableError } from "./errors.ts";
import { RunHeldError } from "./run-errors.ts";

export type WaitOptions = {
	/** Ends the waiting; it rejects with the signal's reason. */
	readonly signal?: AbortSignal | undefined;
	/** Default: for as long as it takes. Then it rejects with a TimeoutError. */
	readonly timeoutMs?: number | undefined;
};

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** Load balancers say these for a gateway that is away; a 500 of the gateway is a mistake of ours and stays one. */
const PASSING_STATUSES: ReadonlySet<unknown> = new Set([429, 502, 503, 504]);

/** The two options as one signal; undefined where neither is given. */
export function endOfWaiting({ signal, timeoutMs }: WaitOptions): AbortSignal | undefined {
	const ends = [...(signal === undefined ? [] : [signal]), ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)])];
	return ends.length === 0 ? undefined : AbortSignal.any(ends);
}

/** Asking the same again may help: nobody answered, or whoever did is overloaded or restarts. */
export function isPassing(error: unknown): error is Error {
	if (error instanceof UnreachableError) return true;
	if (!(error instanceof CostControlError) || error instanceof RunHeldError) return false;
	return error.isRetryable || PASSING_STATUSES.has(error.details["httpStatus"]);
}

/**
 * The answer. A gateway that is away, restarts or is overloaded is asked again, ever more rarely, for as long as it takes.
 * @throws the first error that is not `mayPass`; the reason of `end`.
 */
export async function untilAnswered<Answer>(
	call: () => Promise<Answer>,
	end: AbortSignal | undefined,
	mayPass: (error: unknown) => error is Error = isPassing,
): Promise<Answer> {
	for (let failures = 1; ; failures += 1) {
		end?.throwIfAborted();
		try {
			return await call();
		} catch (error) {
			end?.throwIfAborted();
			if (!mayPass(error)) throw error;
			await pause(backoffMs(failures, error), end);
		}
	}
}

/** How long to wait after so many failures, the last of them `error`. */
export function backoffMs(failures: number, error: Error): number {
	const most = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
	const asked = error instanceof CostControlError ? Number(error.details["retryAfterMs"] ?? 0) : 0;
	return Math.max(asked, most * (0.5 + Math.random() / 2));
}

/** @throws the reason of `end`. */
export async function pause(ms: number, end: AbortSignal | undefined): Promise<void> {
	// How the timer says that it was aborted is its own; the caller hears why.
	await delay(ms, undefined, end === undefined ? {} : { signal: end }).catch((error: unknown) => {
		end?.throwIfAborted();
		throw error;
	});
}
