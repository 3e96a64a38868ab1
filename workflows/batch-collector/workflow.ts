import { allHandlersFinished, CancellationScope, condition, makeContinueAsNewFunc, setHandler } from "@temporalio/workflow";
import { guardHandler } from "../shared/handler-errors.ts";
import { EVENTS_PER_RUN, isHistoryLongEnough } from "../shared/lifecycle.ts";
import { validateBy } from "../shared/validate-by.ts";
import { CollectorDriver } from "./driver.ts";
import { type BatchCollectorInput, batchCollectorStatusQuery, flushNowUpdate, itemsCollectedSignal } from "./messages.ts";

/**
 * Says when items that were handed in alone go: of one team, protocol, endpoint, deployment and model. What waits is in PostgreSQL, and a batch that is
 * sent is driven by a job of its own. It ends when nothing waited for a day; the next item begins it again. Cancelling the workflow sends what waits.
 */
export async function batchCollectorWorkflow(input: BatchCollectorInput): Promise<void> {
	const driver = new CollectorDriver(input);
	setHandlers(driver);
	CancellationScope.current().cancelRequested.catch(() => driver.end());
	await CancellationScope.nonCancellable(() => drive(driver, input));
	if (driver.next().kind === "done") return;
	await CancellationScope.nonCancellable(() =>
		makeContinueAsNewFunc<typeof batchCollectorWorkflow>({ memo: driver.memo() })({ ...input, state: driver.state }),
	);
}

/** Until nothing is left to do or the history is long enough, and nobody waits for an answer. */
async function drive(driver: CollectorDriver, { eventsPerRun = EVENTS_PER_RUN }: BatchCollectorInput): Promise<void> {
	for (;;) {
		const move = driver.next();
		if (move.kind === "done" || isHistoryLongEnough(eventsPerRun)) {
			await condition(allHandlersFinished);
			// What came while somebody waited is done before it ends.
			if (move.kind === "done" && driver.next().kind !== "done") continue;
			return;
		}
		if (move.kind === "wait") await driver.wait(move.untilMs);
		else await driver.take(move);
	}
}

function setHandlers(driver: CollectorDriver): void {
	setHandler(flushNowUpdate, ({ by }) => driver.flushNow(by), {
		validator: guardHandler(validateBy),
		description: 'Send what waits now: {"by":"YOUR NAME"}. Each batch gets a job of its own.',
	});
	setHandler(itemsCollectedSignal, () => driver.takeTold(), {
		description: "Items wait, told by the worker. What waits is read from PostgreSQL.",
	});
	setHandler(batchCollectorStatusQuery, () => driver.status(), { description: "What waits, what the provider has room for, and when it is sent." });
}
