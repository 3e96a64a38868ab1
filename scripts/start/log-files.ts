import { readFileSync, renameSync, statSync } from "node:fs";

const ROTATE_ABOVE_BYTES = 20 * 1024 * 1024;

/** The end of a log, for a message. Empty when there is none. */
export function lastLines(file: string, count: number): string {
	return readIfPresent(file).trimEnd().split("\n").slice(-count).join("\n");
}

/** Called at start, when nobody writes to it: a log over 20 MiB becomes `<file>.1`. */
export function rotateLog(file: string): void {
	if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_ABOVE_BYTES) renameSync(file, `${file}.1`);
}

function readIfPresent(file: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
		throw error;
	}
}
