import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AcceptResult, DeferredStore, NewDeferredItem } from "../deferred-port.ts";
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
export function holdInTime(store: Pick<BatchStore, "hold">, batchId: string, wait: HoldWait): Promise<Exclude<HoldResult, { kind: "short" }>> {
	return askInTime((waitIsOver) => store.hold(batchId, { waitIsOver }), wait, "batch");
}

/** The same for an item that is handed in alone. */
export function acceptInTime(store: Pick<DeferredStore, "accept">, item: NewDeferredItem, wait: HoldWait): Promise<Exclude<AcceptResult, { kind: "short" }>> {
	return askInTime((waitIsOver) => store.accept(item, { waitIsOver }), wait, "call");
}

type Ask<Result> = (waitIsOver: boolean) => Promise<Result>;
type Short = Extract<HoldResult, { kind: "short" }>;

async function askInTime<Decided extends { readonly kind: "held" | "accepted" | "refused" }>(
	ask: Ask<Decided | Short>,
	wait: HoldWait,
	asker: "batch" | "call",
): Promise<Decided> {
	const startedAtMs = wait.nowMs();
	for (;;) {
		const result = await askOnce(ask, wait.nowMs() - startedAtMs >= wait.waitMs);
		if (!(result instanceof CostControlError) && !isShort(result)) return result;
		if (wait.nowMs() - startedAtMs >= wait.waitMs + RECALL_GRACE_MS) {
			const cause = result instanceof CostControlError ? { cause: result } : {};
			throw new CostControlError("authority.unreachable", `whether there is money for this ${asker} could not be told in time; try again shortly`, cause);
		}
		await wait.pause(ASK_AGAIN_MS);
	}
}

function isShort(result: { readonly kind: string }): result is Short {
	return result.kind === "short";
}

/** A lock that was not free in time, or an outage that may end, is asked again. */
async function askOnce<Result>(ask: Ask<Result>, waitIsOver: boolean): Promise<Result | CostControlError> {
	try {
		return await ask(waitIsOver);
	} catch (error) {
		if (error instanceof CostControlError && error.code === "authority.unreachable") return error;
		throw error;
	}
}
