import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * What a lease posted is what its attempts cost, in the unit of the window, plus the lumps and
 * adjustments of its chain. Overrun is the part that no lease money covered; the opening balance of a
 * new budget (`opening`) stands for calls booked elsewhere.
 */
const LEASES_AGAINST_ENTRIES = `
	WITH booked AS (
		SELECT x.gateway_id, x.epoch, x.window_id, sum(x.amount) AS amount, sum(x.rows) AS rows FROM (
			SELECT a.gateway_id, a.epoch, u.window_id,
			       sum(tollgate.cost_in(b.unit, a)) AS amount, count(*) AS rows
			FROM tollgate.attempt a
			CROSS JOIN LATERAL unnest(a.window_ids) AS u (window_id)
			JOIN tollgate.budget_window w ON w.id = u.window_id
			JOIN tollgate.budget b ON b.id = w.budget_id
			GROUP BY 1, 2, 3
			UNION ALL
			SELECT gateway_id, epoch, window_id, amount, rows FROM tollgate.archived_booking
			UNION ALL
			SELECT e.gateway_id, e.epoch, d.key::bigint, sum(d.value::numeric), count(*)
			FROM tollgate.entry e
			CROSS JOIN LATERAL jsonb_each_text(e.detail -> 'windows') AS d
			WHERE e.kind IN ('lump', 'adjustment') AND jsonb_typeof(e.detail -> 'windows') = 'object'
			  AND pg_input_is_valid(d.key, 'bigint') AND pg_input_is_valid(d.value, 'numeric')
			GROUP BY 1, 2, 3
		) x GROUP BY 1, 2, 3
	)
	SELECT coalesce(l.gateway_id, k.gateway_id) AS gateway_id, coalesce(l.epoch, k.epoch) AS epoch, coalesce(l.window_id, k.window_id) AS window_id,
	       coalesce(l.posted, 0) AS posted, coalesce(l.overrun, 0) AS overrun, coalesce(k.amount, 0) AS booked, coalesce(k.rows, 0) AS rows
	FROM (SELECT * FROM tollgate.lease WHERE gateway_id <> 'opening') l
	FULL JOIN booked k ON (k.gateway_id, k.epoch, k.window_id) = (l.gateway_id, l.epoch, l.window_id)
	WHERE coalesce(l.posted, 0) + coalesce(l.overrun, 0) <> coalesce(k.amount, 0)
	ORDER BY 1, 2, 3`;

const UNKNOWN_WINDOWS = `
	SELECT a.attempt_id, u.window_id FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.window_ids) AS u (window_id)
	WHERE NOT EXISTS (SELECT 1 FROM tollgate.budget_window w WHERE w.id = u.window_id)
	ORDER BY a.attempt_id`;

export async function judgeCounters(snapshot: Snapshot, findings: Findings): Promise<void> {
	for await (const row of snapshot.rows<Record<string, string>>(LEASES_AGAINST_ENTRIES)) {
		findings.add(
			"counter",
			`lease ${row["gateway_id"]}/${row["epoch"]} window ${row["window_id"]}`,
			`posted ${row["posted"]} and overrun ${row["overrun"]}, but its ${row["rows"]} ledger rows sum to ${row["booked"]}`,
		);
	}
	for await (const row of snapshot.rows<{ attempt_id: string; window_id: string }>(UNKNOWN_WINDOWS)) {
		findings.add("entry", `attempt ${row.attempt_id}`, `was reserved in window ${row.window_id}, which does not exist`);
	}
}
