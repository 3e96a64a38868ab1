import type { Queryable } from "#activities/keys/port.ts";
import { EXCESS_DIMENSIONS, type ExcessLeaf } from "#domain/anomaly/explain-excess.ts";

/** One team, or one feature of it, by days. Days are numbered from 1970-01-01: a team's whole spend by its local days (0018), a feature's by those of UTC. */
export type DailySpend = {
	readonly teamId: string;
	/** Absent: all of the team. null: what is attributed to no feature. */
	readonly feature?: string | null;
	readonly timeZone: string;
	/** By the database's clock. */
	readonly today: number;
	/** Of the first amount. */
	readonly firstDay: number;
	/** One for each day up to today, which is not over; corrections included. */
	readonly amountsNanoUsd: readonly bigint[];
	/** Limit of the budget in money that renews monthly, with raises in force. */
	readonly monthBudgetNanoUsd: bigint | undefined;
};

export type DailyQuestion = {
	readonly by: "team" | "feature";
	readonly teamId?: string | undefined;
	/** "" for what is attributed to none. Of `by` "feature" alone. */
	readonly feature?: string | undefined;
	/** Days before this one are not read; default 400 days before today. */
	readonly daysBack?: number;
};

export type DailySpends = {
	/** The dearest first. */
	readonly series: readonly DailySpend[];
	/** So many more there were. */
	readonly leftOut: number;
};

const SERIES_MAX = 100;
const DAYS_BACK = 400;

/** The whole team's own budget, or that of the feature. */
const BUDGET = (value: string, dimension: string) => `(
	SELECT (b.limit_amount + (SELECT r.raised_amount FROM tollgate.raises_at(b.id, clock_timestamp()) r))::text FROM tollgate.declared_budget b
	WHERE b.team_id = k.team_id AND b.dimension = '${dimension}' AND b.dimension_value = ${value} AND b.unit = 'nano_usd' AND b.window_kind = 'month' AND b.deleted_at IS NULL)`;

const BY_TEAM = `
	WITH day AS (
		SELECT d.team_id, d.day - date '1970-01-01' AS day, d.amount_nano_usd AS amount FROM tollgate.spend_day d
		WHERE d.day >= current_date - $1::int AND ($2::text IS NULL OR d.team_id = $2) AND $3::text IS NULL
	), ranked AS (SELECT team_id, row_number() OVER (ORDER BY sum(amount) DESC, team_id) AS place, count(*) OVER () AS series FROM day GROUP BY team_id),
	kept AS (SELECT k.*, tollgate.team_time_zone(k.team_id) AS zone FROM ranked k WHERE k.place <= ${SERIES_MAX})
	SELECT k.team_id AS "teamId", NULL AS feature, k.zone AS "timeZone", (clock_timestamp() AT TIME ZONE k.zone)::date - date '1970-01-01' AS today, k.series::int,
	       (SELECT jsonb_agg(jsonb_build_array(d.day, d.amount::text) ORDER BY d.day) FROM day d WHERE d.team_id = k.team_id) AS days, ${BUDGET("''", "team")} AS "monthBudget"
	FROM kept k ORDER BY k.place`;

const BY_FEATURE = `
	WITH day AS MATERIALIZED (
		SELECT substr(s.debit_account, 6) AS team_id, s.feature, (t.starts_at AT TIME ZONE 'UTC')::date - date '1970-01-01' AS day, sum(t.amount_nano_usd) AS amount
		FROM tollgate.spend_utc_day t JOIN tollgate.spend_slice s ON s.dimension = '' AND s.id = t.slice_id
		WHERE t.starts_at >= (current_date - $1::int)::timestamp AT TIME ZONE 'UTC' AND starts_with(s.debit_account, 'team/') AND s.debit_account <> 'team/@unknown'
		  AND ($2::text IS NULL OR s.debit_account = 'team/' || $2) AND ($3::text IS NULL OR s.feature = $3)
		GROUP BY 1, 2, 3
	), ranked AS (SELECT team_id, feature, row_number() OVER (ORDER BY sum(amount) DESC, team_id, feature) AS place, count(*) OVER () AS series FROM day GROUP BY team_id, feature)
	SELECT k.team_id AS "teamId", k.feature, 'UTC' AS "timeZone", (clock_timestamp() AT TIME ZONE 'UTC')::date - date '1970-01-01' AS today, k.series::int,
	       (SELECT jsonb_agg(jsonb_build_array(d.day, d.amount::text) ORDER BY d.day) FROM day d WHERE d.team_id = k.team_id AND d.feature = k.feature) AS days,
	       ${BUDGET("k.feature", "feature")} AS "monthBudget"
	FROM ranked k WHERE k.place <= ${SERIES_MAX} ORDER BY k.place`;

type Row = {
	readonly teamId: string;
	readonly feature: string | null;
	readonly timeZone: string;
	readonly today: number;
	readonly series: number;
	readonly days: readonly (readonly [day: number, amount: string])[];
	readonly monthBudget: string | null;
};

/** From the sums kept beside the ledger; at most the 100 dearest. What the ledger booked last is not counted first: see count-spend.ts. */
export async function readDailySpend(database: Queryable, { by, teamId, feature, daysBack = DAYS_BACK }: DailyQuestion): Promise<DailySpends> {
	const { rows } = await database.query<Row>(by === "team" ? BY_TEAM : BY_FEATURE, [daysBack, teamId ?? null, feature ?? null]);
	return { series: rows.map((row) => toSeries(row, by)), leftOut: Math.max(0, (rows[0]?.series ?? 0) - rows.length) };
}

function toSeries({ teamId, feature, timeZone, today, days, monthBudget }: Row, by: DailyQuestion["by"]): DailySpend {
	const firstDay = Math.min(days[0]?.[0] ?? today, today);
	const amounts = Array<bigint>(today - firstDay + 1).fill(0n);
	// A day ahead of this clock is not known yet.
	for (const [day, amount] of days) if (day <= today) amounts[day - firstDay] = BigInt(amount);
	const named = by === "team" ? {} : { feature: feature === "" ? null : feature };
	return { teamId, ...named, timeZone, today, firstDay, amountsNanoUsd: amounts, monthBudgetNanoUsd: monthBudget === null ? undefined : BigInt(monthBudget) };
}

export type LikeDays = Pick<DailySpend, "teamId" | "feature" | "timeZone"> & {
	readonly day: number;
	/** Days to compare it with. */
	readonly likeDays: readonly number[];
};

const LEAVES = `
	WITH span AS (
		SELECT (date '1970-01-01' + n)::timestamp AT TIME ZONE $3 AS from_at, (date '1970-01-01' + n + 1)::timestamp AT TIME ZONE $3 AS to_at, n = $4::int AS is_now
		FROM unnest(array_append($5::int[], $4::int)) AS n
	)
	SELECT nullif(s.feature, '') AS feature, nullif(s.model, '') AS model, nullif(s.key_id, '') AS key,
	       coalesce(sum(t.calls) FILTER (WHERE x.is_now), 0)::text AS calls, coalesce(sum(t.input_tokens + t.output_tokens) FILTER (WHERE x.is_now), 0)::text AS tokens,
	       coalesce(sum(t.amount_nano_usd) FILTER (WHERE x.is_now), 0)::text AS "amountNanoUsd", coalesce(sum(t.calls) FILTER (WHERE NOT x.is_now), 0)::text AS "usualCalls",
	       coalesce(sum(t.input_tokens + t.output_tokens) FILTER (WHERE NOT x.is_now), 0)::text AS "usualTokens",
	       coalesce(sum(t.amount_nano_usd) FILTER (WHERE NOT x.is_now), 0)::text AS "usualAmountNanoUsd"
	FROM span x JOIN tollgate.spend_hour t ON t.starts_at >= x.from_at AND t.starts_at < x.to_at JOIN tollgate.spend_slice s ON s.id = t.slice_id
	WHERE s.debit_account = 'team/' || $1 AND ($2::text IS NULL OR s.feature = $2)
	GROUP BY s.feature, s.model, s.key_id ORDER BY s.feature, s.model, s.key_id`;

/** What a day and those like it were made of, by hours: a zone that is not whole hours from UTC is cut at the hour. */
export async function readLeaves(database: Queryable, { teamId, feature, timeZone, day, likeDays }: LikeDays): Promise<readonly ExcessLeaf[]> {
	const ofFeature = feature === undefined ? null : (feature ?? "");
	const { rows } = await database.query<Record<string, string | null>>(LEAVES, [teamId, ofFeature, timeZone, day, likeDays]);
	return rows.map((row) => {
		const sum = (name: string): bigint => BigInt(row[name] ?? "0");
		return {
			groups: Object.fromEntries(EXCESS_DIMENSIONS.map((dimension) => [dimension, row[dimension] ?? null])) as ExcessLeaf["groups"],
			...{ calls: sum("calls"), tokens: sum("tokens"), amountNanoUsd: sum("amountNanoUsd") },
			...{ usualCalls: sum("usualCalls"), usualTokens: sum("usualTokens"), usualAmountNanoUsd: sum("usualAmountNanoUsd") },
		};
	});
}
