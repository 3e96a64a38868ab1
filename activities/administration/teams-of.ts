import type { Queryable } from "#activities/keys/port.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { readReportId } from "#domain/reports/report.ts";

/** Whose something is: the ids of its teams, "@organization" for what is nobody's; empty for what there is not. */
export type TeamsOf = (database: Queryable, id: string) => Promise<readonly string[]>;

const lookedUp =
	(statement: string): TeamsOf =>
	async (database, id) =>
		(await database.query<{ team_id: string | null }>(statement, [id])).rows.map((row) => row.team_id ?? ORGANIZATION_ID);

export const teamsOfRun = lookedUp("SELECT team_id FROM tollgate.run WHERE id = $1");
export const teamsOfBatch = lookedUp("SELECT team_id FROM tollgate.batch WHERE id = $1");
export const teamsOfDeferred = lookedUp("SELECT team_id FROM tollgate.batch_item WHERE custom_id = $1 AND attribution IS NOT NULL");
export const teamsOfAlert = lookedUp("SELECT team_id FROM tollgate.alert WHERE id = $1");
export const teamsOfIncrease = lookedUp("SELECT team_id FROM tollgate.limit_increase WHERE id = $1");
/** By request or attempt: whoever sees it sees all of it. */
export const teamsOfRequest = lookedUp(`
	SELECT team_id FROM tollgate.attempt WHERE request_id = $1 OR attempt_id = $1
	UNION SELECT team_id FROM tollgate.refusal WHERE request_id = $1 OR refusal_id = $1`);

/** The id of a report says it. */
export const teamsOfReport: TeamsOf = async (_database, id) => {
	const name = readReportId(id);
	return name === undefined ? [] : [name.teamId ?? ORGANIZATION_ID];
};
