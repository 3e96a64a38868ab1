import { TemporalFailure } from "@temporalio/common";
import { isCancellation, log } from "@temporalio/workflow";
import type { CollectorStep } from "#domain/batching/collector-plan.ts";
import type { CollectorEvent } from "#domain/batching/collector-reducer.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { flushCollector, flushCollectorLocally, readCollector, readCollectorLocally } from "../shared/activity-proxies.ts";

/** The activity of each step, and what it means. Throws ActivityFailure when its tries are used up. */
export async function carryOut(scope: CollectorScope, step: CollectorStep): Promise<CollectorEvent> {
	if (step.kind === "read") {
		const picture = await withinTask(
			() => readCollectorLocally({ scope }),
			() => readCollector({ scope }),
		);
		return { kind: "read", picture, nowMs: Date.now() };
	}
	const { batchId, version, reason } = step;
	const { items } = await withinTask(
		() => flushCollectorLocally({ batchId, version, reason }),
		() => flushCollector({ batchId, version, reason }),
	);
	return { kind: "flushed", batchId, reason, items, nowMs: Date.now() };
}

/** One event in the place of six, where PostgreSQL answers at once; else an ordinary activity goes on. */
async function withinTask<Result>(locally: () => Promise<Result>, ordinarily: () => Promise<Result>): Promise<Result> {
	try {
		return await locally();
	} catch (error) {
		// A local activity fails with its own error, where others come in an ActivityFailure: it must not end the workflow.
		if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
		log.warn("a step of a collector goes on outside its task", { error: error.message });
		return ordinarily();
	}
}
