import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export const SPEND_GROUPS = ["team", "model", "askedModel", "feature", "user", "key", "environment", "provider", "day"] as const;
export type SpendGroup = (typeof SPEND_GROUPS)[number];

export type SpendQuestion = {
	readonly by: SpendGroup;
	readonly teamId?: string | undefined;
	/** ISO 8601; default: start of this month, UTC. */
	readonly from?: string | undefined;
	/** ISO 8601, exclusive; default: now. */
	readonly to?: string | undefined;
};

/** One group; amounts are decimal strings of nano-USD. `group` null: not attributed in this dimension. */
export type SpendRow = {
	readonly group: string | null;
	readonly calls: number;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly costNanoUsd: string;
	/** Part of the cost that was charged without knowing and not yet resolved. */
	readonly unresolvedNanoUsd: string;
};

const GROUP_COLUMNS: Readonly<Record<SpendGroup, string>> = {
	team: "regexp_replace(s.debit_account, '^team/', '')",
	model: "s.model",
	askedModel: "coalesce(s.asked_model, s.model)",
	feature: "s.feature",
	user: "s.user_id",
	key: "s.key_id",
	environment: "s.environment",
	provider: "regexp_replace(s.credit_account, '^provider/', '')",
	day: "to_char(s.day, 'YYYY-MM-DD')",
};

const FROM = "coalesce($1::timestamptz, date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')";
const TO = "coalesce($2::timestamptz, 'infinity')";

/** Entries in the database, and of archived months what their calls cost per day: a total leaves nothing out. */
const spendBy = (column: string, order: string) => `
	SELECT ${column} AS "group", sum(s.calls)::int AS calls, coalesce(sum(s.input_tokens), 0)::text AS "inputTokens", coalesce(sum(s.output_tokens), 0)::text AS "outputTokens",
	       sum(s.amount_nano_usd)::text AS "costNanoUsd", coalesce(sum(s.unresolved_nano_usd), 0)::text AS "unresolvedNanoUsd"
	FROM (
		SELECT (e.at AT TIME ZONE 'UTC')::date AS day, e.debit_account, e.credit_account, a.model, a.asked_model, a.feature, a.user_id, a.key_id, a.environment,
		       (e.kind IN ('charge', 'unresolved', 'estimated'))::int AS calls,
		       CASE WHEN e.kind <> 'adjustment' THEN a.input_tokens END AS input_tokens, CASE WHEN e.kind <> 'adjustment' THEN a.output_tokens END AS output_tokens,
		       e.amount_nano_usd, CASE WHEN e.kind IN ('unresolved', 'estimated', 'lump') AND r.entry_key IS NULL THEN e.amount_nano_usd END AS unresolved_nano_usd
		FROM tollgate.entry e
		LEFT JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
		LEFT JOIN LATERAL (
			SELECT 1 AS entry_key FROM tollgate.entry x
			WHERE e.kind IN ('unresolved', 'estimated', 'lump') AND x.kind = 'adjustment' AND x.attempt_id IS NOT DISTINCT FROM e.attempt_id AND x.detail->>'resolves' = e.entry_key LIMIT 1
		) r ON true
		WHERE e.at >= ${FROM} AND e.at < ${TO}
		UNION ALL
		SELECT day, debit_account, credit_account, model, asked_model, feature, user_id, key_id, environment, calls, input_tokens, output_tokens, amount_nano_usd, NULL
		FROM tollgate.archived_spend WHERE day::timestamp AT TIME ZONE 'UTC' >= ${FROM} AND day::timestamp AT TIME ZONE 'UTC' < ${TO}
	) s
	WHERE $3::text IS NULL OR s.debit_account = 'team/' || $3
	GROUP BY 1
	ORDER BY ${order}`;

const CUT_DAY = `
	SELECT to_char(month, 'YYYY-MM') AS month FROM tollgate.archived_month
	WHERE $1::timestamptz >= month::timestamp AT TIME ZONE 'UTC' AND $1::timestamptz < (month + interval '1 month') AT TIME ZONE 'UTC'`;

/**
 * What was spent, from the ledger's entries, adjustments and archived months included.
 * @throws CostControlError "admin.invalid" for a time that is none, and for one inside a day of an archived month, which is known by whole days.
 */
export async function readSpend(database: Queryable, question: SpendQuestion): Promise<SpendRow[]> {
	const sql = spendBy(GROUP_COLUMNS[question.by], question.by === "day" ? "1" : "sum(s.amount_nano_usd) DESC, 1");
	const [from, to] = [readTime(question.from, "from"), readTime(question.to, "to")];
	await refuseCutDay(database, from, "from");
	await refuseCutDay(database, to, "to");
	return (await database.query<SpendRow>(sql, [from, to, question.teamId ?? null])).rows;
}

async function refuseCutDay(database: Queryable, time: string | null, field: string): Promise<void> {
	if (time === null || time.endsWith("T00:00:00.000Z")) return;
	const [archived] = (await database.query<{ month: string }>(CUT_DAY, [time])).rows;
	if (archived === undefined) return;
	throw new CostControlError("admin.invalid", `${field}: ${archived.month} is archived and known by whole days, UTC: give a day like ${time.slice(0, 10)}`, {
		details: { field },
	});
}

function readTime(text: string | undefined, field: string): string | null {
	if (text === undefined) return null;
	if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(Date.parse(text)))
		throw new CostControlError("admin.invalid", `${field}: ${JSON.stringify(text.slice(0, 40))} is no time like 2026-11-01 or 2026-11-01T12:00:00Z`, {
			details: { field },
		});
	return new Date(text).toISOString();
}
