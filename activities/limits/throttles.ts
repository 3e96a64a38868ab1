import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { shellWord } from "#domain/shell-word.ts";
import type { Queryable } from "../keys/port.ts";
import type { ThrottleView } from "./port.ts";

const IN_FORCE = `
	SELECT team_id AS "teamId", dimension, value, requests_per_minute AS "requestsPerMinute", until, reason, set_at AS "setAt", set_by AS "setBy"
	FROM tollgate.throttle WHERE until > clock_timestamp() AND ($1::text IS NULL OR team_id = $1) ORDER BY team_id, dimension, value`;

type ThrottleRow = Omit<ThrottleView, "until" | "setAt"> & { until: Date; setAt: Date };

/** Throttles in force, of one team or of all. */
export async function listThrottles(database: Queryable, teamId: string | undefined): Promise<ThrottleView[]> {
	const { rows } = await database.query<ThrottleRow>(IN_FORCE, [teamId ?? null]);
	return rows.map((row) => ({ ...row, until: row.until.toISOString(), setAt: row.setAt.toISOString() }));
}

export type ThrottleSubject = { readonly teamId: string; readonly dimension: "key" | "user"; readonly value: string };

/** Ends one before its time; its alert is withdrawn. @throws CostControlError "admin.not_found" when none is in force. */
export async function endThrottle(database: Queryable, { teamId, dimension, value }: ThrottleSubject, endedBy: string): Promise<void> {
	const { rows } = await database.query<{ wasInForce: boolean }>('SELECT tollgate.end_throttle($1, $2, $3, $4) AS "wasInForce"', [
		teamId,
		dimension,
		value,
		endedBy,
	]);
	if (rows[0]?.wasInForce !== true)
		throw new CostControlError(
			"admin.not_found",
			`The ${dimension} ${value} of team ${teamId} is not throttled. See who is with: npx tollgate throttle list --team ${shellWord(teamId)}`,
		);
}
