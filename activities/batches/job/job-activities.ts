import type { StepOutcome, StepResult } from "#domain/batching/job-reducer.ts";
import { asActivity } from "../../shared/activity-errors.ts";
import { deliverAnswers } from "../delivery/answers.ts";
import { chooseLanes } from "./choose-lanes.ts";
import { hedgeItems } from "./hedge-items.ts";
import { cancelPart, collectPart, dropPart, endUnsent, finishBatch, pollPart, sendAgain, settleDouble, tellLate } from "./job-collect.ts";
import type {
	AskCancelInput,
	BatchJobDependencies,
	CallInput,
	CancelPartInput,
	CollectInput,
	CreateInput,
	DropInput,
	EndUnsentInput,
	FindInput,
	FinishInput,
	PartInput,
} from "./job-port.ts";
import { readPicture, resultOf, takeUp } from "./job-rows.ts";
import { createPart, findPart, uploadPart, writeParts } from "./job-submit.ts";
import { callRealTimePart } from "./real-time-part.ts";
import { seekPart } from "./seek-part.ts";

export type BatchJobActivities = ReturnType<typeof createBatchJobActivities>;

type OfBatch = { readonly batchId: string };

/** A worker that is gone is noticed by its silence (STREAM_ACTIVITY), and a provider may think about a large file for longer than that. */
const PULSE_MS = 5_000;

/**
 * Every step of a batch's job. Each may be cut at any point and be done again: the rows are read first, and what stands there is not done
 * twice. Each answers with the rows as they are then.
 */
export function createBatchJobActivities(dependencies: BatchJobDependencies) {
	const { store } = dependencies;
	const step =
		<Input extends OfBatch>(work: (input: Input) => Promise<StepOutcome>) =>
		(input: Input): Promise<StepResult> =>
			asActivity(() => pulsing(dependencies, async () => resultOf(store, input.batchId, await work(input))));
	// What it did, the rows say.
	const inRows =
		<Input extends OfBatch>(work: (input: Input) => Promise<unknown>) =>
		(input: Input): Promise<StepResult> =>
			step<Input>(async (given) => {
				await work(given);
				return { kind: "done" };
			})(input);
	return {
		/** null: there is no such batch, nothing was ever held for it. */
		readBatchJob: ({ batchId }: OfBatch): Promise<StepResult | null> =>
			asActivity(async () => {
				await takeUp(store, batchId);
				const picture = await readPicture(store, batchId);
				return picture === undefined ? null : { picture, outcome: { kind: "done" } };
			}),
		writeBatchParts: inRows(({ batchId }: OfBatch) => writeParts(dependencies, batchId)),
		chooseBatchLanes: inRows(({ batchId }: OfBatch) => chooseLanes(dependencies, batchId)),
		hedgeBatchItems: step(({ batchId }: OfBatch) => hedgeItems(dependencies, batchId)),
		callRealTimePart: step((input: CallInput) => callRealTimePart(dependencies, input)),
		uploadBatchPart: step((input: PartInput) => uploadPart(dependencies, input)),
		createBatchPart: step((input: CreateInput) => createPart(dependencies, input)),
		findBatchPart: step((input: FindInput) => findPart(dependencies, input)),
		pollBatchPart: step((input: PartInput) => pollPart(dependencies, input)),
		cancelBatchPart: step((input: CancelPartInput) => cancelPart(dependencies, input)),
		collectBatchPart: step((input: CollectInput) => collectPart(dependencies, input)),
		sendItemsAgain: inRows((input: PartInput) => sendAgain(dependencies, input)),
		dropBatchPart: inRows((input: DropInput) => dropPart(dependencies, input)),
		endUnsentItems: inRows((input: EndUnsentInput) => endUnsent(dependencies, input)),
		finishBatch: inRows((input: FinishInput) => finishBatch(dependencies, input)),
		seekBatchPart: step((input: PartInput) => seekPart(dependencies, input)),
		settleDoubleBatch: step((input: CancelPartInput) => settleDouble(dependencies, input)),
		tellBatchLate: inRows(({ batchId }: OfBatch) => tellLate(dependencies, batchId)),
		deliverAnswers: inRows(({ batchId }: OfBatch) => deliverAnswers(dependencies, batchId)),
		askBatchCancel: inRows(({ batchId, by }: AskCancelInput) => store.askCancel(batchId, by)),
	};
}

async function pulsing<Result>({ heartbeat }: Pick<BatchJobDependencies, "heartbeat">, work: () => Promise<Result>): Promise<Result> {
	const timer = setInterval(heartbeat, PULSE_MS);
	try {
		return await work();
	} finally {
		clearInterval(timer);
	}
}
