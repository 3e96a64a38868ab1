import type { JobStep } from "#domain/batching/job-plan.ts";
import type { StepResult } from "#domain/batching/job-reducer.ts";
import {
	callRealTimePart,
	cancelBatchPart,
	chooseBatchLanes,
	collectBatchPart,
	createBatchPart,
	deliverAnswers,
	dropBatchPart,
	endUnsentItems,
	findBatchPart,
	finishBatch,
	hedgeBatchItems,
	pollBatchPart,
	readBatchJob,
	seekBatchPart,
	sendItemsAgain,
	settleDoubleBatch,
	tellBatchLate,
	uploadBatchPart,
	writeBatchParts,
} from "../shared/activity-proxies.ts";

/** The activity of each step. null: there is no such batch. Throws ActivityFailure when its tries are used up. */
export function carryOut(batchId: string, step: JobStep): Promise<StepResult | null> {
	switch (step.kind) {
		case "read":
			return readBatchJob({ batchId });
		case "writeParts":
			return writeBatchParts({ batchId });
		case "chooseLanes":
			return chooseBatchLanes({ batchId });
		case "hedge":
			return hedgeBatchItems({ batchId });
		case "call":
			return callRealTimePart({ batchId, part: step.part });
		case "seek":
			return seekBatchPart({ batchId, part: step.part });
		case "settleDouble":
			return settleDoubleBatch({ batchId, part: step.part, providerBatchId: step.providerBatchId });
		case "deliver":
			return deliverAnswers({ batchId });
		case "tellLate":
			return tellBatchLate({ batchId });
		case "upload":
			return uploadBatchPart({ batchId, part: step.part });
		case "create":
			return createBatchPart({ batchId, part: step.part, isClear: step.isClear });
		case "find":
			return findBatchPart({ batchId, part: step.part, notOurs: step.notOurs });
		case "poll":
			return pollBatchPart({ batchId, part: step.part });
		case "cancel":
			return cancelBatchPart({ batchId, part: step.part, providerBatchId: step.providerBatchId });
		case "collect": {
			const { kind: _, ...reading } = step;
			return collectBatchPart({ batchId, ...reading });
		}
		case "again":
			return sendItemsAgain({ batchId, part: step.part });
		case "drop":
			return dropBatchPart({ batchId, part: step.part, as: step.as, problem: step.problem });
		case "endUnsent":
			return endUnsentItems({ batchId, as: step.as, problem: step.problem });
		case "finish":
			return finishBatch({ batchId, to: step.to, problem: step.problem });
	}
}
