import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** A folder like that of a built console, with one script, and something beside it that nobody may read. */
export async function writeConsole(): Promise<{ readonly folder: string; close(): Promise<void> }> {
	const home = await mkdtemp(path.join(tmpdir(), "tollgate-console-"));
	const folder = path.join(home, "dist");
	await mkdir(path.join(folder, "assets"), { recursive: true });
	await writeFile(path.join(home, "secret.txt"), "not of the console");
	await writeFile(path.join(folder, "assets", "main-1a2b.js"), `console.log("${"tollgate ".repeat(200)}");`);
	await writeFile(path.join(folder, "favicon.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
	await writeFile(
		path.join(folder, "index.html"),
		'<!doctype html><script nonce="__CSP_NONCE__" src="/console/assets/main-1a2b.js"></script><meta name="nonce" content="__CSP_NONCE__">',
	);
	return { folder, close: () => rm(home, { recursive: true }) };
}
