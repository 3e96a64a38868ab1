import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Holds the sums of spend (migrations/0032) to the entries they were counted from, each of them, to the nano-dollar: the finest against the entries, of
 * archived months against what their days cost, the others against the finest. What is not counted yet is not looked at.
 */
const SLICE_COLUMNS = ["debit_account", "credit_account", "model", "asked_model", "feature", "key_id", "environment"];
const DIMENSIONS = [...SLICE_COLUMNS, "user_id"].join(", ");
const MEASURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd", "unresolved_nano_usd"];
const SUMS = MEASURES.map((name) => `sum(${name}) AS ${name}`).join(", ");
const ofRow = (row: string, measures: readonly string[]) => `ROW(${measures.map((name) => `coalesce(${row}.${name}, 0)`).join(", ")})`;

const TASK_MEASURES = [
	"calls",
	"input_tokens",
	"cached_input_tokens",
	"cache_write_5m_tokens",
	"cache_write_1h_tokens",
	"output_tokens",
	"reasoning_tokens",
	"amount_nano_usd",
];
const ENTRY = "e.at, e.debit_account, e.credit_account, c.*, e.amount_nano_usd";
const IS_COUNTED = "EXISTS (SELECT 1 FROM tollgate.spend_counted k WHERE (k.gateway_id, k.epoch) = (e.gateway_id, e.epoch) AND e.chunk_seq <= k.chunk_seq)";
const IS_ARCHIVED = "EXISTS (SELECT 1 FROM tollgate.archived_month m WHERE m.month::timestamp AT TIME ZONE 'UTC' = date_trunc('month', starts_at, 'UTC'))";

/** Charges find their attempts by a join of both tables; corrections, which are few, one by one. */
const BOOKED = `
	line AS (
		SELECT ${ENTRY} FROM tollgate.entry e LEFT JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id AND a.at = e.at CROSS JOIN LATERAL tollgate.counted_as(e, a) c
		WHERE e.kind <> 'adjustment' AND ${IS_COUNTED}
		UNION ALL
		SELECT ${ENTRY} FROM tollgate.entry e CROSS JOIN LATERAL tollgate.counted_entry(e) c WHERE e.kind = 'adjustment' AND ${IS_COUNTED}
		UNION ALL
		SELECT o.at, o.debit_account, o.credit_account, c.model, c.asked_model, c.feature, c.key_id, c.environment, c.user_id, c.run_number, c.batch_number,
		       0, 0, 0, -c.unresolved_nano_usd, c.priced_model, c.task_kind, 0, 0, 0, 0, 0
		FROM (SELECT DISTINCT e.detail ->> 'resolves' AS entry_key FROM tollgate.entry e WHERE e.kind = 'adjustment' AND ${IS_COUNTED}) r
		JOIN tollgate.entry o ON o.entry_key = r.entry_key CROSS JOIN LATERAL tollgate.counted_entry(o) c
	), booked AS MATERIALIZED (
		SELECT date_trunc('hour', at, 'UTC') AS starts_at, ${DIMENSIONS}, run_number, batch_number, ${SUMS}
		FROM line GROUP BY date_trunc('hour', at, 'UTC'), ${DIMENSIONS}, run_number, batch_number
	)`;

const kept = (table: string) =>
	`SELECT d.*, ${SLICE_COLUMNS.map((name) => `s.${name}`).join(", ")} FROM tollgate.${table} d JOIN tollgate.spend_slice s ON s.id = d.slice_id`;

/** Rows of two relations that differ, or that only one of them has. */
const differences = (left: string, right: string, columns: string, measures: readonly string[] = MEASURES) => `
	SELECT to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS starts_at, ROW(${columns})::text AS of, ${ofRow("l", measures)}::text AS kept, ${ofRow("r", measures)}::text AS booked
	FROM (${left}) l FULL JOIN (${right}) r USING (starts_at, ${columns})
	WHERE ${ofRow("l", measures)} IS DISTINCT FROM ${ofRow("r", measures)}
	ORDER BY 1, 2`;

const KEPT_COLUMNS = `${DIMENSIONS}, run_number, batch_number`;
const HOURS_AGAINST_ENTRIES = `WITH ${BOOKED}
	${differences(
		`SELECT starts_at, ${KEPT_COLUMNS}, ${SUMS} FROM (${kept("spend_detail_hour")}) k WHERE NOT ${IS_ARCHIVED} GROUP BY starts_at, ${KEPT_COLUMNS}`,
		`SELECT * FROM booked WHERE NOT ${IS_ARCHIVED}`,
		KEPT_COLUMNS,
	)}`;

const DAYS_AGAINST_ARCHIVE = `WITH ${BOOKED}
	${differences(
		`SELECT date_trunc('day', starts_at, 'UTC') AS starts_at, ${DIMENSIONS}, ${SUMS} FROM (${kept("spend_detail_hour")}) k WHERE ${IS_ARCHIVED}
		 GROUP BY date_trunc('day', starts_at, 'UTC'), ${DIMENSIONS}`,
		`SELECT starts_at, ${DIMENSIONS}, ${SUMS} FROM (
			SELECT date_trunc('day', starts_at, 'UTC') AS starts_at, ${DIMENSIONS}, ${MEASURES.join(", ")} FROM booked WHERE ${IS_ARCHIVED}
			UNION ALL
			SELECT day::timestamp AT TIME ZONE 'UTC', debit_account, credit_account, model, coalesce(asked_model, model), coalesce(feature, ''), key_id, coalesce(environment, ''),
			       coalesce(user_id, ''), calls, input_tokens, output_tokens, amount_nano_usd, 0
			FROM tollgate.archived_spend
		 ) x GROUP BY starts_at, ${DIMENSIONS}`,
		DIMENSIONS,
	)}`;

const TASK_COLUMNS = "debit_account, credit_account, feature, model, priced_model, task_kind";
const TASKS_AGAINST_ENTRIES = `WITH ${BOOKED}
	${differences(
		`SELECT * FROM tollgate.spend_task_day k WHERE NOT ${IS_ARCHIVED}`,
		`SELECT * FROM (
			SELECT date_trunc('day', at, 'UTC') AS starts_at, ${TASK_COLUMNS}, ${TASK_MEASURES.map((name) => `sum(${name}) AS ${name}`).join(", ")}
			FROM line GROUP BY date_trunc('day', at, 'UTC'), ${TASK_COLUMNS}
		 ) x WHERE NOT ${IS_ARCHIVED}`,
		TASK_COLUMNS,
		TASK_MEASURES,
	)}`;

/** Also of archived months: kinds of tasks together are what was spent. */
const WITHOUT_TASK = "debit_account, credit_account, feature, model";
const COMMON_MEASURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd"];
const commonSums = (from: string) =>
	`SELECT starts_at, ${WITHOUT_TASK}, ${COMMON_MEASURES.map((name) => `sum(${name}) AS ${name}`).join(", ")} FROM ${from} GROUP BY starts_at, ${WITHOUT_TASK}`;

const SLICE = "slice_id";
const DETAIL = "slice_id, user_id, run_number, batch_number";
const sumsOf = (table: string, unit: string, columns: string) =>
	`SELECT date_trunc('${unit}', starts_at, 'UTC') AS starts_at, ${columns}, ${SUMS} FROM ${table} GROUP BY date_trunc('${unit}', starts_at, 'UTC'), ${columns}`;

const IS_SINGLE = "EXISTS (SELECT 1 FROM tollgate.spend_slice s WHERE s.id = slice_id AND s.dimension <> '')";
const DAYS = `SELECT slice_id, starts_at, ${MEASURES.join(", ")} FROM tollgate.spend_utc_day`;

/** Each dimension by itself, and where its value stands in a slice and in the finest sums. */
const SINGLE: readonly (readonly [dimension: string, column: string, isBeside: boolean])[] = [
	["team", "debit_account", false],
	["provider", "credit_account", false],
	["model", "model", false],
	["askedModel", "asked_model", false],
	["feature", "feature", false],
	["key", "key_id", false],
	["environment", "environment", false],
	["user", "user_id", true],
	["batch", "batch_number", true],
];
type Single = (typeof SINGLE)[number];
const singleDays = (table: string, of: readonly Single[]) =>
	of
		.map(
			([dimension, column]) => `
	SELECT d.starts_at, '${dimension}' AS dimension, s.${column}::text AS value, ${MEASURES.map((name) => `d.${name}`).join(", ")}
	FROM tollgate.${table} d JOIN tollgate.spend_slice s ON s.id = d.slice_id WHERE s.dimension = '${dimension}'`,
		)
		.join(" UNION ALL ");
const singleSums = (of: readonly Single[]) =>
	of
		.map(
			([dimension, column, isBeside]) => `
	SELECT date_trunc('day', d.starts_at, 'UTC') AS starts_at, '${dimension}' AS dimension, ${isBeside ? "d" : "s"}.${column}::text AS value, ${SUMS}
	FROM tollgate.spend_detail_hour d JOIN tollgate.spend_slice s ON s.id = d.slice_id GROUP BY 1, 2, 3`,
		)
		.join(" UNION ALL ");
const USERS = SINGLE.filter(([dimension]) => dimension === "user");
const OTHERS = SINGLE.filter(([dimension]) => dimension !== "user");
const singles = (table: string, of: readonly Single[]) => differences(singleDays(table, of), singleSums(of), "dimension, value");

/** Sums and what they are sums of. */
const COARSER: readonly (readonly [table: string, sql: string])[] = [
	["spend_hour", differences("SELECT * FROM tollgate.spend_hour", sumsOf("tollgate.spend_detail_hour", "hour", SLICE), SLICE)],
	["spend_utc_day", differences(`${DAYS} WHERE NOT ${IS_SINGLE}`, sumsOf("tollgate.spend_hour", "day", SLICE), SLICE)],
	["spend_utc_day", singles("spend_utc_day", OTHERS)],
	["spend_user_day", singles("spend_user_day", USERS)],
	[
		"spend_task_day",
		differences(commonSums("tollgate.spend_task_day"), commonSums(`(${kept("spend_utc_day")} WHERE s.dimension = '') d`), WITHOUT_TASK, COMMON_MEASURES),
	],
	[
		"spend_utc_month",
		differences(
			"SELECT * FROM tollgate.spend_utc_month",
			sumsOf("(SELECT * FROM tollgate.spend_utc_day UNION ALL SELECT * FROM tollgate.spend_user_day) d", "month", SLICE),
			SLICE,
		),
	],
	["spend_detail_month", differences("SELECT * FROM tollgate.spend_detail_month", sumsOf("tollgate.spend_detail_hour", "month", DETAIL), DETAIL)],
];

/** Chunks that are not looked at any more (spend_due in migrations/0032), and that were never counted. */
const OVERLOOKED = `
	SELECT k.gateway_id || '/' || k.epoch AS of, coalesce(max(s.chunk_seq), 0)::text AS kept, max(k.chunk_seq)::text AS booked
	FROM tollgate.chunk k LEFT JOIN tollgate.spend_counted s ON (s.gateway_id, s.epoch) = (k.gateway_id, k.epoch)
	WHERE k.written_by < tollgate.spend_looked_to() AND k.chunk_seq > coalesce(s.chunk_seq, 0)
	GROUP BY k.gateway_id, k.epoch ORDER BY 1`;

type Overlooked = { readonly of: string; readonly kept: string; readonly booked: string };
type Difference = { readonly starts_at: string; readonly of: string; readonly kept: string; readonly booked: string };

export async function judgeRollups(snapshot: Snapshot, findings: Findings): Promise<void> {
	const questions = [
		["spend_detail_hour", HOURS_AGAINST_ENTRIES],
		["spend_detail_hour", DAYS_AGAINST_ARCHIVE],
		["spend_task_day", TASKS_AGAINST_ENTRIES],
		...COARSER,
	] as const;
	for await (const row of snapshot.rows<Overlooked>(OVERLOOKED))
		findings.add(
			"counter",
			`spend_counted ${row.of}`,
			`stands at chunk ${row.kept}, and chunk ${row.booked} was written before the last count that left nothing`,
		);
	for (const [table, sql] of questions) {
		for await (const row of snapshot.rows<Difference>(sql)) {
			findings.add(
				"counter",
				`${table} ${row.starts_at} ${row.of}`,
				`stands at ${row.kept} (calls, input, output, nano-USD, unresolved), what it was counted from sums to ${row.booked}`,
			);
		}
	}
}
