import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Judges batches (docs/batch-money.md): what a batch says of its items is what they say, it was granted the sum of their bounds and holds those of
 * the items without an outcome, its billed items are its entries one to one, and once it has ended it holds nothing.
 */
const COUNTED = "items, open_items, succeeded_items, errored_items, expired_items, cancelled_items, held_nano_usd, held_tokens";
const BATCHES_AGAINST_ITEMS = `
	WITH tally AS (
		SELECT b.number, count(i.n) AS items, count(i.n) FILTER (WHERE i.outcome IS NULL) AS open_items, count(*) FILTER (WHERE i.outcome = 'succeeded') AS succeeded_items,
		       count(*) FILTER (WHERE i.outcome = 'errored') AS errored_items, count(*) FILTER (WHERE i.outcome = 'expired') AS expired_items,
		       count(*) FILTER (WHERE i.outcome = 'cancelled') AS cancelled_items, coalesce(sum(i.bound_nano_usd) FILTER (WHERE i.outcome IS NULL), 0) AS held_nano_usd,
		       coalesce(sum(i.bound_tokens) FILTER (WHERE i.outcome IS NULL), 0) AS held_tokens
		FROM tollgate.batch b LEFT JOIN tollgate.batch_item i ON i.batch_number = b.number GROUP BY b.number
	), counted AS (
		SELECT number, ROW(${COUNTED})::text AS counts FROM tally
	)
	SELECT s.id, s.counts AS said, c.counts AS counted
	FROM (SELECT number, id, ROW(${COUNTED})::text AS counts FROM tollgate.batch) s JOIN counted c ON c.number = s.number
	WHERE s.counts <> c.counts
	ORDER BY s.number`;

/**
 * Per window that items are held in: those of the batch, or an item's own. What cheaper items left may be held for a while beside the bounds of the
 * open ones; never less than those. A second bound counts as the first does.
 */
const HELD_AGAINST_BOUNDS = `
	WITH bounds AS (
		SELECT i.batch_number, q.id AS place, sum(i.bound_nano_usd * (1 + i.seconds))::bigint AS nano_usd, sum(i.bound_tokens * (1 + i.seconds))::bigint AS tokens,
		       sum(i.bound_nano_usd * ((i.outcome IS NULL)::integer + i.is_second_held::integer))::bigint AS open_nano_usd,
		       sum(i.bound_tokens * ((i.outcome IS NULL)::integer + i.is_second_held::integer))::bigint AS open_tokens
		FROM tollgate.batch_item i CROSS JOIN LATERAL unnest(coalesce(i.windows, '{0}')) AS q (id) GROUP BY 1, 2
	), said AS (
		SELECT w.batch_number, w.window_id, w.unit, w.held, CASE b.origin WHEN 'caller' THEN 0 ELSE w.window_id END AS place
		FROM tollgate.batch_window w JOIN tollgate.batch b ON b.number = w.batch_number
	), held AS (
		SELECT coalesce(s.batch_number, x.batch_number) AS number, coalesce(s.window_id, x.place) AS window_id, s.held,
		       tollgate.amount_in(s.unit, x.nano_usd, x.tokens, NULL, NULL) AS bound, tollgate.amount_in(s.unit, x.open_nano_usd, x.open_tokens, NULL, NULL) AS open_bound
		FROM said s
		FULL JOIN bounds x ON x.batch_number = s.batch_number AND x.place = s.place
		WHERE s.batch_number IS NOT NULL OR x.place <> 0
	), pending AS (
		SELECT h.*, b.id, coalesce(l.granted, 0) AS granted, coalesce(l.granted - l.returned - l.posted, 0) AS pending
		FROM held h JOIN tollgate.batch b ON b.number = h.number
		LEFT JOIN tollgate.lease l ON l.gateway_id = tollgate.batch_holder(h.number) AND l.epoch = 1 AND l.window_id = h.window_id
	)
	SELECT id, window_id, granted, pending, held, bound, open_bound FROM pending
	WHERE held IS NULL OR granted IS DISTINCT FROM bound OR held IS DISTINCT FROM open_bound OR pending < held ORDER BY number, window_id`;

const AFTER_THE_END = `
	SELECT x.* FROM (
		SELECT b.number, b.id, b.origin, b.state, b.open_items, b.held_at IS NOT NULL AS is_held, b.state IN ('completed', 'expired', 'cancelled', 'failed') AS is_final,
		       e.gateway_id IS NOT NULL AND e.closed_at IS NULL AS is_holding,
		       (SELECT coalesce(sum(l.granted - l.returned - l.posted), 0) FROM tollgate.lease l WHERE l.gateway_id = tollgate.batch_holder(b.number) AND l.epoch = 1) AS pending
		FROM tollgate.batch b LEFT JOIN tollgate.gateway_epoch e ON e.gateway_id = tollgate.batch_holder(b.number) AND e.epoch = 1
	) x
	WHERE CASE WHEN NOT x.is_held THEN x.pending > 0 AND x.origin = 'caller' ELSE x.is_final AND x.is_holding OR NOT x.is_holding AND (x.open_items > 0 OR x.pending > 0) END
	ORDER BY x.number`;

/** Only what never held anything may be taken away. */
const WITHOUT_BATCH = `
	SELECT e.gateway_id FROM tollgate.gateway_epoch e
	WHERE e.kind = 'batch' AND NOT EXISTS (SELECT 1 FROM tollgate.batch b WHERE tollgate.batch_holder(b.number) = e.gateway_id)
	  AND (e.closed_at IS NULL OR EXISTS (SELECT 1 FROM tollgate.lease l WHERE l.gateway_id = e.gateway_id)
	    OR EXISTS (SELECT 1 FROM tollgate.chunk c WHERE c.gateway_id = e.gateway_id))
	ORDER BY 1`;

/**
 * A billed item is the attempt of the try that ended it; attempts beside that are marked as duplicates. What is archived was judged before it left.
 */
const ITEMS_AGAINST_ATTEMPTS = `
	WITH billed AS (
		SELECT tollgate.batch_holder(b.number) || '-1-' || (i.n + b.items::bigint * (i.outcome_try - 1)) AS attempt_id, i.cost_nano_usd
		FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number WHERE i.cost_nano_usd IS NOT NULL
	), attempts AS (
		SELECT a.attempt_id, a.cost_nano_usd, starts_with(coalesce(a.reason, ''), 'duplicate') AS is_duplicate,
		       a.team_id IS NOT DISTINCT FROM b.team_id AND a.window_ids IS NOT DISTINCT FROM CASE b.origin
		         WHEN 'caller' THEN ARRAY(SELECT w.window_id FROM tollgate.batch_window w WHERE w.batch_number = b.number ORDER BY 1)
		         ELSE (SELECT i.windows FROM tollgate.batch_item i WHERE i.batch_number = b.number AND i.custom_id = a.request_id AND i.attribution ->> 'keyId' = a.key_id) END AS is_where_held
		FROM tollgate.attempt a JOIN tollgate.gateway_epoch e ON e.gateway_id = a.gateway_id AND e.epoch = a.epoch AND e.kind = 'batch'
		LEFT JOIN tollgate.batch b ON tollgate.batch_holder(b.number) = a.gateway_id
	)
	SELECT coalesce(i.attempt_id, a.attempt_id) AS attempt_id, i.cost_nano_usd AS item_cost, a.cost_nano_usd AS attempt_cost, a.is_duplicate, a.is_where_held
	FROM billed i FULL JOIN attempts a ON a.attempt_id = i.attempt_id
	WHERE CASE
	  WHEN a.attempt_id IS NULL THEN NOT EXISTS (SELECT 1 FROM tollgate.entry_key k WHERE k.entry_key = i.attempt_id AND k.archived_month IS NOT NULL)
	  WHEN i.attempt_id IS NULL THEN NOT a.is_duplicate OR NOT a.is_where_held
	  ELSE a.is_duplicate OR NOT a.is_where_held OR i.cost_nano_usd <> a.cost_nano_usd END
	ORDER BY 1`;

const SETTLED_AGAINST_ATTEMPTS = `
	SELECT b.id, b.settled_nano_usd, b.settled_tokens, coalesce(a.nano_usd, 0) AS nano_usd, coalesce(a.tokens, 0) AS tokens
	FROM tollgate.batch b
	LEFT JOIN (
		SELECT gateway_id, sum(cost_nano_usd) AS nano_usd, sum(cost_tokens) AS tokens FROM tollgate.attempt WHERE epoch = 1 GROUP BY gateway_id
	) a ON a.gateway_id = tollgate.batch_holder(b.number)
	WHERE (b.settled_nano_usd, b.settled_tokens) IS DISTINCT FROM (coalesce(a.nano_usd, 0), coalesce(a.tokens, 0))
	  AND NOT EXISTS (SELECT 1 FROM tollgate.chunk c WHERE c.gateway_id = tollgate.batch_holder(b.number) AND c.epoch = 1 AND c.archived_month IS NOT NULL)
	ORDER BY b.number`;

type EndRow = { id: string; state: string; open_items: number; is_held: boolean; is_final: boolean; is_holding: boolean; pending: string };
type AttemptRow = { attempt_id: string; item_cost: string | null; attempt_cost: string | null; is_duplicate: boolean | null; is_where_held: boolean | null };

export async function judgeBatches(snapshot: Snapshot, findings: Findings): Promise<void> {
	const add = (row: string, message: string): void => findings.add("batch", row, message);
	for await (const row of snapshot.rows<{ id: string; said: string; counted: string }>(BATCHES_AGAINST_ITEMS)) {
		add(`batch ${row.id}`, `says ${row.said} (${COUNTED}), its items say ${row.counted}`);
	}
	for await (const row of snapshot.rows<Record<string, string>>(HELD_AGAINST_BOUNDS)) {
		const [granted, pending] = [`${row["granted"]} of its ${row["bound"]}`, `${row["pending"]} for open items that may cost ${row["open_bound"]}`];
		add(`batch ${row["id"]}`, `in window ${row["window_id"]} was granted ${granted}, holds ${pending}, and says that ${row["held"]} are theirs`);
	}
	for await (const row of snapshot.rows<EndRow>(AFTER_THE_END)) add(`batch ${row.id}`, endProblem(row));
	for await (const row of snapshot.rows<{ gateway_id: string }>(WITHOUT_BATCH)) add(`holder ${row.gateway_id}`, "held money, and its batch is gone");
	for await (const row of snapshot.rows<AttemptRow>(ITEMS_AGAINST_ATTEMPTS)) add(`attempt ${row.attempt_id}`, attemptProblem(row));
	for await (const row of snapshot.rows<Record<string, string>>(SETTLED_AGAINST_ATTEMPTS)) {
		const [said, booked] = [`${row["settled_nano_usd"]} and ${row["settled_tokens"]} tokens`, `${row["nano_usd"]} and ${row["tokens"]} tokens`];
		add(`batch ${row["id"]}`, `says that it settled ${said}, its attempts sum to ${booked}`);
	}
}

function endProblem({ state, open_items, is_held, is_final, is_holding, pending }: EndRow): string {
	if (!is_held) return `was never held, and has ${pending} pending`;
	if (is_final && is_holding) return `is ${state}, and its holder is still open`;
	return `holds nothing any more, and has ${open_items} items without an outcome and ${pending} pending`;
}

function attemptProblem({ item_cost, attempt_cost, is_duplicate, is_where_held }: AttemptRow): string {
	if (attempt_cost === null) return `is an item that cost ${item_cost}, and no entry pays for it`;
	if (is_where_held === false) return "was booked in other windows, or for another team, than its batch is held";
	if (item_cost === null) return `was booked at ${attempt_cost}, and is no item that was billed`;
	return is_duplicate === true ? "is what came of an item, and is booked as a duplicate" : `was booked at ${attempt_cost}, its item says ${item_cost}`;
}
