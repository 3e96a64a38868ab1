import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export const SPEND_GROUPS = ["team", "model", "feature", "user", "key", "environment", "provider", "day"] as const;
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
	team: "regexp_replace(e.debit_account, '^team/', '')",
	model: "a.model",
	feature: "a.feature",
	user: "a.user_id",
	key: "a.key_id",
	environment: "a.environment",
	provider: "regexp_replace(e.credit_account, '^provider/', '')",
	day: "to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
};

const spendBy = (column: string, order: string) => `
	SELECT ${column} AS "group", count(*) FILTER (WHERE e.kind IN ('charge', 'unresolved', 'estimated'))::int AS calls,
	       coalesce(sum(a.input_tokens) FILTER (WHERE e.kind <> 'adjustment'), 0)::text AS "inputTokens",
	       coalesce(sum(a.output_tokens) FILTER (WHERE e.kind <> 'adjustment'), 0)::text AS "outputTokens",
	       sum(e.amount_nano_usd)::text AS "costNanoUsd",
	       coalesce(sum(e.amount_nano_usd) FILTER (WHERE e.kind IN ('unresolved', 'estimated', 'lump') AND r.entry_key IS NULL), 0)::text AS "unresolvedNanoUsd"
	FROM tollgate.entry e
	LEFT JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
	LEFT JOIN LATERAL (
		SELECT 1 AS entry_key FROM tollgate.entry x
		WHERE e.kind IN ('unresolved', 'estimated', 'lump') AND x.kind = 'adjustment' AND x.attempt_id IS NOT DISTINCT FROM e.attempt_id AND x.detail->>'resolves' = e.entry_key LIMIT 1
	) r ON true
	WHERE e.at >= coalesce($1::timestamptz, date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
	  AND e.at < coalesce($2::timestamptz, 'infinity') AND ($3::text IS NULL OR e.debit_account = 'team/' || $3)
	GROUP BY 1
	ORDER BY ${order}`;

/** What was spent, from the ledger's entries, adjustments included. @throws CostControlError "admin.invalid" for a time that is none. */
export async function readSpend(database: Queryable, question: SpendQuestion): Promise<SpendRow[]> {
	const sql = spendBy(GROUP_COLUMNS[question.by], question.by === "day" ? "1" : "sum(e.amount_nano_usd) DESC, 1");
	const values = [readTime(question.from, "from"), readTime(question.to, "to"), question.teamId ?? null];
	return (await database.query<SpendRow>(sql, values)).rows;
}

function readTime(text: string | undefined, field: string): string | null {
	if (text === undefined) return null;
	if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(Date.parse(text)))
		throw new CostControlError("admin.invalid", `${field}: ${JSON.stringify(text.slice(0, 40))} is no time like 2026-11-01 or 2026-11-01T12:00:00Z`, {
			details: { field },
		});
	return new Date(text).toISOString();
}
