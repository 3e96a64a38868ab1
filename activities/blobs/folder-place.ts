import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { InvariantViolation } from "#domain/assert.ts";
import { isBlobKey } from "#domain/blobs/blob-key.ts";
import { reachBlobs } from "./blob-errors.ts";
import type { ObjectPlace, PlacedObject } from "./object-place.ts";
import { inPieces } from "./stream-pieces.ts";

/** No team is called so (domain/blobs/blob-key.ts). */
const DRAFTS = ".drafts";
/** What is read or written at once. */
const PIECE_BYTES = 262_144;
/** A sweep may remove a folder that is empty just before a file comes into it. */
const RENAMES_MAX = 10;

/**
 * Objects as files below a folder, shared by as many processes as reach it. A file is written aside, forced onto the disk and renamed:
 * whoever opens its name finds the one before or the new one, whole. An open file is read as it was, whatever becomes of its name.
 */
export function createFolderPlace(folder: string): ObjectPlace {
	const fileOf = (key: string): string => path.join(folder, ...key.split("/"));
	return {
		async write(key, source) {
			const draft = path.join(folder, DRAFTS, randomUUID());
			try {
				await writeDraft(draft, source);
				await reachBlobs(() => renameDraft(draft, fileOf(key)));
			} catch (error) {
				await rm(draft, { force: true }).catch(() => undefined); // already failing: the first error is the one to report
				throw error;
			}
		},
		open: (key, startBytes) => reachBlobs(() => openFile(fileOf(key), startBytes)),
		async delete(key) {
			await reachBlobs(async () => {
				await unlessAbsent(unlink(fileOf(key)));
				await removeEmptyFolders(path.dirname(fileOf(key)), folder);
			});
		},
		list: (prefix) => listBelow(path.join(folder, ...prefix.split("/")), prefix),
		async removeLeftovers(untouchedForMs) {
			let removed = 0;
			for await (const entry of entriesOf(path.join(folder, DRAFTS))) {
				const draft = path.join(folder, DRAFTS, entry.name);
				const touchedAtMs = await writtenAt(draft);
				if (touchedAtMs === undefined || Date.now() - touchedAtMs <= untouchedForMs) continue;
				await reachBlobs(() => rm(draft, { force: true }));
				removed += 1;
			}
			return removed;
		},
	};
}

async function writeDraft(draft: string, source: AsyncIterable<Uint8Array>): Promise<void> {
	const handle = await reachBlobs(async () => {
		const drafts = path.dirname(draft);
		const topmostMade = await mkdir(drafts, { recursive: true, mode: 0o700 });
		if (topmostMade !== undefined) await syncFolders(path.dirname(drafts), path.dirname(topmostMade));
		return open(draft, "wx", 0o600);
	});
	try {
		for await (const piece of inPieces(source, PIECE_BYTES)) await reachBlobs(() => writeAll(handle, piece));
		await reachBlobs(() => handle.sync());
	} finally {
		await handle.close();
	}
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
	for (let written = 0; written < bytes.length; ) written += (await handle.write(bytes, written)).bytesWritten;
}

async function renameDraft(draft: string, file: string): Promise<void> {
	const parent = path.dirname(file);
	let topmostMade: string | undefined;
	for (let renames = 1; ; renames += 1) {
		try {
			topmostMade = (await mkdir(parent, { recursive: true, mode: 0o700 })) ?? topmostMade;
			await rename(draft, file);
			break;
		} catch (error) {
			const code = codeOf(error);
			if (["EISDIR", "ENOTDIR", "EEXIST", "ENOTEMPTY"].includes(code)) throw new InvariantViolation(`a blob would stand above or below another: ${code}`);
			if (code !== "ENOENT" || renames === RENAMES_MAX) throw error;
		}
	}
	// A file is safe only when its folder's entry is, and a folder that was made likewise.
	await syncFolders(parent, topmostMade === undefined ? parent : path.dirname(topmostMade));
}

/** From the one up to the other, which is it or above it. */
async function syncFolders(lowest: string, topmost: string): Promise<void> {
	for (let folder = lowest; ; folder = path.dirname(folder)) {
		// Where the file was deleted and its folder with it meanwhile, there is nothing to keep.
		const handle = await unlessAbsent(open(folder, "r"));
		try {
			await handle?.sync();
		} finally {
			await handle?.close();
		}
		if (folder === topmost || folder === path.dirname(folder)) return;
	}
}

async function openFile(file: string, startBytes: number): Promise<PlacedObject | undefined> {
	const handle = await unlessAbsent(open(file, "r"));
	if (handle === undefined) return undefined;
	try {
		const found = await handle.stat();
		if (!found.isFile()) {
			await handle.close();
			return undefined;
		}
		const start = await readAt(handle, 0, Math.min(startBytes, found.size));
		return { bytes: found.size, start, read: (fromByte) => readFrom(handle, fromByte), close: () => handle.close() };
	} catch (error) {
		await handle.close();
		throw error;
	}
}

async function readAt(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
	const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(bytes), 0, bytes, position);
	return buffer.subarray(0, bytesRead);
}

async function* readFrom(handle: FileHandle, fromByte: number): AsyncGenerator<Buffer> {
	for (let position = fromByte; ; ) {
		const piece = await reachBlobs(() => readAt(handle, position, PIECE_BYTES));
		if (piece.length === 0) return;
		yield piece;
		position += piece.length;
	}
}

async function* listBelow(folder: string, prefix: string): AsyncGenerator<{ readonly key: string; readonly writtenAtMs: number }> {
	for await (const entry of entriesOf(folder)) {
		const [file, key] = [path.join(folder, entry.name), `${prefix}${entry.name}`];
		if (entry.isDirectory()) yield* listBelow(file, `${key}/`);
		if (!entry.isFile() || !isBlobKey(key)) continue;
		const writtenAtMs = await writtenAt(file);
		if (writtenAtMs !== undefined) yield { key, writtenAtMs };
	}
}

/** None where the folder is not there, or goes meanwhile. */
async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
	const entries = await reachBlobs(() => unlessAbsent(opendir(folder)));
	if (entries === undefined) return;
	try {
		for (let entry = await reachBlobs(() => entries.read()); entry !== null; entry = await reachBlobs(() => entries.read())) yield entry;
	} finally {
		await entries.close();
	}
}

async function writtenAt(file: string): Promise<number | undefined> {
	return reachBlobs(async () => (await unlessAbsent(stat(file)))?.mtimeMs);
}

async function removeEmptyFolders(from: string, root: string): Promise<void> {
	for (let folder = from; folder !== root; folder = path.dirname(folder)) {
		try {
			await rmdir(folder);
		} catch (error) {
			if (["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(codeOf(error))) return;
			throw error;
		}
	}
}

/** undefined where there is no such file; a folder of that name is none. */
async function unlessAbsent<Result>(work: Promise<Result>): Promise<Result | undefined> {
	try {
		return await work;
	} catch (error) {
		if (["ENOENT", "ENOTDIR", "EISDIR"].includes(codeOf(error))) return undefined;
		throw error;
	}
}

function codeOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? "";
}
