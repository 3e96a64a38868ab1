import { createHash } from "node:crypto";
import type pg from "pg";

/**
 * A second implementation of the ledger's hash chain, from stored rows read one column at a time as text
 * (the format is described at tollgate.chunk_line and seal_chunk). Returns the first thing wrong with a chain, or undefined.
 */
type ChunkRow = { chunk_seq: string; entry_count: number; previous_hash: Buffer; hash: Buffer };
type FieldsRow = { entry_key: string; fields: (string | null)[] };

const CHUNKS = "SELECT chunk_seq, entry_count, previous_hash, hash FROM tollgate.chunk WHERE gateway_id = $1 AND epoch = $2 ORDER BY chunk_seq";
const ANCHORS = "SELECT chunk_seq, hash FROM tollgate.chain_anchor WHERE gateway_id = $1 AND epoch = $2 ORDER BY chunk_seq";
const micros = (column: string) => `(extract(epoch FROM ${column}) * 1000000)::bigint`;
const COLUMNS = [
	...["e.entry_key", micros("e.at"), "e.kind", "e.attempt_id", "e.gateway_id", "e.epoch", "e.chunk_seq", "e.debit_account", "e.credit_account"],
	...["e.amount_nano_usd", "e.price_version", "e.detail", micros("a.reserved_at"), "a.request_id", "a.team_id", "a.key_id", "a.feature", "a.user_id"],
	...[
		"a.environment",
		"a.asserted",
		"a.claimed",
		"a.provider",
		"a.deployment",
		"a.protocol",
		"a.endpoint",
		"a.model",
		"a.priced_model",
		"a.priced_tiers",
		"a.answered_model",
		"a.service_tier",
	],
	...[
		"a.outcome",
		"a.reason",
		"a.reserved_nano_usd",
		"a.reserved_tokens",
		"a.cost_nano_usd",
		"a.cost_tokens",
		"a.overrun_nano_usd",
		"a.price_version",
		micros("a.prices_as_of"),
	],
	...["a.input_tokens", "a.cached_input_tokens", "a.cache_write_5m_tokens", "a.cache_write_1h_tokens", "a.output_tokens", "a.reasoning_tokens", "a.tool_calls"],
	...[
		"a.clamped_output_tokens",
		"a.provider_request_id",
		"a.http_status",
		"(a.duration_ms * 1000)::bigint",
		"a.window_ids",
		"a.answer_id",
		"a.asked_model",
		"a.degraded_by",
		"a.reserved_output_tokens",
		"a.cost_output_tokens",
		"a.run_ids",
		"a.run_tool_calls",
		"a.output_bytes",
		"a.task_kind",
	],
];
const ENTRIES = `SELECT e.entry_key, ARRAY[${COLUMNS.map((column) => `(${column})::text`).join(", ")}] AS fields
	FROM tollgate.entry e LEFT JOIN tollgate.attempt a ON a.attempt_id = e.entry_key
	WHERE e.gateway_id = $1 AND e.epoch = $2 AND e.chunk_seq = $3`;

export async function findBrokenLink(client: pg.Client, gatewayId: string, epoch: bigint): Promise<string | undefined> {
	const chain = [gatewayId, epoch.toString()];
	const hashes = new Map<string, Buffer>();
	let previous = sha256(Buffer.from(`${gatewayId}/${epoch}`));
	let expected = 1n;
	for (const chunk of (await client.query<ChunkRow>(CHUNKS, chain)).rows) {
		if (BigInt(chunk.chunk_seq) !== expected) return `chunk ${expected} is missing`;
		const { rows } = await client.query<FieldsRow>(ENTRIES, [...chain, chunk.chunk_seq]);
		if (rows.length !== chunk.entry_count) return `chunk ${expected} holds ${rows.length} of ${chunk.entry_count} entries`;
		rows.sort((a, b) => Buffer.compare(Buffer.from(a.entry_key), Buffer.from(b.entry_key)));
		const hash = sha256(Buffer.concat([previous, Buffer.from(rows.map(({ fields }) => `(${fields.map(quoteField).join()})`).join("\n"))]));
		if (!chunk.previous_hash.equals(previous) || !chunk.hash.equals(hash)) return `chunk ${expected} does not match its rows`;
		hashes.set(chunk.chunk_seq, hash);
		previous = hash;
		expected += 1n;
	}
	for (const anchor of (await client.query<ChunkRow>(ANCHORS, chain)).rows) {
		if (!hashes.get(anchor.chunk_seq)?.equals(anchor.hash)) return `anchor ${anchor.chunk_seq} does not match the chain`;
	}
	return undefined;
}

function quoteField(field: string | null): string {
	if (field === null) return "";
	if (field !== "" && !/["\\(),\s]/.test(field)) return field;
	return `"${field.replaceAll("\\", "\\\\").replaceAll('"', '""')}"`;
}

function sha256(content: Buffer): Buffer {
	return createHash("sha256").update(content).digest();
}
