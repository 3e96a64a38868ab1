import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Replays the history of every budget window in commit order and judges each grant against the
 * limit, threshold and freeze then in force (money-path §10). An overhang (limit lowered below what
 * is granted) is no overspend: only a grant can overspend, and none in a window that was observed then.
 */
export type WindowTally = { readonly overspendNanoUsd: bigint };

type EventRow = {
	window_id: string;
	seq: string;
	kind: string;
	amount: string;
	granted_after: string;
	limit_amount: string;
	stop_amount: string;
	is_frozen: boolean;
	/** null = as it was before. */
	is_observed: boolean | null;
	unit: string;
};

type WindowState = { windowId: string; seq: bigint; granted: bigint; limit: bigint; stop: bigint; isFrozen: boolean; isObserved: boolean };

const EVENTS = `
	SELECT e.window_id, e.seq, e.kind, e.amount, e.granted_after, e.limit_amount, e.stop_amount, e.is_frozen, e.is_observed, b.unit
	FROM tollgate.window_event e
	JOIN tollgate.budget_window w ON w.id = e.window_id
	JOIN tollgate.budget b ON b.id = w.budget_id
	ORDER BY e.window_id, e.seq`;

const WINDOWS_AGAINST_LAST_EVENT = `
	SELECT w.id, w.granted, w.limit_amount, w.stop_amount, w.is_frozen, w.event_seq,
	       e.seq AS last_seq, e.granted_after, e.limit_amount AS last_limit, e.stop_amount AS last_stop, e.is_frozen AS last_frozen
	FROM tollgate.budget_window w
	LEFT JOIN LATERAL (SELECT * FROM tollgate.window_event e WHERE e.window_id = w.id ORDER BY e.seq DESC LIMIT 1) e ON true
	WHERE e.seq IS NULL OR (w.granted, w.limit_amount, w.stop_amount, w.is_frozen, w.event_seq)
	      IS DISTINCT FROM (e.granted_after, e.limit_amount, e.stop_amount, e.is_frozen, e.seq)
	ORDER BY w.id`;

/** Whether a window is observed is told when it is opened and whenever its limits change. */
const OBSERVED_AGAINST_EVENTS = `
	SELECT w.id, w.is_observed, e.is_observed AS last_observed
	FROM tollgate.budget_window w
	LEFT JOIN LATERAL (SELECT x.is_observed FROM tollgate.window_event x WHERE x.window_id = w.id AND x.is_observed IS NOT NULL ORDER BY x.seq DESC LIMIT 1) e ON true
	WHERE w.is_observed <> coalesce(e.is_observed, false)
	ORDER BY w.id`;

/** So are the lines that degrade. */
const LINES_AGAINST_EVENTS = `
	SELECT w.id, w.degrade_amounts::text AS lines, e.degrade_amounts::text AS last_lines
	FROM tollgate.budget_window w
	LEFT JOIN LATERAL (SELECT x.degrade_amounts FROM tollgate.window_event x WHERE x.window_id = w.id AND x.degrade_amounts IS NOT NULL ORDER BY x.seq DESC LIMIT 1) e ON true
	WHERE w.degrade_amounts <> coalesce(e.degrade_amounts, '{}')
	ORDER BY w.id`;

const LEASES_AGAINST_EVENTS = `
	WITH events AS (
		SELECT window_id, gateway_id, epoch,
		       coalesce(sum(amount) FILTER (WHERE kind IN ('grant', 'opening_balance', 'adjustment', 'presented')), 0) AS granted,
		       coalesce(sum(amount) FILTER (WHERE kind = 'return'), 0) AS returned
		FROM tollgate.window_event
		WHERE kind IN ('grant', 'return', 'opening_balance', 'adjustment', 'presented')
		GROUP BY window_id, gateway_id, epoch
	)
	SELECT coalesce(l.gateway_id, e.gateway_id) AS gateway_id, coalesce(l.epoch, e.epoch) AS epoch, coalesce(l.window_id, e.window_id) AS window_id,
	       coalesce(l.granted, 0) AS granted, coalesce(l.returned, 0) AS returned,
	       coalesce(e.granted, 0) AS event_granted, coalesce(e.returned, 0) AS event_returned
	FROM tollgate.lease l
	FULL JOIN events e ON (e.gateway_id, e.epoch, e.window_id) = (l.gateway_id, l.epoch, l.window_id)
	WHERE (coalesce(l.granted, 0), coalesce(l.returned, 0)) IS DISTINCT FROM (coalesce(e.granted, 0), coalesce(e.returned, 0))
	ORDER BY 3, 1, 2`;

const WINDOWS_AGAINST_LEASES = `
	SELECT w.id, w.granted, coalesce(sum(l.granted - l.returned), 0) AS leased
	FROM tollgate.budget_window w
	LEFT JOIN tollgate.lease l ON l.window_id = w.id
	GROUP BY w.id
	HAVING w.granted <> coalesce(sum(l.granted - l.returned), 0)
	ORDER BY w.id`;

/** Judges every window: its history, its counters, and each grant. */
export async function judgeWindows(snapshot: Snapshot, findings: Findings): Promise<WindowTally> {
	const overspendNanoUsd = await replayHistories(snapshot, findings);
	for await (const row of snapshot.rows<Record<string, string | null>>(WINDOWS_AGAINST_LAST_EVENT)) {
		findings.add(
			"history",
			`budget_window ${row["id"]}`,
			row["last_seq"] === null
				? "has no history"
				: `stands at granted ${row["granted"]}, limit ${row["limit_amount"]}, event ${row["event_seq"]}; its history ends at granted ${row["granted_after"]}, limit ${row["last_limit"]}, event ${row["last_seq"]}`,
		);
	}
	for await (const row of snapshot.rows<{ id: string; is_observed: boolean }>(OBSERVED_AGAINST_EVENTS)) {
		findings.add("history", `budget_window ${row.id}`, `is ${row.is_observed ? "observed" : "enforced"}; its history says otherwise`);
	}
	for await (const row of snapshot.rows<{ id: string; lines: string; last_lines: string | null }>(LINES_AGAINST_EVENTS)) {
		findings.add("history", `budget_window ${row.id}`, `degrades at ${row.lines}; its history says ${row.last_lines ?? "nowhere"}`);
	}
	for await (const row of snapshot.rows<Record<string, string>>(LEASES_AGAINST_EVENTS)) {
		findings.add(
			"counter",
			`lease ${row["gateway_id"]}/${row["epoch"]} window ${row["window_id"]}`,
			`granted ${row["granted"]} and returned ${row["returned"]}, but the window's history says ${row["event_granted"]} and ${row["event_returned"]}`,
		);
	}
	for await (const row of snapshot.rows<Record<string, string>>(WINDOWS_AGAINST_LEASES)) {
		findings.add("counter", `budget_window ${row["id"]}`, `granted is ${row["granted"]}, its leases hold ${row["leased"]}`);
	}
	return { overspendNanoUsd };
}

async function replayHistories(snapshot: Snapshot, findings: Findings): Promise<bigint> {
	let overspendNanoUsd = 0n;
	let state: WindowState | undefined;
	for await (const row of snapshot.rows<EventRow>(EVENTS)) {
		const previous: WindowState =
			state?.windowId === row.window_id ? state : { windowId: row.window_id, seq: 0n, granted: 0n, limit: 0n, stop: 0n, isFrozen: false, isObserved: false };
		const next: WindowState = {
			windowId: row.window_id,
			seq: BigInt(row.seq),
			granted: BigInt(row.granted_after),
			limit: BigInt(row.limit_amount),
			stop: BigInt(row.stop_amount),
			isFrozen: row.is_frozen,
			isObserved: row.is_observed ?? previous.isObserved,
		};
		const problem = historyProblem(previous, next, row);
		if (problem) findings.add("history", `window_event ${row.window_id}/${row.seq}`, problem);
		const over = row.kind === "grant" ? overGrant(previous, BigInt(row.amount), next.granted) : 0n;
		if (over > 0n) {
			findings.add(
				"overspend",
				`window_event ${row.window_id}/${row.seq}`,
				`grant of ${row.amount} left granted at ${next.granted} with limit ${previous.limit}, threshold ${previous.stop}${previous.isFrozen ? ", frozen" : ""}: ${over} ${row.unit} too much`,
			);
			if (row.unit === "nano_usd") overspendNanoUsd += over;
		}
		state = next;
	}
	return overspendNanoUsd;
}

/** What a grant took beyond what was in force before it; limits never change in the same event. */
function overGrant(inForce: WindowState, amount: bigint, grantedAfter: bigint): bigint {
	if (amount <= 0n) return 0n;
	if (inForce.isFrozen) return amount;
	if (inForce.isObserved) return 0n;
	const ceiling = inForce.limit < inForce.stop ? inForce.limit : inForce.stop;
	const over = grantedAfter - ceiling;
	if (over <= 0n) return 0n;
	return over < amount ? over : amount;
}

function historyProblem(previous: WindowState, next: WindowState, row: EventRow): string | undefined {
	if (next.seq !== previous.seq + 1n) return `follows event ${previous.seq}: a gap`;
	if (previous.seq === 0n && row.kind !== "opened") return `is the first event but of kind ${row.kind}`;
	const amount = BigInt(row.amount);
	const expected = previous.granted + (row.kind === "return" ? -amount : amount);
	if (next.granted !== expected) return `granted ${previous.granted} and ${row.kind} of ${amount} give ${expected}, the row says ${next.granted}`;
	const changesLimit = row.kind === "opened" || row.kind === "limit";
	if (changesLimit) return undefined;
	if (next.limit !== previous.limit || next.stop !== previous.stop || next.isFrozen !== previous.isFrozen) {
		return `a ${row.kind} changed the limit from ${previous.limit}/${previous.stop} to ${next.limit}/${next.stop}`;
	}
	if (next.isObserved !== previous.isObserved) return `a ${row.kind} changed whether the window is observed`;
	return undefined;
}
