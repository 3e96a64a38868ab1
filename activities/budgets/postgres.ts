import { presentDefinition } from "#domain/budget/older-definition.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import type { HeldFreeze, WindowReport } from "#domain/budget/team-budget-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Connection } from "../database/connection.ts";
import { readOpenIncreases } from "../increases/postgres.ts";
import type { BudgetStore, HeldBudgets } from "./port.ts";

const APPLY_POLICY = "SELECT tollgate.apply_policy($1, $2, $3, $4, $5) AS revision";
const SET_FROZEN = "SELECT tollgate.set_frozen($1, $2, $3, $4, $5, $6) AS revision";
const READ_FREEZE = "SELECT is_frozen, freeze_reason, freeze_seq FROM tollgate.team_governance WHERE team_id = $1";
const HELD_REVISION = "SELECT revision FROM tollgate.team_governance WHERE team_id = $1";
/** Makes the event's alert as well (migrations/0015). */
const RECORD_EVENT = "SELECT tollgate.record_event($1, $2, $3, $4) AS is_new";
const READ_GOVERNANCE = `
	SELECT greatest(coalesce(max(g.revision), 0), coalesce((SELECT max(b.revision) FROM tollgate.declared_budget b WHERE coalesce(b.team_id, '@organization') = $1), 0)) AS revision,
		coalesce(bool_or(g.is_frozen), false) AS is_frozen, max(g.freeze_reason) AS freeze_reason, coalesce(max(g.freeze_seq), 0) AS freeze_seq,
		coalesce(max(g.document_revision), 0) AS document_revision
	FROM tollgate.team_governance g WHERE g.team_id = $1`;
const READ_BUDGETS = `
	SELECT dimension, dimension_value, unit, window_kind, time_zone, week_start, fiscal_year_start, limit_amount, mode, thresholds
	FROM tollgate.declared_budget WHERE coalesce(team_id, '@organization') = $1 AND deleted_at IS NULL ORDER BY id`;
/** The previous window is still reported while calls that were reserved in it may settle (maxCallMs plus a minute, and slack). */
export const GRACE_MINUTES = 20;
const READ_TOTALS = `
	SELECT t.*, coalesce(g.is_frozen, false) AS is_frozen, g.freeze_reason, coalesce(g.freeze_seq, 0) AS freeze_seq, coalesce(g.document_revision, 0) AS document_revision
	FROM tollgate.team_totals($1::text[], $2, interval '${GRACE_MINUTES} minutes') t LEFT JOIN tollgate.team_governance g ON g.team_id = t.team_id`;

type BudgetRow = {
	dimension: BudgetDefinition["dimension"];
	dimension_value: string;
	unit: BudgetDefinition["unit"];
	window_kind: BudgetDefinition["windowKind"];
	time_zone: string;
	week_start: number;
	fiscal_year_start: number;
	limit_amount: string;
	mode: BudgetDefinition["mode"];
	thresholds: BudgetDefinition["thresholds"];
};

type FreezeRow = { is_frozen: boolean; freeze_reason: string | null; freeze_seq: string };
/** What a team's governance row says beside its revision. */
export type GovernanceRow = FreezeRow & { document_revision: string };

/** A row of tollgate.team_totals, with its team's freeze; bigints arrive as decimal strings. */
export type TotalsRow = Omit<BudgetRow, "time_zone" | "week_start" | "fiscal_year_start" | "mode"> &
	GovernanceRow & {
		team_id: string;
		budget_id: string;
		window_id: string;
		starts_at_ms: number;
		ends_at_ms: number | null;
		stop_amount: string;
		approved_amount: string;
		is_observed: boolean;
		granted: string;
		posted: string;
		pending: string;
		overrun: string;
		leases: string;
		version: string;
	};

/** The budgets of PostgreSQL over `connection`, which is not shared with the hot path. */
export function createPostgresBudgetStore(connection: Connection): BudgetStore {
	return {
		async writeBudgets({ teamId, revision, requestedBy, set, remove }) {
			const rows = await connection
				.query<{ revision: string }>("apply_policy", APPLY_POLICY, [
					teamId,
					revision,
					requestedBy,
					// A change that an older worker began may come in its words.
					JSON.stringify(set.map(presentDefinition)),
					JSON.stringify(remove),
				])
				.catch((error: unknown) => {
					throw isMissingTeam(error) ? new CostControlError("admin.not_found", `there is no team ${teamId}`, { cause: error }) : error;
				});
			return { heldRevision: Number(rows[0]?.revision) };
		},
		async setFrozen({ teamId, isFrozen, reason, revision, requestedBy, knownSeq }) {
			const values = [teamId, isFrozen, reason, revision, requestedBy, knownSeq ?? null];
			const rows = await connection.query<{ revision: string }>("set_frozen", SET_FROZEN, values);
			const [held] = await connection.query<FreezeRow>("read_freeze", READ_FREEZE, [teamId]);
			return { heldRevision: Number(rows[0]?.revision), ...(held && { freeze: toHeldFreeze(held) }) };
		},
		readBudgets: ({ teamId }) => readBudgets(connection, teamId),
		async recordEvent({ eventKey, teamId, event, detail }) {
			const rows = await connection.query<{ is_new: boolean }>("record_event", RECORD_EVENT, [eventKey, teamId, event, JSON.stringify(detail)]);
			return rows[0]?.is_new === true;
		},
		async heldRevision(teamId) {
			const rows = await connection.query<{ revision: string }>("held_revision", HELD_REVISION, [teamId]);
			return Number(rows[0]?.revision ?? 0);
		},
	};
}

export function toHeldFreeze(row: FreezeRow): HeldFreeze {
	return { isFrozen: row.is_frozen, reason: row.freeze_reason, seq: Number(row.freeze_seq) };
}

/** `refusedAtStop`: where spend stopped when the newest of them was refused; absent where its grant is not known. */
export type RefusalCounts = { readonly refusals: number; readonly observedRefusals: number; readonly refusedAtStop?: string };
export const NO_REFUSALS: RefusalCounts = { refusals: 0, observedRefusals: 0 };

/** Totals carry no refusals of their own; those are counted apart, when a team is told. */
export function toWindowReport(row: TotalsRow, counts: RefusalCounts): WindowReport {
	return {
		key: selectorKey({ dimension: row.dimension, dimensionValue: row.dimension_value, unit: row.unit, windowKind: row.window_kind }),
		startsAtMs: row.starts_at_ms,
		endsAtMs: row.ends_at_ms,
		granted: row.granted,
		posted: row.posted,
		overrun: row.overrun,
		leases: Number(row.leases),
		...counts,
		approved: row.approved_amount,
		version: Number(row.version),
	};
}

/**
 * Of these teams (null = all). `isForTelling`: windows that ended before their team was last told are left out, else those that ended long ago.
 * Without a name, so that it is planned each time: a plan that is kept is one for any teams, and reads all there are (with 10,000 teams some 300 ms, not 3).
 */
export function readTotals(
	connection: Connection,
	teamIds: readonly string[] | null,
	{ isForTelling }: { readonly isForTelling: boolean },
): Promise<TotalsRow[]> {
	return connection.query<TotalsRow>(undefined, READ_TOTALS, [teamIds, isForTelling]);
}

async function readBudgets(connection: Connection, teamId: string): Promise<HeldBudgets> {
	const governance = await connection.query<GovernanceRow & { revision: string }>("read_governance", READ_GOVERNANCE, [teamId]);
	const budgets = await connection.query<BudgetRow>("read_budgets", READ_BUDGETS, [teamId]);
	const totals = await readTotals(connection, [teamId], { isForTelling: false });
	return {
		revision: Number(governance[0]?.revision ?? 0),
		isFrozen: governance[0]?.is_frozen ?? false,
		freezeReason: governance[0]?.freeze_reason ?? null,
		freezeSeq: Number(governance[0]?.freeze_seq ?? 0),
		documentRevision: Number(governance[0]?.document_revision ?? 0),
		budgets: budgets.map((row) => ({
			dimension: row.dimension,
			dimensionValue: row.dimension_value,
			unit: row.unit,
			windowKind: row.window_kind,
			timeZone: row.time_zone,
			weekStart: row.week_start,
			fiscalYearStart: row.fiscal_year_start,
			limitAmount: row.limit_amount,
			mode: row.mode,
			thresholds: row.thresholds,
		})),
		windows: totals.map((row) => toWindowReport(row, NO_REFUSALS)),
		increases: await readOpenIncreases(connection, teamId),
	};
}

/** 23503: a budget of a team that does not exist. */
function isMissingTeam(error: unknown): boolean {
	return (error as { code?: unknown }).code === "23503";
}
