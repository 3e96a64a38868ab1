import { createHash } from "node:crypto";
import { type Client, ScheduleAlreadyRunning, type ScheduleOptions } from "@temporalio/client";

/** A schedule as the code wants it. Whether it is paused is the operators' own. */
export type DesiredSchedule = Pick<ScheduleOptions, "scheduleId" | "spec" | "action"> & Required<Pick<ScheduleOptions, "policies">>;

const DEADLINE_MS = 10_000;
/** In the memo of each of its runs: of what the schedule was made. */
const DEFINITION = "definition";

/**
 * Makes a schedule, or changes it where it is another than what is wanted; where it is as wanted nothing is written. What operators did to it, as pausing it,
 * stays. Run again by whoever starts, it does no harm. Rejects while Temporal is away.
 */
export async function ensureSchedule(client: Client, desired: DesiredSchedule): Promise<"made" | "changed" | "unchanged"> {
	return client.withDeadline(Date.now() + DEADLINE_MS, () => ensure(client, desired));
}

async function ensure({ schedule: schedules }: Client, { scheduleId, spec, action, policies }: DesiredSchedule): Promise<"made" | "changed" | "unchanged"> {
	const definition = createHash("sha256").update(JSON.stringify({ spec, action, policies })).digest("hex");
	const marked = { ...action, memo: { ...action.memo, [DEFINITION]: definition } };
	try {
		await schedules.create({ scheduleId, spec, action: marked, policies });
		return "made";
	} catch (error) {
		if (!(error instanceof ScheduleAlreadyRunning)) throw error;
	}
	const handle = schedules.getHandle(scheduleId);
	if ((await handle.describe()).action.memo?.[DEFINITION] === definition) return "unchanged";
	await handle.update(({ state }) => ({ spec, action: marked, policies, state }));
	return "changed";
}
