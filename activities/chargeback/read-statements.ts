import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { firstDay } from "./draft.ts";

/** Statements as they stand: always a whole draft, or the closed one. Amounts are decimal strings of nano-USD, times ISO 8601. */
export type MonthState = "drafting" | "drafted" | "rejected" | "closed";

export type MonthView = {
	readonly month: string;
	/** `drafted`: it waits for a person, or is closed at once. */
	readonly state: MonthState;
	readonly startsAt: string;
	readonly endsAt: string;
	/** 0: none is whole yet. */
	readonly draft: number;
	readonly draftedAt: string | null;
	readonly askedBy: string | null;
	readonly rulesRevision: string | null;
	readonly teams: number;
	readonly costNanoUsd: string;
	readonly marginNanoUsd: string;
	readonly chargeNanoUsd: string;
	readonly decidedBy: string | null;
	readonly decisionReason: string | null;
	readonly closedAt: string | null;
};

export type StatementView = {
	/** "@unknown" and "@organization": what no team stands for. */
	readonly teamId: string;
	readonly calls: string;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly ownNanoUsd: string;
	readonly costNanoUsd: string;
	readonly marginNanoUsd: string;
	readonly chargeNanoUsd: string;
};

export type LineView = {
	readonly teamId: string;
	readonly line: number;
	readonly kind: string;
	/** null: not attributed, as the next three. */
	readonly feature: string | null;
	readonly user: string | null;
	readonly model: string | null;
	readonly provider: string | null;
	readonly ofMonth: string | null;
	readonly pool: string | null;
	readonly calls: string;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly amountNanoUsd: string;
};

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const MONTHS = `
	SELECT to_char(m.month, 'YYYY-MM') AS month, m.state, ${iso("m.starts_at")} AS "startsAt", ${iso("m.ends_at")} AS "endsAt", m.draft, ${iso("d.whole_at")} AS "draftedAt",
	       d.asked_by AS "askedBy", d.rules_revision::text AS "rulesRevision", coalesce(d.teams, 0)::int AS teams, coalesce(d.cost_nano_usd, 0)::text AS "costNanoUsd",
	       coalesce(d.margin_nano_usd, 0)::text AS "marginNanoUsd", coalesce(d.cost_nano_usd + d.margin_nano_usd, 0)::text AS "chargeNanoUsd",
	       m.decided_by AS "decidedBy", m.decision_reason AS "decisionReason", ${iso("m.closed_at")} AS "closedAt"
	FROM tollgate.statement_month m LEFT JOIN tollgate.statement_draft d ON d.month = m.month AND d.draft = m.draft
	WHERE $1::date IS NULL OR m.month = $1 ORDER BY m.month DESC LIMIT 240`;

// What was said about the month may name other teams.
const MONTHS_OF_TEAMS = `
	SELECT m.month, m.state, m."startsAt", m."endsAt", m.draft, m."draftedAt", m."askedBy", m."rulesRevision", s.teams, s.cost::text AS "costNanoUsd",
	       s.margin::text AS "marginNanoUsd", (s.cost + s.margin)::text AS "chargeNanoUsd", m."decidedBy", NULL AS "decisionReason", m."closedAt"
	FROM (${MONTHS}) m CROSS JOIN LATERAL (
		SELECT count(*)::int AS teams, coalesce(sum(x.cost_nano_usd), 0) AS cost, coalesce(sum(x.margin_nano_usd), 0) AS margin FROM tollgate.statement x
		WHERE x.month = to_date(m.month, 'YYYY-MM') AND x.draft = m.draft AND x.team_id = ANY ($2)
	) s ORDER BY m.month DESC`;

/** The newest first, of the last twenty years; with `teamIds` as if there were no other teams. */
export async function listMonths(database: Queryable, teamIds: readonly string[] | null = null): Promise<MonthView[]> {
	return askMonths(database, null, teamIds);
}

async function askMonths(database: Queryable, day: string | null, teamIds: readonly string[] | null): Promise<MonthView[]> {
	return (await (teamIds === null ? database.query<MonthView>(MONTHS, [day]) : database.query<MonthView>(MONTHS_OF_TEAMS, [day, teamIds]))).rows;
}

export async function findMonth(database: Queryable, month: string, teamIds: readonly string[] | null = null): Promise<MonthView | undefined> {
	return (await askMonths(database, firstDay(month), teamIds))[0];
}

/** @throws CostControlError "admin.not_found". */
export async function readMonth(database: Queryable, month: string, teamIds: readonly string[] | null = null): Promise<MonthView> {
	const found = await findMonth(database, month, teamIds);
	if (found === undefined)
		throw new CostControlError("admin.not_found", `Month ${month} has no statements: npx tollgate statement close ${month} drafts them once it is over.`);
	return found;
}

const STATEMENTS = `
	SELECT s.team_id AS "teamId", s.calls::text AS calls, s.input_tokens::text AS "inputTokens", s.output_tokens::text AS "outputTokens", s.own_nano_usd::text AS "ownNanoUsd",
	       s.cost_nano_usd::text AS "costNanoUsd", s.margin_nano_usd::text AS "marginNanoUsd", (s.cost_nano_usd + s.margin_nano_usd)::text AS "chargeNanoUsd"
	FROM tollgate.statement s JOIN tollgate.statement_month m ON m.month = s.month AND m.draft = s.draft
	WHERE s.month = $1 AND s.team_id > $2 AND ($3::text IS NULL OR s.team_id = $3) ORDER BY s.team_id LIMIT $4`;

export type StatementPage = { readonly month: string; readonly teamId?: string | undefined; readonly afterTeam?: string | undefined; readonly limit: number };

/** By team; `afterTeam` continues after the last one of the page before. */
export async function listStatements(database: Queryable, { month, teamId, afterTeam, limit }: StatementPage): Promise<StatementView[]> {
	return (await database.query<StatementView>(STATEMENTS, [firstDay(month), afterTeam ?? "", teamId ?? null, limit])).rows;
}

const LINES = `
	SELECT l.team_id AS "teamId", l.line, l.kind, nullif(l.feature, '') AS feature, nullif(l.user_id, '') AS "user", nullif(l.model, '') AS model, nullif(l.provider, '') AS provider,
	       to_char(l.of_month, 'YYYY-MM') AS "ofMonth", l.pool, l.calls::text AS calls, l.input_tokens::text AS "inputTokens", l.output_tokens::text AS "outputTokens",
	       l.amount_nano_usd::text AS "amountNanoUsd"
	FROM tollgate.statement_line l JOIN tollgate.statement_month m ON m.month = l.month AND m.draft = l.draft
	WHERE l.month = $1 AND ($2::text IS NULL OR l.team_id = $2) AND (l.team_id, l.line) > ($3, $4) ORDER BY l.team_id, l.line LIMIT $5`;

export type LinePage = StatementPage & { readonly afterLine?: number | undefined };

/** By team and line; `afterTeam` and `afterLine` continue after the last one of the page before. */
export async function listLines(database: Queryable, { month, teamId, afterTeam, afterLine, limit }: LinePage): Promise<LineView[]> {
	return (await database.query<LineView>(LINES, [firstDay(month), teamId ?? null, afterTeam ?? "", afterLine ?? 0, limit])).rows;
}
