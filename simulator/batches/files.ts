import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { JsonObject } from "../json.ts";
import { ProviderError } from "../provider-error.ts";
import type { SimulatedClock } from "./clock.ts";
import type { BatchDisk } from "./disk.ts";
import { FileWriter } from "./lines.ts";
import { boundaryOf, readMultipart } from "./multipart.ts";
import { pageOf } from "./pages.ts";
import { MESSAGE_RESULTS, type StoredFile } from "./records.ts";
import type { Reply } from "./reply.ts";

/** `/v1/files` (openai resources/files.d.ts). */

const FILE_BYTES_MAX = 512 * 1024 * 1024;
const FIELD_BYTES_MAX = 64 * 1024;
const PURPOSES = new Set(["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]);
const LIST_RULES = { limitDefault: 10_000, limitMax: 10_000 };
const DAY_SECONDS = 86_400;
/** Of files for batches, where nothing is said. */
const KEPT_SECONDS = 30 * DAY_SECONDS;

export type Files = { readonly disk: BatchDisk; readonly clock: SimulatedClock; readonly batchBytesMax: () => number | null };

/** Streams to the disk. Throws ProviderError. */
export async function uploadFile(files: Files, request: IncomingMessage): Promise<JsonObject> {
	const path = files.disk.partialPath();
	try {
		const form = await readForm(request, path);
		const stored = describeUpload(files, form);
		files.disk.adoptFile(path, stored);
		return fileObject(stored);
	} catch (error) {
		rmSync(path, { force: true });
		throw error;
	}
}

type Form = { readonly fields: ReadonlyMap<string, string>; readonly filename: string | undefined; readonly bytes: number };

async function readForm(request: IncomingMessage, path: string): Promise<Form> {
	const fields = new Map<string, string>();
	const writer = await FileWriter.create(path);
	let filename: string | undefined;
	let bytes = 0;
	let field = "";
	try {
		// What is left after a mistake is still to be read, so that its answer arrives.
		const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
		for await (const event of readMultipart(body, boundaryOf(request.headers["content-type"]))) {
			if (event.kind === "part") {
				field = event.name;
				if (field === "file") filename = event.filename ?? "upload";
				else fields.set(field, "");
			} else if (field === "file") {
				bytes += event.bytes.length;
				if (bytes <= FILE_BYTES_MAX) await writer.write(event.bytes);
			} else {
				const value = (fields.get(field) ?? "") + event.bytes.toString();
				if (value.length <= FIELD_BYTES_MAX) fields.set(field, value);
			}
		}
	} finally {
		await writer.close();
	}
	return { fields, filename, bytes };
}

function describeUpload({ disk, clock, batchBytesMax }: Files, { fields, filename, bytes }: Form): StoredFile {
	const purpose = fields.get("purpose") ?? "";
	if (filename === undefined) throw new ProviderError(400, "Missing required parameter: 'file'.", { param: "file", code: "missing_required_parameter" });
	if (!PURPOSES.has(purpose)) throw new ProviderError(400, `Invalid purpose: '${purpose}'.`, { param: "purpose" });
	const isForBatch = purpose === "batch";
	if (isForBatch && !filename.endsWith(".jsonl")) throw new ProviderError(400, "Invalid file format for Batch API. Must be .jsonl", { param: "file" });
	const bytesMax = Math.min(FILE_BYTES_MAX, (isForBatch ? batchBytesMax() : null) ?? FILE_BYTES_MAX);
	if (bytes > bytesMax) throw new ProviderError(413, `The file is too large: ${bytes} bytes, at most ${bytesMax} are allowed.`, { param: "file" });
	if (bytes === 0) throw new ProviderError(400, "The file is empty.", { param: "file" });
	const createdAtMs = clock.nowMs();
	const seconds = readExpiry(fields) ?? (isForBatch ? KEPT_SECONDS : null);
	return {
		id: `file-${randomBytes(12).toString("hex")}`,
		ordinal: disk.nextOrdinal(),
		purpose,
		filename,
		bytes,
		createdAtMs,
		expiresAtMs: seconds === null ? null : createdAtMs + seconds * 1_000,
		truncation: null,
	};
}

function readExpiry(fields: ReadonlyMap<string, string>): number | undefined {
	const seconds = fields.get("expires_after[seconds]");
	return seconds === undefined ? undefined : checkExpiry({ anchor: fields.get("expires_after[anchor]"), seconds: Number(seconds) }, "expires_after");
}

/** Seconds of `{anchor: "created_at", seconds}`. Throws the provider's 400. */
export function checkExpiry({ anchor, seconds }: JsonObject, param: string): number {
	if (anchor !== "created_at") throw new ProviderError(400, `Invalid '${param}.anchor': expected 'created_at'.`, { param: `${param}.anchor` });
	if (!Number.isInteger(seconds) || (seconds as number) < 3_600 || (seconds as number) > 30 * DAY_SECONDS)
		throw new ProviderError(400, `Invalid '${param}.seconds': expected an integer from 3600 to 2592000.`, { param: `${param}.seconds` });
	return seconds as number;
}

export function listFiles({ disk, clock }: Files, query: URLSearchParams): JsonObject {
	const purpose = query.get("purpose");
	const found = disk.files().filter((file) => isReadable(file, clock) && file.purpose !== MESSAGE_RESULTS && (purpose === null || file.purpose === purpose));
	const { entries, hasMore } = pageOf(query.get("order") === "asc" ? found : found.reverse(), query, LIST_RULES);
	return { object: "list", data: entries.map(fileObject), first_id: entries[0]?.id ?? null, last_id: entries.at(-1)?.id ?? null, has_more: hasMore };
}

/** Throws the provider's 404 for one that is not there, or not any more. */
export function findFile({ disk, clock }: Files, id: string): StoredFile {
	const file = disk.file(id);
	if (file === undefined || file.purpose === MESSAGE_RESULTS || !isReadable(file, clock))
		throw new ProviderError(404, `No such File object: ${id}`, { param: "id", code: null });
	return file;
}

export function deleteFile(files: Files, id: string): JsonObject {
	files.disk.removeFile(findFile(files, id).id);
	return { id, object: "file", deleted: true };
}

/** The bytes as far as this read gets them. */
export function contentOf({ disk }: Pick<Files, "disk">, file: StoredFile, contentType: string): Reply {
	const { truncation } = file;
	const path = disk.filePath(file.id);
	if (truncation === null || truncation.readsLeft === 0) return { kind: "file", path, bytes: file.bytes, contentType };
	if (truncation.readsLeft !== null) disk.changeFile({ ...file, truncation: { ...truncation, readsLeft: truncation.readsLeft - 1 } });
	return { kind: "file", path, bytes: Math.floor(file.bytes * truncation.to), contentType };
}

export function isReadable({ createdAtMs, expiresAtMs }: StoredFile, clock: SimulatedClock): boolean {
	const nowMs = clock.nowMs();
	return createdAtMs <= nowMs && (expiresAtMs === null || nowMs < expiresAtMs);
}

/** Frees the disk of what nobody can read any more. */
export function forgetExpired({ disk, clock }: Pick<Files, "disk" | "clock">): void {
	const nowMs = clock.nowMs();
	for (const { id, expiresAtMs } of disk.files()) if (expiresAtMs !== null && expiresAtMs <= nowMs) disk.removeFile(id);
}

export function fileObject({ id, bytes, createdAtMs, expiresAtMs, filename, purpose }: StoredFile): JsonObject {
	return {
		id,
		object: "file",
		bytes,
		created_at: seconds(createdAtMs),
		...(expiresAtMs !== null && { expires_at: seconds(expiresAtMs) }),
		filename,
		purpose,
		status: "processed",
		status_details: null,
	};
}

/** OpenAI counts in whole seconds. */
export function seconds(atMs: number): number {
	return Math.floor(atMs / 1_000);
}
