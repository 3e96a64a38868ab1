import { TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import { readTeamPolicy } from "#domain/budget/team-policy.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { checkTeamLimits } from "#domain/limits/team-limits.ts";
import { definitionOf, setBudget } from "./budgets.ts";
import { waitUntilInForce } from "./in-force.ts";
import type { Administration, BudgetSetting, BudgetView, FrozenTeam, Team } from "./port.ts";
import { noTeam, readGoverned, readTeam } from "./read-teams.ts";

export type TeamRequest = {
	readonly id: string;
	/** Spends without any budget of its own; default false. */
	readonly isUnlimited?: boolean | undefined;
	readonly policy?: Readonly<Record<string, unknown>> | undefined;
	/** Caps per call and rates, as a whole; left out: none for a new team, as they are for another. */
	readonly limits?: unknown;
	/** First budget, of the whole team. */
	readonly budget?: Omit<BudgetSetting, "teamId"> | undefined;
};

const CREATE = `
	WITH created AS (
		INSERT INTO tollgate.team (id, is_unlimited, policy, limits) VALUES ($1, $2, $3, coalesce($5::jsonb, '{}')) ON CONFLICT (id) DO NOTHING RETURNING id, limits
	)
	SELECT tollgate.record_change('team', id, $4,
		jsonb_build_object('action', 'created', 'isUnlimited', $2::boolean, 'policy', $3::jsonb, 'limits', limits)) AS revision FROM created`;

/**
 * Creates a team, with its first budget if one is given. Everything is checked before anything is written.
 * @throws CostControlError "admin.invalid" naming the field, "admin.conflict" when the id is taken,
 *   "governance.unreachable" when the team exists but its budget could not be set.
 */
export async function createTeam(administration: Administration, request: TeamRequest): Promise<{ readonly team: Team; readonly budget: BudgetView | null }> {
	if (!TEAM_ID_PATTERN.test(request.id))
		throw new CostControlError(
			"admin.invalid",
			`id: ${JSON.stringify(request.id.slice(0, 80))} is no team name (lower-case letters, digits, dot, _ and -, at most 63)`,
			{ details: { field: "id" } },
		);
	const policy = checkedPolicy(request.policy ?? {});
	const limits = checkedLimits(request.limits);
	const budget = request.budget && { ...request.budget, teamId: request.id };
	if (budget) definitionOf(budget);
	const values = [request.id, request.isUnlimited ?? false, JSON.stringify(policy), administration.adminName, limits];
	const created = await administration.database.query(CREATE, values);
	if (created.rows.length === 0)
		throw new CostControlError("admin.conflict", `There is or was a team ${request.id}. Change its budget with: npx tollgate budget set --team ${request.id}`);
	const view = budget ? await setBudget(administration, budget) : null;
	if (!view) await waitUntilInForce(administration.database);
	return { team: await readTeam(administration.database, request.id), budget: view };
}

const CHANGE = `
	WITH changed AS (
		UPDATE tollgate.team SET is_unlimited = coalesce($2, is_unlimited), policy = policy || $3::jsonb, limits = coalesce($5::jsonb, limits)
		WHERE id = $1 AND deleted_at IS NULL RETURNING id
	)
	SELECT tollgate.record_change('team', id, $4,
		jsonb_build_object('action', 'changed', 'isUnlimited', $2::boolean, 'policy', $3::jsonb, 'limits', $5::jsonb)) AS revision FROM changed`;

/** Changes what is named and leaves the rest; `limits` are replaced as a whole. @throws CostControlError "admin.invalid", "admin.not_found". */
export async function changeTeam(
	administration: Administration,
	teamId: string,
	change: Pick<TeamRequest, "isUnlimited" | "policy" | "limits">,
): Promise<Team> {
	const policy = checkedPolicy(change.policy ?? {});
	const values = [teamId, change.isUnlimited ?? null, JSON.stringify(policy), administration.adminName, checkedLimits(change.limits)];
	const { rows } = await administration.database.query(CHANGE, values);
	if (rows.length === 0) throw noTeam(teamId);
	await waitUntilInForce(administration.database);
	return readTeam(administration.database, teamId);
}

const DELETE = `
	WITH deleted AS (UPDATE tollgate.team SET deleted_at = clock_timestamp() WHERE id = $1 AND deleted_at IS NULL RETURNING id)
	SELECT tollgate.record_change('team', id, $2, '{"action": "deleted"}') AS revision FROM deleted`;

/** Its keys end with it; its books stay. @throws CostControlError "admin.not_found". */
export async function deleteTeam(administration: Administration, teamId: string): Promise<void> {
	const { rows } = await administration.database.query(DELETE, [teamId, administration.adminName]);
	if (rows.length === 0) throw noTeam(teamId);
	await waitUntilInForce(administration.database);
}

/** As long as gateways may take to act on it, and more. Whoever stops a team wants to know that it stopped; Temporal's own deadline is three times as long. */
const TOLD_WITHIN_MS = 5_000;
const FREEZE_NOW = "SELECT tollgate.freeze_now($1, $2, $3, $4) AS seq";

/**
 * Stops every budget of the team, or of "@organization", at once, or lets it spend again: in PostgreSQL first, so that Temporal need not answer.
 * Resolves when gateways act on it, after 5 s at the most where the team's workflow does not answer. @throws CostControlError "admin.not_found".
 */
export async function freezeTeam(
	administration: Administration,
	teamId: string,
	freeze: { readonly isFrozen: boolean; readonly reason: string },
): Promise<FrozenTeam> {
	const { database, governor, adminName } = administration;
	const { isFrozen, reason } = freeze;
	await readGoverned(database, teamId);
	const held = await database.query<{ seq: string }>(FREEZE_NOW, [teamId, isFrozen, reason, adminName]);
	const decision = { requestedBy: adminName, heldSeq: Number(held.rows[0]?.seq) };
	const telling = isFrozen ? governor.freeze(teamId, { ...decision, reason }) : governor.unfreeze(teamId, decision);
	const [isWorkflowTold] = await Promise.all([isTold(telling), waitUntilInForce(database)]);
	return { ...(await readGoverned(database, teamId)), isWorkflowTold };
}

/** False when the workflow does not answer in time, or does not take it: the decision holds all the same, and totals tell of it. */
async function isTold(telling: Promise<unknown>): Promise<boolean> {
	const late = Promise.withResolvers<false>();
	const timer = setTimeout(() => late.resolve(false), TOLD_WITHIN_MS);
	try {
		return await Promise.race([telling.then(() => true), late.promise]);
	} catch (error) {
		if (!(error instanceof CostControlError)) throw error;
		return false;
	} finally {
		clearTimeout(timer);
	}
}

function checkedPolicy(policy: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
	const [problem] = readTeamPolicy(policy).problems;
	if (problem) throw new CostControlError("admin.invalid", `policy.${problem.field} ${problem.problem}`, { details: { field: `policy.${problem.field}` } });
	return policy;
}

/** As JSON for the row; null where none are given. Names every field that is wrong. */
function checkedLimits(limits: unknown): string | null {
	if (limits === undefined) return null;
	const checked = checkTeamLimits(limits);
	if (checked.kind === "valid") return JSON.stringify(checked.value);
	const message = checked.problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	throw new CostControlError("admin.invalid", message, { details: { field: checked.problems[0]?.field ?? "limits" } });
}
