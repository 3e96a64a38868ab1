import type { Queryable } from "#activities/keys/port.ts";
import type { BudgetUnit } from "#domain/budget/scope.ts";

/** How far a budget is used in the window that is open now. Amounts are in its unit. */
export type BudgetShare = {
	/** Null: of the organisation. */
	readonly teamId: string | null;
	readonly dimension: string;
	/** "" of a team or the organisation. */
	readonly dimensionValue: string;
	readonly unit: BudgetUnit;
	readonly windowKind: string;
	readonly isObserved: boolean;
	/** What may be spent, raises included: the limit, or the lower line where spend stops. */
	readonly stopAmount: bigint;
	readonly postedAmount: bigint;
	/** Seconds until the window ends; null of one that never does, or of a budget that was not used yet in this window. */
	readonly resetsInSeconds: number | null;
};

type ShareRecord = Omit<BudgetShare, "stopAmount" | "postedAmount"> & { readonly stopAmount: string; readonly postedAmount: string };

/** Declared budgets alone: what agent runs state for themselves has no end. */
const SHARES = `
	SELECT b.team_id AS "teamId", b.dimension, b.dimension_value AS "dimensionValue", b.unit, b.window_kind AS "windowKind", b.mode = 'observe' AS "isObserved",
	       coalesce(least(w.limit_amount, w.stop_amount), b.limit_amount + r.raised_amount)::text AS "stopAmount",
	       coalesce((SELECT sum(l.posted) FROM tollgate.lease l WHERE l.window_id = w.id), 0)::text AS "postedAmount",
	       CASE WHEN isfinite(w.ends_at) THEN extract(epoch FROM w.ends_at - clock_timestamp())::float8 END AS "resetsInSeconds"
	FROM tollgate.declared_budget b
	CROSS JOIN LATERAL tollgate.raises_at(b.id, clock_timestamp()) r
	LEFT JOIN LATERAL (
		SELECT * FROM tollgate.budget_window x WHERE x.budget_id = b.id AND x.starts_at <= clock_timestamp() AND x.ends_at > clock_timestamp() ORDER BY x.starts_at DESC LIMIT 1
	) w ON true
	WHERE b.deleted_at IS NULL
	ORDER BY b.id`;

/** Of every declared budget, the oldest first. */
export async function readBudgetShares(database: Queryable): Promise<readonly BudgetShare[]> {
	const { rows } = await database.query<ShareRecord>(SHARES);
	return rows.map((row) => ({ ...row, stopAmount: BigInt(row.stopAmount), postedAmount: BigInt(row.postedAmount) }));
}
