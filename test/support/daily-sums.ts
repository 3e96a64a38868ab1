import type { Queryable } from "#activities/keys/port.ts";
import { addCoarserSums } from "./spend-sums.ts";

/** One combination that cost about 100 USD a day, and four times as much, by four times as many calls, on one day. */
export type DailySums = {
	readonly teamId: string;
	readonly model: string;
	/** "": none. */
	readonly feature: string;
	readonly keyId: string;
	/** Absent: no day was dear. */
	readonly dearDaysAgo?: number;
};

/** What stands beside the ledger of so many days in UTC, today's midnight the last hour; the teams exist already. */
export async function addDailySums(database: Queryable, days: number, combinations: readonly DailySums[]): Promise<void> {
	await database.query(
		`INSERT INTO tollgate.spend_slice (dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment)
		 SELECT '', 'team/' || team, 'provider/openai', model, model, feature, key, '' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS x (team, model, feature, key)`,
		[combinations.map((one) => one.teamId), combinations.map((one) => one.model), combinations.map((one) => one.feature), combinations.map((one) => one.keyId)],
	);
	// An hour of each day in which it is that day in UTC.
	const rows = `generate_series(0, $1::int - 1) AS n
		CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS c (team, model, feature, dear_days_ago)
		JOIN tollgate.spend_slice s ON (s.dimension, s.debit_account, s.model, s.feature) = ('', 'team/' || c.team, c.model, c.feature)
		CROSS JOIN LATERAL (
			SELECT date_trunc('day', now(), 'UTC') - n * interval '1 day' AS starts_at, (CASE WHEN n = c.dear_days_ago THEN 40 ELSE 10 END) AS calls
		) x CROSS JOIN LATERAL (SELECT x.calls * 100000000::numeric * (100 + 2 * (n % 3)) AS amount) y`;
	const values = [
		...[days, combinations.map((one) => one.teamId), combinations.map((one) => one.model), combinations.map((one) => one.feature)],
		combinations.map((one) => one.dearDaysAgo ?? null),
	];
	for (const table of ["spend_hour", "spend_utc_day"])
		await database.query(
			`INSERT INTO tollgate.${table} (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
			 SELECT s.id, x.starts_at, x.calls, x.calls * 100, 0, y.amount, 0 FROM ${rows}`,
			values,
		);
	await database.query(
		`INSERT INTO tollgate.spend_day (team_id, day, amount_nano_usd) SELECT c.team, (x.starts_at AT TIME ZONE 'UTC')::date, sum(y.amount) FROM ${rows} GROUP BY 1, 2`,
		values,
	);
	await addCoarserSums(database);
}
