import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { isObject, type JsonObject } from "../json.ts";
import { ProviderError } from "../provider-error.ts";
import { type BatchDesk, checkHourlyBatches, findBatch, newRecord } from "./desk.ts";
import { contentOf, isReadable } from "./files.ts";
import { FileWriter } from "./lines.ts";
import { pageOf } from "./pages.ts";
import { type BatchPlan, planInLine } from "./plan.ts";
import { type BatchRecord, isOpen } from "./records.ts";
import type { Reply } from "./reply.ts";
import { RequestElements } from "./request-elements.ts";

/** `/v1/messages/batches` (@anthropic-ai/sdk resources/messages/batches.d.ts). */

const RESULTS_KEPT_MS = 29 * 86_400_000;
const CUSTOM_ID = /^[A-Za-z0-9_-]{1,64}$/;
const LIST_RULES = { limitDefault: 20, limitMax: 1_000 };

/** Streams the items to the disk. Throws ProviderError, once everything was read. */
export async function createMessageBatch(desk: BatchDesk, request: IncomingMessage): Promise<BatchRecord> {
	const path = desk.disk.partialPath();
	try {
		const { total, plan: asked } = await readRequests(desk, request, path);
		checkHourlyBatches(desk, "anthropic");
		checkQueue(desk, total);
		const plan = { ...desk.plans.take(), ...asked };
		const createdAtMs = desk.clock.nowMs();
		const record = newRecord(desk, {
			id: `msgbatch_${randomBytes(12).toString("hex")}`,
			protocol: "anthropic",
			endpoint: "/v1/messages",
			inputFileId: null,
			metadata: null,
			resultsKeptMs: RESULTS_KEPT_MS,
			plan,
			phase: "running",
			total,
			startedAtMs: createdAtMs,
			createdAtMs,
		});
		if (plan.creation === "lost") return record;
		desk.disk.addBatchOfLines(record, path);
		desk.runner.wake(record.id);
		return record;
	} finally {
		rmSync(path, { force: true });
	}
}

async function readRequests(desk: BatchDesk, request: IncomingMessage, path: string): Promise<{ readonly total: number; readonly plan: BatchPlan }> {
	const { itemsMax, bytesMax } = desk.limits.anthropic;
	const elements = new RequestElements();
	const checked = new CheckedRequests();
	const writer = await FileWriter.create(path);
	let bytes = 0;
	try {
		for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
			bytes += chunk.length;
			if (bytes > (bytesMax ?? Number.POSITIVE_INFINITY)) continue;
			for (const element of elements.feed(chunk)) {
				const line = checked.read(element);
				if (line !== undefined) await writer.write(line);
			}
		}
	} finally {
		await writer.close();
	}
	if (bytes > (bytesMax ?? Number.POSITIVE_INFINITY)) throw new ProviderError(413, `Request exceeds the maximum size of ${bytesMax} bytes`);
	if (!elements.isWhole) throw new ProviderError(400, "The request body is not valid JSON");
	if (!elements.isFound) throw new ProviderError(400, "requests: Field required");
	if (checked.problem !== undefined) throw checked.problem;
	if (checked.total === 0) throw new ProviderError(400, "requests: List should have at least 1 item after validation, not 0");
	if (checked.total > (itemsMax ?? Number.POSITIVE_INFINITY))
		throw new ProviderError(400, `requests: List should have at most ${itemsMax} items after validation, not ${checked.total}`);
	return { total: checked.total, plan: checked.plan };
}

/** Items one by one: what the provider looks at before it takes a batch. What is wrong with an item's params fails with the item. */
class CheckedRequests {
	total = 0;
	/** The first one. */
	problem: Error | undefined;
	plan: BatchPlan = {};
	readonly #customIds = new Set<string>();

	/** The item as a line; undefined once something was wrong. */
	read(element: Buffer): Buffer | undefined {
		const index = this.total;
		this.total += 1;
		if (this.problem !== undefined) return undefined;
		try {
			return this.#check(element, index);
		} catch (error) {
			this.problem = error as Error;
			return undefined;
		}
	}

	#check(element: Buffer, index: number): Buffer {
		const item = parseElement(element, index);
		const { custom_id: customId, params } = item;
		if (typeof customId !== "string") throw new ProviderError(400, `requests.${index}.custom_id: Field required`);
		if (!CUSTOM_ID.test(customId)) throw new ProviderError(400, `requests.${index}.custom_id: String should match pattern '${CUSTOM_ID.source}'`);
		if (!isObject(params)) throw new ProviderError(400, `requests.${index}.params: Field required`);
		if (this.#customIds.has(customId)) throw new ProviderError(400, `requests.${index}.custom_id: Custom ids must be unique within a batch: ${customId}`);
		this.#customIds.add(customId);
		const line = Buffer.from(`${JSON.stringify({ custom_id: customId, params })}\n`);
		this.plan = { ...this.plan, ...planInLine(line) };
		return line;
	}
}

function parseElement(element: Buffer, index: number): JsonObject {
	let value: unknown;
	try {
		value = JSON.parse(element.toString());
	} catch {
		throw new ProviderError(400, `The request body is not valid JSON: requests.${index}`);
	}
	if (!isObject(value)) throw new ProviderError(400, `requests.${index}: Input should be a valid dictionary`);
	return value;
}

function checkQueue({ disk, limits }: BatchDesk, total: number): void {
	const { queuedItemsMax } = limits.anthropic;
	if (queuedItemsMax === null) return;
	const open = disk.batches().filter((record) => record.protocol === "anthropic" && isOpen(record));
	const queued = open.reduce((sum, record) => sum + record.total, 0);
	if (queued + total > queuedItemsMax) throw new ProviderError(429, `Too many batch requests in the queue: at most ${queuedItemsMax}.`);
}

export function listMessageBatches({ disk, clock }: BatchDesk, query: URLSearchParams, origin: string): JsonObject {
	const newestFirst = disk
		.batches()
		.filter(({ protocol }) => protocol === "anthropic")
		.reverse();
	const { entries, hasMore } = pageOf(newestFirst, query, LIST_RULES);
	const data = entries.map((record) => messageBatch(record, { origin, nowMs: clock.nowMs() }));
	return { data, has_more: hasMore, first_id: entries[0]?.id ?? null, last_id: entries.at(-1)?.id ?? null };
}

/** Throws the provider's 400 for a batch that has ended. */
export function cancelMessageBatch(desk: BatchDesk, id: string): BatchRecord {
	const record = findBatch(desk, "anthropic", id);
	if (!isOpen(record)) throw new ProviderError(400, `Batch ${id} has already ended and cannot be canceled.`);
	if (record.cancelAskedAtMs !== null || record.phase === "finalizing") return record;
	const asked = desk.disk.changeBatch(id, { cancelAskedAtMs: desk.clock.nowMs() });
	desk.runner.wake(id);
	return asked;
}

/** Throws the provider's 400 for a batch that has not ended. */
export function deleteMessageBatch(desk: BatchDesk, id: string): JsonObject {
	const record = findBatch(desk, "anthropic", id);
	if (isOpen(record)) throw new ProviderError(400, `Batch ${id} has not finished processing and cannot be deleted. Cancel it first.`);
	if (record.outputFileId !== null) desk.disk.removeFile(record.outputFileId);
	desk.disk.removeBatch(id);
	return { id, type: "message_batch_deleted" };
}

/** Throws the provider's 404 before the end and after the retention. */
export function messageResults(desk: BatchDesk, id: string): Reply {
	const record = findBatch(desk, "anthropic", id);
	const file = record.outputFileId === null ? undefined : desk.disk.file(record.outputFileId);
	if (isOpen(record) || file === undefined || !isReadable(file, desk.clock))
		throw new ProviderError(404, isOpen(record) ? `Batch ${id} has no results yet.` : `The results of batch ${id} are no longer available.`);
	return contentOf(desk, file, "application/x-jsonl");
}

/** Counts stay at zero until all of it ended, as the provider's do. */
export function messageBatch(record: BatchRecord, { origin, nowMs }: { readonly origin: string; readonly nowMs: number }): JsonObject {
	const hasEnded = !isOpen(record);
	const archivedAtMs = record.plan.resultsGone === true ? record.endedAtMs : record.createdAtMs + record.resultsKeptMs;
	return {
		id: record.id,
		type: "message_batch",
		processing_status: hasEnded ? "ended" : record.cancelAskedAtMs === null ? "in_progress" : "canceling",
		request_counts: hasEnded
			? { processing: 0, succeeded: record.succeeded, errored: record.errored, canceled: record.cancelled, expired: record.expired }
			: { processing: record.total, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
		ended_at: timeOf(record.endedAtMs),
		created_at: timeOf(record.createdAtMs),
		expires_at: timeOf(record.expiresAtMs),
		archived_at: hasEnded && archivedAtMs !== null && archivedAtMs <= nowMs ? timeOf(archivedAtMs) : null,
		cancel_initiated_at: timeOf(record.cancelAskedAtMs),
		results_url: hasEnded ? `${origin}/v1/messages/batches/${record.id}/results` : null,
	};
}

function timeOf(atMs: number | null): string | null {
	return atMs === null ? null : new Date(atMs).toISOString();
}
