import type { Queryable } from "#activities/keys/port.ts";
import { countForAnswer } from "#activities/spend/count-spend.ts";
import { type DailyQuestion, type DailySpend, readDailySpend } from "#activities/spend/read-days.ts";
import type { ExcessCause } from "#domain/anomaly/explain-excess.ts";
import { watchDays } from "#domain/anomaly/watch-days.ts";
import { excessWorthTelling } from "#domain/anomaly/worth-telling.ts";
import { explainDay, likeDaysOf } from "./explain-day.ts";
import { dateOf, invalid, readDay, utcToday } from "./read-forecasts.ts";

export type AnomalyQuestion = Pick<DailyQuestion, "by" | "teamId" | "feature"> & {
	/** A day like 2026-11-01; default 30 days ago. */
	readonly from?: string | undefined;
	/** Exclusive; default: today is in it. */
	readonly to?: string | undefined;
};

export type FoundAnomaly = Pick<DailySpend, "teamId" | "feature" | "timeZone"> & {
	readonly day: string;
	readonly kind: "spike" | "drift";
	/** The day it began. */
	readonly since: string;
	readonly spentNanoUsd: bigint;
	readonly expectedNanoUsd: bigint;
	/** How many usual deviations the day is above. */
	readonly z: number;
	/** null: the hours of that day know of no excess beside days like it. */
	readonly cause: ExcessCause | null;
};

export type Anomalies = { readonly anomalies: readonly FoundAnomaly[]; readonly leftOut: number; readonly isComplete: boolean };

const DAYS_DEFAULT = 30;
const DAYS_MAX = 366;
const HISTORY_DAYS = 120;
const ANOMALIES_MAX = 500;

/**
 * Days in a span on which teams, or their features, spent more than they should have, the newest first, each with its cause.
 * @throws CostControlError "admin.invalid" for days that are none, backwards, more than a year or more than that ago.
 */
export async function readAnomalies(database: Queryable, { from, to, ...question }: AnomalyQuestion): Promise<Anomalies> {
	const [fromDay, toDay] = [from === undefined ? undefined : readDay(from, "from"), to === undefined ? undefined : readDay(to, "to")];
	if (fromDay !== undefined && toDay !== undefined && fromDay > toDay) throw invalid("to", "is before from");
	const { isComplete } = await countForAnswer(database);
	const { series, leftOut } = await readDailySpend(database, { ...question, daysBack: DAYS_MAX + HISTORY_DAYS });
	const found: { readonly one: DailySpend; readonly anomaly: Omit<FoundAnomaly, "cause" | "since">; readonly at: number; readonly since: number }[] = [];
	// Of nobody who spends it is refused as of anybody.
	if (series.length === 0) firstDayAsked(await utcToday(database), fromDay, toDay);
	for (const one of series) {
		const firstDay = firstDayAsked(one.today, fromDay, toDay);
		for (const { at, since, ...anomaly } of watchSeries(one)) if (at >= firstDay && at < (toDay ?? at + 1)) found.push({ one, anomaly, at, since });
		await new Promise((resolve) => setImmediate(resolve));
	}
	if (found.length > ANOMALIES_MAX) throw invalid("from", `there are more than ${ANOMALIES_MAX} anomalies: ask for a shorter time or one team`);
	const anomalies: FoundAnomaly[] = [];
	for (const { one, anomaly, at, since } of found.sort((left, right) => right.at - left.at)) {
		const cause = await explainDay(database, { ...one, day: at, likeDays: likeDaysOf(at, since, one.firstDay) });
		anomalies.push({ ...anomaly, since: dateOf(since), cause: cause ?? null });
	}
	return { anomalies, leftOut, isComplete };
}

/** @throws CostControlError "admin.invalid" where it is too far before `today`. */
function firstDayAsked(today: number, from: number | undefined, to: number | undefined): number {
	const firstDay = from ?? Math.min(to ?? today, today) - DAYS_DEFAULT;
	if (firstDay < today - DAYS_MAX)
		throw invalid(from === undefined ? "to" : "from", `is more than ${DAYS_MAX - (from === undefined ? DAYS_DEFAULT : 0)} days ago`);
	return firstDay;
}

/** With the numbers of the days. */
export function watchSeries(series: DailySpend): readonly (Omit<FoundAnomaly, "cause" | "since"> & { readonly at: number; readonly since: number })[] {
	const { teamId, feature, timeZone, firstDay, amountsNanoUsd, monthBudgetNanoUsd } = series;
	const found = watchDays(amountsNanoUsd.map(Number), firstDay, Number(excessWorthTelling(monthBudgetNanoUsd)));
	return found.map(({ index, kind, since, expected, z }) => ({
		...{ teamId, ...(feature !== undefined && { feature }), timeZone, day: dateOf(firstDay + index), kind },
		...{ at: firstDay + index, since: firstDay + since },
		...{ spentNanoUsd: amountsNanoUsd[index] ?? 0n, expectedNanoUsd: BigInt(Math.round(expected)), z: Math.round(z * 10) / 10 },
	}));
}
