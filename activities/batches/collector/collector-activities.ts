import { asActivity } from "../../shared/activity-errors.ts";
import type { CollectorDependencies, FlushCollectorInput, FlushCollectorResult, ReadCollectorInput, ReadCollectorResult } from "./collector-port.ts";

export type CollectorActivities = ReturnType<typeof createCollectorActivities>;

/** Price versions and aliases that items of one collector come at together. Further ones are seen when the first have gone. */
const BATCHES_MAX = 16;
const HOUR_MS = 3_600_000;

/** The steps of a collector. Each may be cut at any point and be done again. */
export function createCollectorActivities(dependencies: CollectorDependencies) {
	return {
		readCollector: (input: ReadCollectorInput): Promise<ReadCollectorResult> => asActivity(() => readCollector(dependencies, input)),
		flushCollector: (input: FlushCollectorInput): Promise<FlushCollectorResult> => asActivity(() => flushCollector(dependencies, input)),
	};
}

async function readCollector(dependencies: CollectorDependencies, { scope }: ReadCollectorInput): Promise<ReadCollectorResult> {
	const { rows, turnarounds, realTimeP99Ms, marginMs } = dependencies;
	const { nowMs: clockMs, submittedAtMs, waitingTokens } = await dependencies.readLoad(scope);
	const { quantileMs, source, samples, inFlight } = await turnarounds.estimate(scope, clockMs);
	const batches = await rows.batchesOf(scope, { neededMs: quantileMs + realTimeP99Ms + marginMs, most: BATCHES_MAX });
	const { itemsMax, bytesMax, embeddingInputsMax = null, enqueuedTokensMax = null, batchesPerHour } = dependencies.limitsOf(scope);
	const lately = submittedAtMs.filter((atMs) => atMs > clockMs - HOUR_MS).length;
	return {
		...{ clockMs, batches, realTimeP99Ms, marginMs, enqueuedTokens: waitingTokens },
		limits: { itemsMax, bytesMax, embeddingInputsMax, enqueuedTokensMax },
		batchesLeft: batchesPerHour === undefined ? null : Math.max(batchesPerHour - lately, 0),
		turnaround: { quantileMs, source, samples, inFlight },
	};
}

/** One that was flushed before, by a try that nobody heard of, is flushed. */
async function flushCollector({ rows, read }: CollectorDependencies, { batchId, version }: FlushCollectorInput): Promise<FlushCollectorResult> {
	const isFlushed = await rows.flush(batchId, version);
	const batch = await read(batchId);
	if (batch === undefined) return { items: 0 };
	return { items: isFlushed || batch.state !== "collecting" ? batch.items : null };
}
