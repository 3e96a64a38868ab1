import type { BatchRecord } from "#activities/batches/port.ts";
import { BATCH_ID_PATTERN } from "#domain/batching/batch.ts";
import type { Problem } from "../problem.ts";
import { type BatchCall, parameterOf, refuseQuery } from "./answering.ts";
import type { Listing } from "./pages.ts";
import { hasEnded } from "./render-anthropic.ts";

/** Batches as their callers may see them: those of the team and of the protocol that a caller made and whose money was held. */
export async function findBatch({ batches, key, protocol }: BatchCall, batchId: string): Promise<BatchRecord | undefined> {
	if (!BATCH_ID_PATTERN.test(batchId)) return undefined;
	const batch = await batches.store.read(batchId, key.teamId);
	return batch !== undefined && isCallers(batch, protocol) ? batch : undefined;
}

export function batchesOf({ batches, key, protocol }: BatchCall): Listing<BatchRecord> {
	return {
		fetch: (page) => batches.store.list(key.teamId, { ...page, protocol }),
		idOf: ({ batchId }) => batchId,
		isListed: (batch) => isCallers(batch, protocol),
	};
}

function isCallers({ origin, protocol, state }: BatchRecord, wanted: BatchRecord["protocol"]): boolean {
	return origin === "caller" && protocol === wanted && state !== "collecting";
}

/** The batch that the path names. */
export async function readBatch(call: BatchCall): Promise<BatchRecord | Problem> {
	const batchId = parameterOf(call.request, "batchId");
	return refuseQuery(call.request, call.protocol === "anthropic" ? ["beta"] : []) ?? (await findBatch(call, batchId)) ?? batchMissing(batchId, "batch_id");
}

/** Asks for its end; what the provider has finished by then is kept, and paid. Asked again, it says how far that is. */
export async function cancelBatch(call: BatchCall): Promise<BatchRecord | Problem> {
	const found = await readBatch(call);
	if ("code" in found) return found;
	if (hasEnded(found)) return batchEnded(found);
	const asked = await call.batches.store.askCancel(found.batchId, `key ${call.key.keyId}`);
	// It may have ended meanwhile.
	return hasEnded(asked) && asked.cancelAskedAtMs === null ? batchEnded(asked) : asked;
}

function batchEnded({ batchId, state }: BatchRecord): Problem {
	return { code: "batch.ended", message: `The batch ${batchId} is ${state} already.`, field: "batch_id" };
}

/** Whoever asks for another team's is told nothing of it. */
export function batchMissing(batchId: string, field: string): Problem {
	return { code: "batch.missing", message: `This team has no batch ${batchId.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, "?")}.`, field };
}
