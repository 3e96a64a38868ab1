import type { ToldHead } from "./port.ts";
import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Recomputes the hash of every chunk from the rows as they stand and follows each chain from its first chunk to its
 * anchors: an edit, an insertion, a gap, a swap or a cut tail shows. The text of a chunk (documented at tollgate.chunk_line
 * in migrations/0004) is written out again on purpose: a database whose functions were changed must not judge itself.
 */
type ChunkRow = {
	gateway_id: string;
	epoch: string;
	chunk_seq: string;
	entry_count: number;
	previous_hash: Buffer;
	hash: Buffer;
	rows: string;
	recomputed: Buffer;
	first_key: string | null;
	last_key: string | null;
	is_archived: boolean;
	genesis: Buffer;
};

const CHUNKS = `
	SELECT c.gateway_id, c.epoch, c.chunk_seq, c.entry_count, c.previous_hash, c.hash, x.rows, x.first_key, x.last_key, c.archived_month IS NOT NULL AS is_archived,
	       sha256(c.previous_hash || convert_to(coalesce(x.text, ''), 'UTF8')) AS recomputed,
	       sha256(convert_to(c.gateway_id || '/' || c.epoch, 'UTF8')) AS genesis
	FROM tollgate.chunk c
	CROSS JOIN LATERAL (
		SELECT count(*) AS rows, min(e.entry_key COLLATE "C") AS first_key, max(e.entry_key COLLATE "C") AS last_key,
		       string_agg(ROW(
		         e.entry_key, (extract(epoch FROM e.at) * 1000000)::bigint, e.kind, e.attempt_id, e.gateway_id, e.epoch, e.chunk_seq,
		         e.debit_account, e.credit_account, e.amount_nano_usd, e.price_version, e.detail,
		         (extract(epoch FROM a.reserved_at) * 1000000)::bigint, a.request_id, a.team_id, a.key_id, a.feature, a.user_id, a.environment,
		         a.asserted, a.claimed, a.provider, a.deployment, a.protocol, a.endpoint, a.model, a.priced_model, a.priced_tiers, a.answered_model, a.service_tier,
		         a.outcome, a.reason, a.reserved_nano_usd, a.reserved_tokens, a.cost_nano_usd, a.cost_tokens, a.overrun_nano_usd,
		         a.price_version, (extract(epoch FROM a.prices_as_of) * 1000000)::bigint, a.input_tokens, a.cached_input_tokens, a.cache_write_5m_tokens, a.cache_write_1h_tokens,
		         a.output_tokens, a.reasoning_tokens, a.tool_calls, a.clamped_output_tokens, a.provider_request_id, a.http_status,
		         (a.duration_ms * 1000)::bigint, a.window_ids, a.answer_id, a.asked_model, a.degraded_by,
		         a.reserved_output_tokens, a.cost_output_tokens, a.run_ids, a.run_tool_calls, a.output_bytes, a.task_kind
		       )::text, E'\\n' ORDER BY e.entry_key COLLATE "C") AS text
		FROM tollgate.entry e
		LEFT JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
		WHERE e.gateway_id = c.gateway_id AND e.epoch = c.epoch AND e.chunk_seq = c.chunk_seq
	) x
	ORDER BY c.gateway_id, c.epoch, c.chunk_seq`;

const ENTRIES_OUTSIDE_CHUNKS = `
	SELECT e.entry_key, e.gateway_id, e.epoch, e.chunk_seq
	FROM tollgate.entry e
	LEFT JOIN tollgate.chunk c ON c.gateway_id = e.gateway_id AND c.epoch = e.epoch AND c.chunk_seq = e.chunk_seq
	WHERE c.chunk_seq IS NULL
	ORDER BY e.gateway_id, e.epoch, e.chunk_seq, e.entry_key`;

const BROKEN_ANCHORS = `
	SELECT n.gateway_id, n.epoch, n.chunk_seq, c.hash IS NULL AS is_cut
	FROM tollgate.chain_anchor n
	LEFT JOIN tollgate.chunk c USING (gateway_id, epoch, chunk_seq)
	WHERE c.hash IS DISTINCT FROM n.hash
	ORDER BY 1, 2, 3`;

const TOLD_HEADS = `
	SELECT t.witness, t.gateway_id, t.epoch, t.chunk_seq, c.hash IS NULL AS is_cut
	FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS t (witness, gateway_id, epoch, chunk_seq, hash)
	LEFT JOIN tollgate.chunk c USING (gateway_id, epoch, chunk_seq)
	WHERE c.hash IS DISTINCT FROM decode(t.hash, 'hex')
	ORDER BY 2, 3, 4, 1`;

/** Of each archived month, what its chunks add up to; what the database kept of them; months that chunks name and nobody archived. */
const ARCHIVED_MONTHS = `
	SELECT to_char(coalesce(m.month, c.archived_month), 'YYYY-MM') AS month, m.chunks, m.entries, coalesce(c.chunks, 0) AS found_chunks,
	       m.digest IS NOT DISTINCT FROM c.digest AND m.chunks = c.chunks AND m.entries = c.entries AS is_whole,
	       (SELECT coalesce(sum(s.calls), 0) FROM tollgate.archived_spend s WHERE s.month = m.month) AS spend_calls
	FROM tollgate.archived_month m
	FULL JOIN (
		SELECT archived_month, count(*) AS chunks, sum(entry_count) AS entries,
		       sha256(string_agg(hash, ''::bytea ORDER BY gateway_id COLLATE "C", epoch, chunk_seq)) AS digest
		FROM tollgate.chunk WHERE archived_month IS NOT NULL GROUP BY archived_month
	) c ON c.archived_month = m.month
	ORDER BY 1`;

type Link = { readonly chain: string; readonly seq: bigint; readonly hash: Buffer };

export async function judgeChains(snapshot: Snapshot, findings: Findings): Promise<void> {
	let last: Link | undefined;
	for await (const row of snapshot.rows<ChunkRow>(CHUNKS)) {
		const chain = `${row.gateway_id}/${row.epoch}`;
		const previous = last?.chain === chain ? last : undefined;
		for (const problem of chunkProblems(row, previous)) findings.add("chain", `chunk ${chain}/${row.chunk_seq}`, problem);
		last = { chain, seq: BigInt(row.chunk_seq), hash: row.hash };
	}
	await judgeArchivedMonths(snapshot, findings);
	for await (const row of snapshot.rows<{ entry_key: string; gateway_id: string; epoch: string; chunk_seq: string }>(ENTRIES_OUTSIDE_CHUNKS)) {
		findings.add("chain", `entry ${row.entry_key}`, `belongs to chunk ${row.gateway_id}/${row.epoch}/${row.chunk_seq}, which does not exist`);
	}
	for await (const row of snapshot.rows<{ gateway_id: string; epoch: string; chunk_seq: string; is_cut: boolean }>(BROKEN_ANCHORS)) {
		findings.add(
			"chain",
			`chain_anchor ${row.gateway_id}/${row.epoch}/${row.chunk_seq}`,
			row.is_cut ? "anchors a chunk that is gone: the tail was cut" : "anchors another hash than the chunk has",
		);
	}
}

/** Holds the chains to what was told outside the database: whoever cuts a tail and its anchors there is found all the same. */
export async function judgeToldHeads(snapshot: Snapshot, findings: Findings, heads: readonly ToldHead[]): Promise<void> {
	const column = (read: (head: ToldHead) => string): string[] => heads.map(read);
	const values = [column((t) => t.witness), column((t) => t.gatewayId), column((t) => t.epoch), column((t) => t.chunkSeq), column((t) => t.hash)];
	for await (const row of snapshot.rows<{ witness: string; gateway_id: string; epoch: string; chunk_seq: string; is_cut: boolean }>(TOLD_HEADS, values)) {
		const chunk = `chunk ${row.gateway_id}/${row.epoch}/${row.chunk_seq}`;
		findings.add("chain", chunk, row.is_cut ? `was told to ${row.witness} and is gone: the tail was cut` : `was told to ${row.witness} with another hash`);
	}
}

async function judgeArchivedMonths(snapshot: Snapshot, findings: Findings): Promise<void> {
	type MonthRow = { month: string; chunks: string | null; entries: string | null; found_chunks: string; is_whole: boolean | null; spend_calls: string };
	for (const row of await snapshot.all<MonthRow>(ARCHIVED_MONTHS)) {
		if (row.entries !== null && row.spend_calls !== row.entries)
			findings.add("counter", `archived month ${row.month}`, `holds ${row.entries} entries, and what spend knows of it ${row.spend_calls} calls`);
		if (row.is_whole)
			findings.note(`Month ${row.month} is archived: ${row.entries} entries in ${row.chunks} chunks. Its file proves them: tollgate ledger prove FILE.`);
		else
			findings.add(
				"chain",
				`archived month ${row.month}`,
				`was archived with ${row.chunks ?? "no"} chunks, and the ${row.found_chunks} marked ones are not those`,
			);
	}
}

function* chunkProblems(row: ChunkRow, previous: Link | undefined): Generator<string> {
	const [seq, expected] = [BigInt(row.chunk_seq), (previous?.seq ?? 0n) + 1n];
	if (seq !== expected) yield `follows chunk ${expected - 1n}: a gap`;
	if (seq === expected && !row.previous_hash.equals(previous?.hash ?? row.genesis)) yield "does not continue the chunk before it";
	if (row.is_archived) {
		// What it held is in the file of its month, which proves it against this hash.
		if (Number(row.rows) > 0) yield `is archived, and has ${row.rows} entries all the same`;
		return;
	}
	if (Number(row.rows) !== row.entry_count) yield `was written with ${row.entry_count} entries and has ${row.rows}`;
	if (!row.recomputed.equals(row.hash)) yield `its rows (${row.first_key ?? "none"} to ${row.last_key ?? "none"}) are not what was written`;
}
