import { createReadStream, existsSync, truncateSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { isObject, type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import type { ProviderState } from "../provider-state.ts";
import type { BatchDisk } from "./disk.ts";
import { type Item, type ItemRun, runItem } from "./item-run.ts";
import { type Line, readLines } from "./lines.ts";
import type { BatchRecord, UsageTotals } from "./records.ts";
import { chance } from "./seeded.ts";

/**
 * Runs items and remembers what became of them. Order is what makes a kill harmless: first the items' lines in the work file, then the
 * call log, then the record. Lines beyond the record are taken up at the next start, and billed where the log does not have them.
 */

/** A line of the work file. */
export type DoneItem = { readonly n: number; readonly customId: string; readonly nextByte: number; readonly run: ItemRun };

export type Work = { readonly disk: BatchDisk; readonly state: ProviderState; readonly seed: number };

/** Items between two writes; what a turn of the event loop is held up by. */
const ITEMS_AT_ONCE = 64;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
const FAILED_STATUS = 500;

/** Runs at most `most` items that follow, fewer where that is enough at once. */
export async function runItems(work: Work, record: BatchRecord, options: { readonly most: number; readonly atMs: number }): Promise<BatchRecord> {
	const done: DoneItem[] = [];
	const lines: string[] = [];
	let bytes = 0;
	for await (const line of readLines(work.disk.inputPath(record.id), record.inputByte)) {
		const next = runLine(work, record, { line, n: record.done + done.length + 1, atMs: options.atMs });
		const text = `${JSON.stringify(next)}\n`;
		done.push(next);
		lines.push(text);
		bytes += Buffer.byteLength(text);
		if (done.length >= Math.min(options.most, ITEMS_AT_ONCE) || bytes >= BYTES_AT_ONCE) break;
	}
	if (done.length === 0) throw new Error(`the input of ${record.id} has fewer items than were counted`);
	await appendFile(work.disk.workPath(record.id), lines.join(""), { mode: 0o600 });
	for (const { run } of done) if (run.kind === "succeeded" && run.bill !== null) work.state.bill(run.bill);
	return work.disk.changeBatch(record.id, { ...tallied(record, done), workBytes: record.workBytes + bytes });
}

/** After a start: takes up what an earlier process had done beyond its record. */
export async function recoverWork(work: Work, record: BatchRecord): Promise<void> {
	const path = work.disk.workPath(record.id);
	const done: DoneItem[] = [];
	let workBytes = record.workBytes;
	for await (const line of readLinesIfAny(path, record.workBytes)) {
		if (!line.isEnded) break;
		done.push(JSON.parse(line.bytes.toString()) as DoneItem);
		workBytes = line.nextByte;
	}
	if (done.length > 0) {
		const logged = await loggedRequestIds(work.state.log.path, record.id);
		for (const { run } of done) if (run.kind === "succeeded" && run.bill !== null && !logged.has(run.bill.providerRequestId)) work.state.bill(run.bill);
		work.disk.changeBatch(record.id, { ...tallied(record, done), workBytes });
	}
	// A line torn by the kill must not swallow the next one.
	if (existsSync(path)) truncateSync(path, workBytes);
}

/** Ends every id of an item; never repeats, since batch ids do not. */
export function itemIdSuffix(batchId: string, n: number): string {
	return `${batchId.slice(batchId.indexOf("_") + 1)}x${n}`;
}

function runLine(work: Work, record: BatchRecord, { line, n, atMs }: { readonly line: Line; readonly n: number; readonly atMs: number }): DoneItem {
	const { customId, body } = readItem(record, line.bytes);
	const item: Item = {
		protocol: record.protocol,
		endpoint: record.endpoint,
		customId,
		body,
		idSuffix: itemIdSuffix(record.id, n),
		atMs,
		planned: plannedFailure(record, work.seed, n),
	};
	return { n, customId, nextByte: line.nextByte, run: runItem(item, work.state) };
}

function plannedFailure({ plan, ordinal }: BatchRecord, seed: number, n: number): Item["planned"] {
	if (chance(seed, "fails", ordinal, n) >= (plan.failShare ?? 0)) return {};
	return { status: plan.failStatus ?? FAILED_STATUS, ...(plan.failCode !== undefined && { errorCode: plan.failCode }) };
}

/** Of a line that was validated. */
export function readItem({ protocol }: Pick<BatchRecord, "protocol">, line: Buffer): { readonly customId: string; readonly body: JsonObject } {
	const item = objectOrEmpty(JSON.parse(line.toString()));
	return { customId: textOrEmpty(item["custom_id"]), body: objectOrEmpty(protocol === "openai" ? item["body"] : item["params"]) };
}

function tallied(record: BatchRecord, done: readonly DoneItem[]): Partial<BatchRecord> {
	const count = (kind: ItemRun["kind"]) => done.filter(({ run }) => run.kind === kind).length;
	return {
		done: record.done + done.length,
		inputByte: done.at(-1)?.nextByte ?? record.inputByte,
		succeeded: record.succeeded + count("succeeded"),
		errored: record.errored + count("errored"),
		stuck: record.stuck + count("stuck"),
		usage: done.reduce((total, { run }) => (run.kind === "succeeded" && run.bill !== null ? plus(total, run.bill.usage) : total), record.usage),
	};
}

/** Chat completions, responses and embeddings name their tokens differently. */
function plus(total: UsageTotals, usage: JsonObject): UsageTotals {
	const numberOf = (value: unknown) => (typeof value === "number" ? value : 0);
	const input = usage["prompt_tokens_details"] ?? usage["input_tokens_details"];
	const output = usage["completion_tokens_details"] ?? usage["output_tokens_details"];
	return {
		inputTokens: total.inputTokens + numberOf(usage["prompt_tokens"] ?? usage["input_tokens"]),
		cachedTokens: total.cachedTokens + numberOf(objectOrEmpty(input)["cached_tokens"]),
		outputTokens: total.outputTokens + numberOf(usage["completion_tokens"] ?? usage["output_tokens"]),
		reasoningTokens: total.reasoningTokens + numberOf(objectOrEmpty(output)["reasoning_tokens"]),
	};
}

async function* readLinesIfAny(path: string, startByte: number): AsyncGenerator<Line> {
	try {
		yield* readLines(path, startByte);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
	}
}

/** Ids under which the log has items of this batch. */
async function loggedRequestIds(logPath: string, batchId: string): Promise<ReadonlySet<string>> {
	const found = new Set<string>();
	const mark = `req_${itemIdSuffix(batchId, 0).slice(0, -1)}`;
	for await (const line of createInterface({ input: createReadStream(logPath) })) {
		if (!line.includes(mark)) continue;
		const call: unknown = JSON.parse(line);
		if (isObject(call)) found.add(textOrEmpty(call["providerRequestId"]));
	}
	return found;
}
