import { itemOf } from "#domain/batching/attempt-of-item.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { BatchProvider, FoundBatch } from "../providers/provider-port.ts";
import type { BatchJobDependencies, PartInput } from "./job-port.ts";
import { readBatch, readPart } from "./job-rows.ts";
import { providerOf } from "./job-submit.ts";

/** A provider's batch has ended by then, whenever its creation arrived. */
const SOUGHT_FOR_MS = 25 * 3_600_000;

/**
 * Looks once more for a part that was given up as not created, when nothing else is to be done. Where a provider has no metadata, one of its size is this part
 * when its results name items of the batch: no other part of it is without a batch of the provider.
 *
 * @throws CostControlError "provider.unreachable" while one that may be it runs: its batch does not end before.
 */
export async function seekPart(dependencies: BatchJobDependencies, { batchId, part }: PartInput): Promise<StepOutcome> {
	const { store, realTime } = dependencies;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	const provider = providerOf(dependencies, batch);
	const known = await store.knownProviderBatches(batch.provider);
	const sinceMs = record.submitBeganAtMs ?? batch.createdAtMs;
	const found = await provider.find(record, { sinceMs, isOthers: (id) => known.get(id)?.isCertain === true });
	const maySeekOn = realTime.wallClockMs() - sinceMs < SOUGHT_FOR_MS;
	const proven: FoundBatch[] = [];
	for (const one of found) {
		const proof = one.isCertain ? one : await prove(provider, batch, one);
		if (proof === "running" && maySeekOn) throw stillRuns(record, one);
		if (proof !== "running" && proof !== undefined) proven.push(proof);
	}
	const [first, ...others] = proven;
	if (first === undefined) return { kind: "absent" };
	return { kind: "found", status: first.status, isCertain: true, doubles: others.map(({ status }) => status.providerBatchId) };
}

/** undefined: its results name nothing of this batch, or cannot be had. */
async function prove(
	provider: BatchProvider,
	{ number, items }: BatchRecord,
	{ status: { providerBatchId } }: FoundBatch,
): Promise<FoundBatch | "running" | undefined> {
	const status = await provider.poll(providerBatchId);
	if (status.state !== "ended") return status.state === "failed" ? undefined : "running";
	try {
		for await (const line of provider.results(status))
			if (line.kind === "item") return itemOf(line.customId, { batchNumber: number, items }) === undefined ? undefined : { status, isCertain: true };
		return undefined;
	} catch (error) {
		if (error instanceof CostControlError && error.code === "provider.results_gone") return undefined;
		throw error;
	}
}

function stillRuns({ part }: PartRecord, { status }: FoundBatch): CostControlError {
	return new CostControlError("provider.unreachable", `batch ${status.providerBatchId} may be part ${part}, which was given up, and has not ended`, {
		details: { providerBatchId: status.providerBatchId, retryAfterMs: null },
	});
}
