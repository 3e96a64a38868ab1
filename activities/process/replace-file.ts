import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * Replaces a small file (mode 0600) so that whoever reads it, after a crash or a power cut at any moment, finds the text
 * before or the new one, whole; returns when the new one is on the disk. One writer at a time. @throws the file system's own errors.
 */
export function replaceFile(file: string, text: string): void {
	const draft = `${file}.new`;
	const descriptor = openSync(draft, "w", 0o600);
	try {
		const bytes = Buffer.from(text);
		for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
	renameSync(draft, file);
	syncFolder(path.dirname(file));
}

/** A file is safe only when its folder entry is. */
function syncFolder(folder: string): void {
	const descriptor = openSync(folder, "r");
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}
