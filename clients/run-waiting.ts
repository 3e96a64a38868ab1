import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { isPassing, pause, untilAnswered } from "./asking-again.ts";
import { type GatewayConnection, WAIT_GRACE_MS } from "./gateway-connection.ts";
import { RUN_WAIT_MS_MAX, RunStanding } from "./run-contract.ts";
import { holdOfStanding, RunHeldError } from "./run-errors.ts";

/** A gateway that shuts down answers at once: whoever waited does not all ask again in the same moment. */
const SPREAD_MS = 250;
const SERVER_ERROR = 500;

/**
 * Resolves when the run is not held (any more). A gateway that is away, restarts or is overloaded is asked again, ever more rarely.
 * @throws RunHeldError when it is stopped; CostControlError "run.finished" when it has ended, "run.unknown", "key.…"; the reason of `end`.
 */
export async function untilRunning(connection: GatewayConnection, runId: string, end: AbortSignal | undefined): Promise<void> {
	let version: string | undefined;
	for (;;) {
		const known = version;
		const standing = await untilAnswered(() => waitForChange(connection, { runId, version: known, end }), end, mayPass);
		if (isRunning(standing)) return;
		if (standing.version === version) await pause(Math.random() * SPREAD_MS, end);
		version = standing.version;
	}
}

export function runPath(runId: string): string {
	return `/v1/runs/${encodeURIComponent(runId)}`;
}

type Waiting = { readonly runId: string; readonly version: string | undefined; readonly end: AbortSignal | undefined };

/** How the run stands once its version is no longer `version`, or after a minute. */
function waitForChange(connection: GatewayConnection, { runId, version, end }: Waiting): Promise<RunStanding> {
	if (version === undefined) return connection.send(`GET ${runPath(runId)}/wait`, RunStanding, { signal: end });
	const timeoutMs = RUN_WAIT_MS_MAX + WAIT_GRACE_MS;
	return connection.send(`GET ${runPath(runId)}/wait?version=${version}&waitMs=${RUN_WAIT_MS_MAX}`, RunStanding, { timeoutMs, signal: end });
}

function isRunning(standing: RunStanding): boolean {
	if (standing.state === "running") return true;
	if (standing.state === "paused") return false;
	const hold = holdOfStanding(standing);
	if (standing.state === "stopped" && hold !== undefined) throw new RunHeldError(hold);
	throw new CostControlError("run.finished", `The run ${standing.runId} has ended.`, { details: { runId: standing.runId } });
}

/** A person's pause outlasts whatever goes wrong at the gateway, its own mistakes among it. */
function mayPass(error: unknown): error is Error {
	if (error instanceof RunHeldError) return false;
	return isPassing(error) || (error instanceof CostControlError && Number(error.details["httpStatus"]) >= SERVER_ERROR);
}
