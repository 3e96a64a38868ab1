import type { Queryable } from "#activities/keys/port.ts";
import { REFUSALS_COUNTED_MAX } from "#domain/budget/publication.ts";
import {
	ascending,
	type BudgetDefinition,
	type BudgetSelector,
	type BudgetThreshold,
	checkBudgetDefinition,
	checkBudgetSelector,
	type FieldProblem,
	ORGANIZATION_ID,
	readLimitAmount,
	readLimitUsd,
	selectorKey,
} from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { shellWord } from "#domain/shell-word.ts";
import { waitUntilHeld, waitUntilInForce } from "./in-force.ts";
import type { Administration, BudgetSetting, BudgetView } from "./port.ts";
import { requireTeam } from "./read-teams.ts";

/**
 * Sets one budget through the team's workflow, and clears its overrun also where nothing else changes. Of a budget that is
 * there already, what the setting leaves out stays as it is. Resolves when PostgreSQL holds it and live gateways act on it.
 * @throws CostControlError "admin.invalid" naming the field, "admin.not_found", "governance.unreachable".
 */
export async function setBudget(administration: Administration, setting: BudgetSetting): Promise<BudgetView> {
	const { database, governor, adminName } = administration;
	await requireTeam(database, setting.teamId);
	const budgets = await listBudgets(database, setting.teamId);
	const definition = definitionOf(setting, (selector) => budgets.find((budget) => selectorKey(budget) === selectorKey(selector)));
	if (definition.dimension === "key") await requireKey(database, setting.teamId, definition.dimensionValue);
	const clearsOverruns = await isOverrun(database, setting.teamId, definition);
	const { revision } = await governor.applyPolicy(setting.teamId, { mode: "patch", set: [definition], remove: [], requestedBy: adminName, clearsOverruns });
	await waitUntilHeld(database, setting.teamId, revision);
	await waitUntilInForce(database);
	const view = (await listBudgets(database, setting.teamId)).find((budget) => selectorKey(budget) === selectorKey(definition));
	if (!view) throw new CostControlError("admin.conflict", "The budget was removed by somebody else at the same time.");
	return view;
}

const KEY_OF_TEAM = "SELECT 1 FROM tollgate.virtual_key WHERE id = $1 AND team_id = $2";

/** A budget of a key that is mistyped would hold nothing back. */
async function requireKey(database: Queryable, teamId: string, keyId: string): Promise<void> {
	if ((await database.query(KEY_OF_TEAM, [keyId, teamId])).rows.length === 0)
		throw new CostControlError("admin.not_found", `Team ${teamId} has no key ${keyId}. Its keys: npx tollgate key list --team ${shellWord(teamId)}`);
}

/** Ends one budget; its books stay. @throws as setBudget, "admin.not_found" also when there is no such budget. */
export async function removeBudget(
	administration: Administration,
	setting: Pick<BudgetSetting, "teamId" | "dimension" | "dimensionValue" | "unit" | "windowKind">,
): Promise<void> {
	const { database, governor, adminName } = administration;
	const checked = checkBudgetSelector({ ...setting, dimension: setting.dimension ?? defaultDimension(setting.teamId) }, setting.teamId, "budget");
	if (checked.kind === "invalid") throw invalid(checked.problems);
	const budgets = await listBudgets(database, setting.teamId);
	if (!budgets.some((budget) => selectorKey(budget) === selectorKey(checked.value)))
		throw new CostControlError("admin.not_found", `Team ${setting.teamId} has no such budget.`);
	const { revision } = await governor.applyPolicy(setting.teamId, { mode: "patch", set: [], remove: [checked.value], requestedBy: adminName });
	await waitUntilHeld(database, setting.teamId, revision);
	await waitUntilInForce(database);
}

type Known = Pick<BudgetDefinition, "timeZone" | "weekStart" | "fiscalYearStart" | "mode" | "thresholds">;

/** Reads what people typed; what they left out is as `findKnown` has it, else the default. @throws CostControlError "admin.invalid" naming the field. */
export function definitionOf(setting: BudgetSetting, findKnown: (selector: BudgetSelector) => Known | undefined = () => undefined): BudgetDefinition {
	const limitAmount = amountOf(setting.limitUsd, setting.limitAmount, "limit");
	if (limitAmount === undefined) throw invalid([{ field: "limit", problem: "is missing: give dollars, like 0.25" }]);
	const { teamId, dimension = defaultDimension(teamId), dimensionValue, unit, windowKind } = setting;
	const isMoneyForTokens = unit === "tokens" && (setting.limitUsd !== undefined || typeof setting.stopUsd === "string");
	if (isMoneyForTokens) throw invalid([{ field: "limit", problem: "of a budget in tokens is a number of tokens, not dollars" }]);
	const selector = checkBudgetSelector({ dimension, dimensionValue, unit, windowKind }, teamId, "budget");
	if (selector.kind === "invalid") throw invalid(selector.problems);
	const known = findKnown(selector.value);
	const { timeZone = known?.timeZone, weekStart = known?.weekStart, fiscalYearStart = known?.fiscalYearStart, mode = known?.mode } = setting;
	const lines = linesOf(setting, { known, limitAmount });
	const checked = checkBudgetDefinition({ ...selector.value, timeZone, weekStart, fiscalYearStart, mode, limitAmount, ...lines }, teamId, "budget");
	if (checked.kind === "invalid") throw invalid(checked.problems);
	return checked.value;
}

/** The lines asked for, or those known without what a short form takes the place of. */
function linesOf(
	setting: BudgetSetting,
	{ known, limitAmount }: { readonly known: Known | undefined; readonly limitAmount: string },
): { thresholds?: unknown; warnBasisPoints: number | undefined; stopAmount: string | undefined } {
	const { warnBasisPoints } = setting;
	const isStopTaken = setting.stopUsd === null || setting.stopAmount === null;
	const stopAmount = isStopTaken ? undefined : amountOf(setting.stopUsd ?? undefined, setting.stopAmount ?? undefined, "stop");
	if (setting.thresholds !== undefined) return { thresholds: setting.thresholds, warnBasisPoints, stopAmount };
	if (known === undefined) return { warnBasisPoints, stopAmount };
	const isKept = ({ action }: BudgetThreshold): boolean =>
		!(action === "notify" && warnBasisPoints !== undefined) && !(action === "stop" && (isStopTaken || stopAmount !== undefined));
	const limit = readLimitAmount(limitAmount, "limit");
	const kept = known.thresholds.filter(isKept);
	return { thresholds: limit.kind === "valid" ? ascending(kept, limit.value) : kept, warnBasisPoints, stopAmount };
}

const IS_OVERRUN = `
	SELECT 1 FROM tollgate.declared_budget b JOIN tollgate.budget_window w ON w.budget_id = b.id
	WHERE coalesce(b.team_id, '@organization') = $1 AND b.dimension = $2 AND b.dimension_value = $3 AND b.unit = $4 AND b.window_kind = $5 AND b.deleted_at IS NULL
		AND w.ends_at > clock_timestamp() AND (SELECT sum(overrun) FROM tollgate.lease WHERE window_id = w.id) > w.overrun_cleared`;

/** PostgreSQL knows an overrun before the workflow is told of it. */
async function isOverrun(database: Queryable, teamId: string, { dimension, dimensionValue, unit, windowKind }: BudgetSelector): Promise<boolean> {
	return (await database.query(IS_OVERRUN, [teamId, dimension, dimensionValue, unit, windowKind])).rows.length > 0;
}

const BUDGETS = `
	SELECT b.id, coalesce(b.team_id, '@organization') AS "teamId", b.dimension, b.dimension_value AS "dimensionValue", b.unit, b.window_kind AS "windowKind",
	       b.time_zone AS "timeZone", b.week_start AS "weekStart", b.fiscal_year_start AS "fiscalYearStart", b.limit_amount AS "limitAmount",
	       r.raised_amount AS "raisedAmount", to_char(r.raised_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "raisedUntil",
	       b.mode, b.thresholds, nullif(w.stop_amount, w.limit_amount) AS "stopAmount", coalesce(w.needs_approval, false) AS "needsApproval",
	       coalesce(w.approved_amount, 0)::text AS "approvedAmount", b.is_frozen AS "isFrozen",
	       (SELECT count(*) FROM (SELECT 1 FROM tollgate.refusal r WHERE r.window_id = w.id AND r.is_observed LIMIT ${REFUSALS_COUNTED_MAX}) counted)::int AS "wouldRefuse",
	       coalesce(l.posted, 0)::text AS "postedAmount", coalesce(l.pending, 0)::text AS "pendingAmount", coalesce(l.overrun, 0)::text AS "overrunAmount",
	       greatest(0, coalesce(least(w.limit_amount, w.stop_amount), b.limit_amount + r.raised_amount) - coalesce(l.posted, 0))::text AS "leftAmount",
	       coalesce(l.overrun > w.overrun_cleared AND NOT w.is_observed, false) AS "isOverrun",
	       CASE WHEN isfinite(w.starts_at) THEN to_char(w.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS "windowStartsAt",
	       CASE WHEN isfinite(w.ends_at) THEN to_char(w.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS "resetsAt"
	FROM tollgate.declared_budget b
	CROSS JOIN LATERAL tollgate.raises_at(b.id, clock_timestamp()) r
	LEFT JOIN LATERAL (
		SELECT * FROM tollgate.budget_window x WHERE x.budget_id = b.id AND x.starts_at <= clock_timestamp() AND x.ends_at > clock_timestamp() ORDER BY x.starts_at DESC LIMIT 1
	) w ON true
	LEFT JOIN LATERAL (
		SELECT sum(y.posted) AS posted, sum(y.granted - y.returned - y.posted) AS pending, sum(y.overrun) AS overrun FROM tollgate.lease y WHERE y.window_id = w.id
	) l ON true
	WHERE b.deleted_at IS NULL AND ($1::text IS NULL OR coalesce(b.team_id, '@organization') = $1)
	ORDER BY b.team_id NULLS FIRST, b.dimension = 'team' DESC, b.dimension, b.dimension_value, b.id`;

/** Budgets of one team, of the organisation ("@organization"), or of all (undefined). */
export async function listBudgets(database: Queryable, teamId: string | undefined): Promise<BudgetView[]> {
	return (await database.query<BudgetView>(BUDGETS, [teamId ?? null])).rows;
}

function defaultDimension(teamId: string): string {
	return teamId === ORGANIZATION_ID ? "organization" : "team";
}

function amountOf(usd: string | undefined, amount: string | undefined, field: string): string | undefined {
	if (usd === undefined) return amount;
	if (amount !== undefined) throw invalid([{ field, problem: "is given twice, in dollars and as an amount" }]);
	const read = readLimitUsd(usd, field);
	if (read.kind === "invalid") throw invalid(read.problems);
	return read.value.toString();
}

function invalid(problems: readonly FieldProblem[]): CostControlError {
	return new CostControlError("admin.invalid", problems.map(({ field, problem }) => `${field}: ${problem}`).join("; "), {
		details: { field: problems[0]?.field ?? null },
	});
}
