import type { Logger } from "pino";
import { sweepExpectations } from "#activities/expectation/sweep.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { repeat } from "./shared/repeat.ts";

const EVERY_MS = 30_000;

/** Compares what teams spend today with what was expected of the day, in one worker or several. Returns how to stop. */
export function startExpectation(sql: SqlConnection, log: Pick<Logger, "info" | "warn" | "error">): () => Promise<void> {
	const work = async (): Promise<void> => {
		for (const { teamId, date } of (await sweepExpectations(sql)).daysAbove)
			log.info({ teamId, date }, "a team has spent more than twice what was expected of the day");
	};
	return repeat({ name: "expected day", everyMs: EVERY_MS, work }, log);
}
