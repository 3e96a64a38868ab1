import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Judges agent runs (docs/adr/0011-agent-runs.md) from the ledger alone: every call of a run was reserved in the windows of its whole chain, no
 * tree cost more than the highest limit it ever had, the parts are the sums of the calls, and a held run stood still.
 */
const KNOWN_AFTER_SECONDS = 10;

/** Numbers stand root first; parents never change, and so the budgets of a chain do not either. */
const STRAYS = `
	SELECT a.attempt_id, a.run_ids::text AS run_ids, r.id, r.path::text AS path, r.team_id, a.team_id AS attempt_team,
	       array_to_string(ARRAY(SELECT b FROM unnest(r.budget_ids) AS b EXCEPT SELECT w.budget_id FROM tollgate.budget_window w WHERE w.id = ANY (a.window_ids)), ', ') AS missing,
	       array_to_string(s.others, ', ') AS others
	FROM (
		SELECT *, run_ids[cardinality(run_ids)] AS run_number FROM tollgate.attempt WHERE run_ids IS NOT NULL
		UNION ALL
		SELECT x.*, NULL FROM tollgate.attempt x WHERE x.run_ids IS NULL AND EXISTS (SELECT 1 FROM tollgate.run)
		  AND EXISTS (SELECT 1 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE w.id = ANY (x.window_ids) AND b.dimension = 'run')
	) a
	LEFT JOIN tollgate.run r ON r.number = a.run_number
	CROSS JOIN LATERAL (
		SELECT ARRAY(SELECT b.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id
		             WHERE w.id = ANY (a.window_ids) AND b.dimension = 'run' AND b.id <> ALL (coalesce(r.budget_ids, '{}')) ORDER BY b.id) AS others
	) s
	WHERE r.number IS NULL OR r.path <> a.run_ids OR r.team_id <> a.team_id OR cardinality(s.others) > 0
	   OR EXISTS (SELECT b FROM unnest(r.budget_ids) AS b EXCEPT SELECT w.budget_id FROM tollgate.budget_window w WHERE w.id = ANY (a.window_ids))
	ORDER BY a.attempt_id`;

/** What the calls of each run and of all below it took, by the gateway epoch that booked them; archived ones among them. */
const TAKEN = `
	taken AS MATERIALIZED (
		SELECT x.run_number, x.gateway_id, x.epoch, sum(x.steps) AS steps, sum(x.cost_nano_usd) AS cost_nano_usd, sum(x.input_tokens) AS input_tokens,
		       sum(x.output_tokens) AS output_tokens, sum(x.output_bytes) AS output_bytes, tollgate.sum_of_counts(x.tool_calls) AS tool_calls
		FROM (
			SELECT u.number AS run_number, a.gateway_id, a.epoch, tollgate.cost_in('steps', a)::numeric AS steps, a.cost_nano_usd::numeric AS cost_nano_usd,
			       tollgate.cost_in('input_tokens', a)::numeric AS input_tokens, tollgate.cost_in('output_tokens', a)::numeric AS output_tokens,
			       coalesce(a.output_bytes, 0)::numeric AS output_bytes, a.run_tool_calls AS tool_calls
			FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.run_ids) AS u (number) WHERE a.run_ids IS NOT NULL
			UNION ALL
			SELECT run_number, gateway_id, epoch, steps::numeric, cost_nano_usd, input_tokens, output_tokens, output_bytes, tool_calls FROM tollgate.archived_part
		) x GROUP BY 1, 2, 3
	)`;

/**
 * Of each ceiling that is a budget: what was ever allowed, what is beyond it by right (an overrun; amounts that a gateway presented after PostgreSQL
 * had lost its commits), and what the calls took. Corrections made later are not counted: they take nothing that was not taken.
 */
const ABOVE_LIMITS = `
	WITH ${TAKEN}, trees AS (
		SELECT run_number, sum(steps) AS steps, sum(cost_nano_usd) AS nano_usd, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
		FROM taken GROUP BY run_number
	)
	SELECT r.id, b.unit, t.amount AS taken, h.highest, h.beyond
	FROM tollgate.budget b
	JOIN tollgate.run r ON r.number = CASE b.dimension WHEN 'run' THEN b.dimension_value::bigint END
	JOIN trees y ON y.run_number = r.number
	CROSS JOIN LATERAL (
		SELECT tollgate.amount_in(b.unit, y.nano_usd::bigint, (y.input_tokens + y.output_tokens)::bigint, y.output_tokens::bigint, y.steps::bigint) AS amount
	) t
	CROSS JOIN LATERAL (
		SELECT coalesce(max(x.highest), 0) AS highest, coalesce(sum(x.beyond), 0) AS beyond FROM (
			SELECT (SELECT max(e.limit_amount) FROM tollgate.window_event e WHERE e.window_id = w.id) AS highest,
			       (SELECT coalesce(sum(l.overrun), 0) FROM tollgate.lease l WHERE l.window_id = w.id AND l.gateway_id <> 'verify')
			         + (SELECT coalesce(sum(e.amount), 0) FROM tollgate.window_event e WHERE e.window_id = w.id AND e.kind = 'presented') AS beyond
			FROM tollgate.budget_window w WHERE w.budget_id = b.id
		) x
	) h
	WHERE b.dimension = 'run' AND t.amount > h.highest + h.beyond
	ORDER BY b.id`;

const PARTS_AGAINST_CALLS = `
	WITH ${TAKEN}, corrected AS (
		SELECT u.number AS run_number, sum(e.amount_nano_usd) AS cost_nano_usd, sum(m.tokens - m.output) AS input_tokens, sum(m.output) AS output_tokens
		FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
		CROSS JOIN LATERAL (
			SELECT CASE WHEN pg_input_is_valid(e.detail->>'tokens', 'bigint') THEN (e.detail->>'tokens')::numeric ELSE 0 END AS tokens,
			       CASE WHEN pg_input_is_valid(e.detail->>'outputTokens', 'bigint') THEN (e.detail->>'outputTokens')::numeric ELSE 0 END AS output
		) m
		CROSS JOIN LATERAL unnest(a.run_ids) AS u (number)
		WHERE e.kind = 'adjustment' AND a.run_ids IS NOT NULL GROUP BY u.number
	), booked AS (
		SELECT * FROM taken
		UNION ALL
		SELECT run_number, 'verify', 1, 0, cost_nano_usd, input_tokens, output_tokens, 0, '{}'::jsonb FROM corrected
	)
	SELECT coalesce(p.run_number, k.run_number) AS run_number, coalesce(p.gateway_id, k.gateway_id) AS gateway_id, coalesce(p.epoch, k.epoch) AS epoch,
	       ROW(p.steps, p.cost_nano_usd, p.input_tokens, p.output_tokens, p.output_bytes, p.tool_calls)::text AS part,
	       ROW(k.steps, k.cost_nano_usd, k.input_tokens, k.output_tokens, k.output_bytes, k.tool_calls)::text AS booked
	FROM tollgate.run_part p
	FULL JOIN booked k ON (k.run_number, k.gateway_id, k.epoch) = (p.run_number, p.gateway_id, p.epoch)
	WHERE (coalesce(p.steps, 0), coalesce(p.cost_nano_usd, 0), coalesce(p.input_tokens, 0), coalesce(p.output_tokens, 0), coalesce(p.output_bytes, 0), coalesce(p.tool_calls, '{}'))
	      IS DISTINCT FROM (coalesce(k.steps, 0), coalesce(k.cost_nano_usd, 0), coalesce(k.input_tokens, 0), coalesce(k.output_tokens, 0), coalesce(k.output_bytes, 0), coalesce(k.tool_calls, '{}'))
	ORDER BY 1, 2, 3`;

/**
 * A hold is in force on a gateway once it has heard of it: what PostgreSQL answered it after the hold, a flushed chunk or a grant, said so. A call
 * was reserved when its gateway says, or when it can have begun at the latest, whichever is earlier: no clock is taken at its word alone.
 */
const RESERVED_WHILE_HELD = `
	WITH holds AS (
		SELECT e.run_number, e.seq, e.at, e.kind, (
			SELECT min(x.at) FROM tollgate.run_event x
			WHERE x.run_number = ANY (r.path) AND x.seq > e.seq AND x.kind IN ('resumed', 'raised')) AS until
		FROM tollgate.run_event e JOIN tollgate.run r ON r.number = e.run_number
		WHERE e.kind IN ('paused', 'stopped')
	), steps AS (
		SELECT a.attempt_id, a.gateway_id, a.epoch, u.number AS run_number, least(a.reserved_at, a.at - coalesce(a.duration_ms, 0) * interval '1 millisecond') AS reserved_at
		FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.run_ids) AS u (number)
		WHERE u.number IN (SELECT run_number FROM holds) AND a.run_ids IS NOT NULL
	)
	SELECT DISTINCT ON (s.attempt_id) s.attempt_id, r.id, h.kind, to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS held_at,
	       round(extract(epoch FROM s.reserved_at - h.at))::bigint AS seconds
	FROM steps s
	JOIN holds h ON h.run_number = s.run_number AND s.reserved_at > h.at + interval '${KNOWN_AFTER_SECONDS} seconds' AND (h.until IS NULL OR s.reserved_at < h.until)
	JOIN tollgate.run r ON r.number = h.run_number
	WHERE EXISTS (
		SELECT 1 FROM tollgate.chunk c WHERE c.gateway_id = s.gateway_id AND c.epoch = s.epoch AND c.at > h.at AND c.at < s.reserved_at - interval '${KNOWN_AFTER_SECONDS} seconds'
		UNION ALL
		SELECT 1 FROM tollgate.attempt a JOIN tollgate.window_event g ON g.window_id = ANY (a.window_ids) AND g.kind = 'grant'
		WHERE a.attempt_id = s.attempt_id AND g.gateway_id = s.gateway_id AND g.epoch = s.epoch
		  AND g.at > h.at AND g.at < s.reserved_at - interval '${KNOWN_AFTER_SECONDS} seconds')
	ORDER BY s.attempt_id, h.seq`;

export async function judgeRuns(snapshot: Snapshot, findings: Findings): Promise<void> {
	for await (const row of snapshot.rows<Stray>(STRAYS)) findings.add("run", `attempt ${row.attempt_id}`, strayProblem(row));
	for await (const row of snapshot.rows<Record<string, string>>(ABOVE_LIMITS)) {
		findings.add(
			"run",
			`run ${row["id"]}`,
			`its calls and those below it took ${row["taken"]} ${row["unit"]}; it was never allowed more than ${row["highest"]}, and ${row["beyond"]} beyond that is accounted for`,
		);
	}
	for await (const row of snapshot.rows<Record<string, string>>(PARTS_AGAINST_CALLS)) {
		findings.add(
			"counter",
			`run_part ${row["run_number"]} ${row["gateway_id"]}/${row["epoch"]}`,
			`stands at ${row["part"]} (steps, cost, input, output, bytes, tools), its calls sum to ${row["booked"]}`,
		);
	}
	for await (const row of snapshot.rows<Record<string, string>>(RESERVED_WHILE_HELD)) {
		findings.add(
			"run",
			`attempt ${row["attempt_id"]}`,
			`was reserved ${row["seconds"]} s after run ${row["id"]} was ${row["kind"]} at ${row["held_at"]}, by a gateway that had heard of it`,
		);
	}
}

type Stray = {
	attempt_id: string;
	run_ids: string | null;
	id: string | null;
	path: string | null;
	team_id: string | null;
	attempt_team: string;
	missing: string;
	others: string;
};

function strayProblem({ run_ids, id, path, team_id, attempt_team, missing, others }: Stray): string {
	if (run_ids === null) return `was reserved in budgets of runs (${others}), and is of no run`;
	if (id === null) return `is of run ${run_ids}, which does not exist`;
	if (team_id !== attempt_team) return `is of team ${attempt_team}, its run ${id} of team ${team_id}`;
	if (path !== run_ids) return `is of the runs ${run_ids}; the chain of run ${id} is ${path}`;
	if (missing !== "") return `was not reserved in budget ${missing} of the chain of run ${id}`;
	return `was reserved in budgets of other runs than those of run ${id}: ${others}`;
}
