import type { DeferredRecord } from "#activities/batches/deferred-port.ts";
import { ENDPOINT_URLS } from "#domain/batching/endpoint-urls.ts";

/** An item as its team sees it, without its answer. Times in RFC 3339, money in decimal strings of nano-USD. */
export function renderItem(record: DeferredRecord) {
	const { deferredId, status, endpoint, model, lane, acceptedAtMs, deadlineMs, answeredAtMs, isLate, heldNanoUsd, costNanoUsd, webhook } = record;
	return {
		id: deferredId,
		object: "deferred",
		status,
		endpoint: ENDPOINT_URLS[endpoint],
		model,
		lane,
		created_at: instant(acceptedAtMs),
		deadline: instant(deadlineMs),
		answered_at: instant(answeredAtMs),
		is_late: isLate,
		held_nano_usd: heldNanoUsd,
		cost_nano_usd: costNanoUsd,
		webhook,
	} as const;
}

/** The same with the bytes of its answer as they came, which are JSON: never parsed, never written anew. */
export async function* renderWithAnswer(record: DeferredRecord, answer: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	const fields = JSON.stringify(renderItem(record));
	let isBegun = false;
	for await (const chunk of answer) {
		// Behind the first read: what cannot be read is told before anything was sent.
		if (!isBegun) yield Buffer.from(`${fields.slice(0, -1)},"answer":{"status_code":${record.httpStatus},"body":`);
		isBegun = true;
		yield chunk;
	}
	if (!isBegun) throw new Error(`the answer of ${record.deferredId} is empty`);
	yield Buffer.from("}}");
}

function instant(atMs: number | null): string | null {
	return atMs === null ? null : new Date(atMs).toISOString();
}
