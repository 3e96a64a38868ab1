import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { type LimitRefusalRow, limitRefusalProblem } from "./limit-refusal-problem.ts";
import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Recomputes every refusal from the window's own history at the refusing grant's commit:
 * refused only when what is left plus the asker's idle money is below the need (money-path §3).
 * The numbers on the row must be the window's: a gateway cannot talk a refusal right.
 */
type RefusalRow = {
	refusal_id: string;
	code: string;
	window_id: string | null;
	window_seq: string | null;
	limit_amount: string | null;
	granted: string | null;
	idle: string | null;
	need: string | null;
	open_reservations: string | null;
	waited_ms: number;
	is_observed: boolean;
	shortest_wait_ms: string;
	event_granted: string | null;
	event_limit: string | null;
	event_stop: string | null;
	event_frozen: boolean | null;
	overrun: string | null;
	/** What was granted there and cannot have been posted yet; null where there is no such event. */
	least_open: string | null;
};

const TIMER_TOLERANCE_MS = 20;

/**
 * `open_reservations` is everything granted and not yet posted, the asker's idle money included. It was at least what was
 * granted then less what is posted now: postings only grow, except where a lump was brought down, and adjustments may
 * have raised them. The wait is judged by the shortest one the team ever had: the policy of the moment is not on the row.
 */
const REFUSALS = `
	WITH posted AS (
		SELECT window_id, sum(posted) AS amount FROM tollgate.lease WHERE gateway_id <> 'verify' GROUP BY window_id
	), adjusted AS (
		SELECT d.key AS window_id, sum(CASE WHEN e.attempt_id IS NULL THEN -d.value::numeric ELSE greatest(0, d.value::numeric) END) AS amount
		FROM tollgate.entry e CROSS JOIN LATERAL jsonb_each_text(e.detail->'windows') AS d
		WHERE e.kind = 'adjustment' AND e.detail ? 'resolves' AND jsonb_typeof(e.detail->'windows') = 'object' AND pg_input_is_valid(d.value, 'numeric')
		GROUP BY d.key
	)
	SELECT r.refusal_id, r.code, r.window_id, r.window_seq, r.limit_amount, r.granted, r.idle, r.need, r.open_reservations, r.waited_ms, r.is_observed,
	       least($1::bigint, (t.policy->>'admissionWaitMs')::bigint, p.shortest) AS shortest_wait_ms,
	       e.granted_after AS event_granted, e.limit_amount AS event_limit, e.stop_amount AS event_stop, e.is_frozen AS event_frozen,
	       -- What was resolved since stands as a negative overrun of the pseudo gateway: at the refusal it was there.
	       (SELECT sum(l.overrun) FROM tollgate.lease l WHERE l.window_id = r.window_id AND l.gateway_id <> 'verify') AS overrun,
	       e.granted_after - coalesce(n.amount, 0) - coalesce(j.amount, 0) AS least_open
	FROM tollgate.refusal r
	LEFT JOIN tollgate.window_event e ON e.window_id = r.window_id AND e.seq = r.window_seq
	LEFT JOIN posted n ON n.window_id = r.window_id
	LEFT JOIN adjusted j ON j.window_id = r.window_id::text
	LEFT JOIN tollgate.team t ON t.id = r.team_id
	LEFT JOIN (
		SELECT subject, min((detail->'policy'->>'admissionWaitMs')::bigint) AS shortest FROM tollgate.change WHERE kind = 'team' GROUP BY subject
	) p ON p.subject = r.team_id
	WHERE r.code IN ('budget.exceeded', 'budget.frozen', 'budget.overrun', 'budget.needs_approval')
	ORDER BY r.refusal_id`;

/** A team that had a budget for a minute was not without one; the minute covers the gateway's clock. */
const WRONGLY_WITHOUT_BUDGET = `
	SELECT r.refusal_id, b.id AS budget_id
	FROM tollgate.refusal r
	JOIN LATERAL (
		SELECT b.id FROM tollgate.declared_budget b
		WHERE b.team_id = r.team_id AND b.dimension = 'team'
		  AND b.created_at < least(r.refused_at, r.at) - interval '1 minute' AND (b.deleted_at IS NULL OR b.deleted_at > r.at)
		LIMIT 1) b ON true
	WHERE r.code = 'budget.none'
	ORDER BY r.refusal_id`;

/** Rates leave no history in the books: such a row is held to what it says itself. */
const LIMIT_REFUSALS = `
	SELECT refusal_id, code, window_id, limit_name, limit_amount, stood_at, need, waited_ms
	FROM tollgate.refusal WHERE code LIKE 'limit.%' OR limit_name IS NOT NULL ORDER BY refusal_id`;

export async function judgeRefusals(snapshot: Snapshot, findings: Findings): Promise<void> {
	for await (const row of snapshot.rows<RefusalRow>(REFUSALS, [DEFAULT_TEAM_POLICY.admissionWaitMs])) {
		const problem = refusalProblem(row);
		if (problem) findings.add("false_refusal", `refusal ${row.refusal_id}`, problem);
	}
	for await (const row of snapshot.rows<LimitRefusalRow>(LIMIT_REFUSALS)) {
		const problem = limitRefusalProblem(row);
		if (problem) findings.add("false_refusal", `refusal ${row.refusal_id}`, problem);
	}
	for await (const row of snapshot.rows<{ refusal_id: string; budget_id: string }>(WRONGLY_WITHOUT_BUDGET)) {
		findings.add("false_refusal", `refusal ${row.refusal_id}`, `says there is no budget, but budget ${row.budget_id} was there`);
	}
}

function refusalProblem(row: RefusalRow): string | undefined {
	if (row.event_granted === null || row.event_limit === null || row.event_stop === null)
		return `gives no evidence: window ${row.window_id} has no event ${row.window_seq}`;
	if (row.code === "budget.frozen") return row.event_frozen ? undefined : "says frozen, but the window was not";
	if (row.code === "budget.overrun") return BigInt(row.overrun ?? 0) > 0n ? undefined : "says overrun, but the window has none";
	if (row.granted === null || row.limit_amount === null || row.need === null || row.idle === null || (row.open_reservations === null && !row.is_observed))
		return "lacks the numbers it was decided on";
	const [limit, stop, granted] = [BigInt(row.event_limit), BigInt(row.event_stop), BigInt(row.event_granted)];
	const ceiling = limit < stop ? limit : stop;
	const saidLimit = BigInt(row.limit_amount);
	if (BigInt(row.granted) !== granted) return `says granted was ${row.granted}, the window's history says ${granted}`;
	if (saidLimit !== ceiling && saidLimit !== limit) return `says the limit was ${saidLimit}, the window's history says ${limit}, threshold ${stop}`;
	const free = ceiling - granted + BigInt(row.idle);
	if (free >= BigInt(row.need)) return `needed ${row.need} while ${ceiling} - ${granted} + idle ${row.idle} = ${free} was free`;
	if (row.code === "budget.needs_approval" && stop >= limit) return "says that an approval is missing, but no line stood below the limit";
	// A call that was let pass waited for nothing.
	return row.is_observed ? undefined : waitProblem(row, ceiling - granted);
}

/** Money that calls in flight held could still have come back: such a call waits before it is refused. */
function waitProblem(row: RefusalRow, left: bigint): string | undefined {
	const shortestWaitMs = Number(row.shortest_wait_ms);
	if (row.waited_ms >= shortestWaitMs - TIMER_TOLERANCE_MS) return undefined;
	const open = BigInt(row.open_reservations ?? 0);
	if (open < BigInt(row.least_open ?? 0)) return `says open calls held ${open}, but at least ${row.least_open} was granted and not posted yet`;
	const attainable = left + open;
	return attainable >= BigInt(row.need ?? 0)
		? `needed ${row.need} and waited ${row.waited_ms} of ${shortestWaitMs} ms while ${row.open_reservations} was held by open calls`
		: undefined;
}
