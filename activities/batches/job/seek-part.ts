import type { PartRecord, ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchJobDependencies, PartInput } from "./job-port.ts";
import { readBatch, readPart } from "./job-rows.ts";
import { providerOf } from "./job-submit.ts";
import { namesItemsOf } from "./whose-batch.ts";

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
	const proven: ProviderBatchStatus[] = [];
	for (const { status, isCertain } of found) {
		if (isCertain || (status.state === "ended" && (await namesItemsOf(batch, provider, status)))) proven.push(status);
		else if (status.state !== "ended" && status.state !== "failed" && maySeekOn) throw stillRuns(record, status);
	}
	const [first, ...others] = proven;
	if (first === undefined) return { kind: "absent" };
	return { kind: "found", status: first, isCertain: true, doubles: others.map(({ providerBatchId }) => providerBatchId) };
}

function stillRuns({ part }: PartRecord, { providerBatchId }: ProviderBatchStatus): CostControlError {
	return new CostControlError("provider.unreachable", `batch ${providerBatchId} may be part ${part}, which was given up, and has not ended`, {
		details: { providerBatchId, retryAfterMs: null },
	});
}
