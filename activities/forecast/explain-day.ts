import type { Queryable } from "#activities/keys/port.ts";
import { type LikeDays, readLeaves } from "#activities/spend/read-days.ts";
import { type ExcessCause, explainExcess } from "#domain/anomaly/explain-excess.ts";

const WEEK = 7;
const WEEKS = 6;

/** The same weekdays of the six weeks before something began on `since`, as far as there was spend; none: there were no such days. */
export function likeDaysOf(day: number, since: number, firstDay: number): number[] {
	const weeksBetween = Math.floor((day - since) / WEEK);
	return Array.from({ length: WEEKS }, (_, week) => day - WEEK * (weeksBetween + 1 + week)).filter((one) => one >= firstDay && one < since);
}

/** Why a day was dear, beside those like it; without any, by what it was made of. undefined: the hours of the day know of no excess. */
export async function explainDay(database: Queryable, days: LikeDays): Promise<ExcessCause | undefined> {
	return explainExcess(await readLeaves(database, days), Math.max(1, days.likeDays.length));
}
