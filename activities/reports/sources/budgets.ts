import type { WindowKind } from "#domain/budget/scope.ts";
import type { NearBudget } from "#domain/reports/facts.ts";
import { instant, type ReportSource } from "./source.ts";

/** Windows in which most of the limit was granted are looked at closer; what is granted is never less than what was spent. */
const NEAR_PERCENT = 80;
const LOOKED_AT_MAX = 100;

type WireBudget = Omit<NearBudget, "spentNanoUsd" | "limitNanoUsd" | "windowKind"> & {
	readonly windowKind: WindowKind;
	readonly spent: string;
	readonly limit: string;
};

/** Of windows that hold the last moment of the period; those of an hour are over before anybody reads of them. Budgets of single users are not looked at. */
export const BUDGETS: ReportSource<"budgets"> = {
	name: "budgets",
	sql({ period, teamId }, put) {
		const end = `${put(instant(period.toMs))}::timestamptz`;
		const only = teamId === null ? "" : `AND b.team_id = ${put(teamId)}`;
		return `(SELECT coalesce(jsonb_agg(jsonb_build_object('teamId', n.team_id, 'dimension', n.dimension, 'dimensionValue', n.dimension_value, 'windowKind', n.window_kind,
				'windowStartsAtMs', tollgate.to_ms(n.starts_at), 'windowEndsAtMs', CASE WHEN isfinite(n.ends_at) THEN tollgate.to_ms(n.ends_at) END, 'limit', n.limit_amount::text,
				'isObserved', n.is_observed, 'spent', tollgate.spent_between(n.team_id, n.dimension, n.dimension_value, n.starts_at, ${end})::text)), '[]')
			FROM (
				SELECT b.team_id, b.dimension, b.dimension_value, b.window_kind, b.mode = 'observe' AS is_observed, w.starts_at, w.ends_at, l.limit_amount
				FROM tollgate.declared_budget b
				CROSS JOIN LATERAL (SELECT x.* FROM tollgate.budget_window x WHERE x.budget_id = b.id AND x.starts_at < ${end} ORDER BY x.starts_at DESC LIMIT 1) w
				CROSS JOIN LATERAL (SELECT coalesce((
					SELECT e.limit_amount FROM tollgate.window_event e WHERE e.window_id = w.id AND e.kind IN ('opened', 'limit') AND e.at < ${end} ORDER BY e.at DESC, e.seq DESC LIMIT 1
				), w.limit_amount) AS limit_amount) l
				WHERE b.unit = 'nano_usd' AND b.deleted_at IS NULL AND b.dimension <> 'user' AND b.window_kind <> 'hour' ${only}
					AND w.ends_at >= ${end} AND w.granted > 0 AND w.granted::numeric * 100 >= l.limit_amount::numeric * ${NEAR_PERCENT}
				ORDER BY w.granted::numeric / greatest(l.limit_amount, 1) DESC, b.id LIMIT ${LOOKED_AT_MAX}
			) n)`;
	},
	read: (wire) =>
		(wire as readonly WireBudget[]).map(({ spent, limit, ...budget }): NearBudget => ({ ...budget, spentNanoUsd: BigInt(spent), limitNanoUsd: BigInt(limit) })),
};
