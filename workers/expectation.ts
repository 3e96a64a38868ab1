import type { Logger } from "pino";
import { sweepExpectations } from "#activities/expectation/sweep.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { repeat } from "./shared/repeat.ts";

const EVERY_MS = 30_000;

/** Compares what teams spend today with what was expected of the day, in one worker or several. Returns how to stop. */
export function startExpectation(sql: SqlConnection, log: Pick<Logger, "info" | "warn" | "error">): () => Promise<void> {
	const work = async (): Promise<void> => {
		const { daysAbove, anomaliesTold } = await sweepExpectations(sql);
		for (const { teamId, date } of daysAbove) log.info({ teamId, date }, "a team has spent more than twice what was expected of the day");
		if (anomaliesTold > 0) log.info({ anomaliesTold }, "days of teams or features cost more than they should have");
	};
	return repeat({ name: "expected day", everyMs: EVERY_MS, work }, log);
}
