import type { DayLimit } from "#domain/budget/expected-day.ts";
import type { WindowRule } from "#domain/budget/window.ts";
import type { ExpectationFacts, TeamAllowance } from "#domain/reports/facts.ts";
import { instant, type ReportScope, type ReportSource } from "./source.ts";

/** What budgets of whole teams allowed, and since when they spend. Budgets matter to an expectation only while there are fewer than 14 days of history. */
export type WireLimit = Required<WindowRule> & { readonly limitAmount: string };

const HISTORY_DAYS = 14;

/** Money budgets of those `owner` selects (over `b`), with the most each allowed in a time. */
function limitsOf(owner: string, from: string, to: string): string {
	return `coalesce((
		SELECT jsonb_agg(jsonb_build_object('windowKind', b.window_kind, 'timeZone', b.time_zone, 'weekStart', b.week_start, 'fiscalYearStart', b.fiscal_year_start,
			'limitAmount', tollgate.highest_limit(b, ${from}::timestamptz, ${to}::timestamptz)::text) ORDER BY b.id)
		FROM tollgate.declared_budget b WHERE ${owner} AND b.unit = 'nano_usd' AND b.deleted_at IS NULL), '[]')`;
}

export const EXPECTATIONS: ReportSource<"expectations"> = {
	name: "expectations",
	isFor: ({ period }) => period.kind === "daily",
	sql({ period, teamId }, put) {
		const [from, to] = [put(instant(period.fromMs)), put(instant(period.toMs))];
		const ofTeam = `b.team_id = t.team_id AND b.dimension = 'team' AND t.first_day > date '1970-01-01' + ${put(period.firstDay - HISTORY_DAYS)}::int`;
		const teams = `
			SELECT jsonb_build_object('teamId', t.team_id, 'firstDay', t.first_day - date '1970-01-01', 'limits', ${limitsOf(ofTeam, from, to)}) AS one
			FROM (
				SELECT n.team_id, (SELECT min(d.day) FROM tollgate.spend_day d WHERE d.team_id = n.team_id) AS first_day
				FROM (SELECT DISTINCT substr(s.debit_account, 6) AS team_id FROM sums x JOIN slice s ON s.id = x.slice_id) n
			) t`;
		const all = `SELECT jsonb_build_object('teamId', NULL, 'firstDay', (SELECT min(day) FROM tollgate.spend_day) - date '1970-01-01',
			'limits', ${limitsOf("b.dimension = 'organization'", from, to)}) AS one`;
		return `(SELECT coalesce(jsonb_agg(one), '[]') FROM (${teamId === null ? `${teams} UNION ALL ${all}` : teams}) e)`;
	},
	read: (wire) =>
		(wire as readonly { readonly teamId: string | null; readonly firstDay: number | null; readonly limits: readonly WireLimit[] }[]).map(
			({ teamId, firstDay, limits }): ExpectationFacts => ({ teamId, firstDay, limits: limits.map(readLimit) }),
		),
};

export const ALLOWANCES: ReportSource<"allowances"> = {
	name: "allowances",
	isFor: ({ period }) => period.kind === "monthly",
	sql({ period, teamId }: ReportScope, put) {
		const [from, to] = [put(instant(period.toMs - 1)), put(instant(period.toMs))];
		const teams = teamId === null ? "" : `AND d.team_id = ${put(teamId)}`;
		return `(SELECT coalesce(jsonb_agg(jsonb_build_object('teamId', t.team_id, 'limits', ${limitsOf("b.team_id = t.team_id AND b.dimension = 'team'", from, to)})), '[]') FROM (
			SELECT DISTINCT d.team_id FROM tollgate.declared_budget d WHERE d.team_id IS NOT NULL AND d.dimension = 'team' AND d.unit = 'nano_usd' AND d.deleted_at IS NULL ${teams}) t)`;
	},
	read: (wire) =>
		(wire as readonly { readonly teamId: string; readonly limits: readonly WireLimit[] }[]).map(
			({ teamId, limits }): TeamAllowance => ({ teamId, limits: limits.map(readLimit) }),
		),
};

function readLimit(limit: WireLimit): DayLimit {
	return { ...limit, limitAmount: BigInt(limit.limitAmount) };
}
