import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** Whoever reads sees the old content or the new one, never a part. Mode 0600. */
export function writeJsonAtomically(file: string, value: unknown): void {
	const draft = `${file}.${process.pid}.new`;
	writeFileSync(draft, `${JSON.stringify(value, null, "\t")}\n`, { mode: 0o600 });
	renameSync(draft, file);
}

/** Null when there is no such file. */
export function readJsonIfPresent(file: string): unknown {
	try {
		return JSON.parse(readFileSync(file, "utf8"));
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
}
