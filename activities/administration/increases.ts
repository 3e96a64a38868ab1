import type { Queryable } from "#activities/keys/port.ts";
import { INCREASE_ID_PATTERN } from "#domain/budget/increase-input.ts";
import { type BudgetSelector, describeSelector, ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { shellWord } from "#domain/shell-word.ts";
import { listBudgets } from "./budgets.ts";
import { waitUntilHeld, waitUntilInForce } from "./in-force.ts";
import type { Administration, BudgetView } from "./port.ts";
import { requireTeam } from "./read-teams.ts";

/** A request as people give it; the budget may be named by as much as tells it from the team's others. */
export type IncreaseRequest = {
	/** "line": to spend beyond the next line at which the budget needs approval; then neither amount nor `until`. Default "increase". */
	readonly kind?: "increase" | "line" | undefined;
	readonly teamId: string;
	readonly dimension?: string | undefined;
	readonly dimensionValue?: string | undefined;
	readonly unit?: string | undefined;
	/** Absent: the team's only budget that fits the rest. */
	readonly windowKind?: string | undefined;
	readonly amountUsd?: string | undefined;
	readonly amount?: string | undefined;
	readonly until?: string | undefined;
	readonly reason: string;
	readonly expiresInMs?: number | undefined;
};

export type IncreaseDecisionRequest = {
	readonly decision: "approve" | "reject";
	readonly amountUsd?: string | undefined;
	readonly amount?: string | undefined;
	readonly reason?: string | undefined;
};

/** One request as PostgreSQL keeps it; amounts are decimal strings in the budget's unit, times ISO 8601. */
export type IncreaseView = BudgetSelector & {
	readonly id: string;
	readonly teamId: string;
	readonly kind: string;
	/** pending, approved (in force), rejected, withdrawn, expired, refused, ended; by the clock, also where the workflow has not noticed. */
	readonly status: string;
	readonly askedAmount: string;
	readonly grantedAmount: string | null;
	/** null: until the end of the window in which it is approved. */
	readonly until: string | null;
	readonly reason: string;
	readonly requestedBy: string;
	readonly isRequestedByHand: boolean;
	readonly requestedAt: string;
	readonly expiresAt: string;
	readonly decidedBy: string | null;
	readonly isDecidedByHand: boolean | null;
	readonly decidedAt: string | null;
	readonly decisionReason: string | null;
	/** When its date or a person ended it; null before. Who, and why, where it was a person. */
	readonly endedAt: string | null;
	readonly endedBy: string | null;
	readonly isEndedByHand: boolean | null;
	readonly endReason: string | null;
	/** The limit before it came into force, and what then held. */
	readonly limitBefore: string | null;
	readonly limitAfter: string | null;
};

/**
 * Asks for a temporarily higher limit, or to spend beyond a line, in the name of the admin key. Resolves when PostgreSQL holds the request.
 * @throws CostControlError "admin.invalid" naming the field, "admin.not_found", "admin.conflict", "governance.unreachable".
 */
export async function requestIncrease(administration: Administration, request: IncreaseRequest): Promise<IncreaseView> {
	const { database, governor, adminName } = administration;
	const { kind, teamId, amountUsd, amount, until, reason, expiresInMs } = request;
	await requireTeam(database, teamId);
	const { dimension, dimensionValue, unit, windowKind } = theOneBudget(request, await listBudgets(database, teamId));
	const { revision, increase } = await governor.requestIncrease(teamId, {
		budget: { dimension, dimensionValue, unit, windowKind },
		kind,
		amountUsd,
		amount,
		until,
		reason,
		expiresInMs,
		requestedBy: adminName,
		via: "administration",
	});
	await waitUntilHeld(database, teamId, revision);
	return readIncrease(database, increase.id);
}

/**
 * Approves or rejects, in the name of the admin key. An approval resolves when the raise is in force on live gateways.
 * @throws CostControlError as requestIncrease; "admin.forbidden" for whoever may not decide; "admin.conflict" with who decided before.
 */
export async function decideIncrease(administration: Administration, id: string, request: IncreaseDecisionRequest): Promise<IncreaseView> {
	const { database, governor, adminName } = administration;
	const { teamId } = await readIncrease(database, id);
	const { revision } = await governor.decideIncrease(teamId, { ...request, id, decidedBy: adminName, via: "administration" });
	await waitUntilHeld(database, teamId, revision);
	const view = await readIncrease(database, id);
	if (view.status === "refused") throw new CostControlError("admin.conflict", `The approval was not carried out: ${view.decisionReason ?? ""}`);
	if (view.status === "approved") await waitUntilInForce(database);
	return view;
}

/** Takes back what the same admin key asked for. @throws as decideIncrease. */
export async function withdrawIncrease(administration: Administration, id: string): Promise<IncreaseView> {
	const { database, governor, adminName } = administration;
	const { teamId } = await readIncrease(database, id);
	const { revision } = await governor.withdrawIncrease(teamId, { id, withdrawnBy: adminName, via: "administration" });
	await waitUntilHeld(database, teamId, revision);
	return readIncrease(database, id);
}

/**
 * Ends a raise in force before its date, in the name of the admin key. Resolves when the lower limit is in force on live gateways.
 * @throws CostControlError as decideIncrease.
 */
export async function endIncrease(administration: Administration, id: string, { reason }: { readonly reason?: string | undefined }): Promise<IncreaseView> {
	const { database, governor, adminName } = administration;
	const { teamId } = await readIncrease(database, id);
	const { revision } = await governor.endIncrease(teamId, { id, reason, endedBy: adminName, via: "administration" });
	await waitUntilHeld(database, teamId, revision);
	const view = await readIncrease(database, id);
	if (view.status !== "ended")
		throw new CostControlError("admin.conflict", `The raise was not ended: it is ${view.status}. See: npx tollgate budget increase show ${id}`);
	await waitUntilInForce(database);
	return view;
}

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
const STATUS = `CASE WHEN i.status = 'approved' AND i.until_at <= clock_timestamp() THEN 'ended' WHEN i.status = 'pending' AND i.expires_at <= clock_timestamp() THEN 'expired' ELSE i.status END`;
const INCREASES = `
	SELECT i.id, i.team_id AS "teamId", i.kind, ${STATUS} AS status, b.dimension, b.dimension_value AS "dimensionValue", b.unit, b.window_kind AS "windowKind",
	       i.asked_amount AS "askedAmount", i.granted_amount AS "grantedAmount", ${iso("i.until_at")} AS until, i.reason,
	       i.requested_by AS "requestedBy", i.is_requested_by_hand AS "isRequestedByHand", ${iso("i.requested_at")} AS "requestedAt", ${iso("i.expires_at")} AS "expiresAt",
	       i.decided_by AS "decidedBy", i.is_decided_by_hand AS "isDecidedByHand", ${iso("i.decided_at")} AS "decidedAt", i.decision_reason AS "decisionReason",
	       ${iso("i.ended_at")} AS "endedAt", i.ended_by AS "endedBy", i.is_ended_by_hand AS "isEndedByHand", i.end_reason AS "endReason",
	       i.limit_before AS "limitBefore", i.limit_after AS "limitAfter"
	FROM tollgate.limit_increase i JOIN tollgate.declared_budget b ON b.id = i.budget_id`;
const LIST = `${INCREASES}
	WHERE ($1::text IS NULL OR i.team_id = $1) AND ($2 OR ${STATUS} IN ('pending', 'approved'))
	ORDER BY i.requested_at DESC, i.id LIMIT $3`;

/** The newest first; without `isAll` only what waits or is in force. */
export async function listIncreases(
	database: Queryable,
	{ teamId, isAll, limit }: { readonly teamId: string | undefined; readonly isAll: boolean; readonly limit: number },
): Promise<IncreaseView[]> {
	return (await database.query<IncreaseView>(LIST, [teamId ?? null, isAll, limit])).rows;
}

/** @throws CostControlError "admin.not_found". */
export async function readIncrease(database: Queryable, id: string): Promise<IncreaseView> {
	const [found] = INCREASE_ID_PATTERN.test(id) ? (await database.query<IncreaseView>(`${INCREASES} WHERE i.id = $1`, [id])).rows : [];
	if (!found)
		throw new CostControlError(
			"admin.not_found",
			`There is no request ${JSON.stringify(id.slice(0, 40))}. All of them: npx tollgate budget increase list --all`,
		);
	return found;
}

/** Which budget a request means; what it leaves out has to leave one. */
function theOneBudget(request: IncreaseRequest, budgets: readonly BudgetView[]): BudgetView {
	const { teamId, dimensionValue = "", unit = "nano_usd", windowKind } = request;
	const dimension = request.dimension ?? (teamId === ORGANIZATION_ID ? "organization" : "team");
	const fitting = budgets.filter(
		(budget) =>
			budget.dimension === dimension &&
			budget.dimensionValue === dimensionValue &&
			budget.unit === unit &&
			(windowKind === undefined || budget.windowKind === windowKind),
	);
	const [found, ...others] = fitting;
	if (!found) {
		const known = budgets.length === 0 ? "it has none" : `it has: ${budgets.map(describeSelector).join("; ")}`;
		throw new CostControlError("admin.not_found", `budget: ${teamId} has no such budget; ${known}. See: npx tollgate budget show --team ${shellWord(teamId)}`, {
			details: { field: "budget" },
		});
	}
	if (others.length === 0) return found;
	const windows = fitting.map((budget) => budget.windowKind).join(", ");
	throw new CostControlError("admin.invalid", `windowKind: there are several such budgets; name one of their windows: ${windows}`, {
		details: { field: "windowKind" },
	});
}
