import type { Increase, IncreaseDecision, IncreaseRules } from "#domain/budget/increases.ts";
import { type BudgetSelector, selectorFromKey, selectorKey } from "#domain/budget/scope.ts";
import type { Connection } from "../database/connection.ts";
import type { IncreaseStore } from "./port.ts";

const RULES = "SELECT tollgate.increase_rules($1) AS rules";
const RECORD = "SELECT tollgate.record_increase($1, $2, $3, $4) AS revision";
const APPLY = "SELECT tollgate.apply_increase($1, $2, $3) AS revision";
const END_EARLY = "SELECT tollgate.end_increase_early($1, $2, $3) AS revision";
const END = "SELECT tollgate.end_increases($1, $2, $3::text[]) AS revision";
const LOWER = "SELECT tollgate.lower_due_windows() AS lowered";
/** A raise whose date is over by PostgreSQL's clock is still read: the workflow is to notice. */
const OPEN = `
	SELECT i.id, i.kind, i.status, i.asked_amount, i.granted_amount, i.reason, i.requested_by, i.is_requested_by_hand, i.decided_by, i.is_decided_by_hand, i.decision_reason,
		floor(extract(epoch FROM i.until_at) * 1000)::float8 AS until_ms, i.window_starts_at_ms::float8 AS window_starts_at_ms, floor(extract(epoch FROM i.requested_at) * 1000)::float8 AS requested_at_ms,
		floor(extract(epoch FROM i.expires_at) * 1000)::float8 AS expires_at_ms, floor(extract(epoch FROM i.decided_at) * 1000)::float8 AS decided_at_ms,
		b.dimension, b.dimension_value, b.unit, b.window_kind, b.deleted_at IS NOT NULL AS is_budget_gone
	FROM tollgate.limit_increase i JOIN tollgate.declared_budget b ON b.id = i.budget_id
	WHERE i.team_id = $1 AND i.status IN ('pending', 'approved') ORDER BY i.requested_at, i.id`;

type OpenRow = {
	id: string;
	kind: Increase["kind"];
	status: Increase["status"];
	asked_amount: string;
	granted_amount: string | null;
	reason: string;
	requested_by: string;
	is_requested_by_hand: boolean;
	decided_by: string | null;
	is_decided_by_hand: boolean | null;
	decision_reason: string | null;
	until_ms: number | null;
	window_starts_at_ms: number | null;
	requested_at_ms: number;
	expires_at_ms: number;
	decided_at_ms: number | null;
	dimension: BudgetSelector["dimension"];
	dimension_value: string;
	unit: BudgetSelector["unit"];
	window_kind: BudgetSelector["windowKind"];
	is_budget_gone: boolean;
};

/** The increases of PostgreSQL over `connection`, which is not shared with the hot path. */
export function createPostgresIncreaseStore(connection: Pick<Connection, "query">): IncreaseStore {
	const write = async (name: string, text: string, values: readonly unknown[]) => {
		const rows = await connection.query<{ revision: string }>(name, text, values);
		return { heldRevision: Number(rows[0]?.revision) };
	};
	return {
		async readIncreaseRules({ teamId }) {
			const [row] = await connection.query<{ rules: IncreaseRules }>("increase_rules", RULES, [teamId]);
			if (row === undefined) throw new TypeError("increase_rules answers one row");
			return row.rules;
		},
		recordIncrease: ({ teamId, revision, requestedBy, increase }) => write("record_increase", RECORD, [teamId, revision, requestedBy, toRow(increase)]),
		applyIncrease: ({ teamId, revision, increase }) => write("apply_increase", APPLY, [teamId, revision, toRow(increase)]),
		endIncreaseEarly: ({ teamId, revision, increase }) => write("end_increase_early", END_EARLY, [teamId, revision, toRow(increase)]),
		endIncreases: ({ teamId, revision, increaseIds }) => write("end_increases", END, [teamId, revision, increaseIds]),
	};
}

/** Requests that wait for a decision and raises in force, as the team's workflow remembers them. */
export async function readOpenIncreases(connection: Pick<Connection, "query">, teamId: string): Promise<Increase[]> {
	return (await connection.query<OpenRow>("open_increases", OPEN, [teamId])).map(toIncrease);
}

/** Windows whose raise is over fall back now, not at their next grant: for a worker's clock, with Temporal or without. Returns how many budgets did. */
export async function lowerDueWindows(connection: Pick<Connection, "query">): Promise<number> {
	return Number((await connection.query<{ lowered: string }>("lower_due_windows", LOWER, []))[0]?.lowered ?? 0);
}

function toRow(increase: Increase): string {
	return JSON.stringify({ ...increase, selector: selectorFromKey(increase.key) });
}

function toIncrease(row: OpenRow): Increase {
	return {
		id: row.id,
		kind: row.kind,
		key: selectorKey({ dimension: row.dimension, dimensionValue: row.dimension_value, unit: row.unit, windowKind: row.window_kind }),
		status: row.status,
		askedAmount: row.asked_amount,
		grantedAmount: row.granted_amount,
		untilMs: row.until_ms,
		...(row.window_starts_at_ms === null ? {} : { windowStartsAtMs: row.window_starts_at_ms }),
		reason: row.reason,
		requestedBy: row.requested_by,
		isRequestedByHand: row.is_requested_by_hand,
		requestedAtMs: row.requested_at_ms,
		expiresAtMs: row.expires_at_ms,
		decision: decisionOf(row),
		...(row.is_budget_gone ? { isBudgetGone: true } : {}),
	};
}

function decisionOf({ decided_by: by, is_decided_by_hand: isByHand, decided_at_ms: atMs, decision_reason: reason }: OpenRow): IncreaseDecision | null {
	return by === null || atMs === null ? null : { by, isByHand: isByHand ?? false, atMs, reason: reason ?? "" };
}
