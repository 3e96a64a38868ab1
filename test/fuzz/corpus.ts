import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { JsonValue } from "./target.ts";

/** Cases worth keeping, one file each: what once failed, and where the rules are narrow. `npm test` replays them all. */
const CORPUS_FOLDER = path.join(import.meta.dirname, "corpus");

export function readCorpus(targetName: string): { readonly file: string; readonly input: JsonValue }[] {
	const folder = path.join(CORPUS_FOLDER, targetName);
	if (!existsSync(folder)) return [];
	return readdirSync(folder)
		.filter((name) => name.endsWith(".json"))
		.sort()
		.map((name) => ({ file: `${targetName}/${name}`, input: JSON.parse(readFileSync(path.join(folder, name), "utf8")) as JsonValue }));
}

/** Returns the file. The same case is kept once. */
export function keepCase(targetName: string, input: JsonValue): string {
	const text = `${JSON.stringify(input, null, "\t")}\n`;
	const file = path.join(CORPUS_FOLDER, targetName, `${createHash("sha256").update(text).digest("hex").slice(0, 12)}.json`);
	mkdirSync(path.dirname(file), { recursive: true });
	writeFileSync(file, text);
	return file;
}
