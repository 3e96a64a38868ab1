import type { Queryable } from "#activities/keys/port.ts";

export type RefusalsQuestion = {
	readonly teamId?: string | undefined;
	/** So many days until now. */
	readonly days: number;
};

/** Calls that were refused for one reason, or that an observed budget would have refused. */
export type RefusalSum = {
	readonly teamId: string;
	readonly code: string;
	/** As "team, day"; null where no budget refused. */
	readonly budget: string | null;
	/** As in x-tollgate-limit; null where no limit refused. */
	readonly limitName: string | null;
	readonly isObserved: boolean;
	/** Those without a row of their own included. */
	readonly calls: number;
	readonly lastAt: string;
};

export type RefusalSums = { readonly rows: readonly RefusalSum[] /** false: there are more than one answer adds up. */; readonly isComplete: boolean };

const REFUSALS_MAX = 100_000;

/** Of the newest refusals, by team and reason, the most first. */
export async function sumRefusals(database: Queryable, { teamId, days }: RefusalsQuestion): Promise<RefusalSums> {
	const values = [days, ...(teamId === undefined ? [] : [teamId])];
	const { rows } = await database.query<RefusalSum & { readonly counted: number }>(sumSql(teamId !== undefined), values);
	const counted = rows.reduce((sum, row) => sum + row.counted, 0);
	return { rows: rows.map(({ counted: _, ...row }) => row), isComplete: counted < REFUSALS_MAX };
}

function sumSql(isOfTeam: boolean): string {
	return `
	SELECT r.team_id AS "teamId", r.code, concat_ws(' ', b.dimension, nullif(b.dimension_value, '')) || ', ' || b.window_kind AS budget, r.limit_name AS "limitName", r.is_observed AS "isObserved",
	       sum(1 + r.unrecorded_before)::float8 AS calls, to_char(max(r.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "lastAt", count(*)::float8 AS counted
	FROM (
		SELECT team_id, code, budget_id, limit_name, is_observed, unrecorded_before, at FROM tollgate.refusal
		WHERE at > clock_timestamp() - make_interval(days => $1) ${isOfTeam ? "AND team_id = $2" : ""} LIMIT ${REFUSALS_MAX}
	) r LEFT JOIN tollgate.budget b ON b.id = r.budget_id
	GROUP BY r.team_id, r.code, b.id, r.limit_name, r.is_observed
	ORDER BY sum(1 + r.unrecorded_before) DESC, r.team_id, r.code LIMIT 500`;
}
