import type { Queryable } from "#activities/keys/port.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { readTeamLimits } from "#domain/limits/team-limits.ts";
import { shellWord } from "#domain/shell-word.ts";
import type { Team } from "./port.ts";

const TEAM = `
	SELECT t.id, t.is_unlimited AS "isUnlimited", coalesce(g.is_frozen, false) AS "isFrozen", t.policy, t.limits, t.created_at AS "createdAt"
	FROM tollgate.team t LEFT JOIN tollgate.team_governance g ON g.team_id = t.id
	WHERE t.deleted_at IS NULL`;

type TeamRow = Omit<Team, "createdAt" | "limits"> & { createdAt: Date; limits: unknown };

/** @throws CostControlError "admin.not_found". */
export async function readTeam(database: Queryable, teamId: string): Promise<Team> {
	const row = (await database.query<TeamRow>(`${TEAM} AND t.id = $1`, [teamId])).rows[0];
	if (!row) throw noTeam(teamId);
	return toTeam(row);
}

const ORGANIZATION = `
	SELECT g.team_id AS id, false AS "isUnlimited", g.is_frozen AS "isFrozen", '{}'::jsonb AS policy, '{}'::jsonb AS limits, g.updated_at AS "createdAt"
	FROM tollgate.team_governance g WHERE g.team_id = $1`;

/** Whoever has budgets that can be frozen: a team, or the organisation once it has one. @throws CostControlError "admin.not_found". */
export async function readGoverned(database: Queryable, teamId: string): Promise<Team> {
	if (teamId !== ORGANIZATION_ID) return readTeam(database, teamId);
	const row = (await database.query<TeamRow>(ORGANIZATION, [teamId])).rows[0];
	if (!row)
		throw new CostControlError(
			"admin.not_found",
			"The organisation has no budget. Give it one with: npx tollgate budget set --organization --limit USD --window month",
		);
	return toTeam(row);
}

/** By id: all teams, or those of a list. */
export async function listTeams(database: Queryable, teamIds: readonly string[] | null = null): Promise<Team[]> {
	return (await database.query<TeamRow>(`${TEAM} AND ($1::text[] IS NULL OR t.id = ANY ($1)) ORDER BY t.id`, [teamIds])).rows.map(toTeam);
}

/** @throws CostControlError "admin.not_found" unless the id is the organisation or a living team. */
export async function requireTeam(database: Queryable, teamId: string): Promise<void> {
	if (teamId !== ORGANIZATION_ID) await readTeam(database, teamId);
}

const KNOWN_TEAM = "SELECT 1 FROM tollgate.team WHERE id = $1";

/** For questions about the books, which outlive a team. @throws CostControlError "admin.not_found" for a team that never was. */
export async function requireKnownTeam(database: Queryable, teamId: string | undefined): Promise<void> {
	if (teamId !== undefined && (await database.query(KNOWN_TEAM, [teamId])).rows.length === 0) throw noTeam(teamId);
}

export function noTeam(teamId: string): CostControlError {
	return new CostControlError(
		"admin.not_found",
		`There is no team ${teamId}. Create it with: npx tollgate team create ${shellWord(teamId)} --limit 10 --window day`,
	);
}

function toTeam(row: TeamRow): Team {
	return { ...row, limits: readTeamLimits(row.limits), createdAt: row.createdAt.toISOString() };
}
