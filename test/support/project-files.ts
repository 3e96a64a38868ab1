import { readdirSync } from "node:fs";
import path from "node:path";

/** What the rules of the house are about: every file of ours, by path relative to the project. */
export const PROJECT_FOLDER = path.join(import.meta.dirname, "../..");

export const LAYER_FOLDERS = [
	"domain",
	"workflows",
	"activities",
	"clients",
	"gateway",
	"simulator",
	"workers",
	"config",
	"console",
	"scripts",
	"test",
	"bench",
	"examples",
] as const;

const SKIPPED = new Set(["node_modules", ".git", ".tollgate", "test-output", "dist", "output"]);

/** Paths with forward slashes, sorted; `endings` like `.ts`. */
export function listProjectFiles(endings: readonly string[], folder = ""): string[] {
	return readdirSync(path.join(PROJECT_FOLDER, folder), { withFileTypes: true })
		.filter((entry) => !SKIPPED.has(entry.name))
		.flatMap((entry) => {
			const name = path.posix.join(folder, entry.name);
			if (entry.isDirectory()) return listProjectFiles(endings, name);
			return endings.some((ending) => name.endsWith(ending)) ? [name] : [];
		})
		.sort();
}
