import { createHash } from "node:crypto";
import type { BlobStore } from "#activities/blobs/port.ts";
import { assert } from "#domain/assert.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { readCustomIds } from "../lines/custom-ids.ts";
import { answerKey } from "../lines/deferred-blobs.ts";
import { ItemEndings } from "../lines/item-endings.ts";
import { joinOutputs } from "../lines/join-outputs.ts";
import { readResultLines, writeResultLine } from "../lines/result-lines.ts";
import { storedBodies } from "../lines/stored-bodies.ts";
import { type UnsendableItem, writeBodies } from "../lines/write-bodies.ts";
import { writeLines } from "../lines/write-lines.ts";
import type { BatchRecord, BatchStore, FileRecord } from "../port.ts";
import type { JobLines, Reading } from "./job-port.ts";

/** Payloads of a batch in the blob store: request files of parts, what was said of their items, and the files its caller reads. */
export type JobLinesOptions = {
	readonly blobs: Pick<BlobStore, "write" | "read" | "describe" | "delete">;
	readonly store: Pick<BatchStore, "readFile" | "createFile" | "endings">;
	/** For when the caller's files end; milliseconds since 1970. */
	readonly wallClockMs: () => number;
};

/** Of a request: what was checked when it came in is not longer. */
const LINE_BYTES_MAX = 33_554_432;
/** Of a kept result, whose body stands in it as text: what a provider's line may have, with every character escaped. */
const KEPT_LINE_BYTES_MAX = 100_000_000;
const FILE_KEPT_MS = 30 * 86_400_000;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const NAME_LENGTH = 24;
/** Of items' endings, read at once. */
const PAGE = 5_000;

export function createJobLines({ blobs, store, wallClockMs }: JobLinesOptions): JobLines {
	const readResults = (batch: BatchRecord, reading: Reading) => readResultLines(blobs.read(resultsKey(batch, reading)), { lineBytesMax: KEPT_LINE_BYTES_MAX });
	return {
		async writeRequests(batch, part, items) {
			const { protocol, endpoint, number: batchNumber, items: itemCount } = batch;
			const how = { protocol, endpoint, batchNumber, items: itemCount, deploymentModel: deploymentModelOf(batch), lineBytesMax: LINE_BYTES_MAX, tries: items };
			const unsendable: UnsendableItem[] = [];
			const written =
				batch.origin === "collected"
					? writeBodies({ ...how, openBody: (key) => blobs.read(key) }, (item) => unsendable.push(item))
					: writeLines(blobs.read((await inputOf(store, batch)).blobKey), how);
			return { ...(await blobs.write(requestsKey(batch, part), written)), unsendable };
		},
		async *readBodies(batch, items) {
			const stored = blobs.read((await inputOf(store, batch)).blobKey);
			for await (const { item, body } of storedBodies(stored, items, { lineBytesMax: LINE_BYTES_MAX })) yield { n: item.n, body: Buffer.from(body) };
		},
		openRequests: (batch, part) => blobs.read(requestsKey(batch, part)),
		hasResults: async (batch, reading) => (await blobs.describe(resultsKey(batch, reading))) !== undefined,
		async keepResults(batch, reading, lines) {
			await blobs.write(resultsKey(batch, reading), keptLines(lines));
		},
		readResults,
		async joinOutputs(batch, readings) {
			const { number: batchNumber, items, batchId, protocol: form } = batch;
			const { blobKey } = await inputOf(store, batch);
			const endings = await endingsOf(store, batch);
			const joined = await joinOutputs({
				...{ batchNumber, items, batchId, form },
				openParts: readings.map((reading) => () => readResults(batch, reading)),
				customIds: await readCustomIds(blobs.read(blobKey), { lineBytesMax: LINE_BYTES_MAX }),
				isEnding: (result) => endings.isEnding(result),
				absent: (n) => endings.absent(n),
			});
			const { succeeded, errored, expired, cancelled } = joined.counts;
			const unsuccessful = errored + expired + cancelled;
			const keep = async (name: "output" | "error", lines: number, source: AsyncIterable<Uint8Array>): Promise<string | null> => {
				if (lines === 0) return null;
				const { fileId, blobKey: key } = placeOf(batch, name);
				const { bytes } = await blobs.write(key, source);
				await store.createFile(
					outputFile(batch, { fileId, blobKey: key, name, bytes, lines, expiresAtMs: wallClockMs() + (batch.outputKeptMs ?? FILE_KEPT_MS) }),
				);
				return fileId;
			};
			return {
				outputFileId: await keep("output", succeeded, joined.write("output")),
				errorFileId: await keep("error", unsuccessful, joined.write("errors")),
			};
		},
		async keepAnswer({ teamId }, deferredId, body) {
			const key = answerKey(teamId, deferredId);
			await blobs.write(key, bytesOf(body));
			return key;
		},
		forgetBody: (bodyBlobKey) => blobs.delete(bodyBlobKey),
	};
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}

async function endingsOf(store: JobLinesOptions["store"], { batchId, items }: BatchRecord): Promise<ItemEndings> {
	const endings = new ItemEndings(items);
	for (let after = 0; ; ) {
		const page = await store.endings(batchId, after, PAGE);
		for (const ending of page) endings.note(ending);
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return endings;
	}
}

async function inputOf(store: JobLinesOptions["store"], { teamId, inputFileId, batchId }: BatchRecord): Promise<FileRecord> {
	const file = inputFileId === null ? undefined : await store.readFile(teamId, inputFileId);
	if (file === undefined) throw new CostControlError("file.missing", `batch ${batchId} has no input file any more`);
	return file;
}

/** A deployment is called `<provider of the providers file>/<model sent>`. */
export function accountOf({ deployment }: Pick<BatchRecord, "deployment">): string {
	return deployment.slice(0, deployment.indexOf("/"));
}

/** What the provider is sent for its model. */
export function deploymentModelOf({ deployment }: Pick<BatchRecord, "deployment">): string {
	return deployment.slice(deployment.indexOf("/") + 1);
}

function requestsKey({ teamId, batchId }: BatchRecord, part: number): string {
	return `${teamId}/batches/${batchId}/part-${part}.jsonl`;
}

/** Ids of a provider may have any form. */
function resultsKey({ teamId, batchId }: BatchRecord, reading: Reading): string {
	const whose = "providerBatchId" in reading ? `-of-${createHash("sha256").update(reading.providerBatchId).digest("hex").slice(0, 16)}` : "";
	return `${teamId}/batches/${batchId}/part-${reading.part}${whose}-results-${reading.reading}.jsonl`;
}

async function* keptLines(lines: AsyncIterable<ResultLine>): AsyncGenerator<Uint8Array> {
	for await (const line of lines) yield line.kind === "item" ? writeResultLine(line) : unreadableLine(line);
}

/** No kept result, so that it is read back as a line that cannot be read. */
function unreadableLine({ line, problem, start }: Extract<ResultLine, { kind: "unreadable" }>): Uint8Array {
	return Buffer.from(`${JSON.stringify({ unreadable: problem, line, start })}\n`);
}

/** Made of the batch's own id: whoever finishes a batch again makes the same files. */
function placeOf({ teamId, batchId }: BatchRecord, name: string): Pick<FileRecord, "fileId" | "blobKey"> {
	const digest = createHash("sha256").update(`${batchId} ${name}`).digest();
	const letters = Array.from(digest.subarray(0, NAME_LENGTH), (byte) => LETTERS[byte % LETTERS.length]).join("");
	const fileId = `file-${letters}`;
	return { fileId, blobKey: `${teamId}/files/${fileId}.jsonl` };
}

type OutputFile = Pick<FileRecord, "fileId" | "blobKey" | "bytes" | "lines" | "expiresAtMs"> & { readonly name: string };

/** Of a caller's batch: what is answered to items that were handed in alone is delivered to each. */
function outputFile({ teamId, batchId, attribution }: BatchRecord, { name, ...file }: OutputFile): Omit<FileRecord, "createdAtMs"> {
	assert(attribution !== null, `batch ${batchId} is nobody's: it has no output files`);
	return { ...file, teamId, keyId: attribution.keyId, purpose: "batch_output", filename: `${batchId}_${name}.jsonl` };
}
