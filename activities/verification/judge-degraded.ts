import { type DegradedRow, degradedProblem } from "./degraded-problem.ts";
import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Judges every call that a line made another model serve against the history of the line's window. A changed line is in force on every
 * gateway within a second, and a gateway that did not hear of it is cut off soon after: within these seconds either may be right.
 * The model and provider of a budget are those of the alias on the way, which only the gateway knew.
 */
const CHANGE_SECONDS = 5;
const number = (field: string, type: string) =>
	`CASE WHEN pg_input_is_valid(a.degraded_by->>'${field}', '${type}') THEN (a.degraded_by->>'${field}')::${type} END`;

const DEGRADED = `
	WITH said AS (
		SELECT a.attempt_id, a.at, a.team_id, a.model, a.asked_model, a.feature, a.user_id, a.key_id, a.environment, a.run_ids,
		       ${number("budgetId", "bigint")} AS budget_id, ${number("place", "integer")} AS place, ${number("windowId", "bigint")} AS window_id,
		       ${number("windowSeq", "bigint")} AS seq, ${number("lineAmount", "bigint")} AS line_amount, ${number("granted", "bigint")} AS granted,
		       ${number("idle", "bigint")} AS idle, ${number("need", "bigint")} AS need
		FROM tollgate.attempt a WHERE a.asked_model IS NOT NULL OR a.degraded_by IS NOT NULL
	)
	SELECT s.attempt_id, s.model, s.asked_model, s.line_amount, s.granted, s.idle, s.need, e.granted_after AS event_granted,
	       w.budget_id = s.budget_id AS is_of_budget,
	       (b.team_id IS NULL OR b.team_id = s.team_id) AND CASE b.dimension
	         WHEN 'feature' THEN s.feature = b.dimension_value WHEN 'user' THEN s.user_id = b.dimension_value
	         WHEN 'key' THEN s.key_id = b.dimension_value WHEN 'environment' THEN s.environment = b.dimension_value
	         WHEN 'run' THEN coalesce(b.dimension_value = ANY (s.run_ids::text[]), false) ELSE true END AS is_matching,
	       e.at < w.ends_at AND s.at >= greatest(w.starts_at, e.at) AS is_in_force,
	       (SELECT array_agg(h.degrade_amounts[s.place]::text) FROM (
	          SELECT x.at, lead(x.at) OVER (ORDER BY x.seq) AS until, x.degrade_amounts
	          FROM tollgate.window_event x WHERE x.window_id = s.window_id AND x.degrade_amounts IS NOT NULL
	        ) h WHERE h.at < e.at + interval '${CHANGE_SECONDS} seconds' AND coalesce(h.until > e.at - interval '${CHANGE_SECONDS} seconds', true)) AS lines
	FROM said s
	LEFT JOIN tollgate.window_event e ON e.window_id = s.window_id AND e.seq = s.seq
	LEFT JOIN tollgate.budget_window w ON w.id = s.window_id
	LEFT JOIN tollgate.budget b ON b.id = w.budget_id
	ORDER BY s.attempt_id`;

export async function judgeDegraded(snapshot: Snapshot, findings: Findings): Promise<void> {
	for await (const row of snapshot.rows<DegradedRow>(DEGRADED)) {
		const problem = degradedProblem(row);
		if (problem) findings.add("degraded", `attempt ${row.attempt_id}`, problem);
	}
}
