import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchStore, HoldResult } from "../port.ts";

const ASK_AGAIN_MS = 100;
/** A gateway answers a claim with its second heartbeat, or is unreachable after a second: well over both. */
const RECALL_GRACE_MS = 3_000;

export type HoldWait = {
	/** Policy `admissionWaitMs` of the team. */
	readonly waitMs: number;
	/** Monotonic milliseconds. */
	readonly nowMs: () => number;
	readonly pause: (ms: number) => Promise<void>;
};

/**
 * Asks for the money of a batch until it is held or refused, as a call waits for money that is held and not spent. Where nobody can tell in time,
 * or PostgreSQL does not answer, that is no refusal. @throws CostControlError "authority.unreachable"; asking again then is safe.
 */
export async function holdInTime(store: Pick<BatchStore, "hold">, batchId: string, wait: HoldWait): Promise<Exclude<HoldResult, { kind: "short" }>> {
	const startedAtMs = wait.nowMs();
	for (;;) {
		const result = await holdOnce(store, batchId, wait.nowMs() - startedAtMs >= wait.waitMs);
		if (!(result instanceof CostControlError) && result.kind !== "short") return result;
		if (wait.nowMs() - startedAtMs >= wait.waitMs + RECALL_GRACE_MS) {
			const cause = result instanceof CostControlError ? { cause: result } : {};
			throw new CostControlError("authority.unreachable", "whether there is money for this batch could not be told in time; try again shortly", cause);
		}
		await wait.pause(ASK_AGAIN_MS);
	}
}

/** A lock that was not free in time, or an outage that may end, is asked again. */
async function holdOnce(store: Pick<BatchStore, "hold">, batchId: string, waitIsOver: boolean): Promise<HoldResult | CostControlError> {
	try {
		return await store.hold(batchId, { waitIsOver });
	} catch (error) {
		if (error instanceof CostControlError && error.code === "authority.unreachable") return error;
		throw error;
	}
}
