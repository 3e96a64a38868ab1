import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/**
 * The file of an archived month: JSON lines. The first names the month, then one line per chunk by gateway, epoch and number,
 * the last one says how many there were. `text` is what the chunk's hash was taken of (tollgate.chunk_line):
 * hash = sha256(previousHash || text), so that the file proves itself with nothing but sha256.
 */
export type ArchiveHeader = { readonly type: "month"; readonly format: 1; readonly month: string };
export type ArchivedChunk = {
	readonly type: "chunk";
	readonly gatewayId: string;
	readonly epoch: string;
	readonly chunkSeq: string;
	readonly entryCount: number;
	/** Hex. */
	readonly previousHash: string;
	/** Hex. */
	readonly hash: string;
	readonly text: string;
	/** The same rows as JSON, for whoever reads them. */
	readonly rows: readonly ArchivedRow[];
};
/** Columns by name, as in tollgate.entry and tollgate.attempt. */
export type ArchivedRow = { readonly entry: Readonly<Record<string, unknown>>; readonly attempt: Readonly<Record<string, unknown>> | null };
export type ArchiveEnd = { readonly type: "end"; readonly chunks: number; readonly entries: number; readonly digest: string };

export type ArchiveContent = {
	readonly month: string;
	readonly chunks: number;
	readonly entries: number;
	/** sha256 over the hashes of all chunks, in the order of the file. */
	readonly digest: Buffer;
	/** sha256 of the file. */
	readonly fileHash: Buffer;
};

/** A file that is no archive, or not the one that was written; the message says where. */
export class ArchiveError extends Error {
	override readonly name = "ArchiveError";
}

/** Whether the text is what the chunk's hash was taken of. */
export function isChunkProven(chunk: Pick<ArchivedChunk, "previousHash" | "hash" | "text">): boolean {
	return createHash("sha256").update(Buffer.from(chunk.previousHash, "hex")).update(chunk.text, "utf8").digest("hex") === chunk.hash;
}

/** Counts and digests while chunks are written or read, in order. */
export class ArchiveTally {
	chunks = 0;
	entries = 0;
	readonly #digest = createHash("sha256");

	add(chunk: Pick<ArchivedChunk, "hash" | "entryCount">): void {
		this.chunks += 1;
		this.entries += chunk.entryCount;
		this.#digest.update(Buffer.from(chunk.hash, "hex"));
	}

	digest(): Buffer {
		return this.#digest.copy().digest();
	}
}

/** The rows of a request or of an attempt, out of a file that proves itself. @throws as readArchive. */
export async function findArchived(file: string, id: string): Promise<{ readonly month: string; readonly rows: readonly ArchivedRow[] }> {
	const rows: ArchivedRow[] = [];
	const { month } = await readArchive(file, (chunk) => {
		rows.push(...chunk.rows.filter(({ attempt }) => attempt?.["request_id"] === id || attempt?.["attempt_id"] === id));
	});
	return { month, rows };
}

/** Reads a file line by line and proves every chunk in it before `onChunk` sees it. @throws ArchiveError; the file system's own error. */
export async function readArchive(file: string, onChunk?: (chunk: ArchivedChunk) => void): Promise<ArchiveContent> {
	const tally = new ArchiveTally();
	const fileHash = createHash("sha256");
	const stream = createReadStream(file);
	stream.on("data", (bytes) => fileHash.update(bytes));
	let month: string | undefined;
	let end: ArchiveEnd | undefined;
	let number = 0;
	for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
		number += 1;
		const record = parseLine(line, number);
		if (record.type === "month") month = record.month;
		else if (record.type === "end") end = record;
		else if (month === undefined || end !== undefined) throw new ArchiveError(`line ${number} is not where a chunk stands`);
		else if (!isChunkProven(record))
			throw new ArchiveError(`line ${number}: the rows of chunk ${record.gatewayId}/${record.epoch}/${record.chunkSeq} are not what its hash was taken of`);
		else {
			tally.add(record);
			onChunk?.(record);
		}
	}
	if (month === undefined || end === undefined) throw new ArchiveError("the file is not whole");
	if (end.chunks !== tally.chunks || end.entries !== tally.entries || end.digest !== tally.digest().toString("hex"))
		throw new ArchiveError(`the file says it holds ${end.chunks} chunks and holds ${tally.chunks}`);
	return { month, chunks: tally.chunks, entries: tally.entries, digest: tally.digest(), fileHash: fileHash.digest() };
}

function parseLine(line: string, number: number): ArchiveHeader | ArchivedChunk | ArchiveEnd {
	try {
		const record = JSON.parse(line) as ArchiveHeader | ArchivedChunk | ArchiveEnd;
		if (["month", "chunk", "end"].includes(record.type)) return record;
	} catch (cause) {
		throw new ArchiveError(`line ${number} is not JSON`, { cause });
	}
	throw new ArchiveError(`line ${number} is no line of an archive`);
}
