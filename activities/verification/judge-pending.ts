import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Money that is neither posted nor returned must have somebody who can still settle it: an epoch
 * that lives, or one that is not past its time: the same judgement as the sweep's (money-path §8). A batch has no such time.
 */
const PENDING_LEASES = `
	SELECT l.gateway_id, l.epoch, l.window_id, l.granted - l.returned - l.posted AS pending,
	       g.gateway_id IS NULL AS is_unknown, g.closed_at, g.closed_how,
	       tollgate.silent_ms(g.last_seen_at) AS silent_ms, g.kind = 'gateway' AND tollgate.is_past_its_time(g.last_seen_at, $1) AS is_past_its_time
	FROM tollgate.lease l
	LEFT JOIN tollgate.gateway_epoch g USING (gateway_id, epoch)
	WHERE l.granted - l.returned - l.posted > 0
	ORDER BY l.gateway_id, l.epoch, l.window_id`;

type PendingRow = {
	gateway_id: string;
	epoch: string;
	window_id: string;
	pending: string;
	is_unknown: boolean;
	closed_at: Date | null;
	closed_how: string | null;
	silent_ms: string | null;
	is_past_its_time: boolean;
};

export async function judgePending(snapshot: Snapshot, findings: Findings, longestCallMs: number): Promise<void> {
	for await (const row of snapshot.rows<PendingRow>(PENDING_LEASES, [longestCallMs])) {
		const problem = pendingProblem(row);
		if (problem) findings.add("pending_past_time", `lease ${row.gateway_id}/${row.epoch} window ${row.window_id}`, `${row.pending} pending, ${problem}`);
	}
}

function pendingProblem(row: PendingRow): string | undefined {
	if (row.is_unknown) return "but there is no such gateway epoch";
	if (row.closed_at) return `but the epoch is closed (${row.closed_how})`;
	return row.is_past_its_time ? `but the gateway has been silent for ${Math.round(Number(row.silent_ms) / 1000)} s` : undefined;
}
