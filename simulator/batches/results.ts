import { createHash } from "node:crypto";
import { renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { randomSequence } from "../text.ts";
import type { BatchDisk } from "./disk.ts";
import { FileWriter, readLines } from "./lines.ts";
import { type BatchRecord, MESSAGE_RESULTS } from "./records.ts";
import { chance } from "./seeded.ts";
import { type DoneItem, itemIdSuffix, readItem } from "./work.ts";

/**
 * Writes the results of a batch that ended, out of what its items left in the work file and of what was never run, with the faults its plan asks
 * for. Begun anew after a kill it writes the same.
 */

export type WrittenResults = {
	readonly outputFileId: string | null;
	readonly errorFileId: string | null;
	readonly expired: number;
	readonly cancelled: number;
};

/** How an item without an outcome ended. */
type Unfinished = "expired" | "cancelled";
type ResultLine = {
	readonly place: "output" | "errors";
	readonly text: string;
	readonly n: number;
	/** How often the item says so itself. */
	readonly lines: number;
	readonly isUnfinished: boolean;
};

const EXPIRED = { code: "batch_expired", message: "This request could not be executed before the completion window expired." };
const CANCELLED = { code: "batch_cancelled", message: "The batch was cancelled before this request was executed." };
const UNREADABLE = '{"id":"batch_req_unreadable","custom_id":';

export async function writeResults(
	record: BatchRecord,
	at: { readonly disk: BatchDisk; readonly seed: number; readonly endedAtMs: number },
): Promise<WrittenResults> {
	// Cancelled before its file was checked: nothing of it ran.
	if (record.startedAtMs === null) return { outputFileId: null, errorFileId: null, expired: 0, cancelled: 0 };
	const unfinished: Unfinished = record.end === "cancelled" ? "cancelled" : "expired";
	const output = await FileWriter.create(at.disk.partialPath());
	const errors = await FileWriter.create(at.disk.partialPath());
	let left = 0;
	try {
		for await (const line of linesOf(record, at.disk, unfinished)) {
			if (line.isUnfinished) left += 1;
			const copies = copiesOf(record, at.seed, line);
			for (let copy = 0; copy < copies; copy += 1) await (line.place === "output" ? output : errors).write(Buffer.from(`${line.text}\n`));
		}
		for (const text of strayLines(record)) await output.write(Buffer.from(`${text}\n`));
	} finally {
		await output.close();
		await errors.close();
	}
	const keep = (writer: FileWriter, name: "output" | "error") => keepFile({ record, writer, name, ...at });
	return {
		outputFileId: await keep(output, "output"),
		errorFileId: await keep(errors, "error"),
		expired: unfinished === "expired" ? left : 0,
		cancelled: unfinished === "cancelled" ? left : 0,
	};
}

async function* linesOf(record: BatchRecord, disk: BatchDisk, unfinished: Unfinished): AsyncGenerator<ResultLine> {
	if (record.done > 0) {
		for await (const { bytes } of readLines(disk.workPath(record.id))) {
			const done = JSON.parse(bytes.toString()) as DoneItem;
			yield done.run.kind === "stuck" ? unfinishedLine(record, done, unfinished) : finishedLine(record, done, done.run);
		}
	}
	let n = record.done;
	if (n >= record.total) return;
	for await (const { bytes } of readLines(disk.inputPath(record.id), record.inputByte)) {
		n += 1;
		yield unfinishedLine(record, { n, customId: readItem(record, bytes).customId }, unfinished);
	}
}

type Finished = Exclude<DoneItem["run"], { readonly kind: "stuck" }>;

function finishedLine(record: BatchRecord, { n, customId }: DoneItem, run: Finished): ResultLine {
	if (record.protocol === "anthropic") {
		const result = run.kind === "succeeded" ? { type: "succeeded", message: run.body } : { type: "errored", error: run.body };
		return { place: "output", n, lines: run.lines, isUnfinished: false, text: JSON.stringify({ custom_id: customId, result }) };
	}
	const response = { status_code: run.httpStatus, request_id: run.requestId, body: run.body };
	const text = JSON.stringify({ id: lineId(record, n), custom_id: customId, response, error: null });
	return { place: run.kind === "succeeded" ? "output" : "errors", n, lines: run.lines, isUnfinished: false, text };
}

function unfinishedLine(record: BatchRecord, { n, customId }: Pick<DoneItem, "n" | "customId">, unfinished: Unfinished): ResultLine {
	if (record.protocol === "anthropic") {
		const type = unfinished === "cancelled" ? "canceled" : "expired";
		return { place: "output", n, lines: 1, isUnfinished: true, text: JSON.stringify({ custom_id: customId, result: { type } }) };
	}
	const error = unfinished === "cancelled" ? CANCELLED : EXPIRED;
	return { place: "errors", n, lines: 1, isUnfinished: true, text: JSON.stringify({ id: lineId(record, n), custom_id: customId, response: null, error }) };
}

function lineId({ id }: BatchRecord, n: number): string {
	return `batch_req_${itemIdSuffix(id, n)}`;
}

/** How often the line is written. */
function copiesOf({ plan, ordinal }: BatchRecord, seed: number, { n, lines, isUnfinished }: ResultLine): number {
	if (!isUnfinished && chance(seed, "missing", ordinal, n) < (plan.missingShare ?? 0)) return 0;
	return lines > 0 && chance(seed, "twice", ordinal, n) < (plan.duplicateShare ?? 0) ? lines + 1 : lines;
}

/** Lines that stand for no item. */
function strayLines({ plan, protocol }: BatchRecord): string[] {
	const unknown = Array.from({ length: plan.unknownLines ?? 0 }, (_, index) => {
		const custom_id = `unknown-${index + 1}`;
		const error = { type: "error", error: { type: "api_error", message: "[simulated] an item nobody sent" } };
		if (protocol === "anthropic") return JSON.stringify({ custom_id, result: { type: "errored", error } });
		const response = { status_code: 200, request_id: `req_${custom_id}`, body: { object: "chat.completion", choices: [] } };
		return JSON.stringify({ id: `batch_req_${custom_id}`, custom_id, response, error: null });
	});
	return [...unknown, ...Array.from({ length: plan.unreadableLines ?? 0 }, () => UNREADABLE)];
}

type ToKeep = {
	readonly record: BatchRecord;
	readonly writer: FileWriter;
	readonly name: "output" | "error";
	readonly disk: BatchDisk;
	readonly seed: number;
	readonly endedAtMs: number;
};

/** Makes a file of what was written; null where nothing was. A message batch has its results even then. */
async function keepFile({ record, writer, name, disk, seed, endedAtMs }: ToKeep): Promise<string | null> {
	const { plan, protocol } = record;
	if (writer.bytes === 0 && (protocol === "openai" || name === "error")) {
		rmSync(writer.path, { force: true });
		return null;
	}
	if (plan.unordered === true) await shuffleLines(writer.path, seed + record.ordinal);
	const id = `file-${createHash("sha256").update(`${record.id} ${name}`).digest("base64url").replaceAll(/[-_]/g, "0").slice(0, 24)}`;
	disk.adoptFile(writer.path, {
		id,
		ordinal: disk.nextOrdinal(),
		purpose: protocol === "openai" ? "batch_output" : MESSAGE_RESULTS,
		filename: `${record.id}_${name}.jsonl`,
		bytes: writer.bytes,
		createdAtMs: endedAtMs,
		expiresAtMs: plan.resultsGone === true ? endedAtMs : (protocol === "openai" ? endedAtMs : record.createdAtMs) + record.resultsKeptMs,
		truncation: plan.truncateTo === undefined ? null : { to: plan.truncateTo, readsLeft: plan.truncatedReads ?? null },
	});
	return id;
}

/** Holds where each line begins, not what it says. */
async function shuffleLines(path: string, seed: number): Promise<void> {
	const places: { readonly startByte: number; readonly nextByte: number }[] = [];
	for await (const { startByte, nextByte } of readLines(path)) places.push({ startByte, nextByte });
	const next = randomSequence(seed);
	next();
	for (let index = places.length - 1; index > 0; index -= 1) {
		const other = next() % (index + 1);
		const [left, right] = [places[index], places[other]];
		if (left === undefined || right === undefined) continue;
		places[index] = right;
		places[other] = left;
	}
	await copyInOrder(path, places);
}

async function copyInOrder(path: string, places: readonly { readonly startByte: number; readonly nextByte: number }[]): Promise<void> {
	const source = await open(path, "r");
	try {
		const shuffled = await FileWriter.create(`${path}.part`);
		for (const { startByte, nextByte } of places) {
			const { buffer } = await source.read(Buffer.alloc(nextByte - startByte), 0, nextByte - startByte, startByte);
			await shuffled.write(buffer);
		}
		await shuffled.close();
	} finally {
		await source.close();
	}
	renameSync(`${path}.part`, path);
}
