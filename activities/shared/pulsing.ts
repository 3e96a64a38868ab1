import { asActivity } from "./activity-errors.ts";

/** A worker that is gone is noticed by its silence, within a few times this. */
const PULSE_MS = 5_000;

/** Does the work of an activity, and says all the while that it is alive, however long one statement takes. */
export async function pulsing<Result>(heartbeat: () => void, work: () => Promise<Result>): Promise<Result> {
	const timer = setInterval(heartbeat, PULSE_MS);
	try {
		return await asActivity(work);
	} finally {
		clearInterval(timer);
	}
}
