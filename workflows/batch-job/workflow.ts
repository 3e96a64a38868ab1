import { allHandlersFinished, CancellationScope, condition, log, makeContinueAsNewFunc, setHandler } from "@temporalio/workflow";
import { guardHandler } from "../shared/handler-errors.ts";
import { EVENTS_PER_RUN, isHistoryLongEnough } from "../shared/lifecycle.ts";
import { validateBy } from "../shared/validate-by.ts";
import { BatchDriver } from "./driver.ts";
import { type BatchJobInput, batchChangedSignal, batchJobStatusQuery, cancelBatchUpdate } from "./messages.ts";
import { asksForRetry } from "./validation.ts";

/** Who is written down where Temporal was asked to cancel the workflow. */
const TEMPORAL = "Temporal: the workflow was cancelled";

/**
 * Drives one batch to its end: request files, provider batches, results, money. Everything it does is an activity that may be done again;
 * how far it is, PostgreSQL holds. It ends with its batch. Cancelling the workflow cancels the batch, and it goes on until that is done.
 */
export async function batchJobWorkflow(input: BatchJobInput): Promise<void> {
	const driver = new BatchDriver(input);
	setHandlers(driver);
	const cancelling = CancellationScope.current().cancelRequested.catch(() => CancellationScope.nonCancellable(() => driver.cancel(TEMPORAL)));
	// Whoever cancelled it sees that the batch goes on, and asks again.
	cancelling.catch((error: unknown) => log.warn("the batch could not be cancelled", { error: String(error) }));
	await CancellationScope.nonCancellable(() => drive(driver, input));
	if (driver.next().kind === "done") return;
	await makeContinueAsNewFunc<typeof batchJobWorkflow>({ memo: driver.memo() })({ ...input, state: driver.state });
}

/** Until the batch is over or the history is long enough, and nobody waits for an answer. */
async function drive(driver: BatchDriver, { eventsPerRun = EVENTS_PER_RUN }: BatchJobInput): Promise<void> {
	for (;;) {
		const move = driver.next();
		if (move.kind === "done" || isHistoryLongEnough(eventsPerRun)) {
			await driver.callEnds();
			await condition(allHandlersFinished);
			return;
		}
		if (move.kind === "wait") await driver.wait(move.untilMs);
		else await driver.take(move);
	}
}

function setHandlers(driver: BatchDriver): void {
	setHandler(cancelBatchUpdate, ({ by }) => driver.cancel(by), {
		validator: guardHandler(validateBy),
		description: 'Cancel the batch: {"by":"YOUR NAME"}. What the provider has finished is paid and comes back; the rest is given back.',
	});
	setHandler(batchChangedSignal, (change) => driver.takeChange(asksForRetry(change)), {
		description: 'The rows of the batch changed, told by the worker. {"retriesNow":true} does at once what waits for its time.',
	});
	setHandler(batchJobStatusQuery, () => driver.status(), { description: "How far the batch is, what its parts do at the provider, and what comes next." });
}
