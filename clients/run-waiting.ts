import { setTimeout as delay } from "node:timers/promises";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { UnreachableError } from "./errors.ts";
import type { RunConnection } from "./run-connection.ts";
import type { RunStanding } from "./run-contract.ts";
import { holdOfStanding, RunHeldError } from "./run-errors.ts";

export type WaitOptions = {
	/** Ends the waiting; it rejects with the signal's reason. */
	readonly signal?: AbortSignal | undefined;
	/** Default: for as long as it takes. Then it rejects with a TimeoutError. */
	readonly timeoutMs?: number | undefined;
};

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** A gateway that shuts down answers at once: whoever waited does not all ask again in the same moment. */
const SPREAD_MS = 250;
const SERVER_ERROR = 500;

/** The two options as one signal; undefined where neither is given. */
export function endOfWaiting({ signal, timeoutMs }: WaitOptions): AbortSignal | undefined {
	const ends = [...(signal === undefined ? [] : [signal]), ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)])];
	return ends.length === 0 ? undefined : AbortSignal.any(ends);
}

/**
 * Resolves when the run is not held (any more). A gateway that is away, restarts or is overloaded is asked again, ever more rarely.
 * @throws RunHeldError when it is stopped; CostControlError "run.finished" when it has ended, "run.unknown", "key.…"; the reason of `end`.
 */
export async function untilRunning(connection: RunConnection, runId: string, end: AbortSignal | undefined): Promise<void> {
	let version: string | undefined;
	for (let failures = 0; ; ) {
		end?.throwIfAborted();
		const answer = await connection.wait(runId, version, end).catch((error: unknown) => passing(error, end));
		if (answer instanceof Error) {
			failures += 1;
			await pause(backoffMs(failures, answer), end);
			continue;
		}
		failures = 0;
		if (isRunning(answer)) return;
		if (answer.version === version) await pause(Math.random() * SPREAD_MS, end);
		version = answer.version;
	}
}

function isRunning(standing: RunStanding): boolean {
	if (standing.state === "running") return true;
	if (standing.state === "paused") return false;
	const hold = holdOfStanding(standing);
	if (standing.state === "stopped" && hold !== undefined) throw new RunHeldError(hold);
	throw new CostControlError("run.finished", `The run ${standing.runId} has ended.`, { details: { runId: standing.runId } });
}

/** The error, where asking again may help; else it is thrown. */
function passing(error: unknown, end: AbortSignal | undefined): Error {
	end?.throwIfAborted();
	if (error instanceof UnreachableError) return error;
	const isPassing =
		error instanceof CostControlError && !(error instanceof RunHeldError) && (error.isRetryable || Number(error.details["httpStatus"]) >= SERVER_ERROR);
	if (isPassing) return error;
	throw error;
}

function backoffMs(failures: number, error: Error): number {
	const most = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
	const asked = error instanceof CostControlError ? Number(error.details["retryAfterMs"] ?? 0) : 0;
	return Math.max(asked, most * (0.5 + Math.random() / 2));
}

async function pause(ms: number, end: AbortSignal | undefined): Promise<void> {
	// How the timer says that it was aborted is its own; the caller hears why.
	await delay(ms, undefined, end === undefined ? {} : { signal: end }).catch((error: unknown) => {
		end?.throwIfAborted();
		throw error;
	});
}
