import { causeDetail } from "#activities/forecast/cause-detail.ts";
import { explainDay, likeDaysOf } from "#activities/forecast/explain-day.ts";
import { watchSeries } from "#activities/forecast/read-anomalies.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { type DailySpend, readDailySpend } from "#activities/spend/read-days.ts";

type Watched = {
	readonly teamId: string;
	readonly feature: string;
	/** All of the team, by its local days. */
	readonly isWhole: boolean;
	/** Its day today, like 2026-11-26. */
	readonly day: string;
	readonly amountNanoUsd: string;
	readonly beforeNanoUsd: string;
};

const SERIES_AT_ONCE = 50;
/** A look takes seconds at most, also at midnight, when all is new; the rest comes with the next one. */
const LOOK_MS_MAX = 10_000;
const HISTORY_DAYS = 180;

const DUE = `SELECT team_id AS "teamId", feature, is_whole AS "isWhole", day::text, amount_nano_usd::text AS "amountNanoUsd", before_nano_usd::text AS "beforeNanoUsd"
	FROM tollgate.spend_to_watch($1)`;

export type WatchReport = {
	readonly series: number;
	/** Alerts that were new. */
	readonly told: number;
};

/**
 * Looks for anomalies of today and yesterday where something was spent since the last look, per team and per feature, and tells each once with its cause. A look
 * that dies before it is noted is made again; an alert is made once by team, feature and day.
 * @param lookMsMax after which nothing more is begun; default 10 s.
 */
export async function watchAnomalies(database: Queryable, lookMsMax: number = LOOK_MS_MAX): Promise<WatchReport> {
	const endsAtMs = performance.now() + lookMsMax;
	let [series, told] = [0, 0];
	for (;;) {
		const some = await watchSome(database);
		series += some.series;
		told += some.told;
		if (some.series < SERIES_AT_ONCE || performance.now() >= endsAtMs) return { series, told };
	}
}

async function watchSome(database: Queryable): Promise<WatchReport> {
	const { rows } = await database.query<Watched>(DUE, [SERIES_AT_ONCE]);
	let told = 0;
	for (const watched of rows) {
		const alerts = await alertsOf(database, watched);
		const judged = await database.query<{ told: number }>("SELECT tollgate.judge_watched($1::jsonb) AS told", [JSON.stringify([{ ...watched, alerts }])]);
		told += judged.rows[0]?.told ?? 0;
		await new Promise((resolve) => setImmediate(resolve));
	}
	return { series: rows.length, told };
}

type Detail = Readonly<Record<string, string | number>>;

async function alertsOf(database: Queryable, { teamId, feature, isWhole }: Watched): Promise<readonly Detail[]> {
	const question = { by: isWhole ? "team" : "feature", teamId, daysBack: HISTORY_DAYS, ...(!isWhole && { feature }) } as const;
	const [series] = (await readDailySpend(database, question)).series;
	if (series === undefined) return [];
	const recent = watchSeries(series).filter(({ at }) => at >= series.today - 1);
	const details: Detail[] = [];
	for (const anomaly of recent) details.push(await detailOf(database, series, anomaly));
	return details;
}

async function detailOf(database: Queryable, series: DailySpend, anomaly: ReturnType<typeof watchSeries>[number]): Promise<Detail> {
	const { at, since, day, kind, spentNanoUsd, expectedNanoUsd } = anomaly;
	const cause = await explainDay(database, { ...series, day: at, likeDays: likeDaysOf(at, since, series.firstDay) });
	const ofFeature = series.feature === undefined ? {} : { feature: series.feature ?? "" };
	return {
		...ofFeature,
		day,
		timeZone: series.timeZone,
		shape: kind,
		lasting: at - since + 1,
		spent: spentNanoUsd.toString(),
		expected: expectedNanoUsd.toString(),
		...causeDetail(cause),
	};
}
