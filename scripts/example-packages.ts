import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const PROJECT = path.join(import.meta.dirname, "..");
/** Folders of `examples/` that show a framework, each with packages of its own: they are no packages of Tollgate's. */
const EXAMPLES = ["langchain", "vercel-ai-sdk"] as const;
const FILES = ["package.json", "package-lock.json"] as const;
const MARK = ".tollgate-installed";
const INSTALL_TIMEOUT_MS = 180_000;

export type Example = (typeof EXAMPLES)[number];

/** Installs what an example's lock file names and is not there yet, without running install scripts. Throws npm's last words. */
export async function installExamplePackages(onProgress: (line: string) => void): Promise<void> {
	const missing = EXAMPLES.filter((example) => !hasPackages(example));
	if (missing.length > 0) onProgress(`installing packages of examples: ${missing.join(", ")}`);
	for (const example of missing) await install(example);
}

/** Whether what is installed is what the lock file names. */
export function hasPackages(example: Example): boolean {
	const mark = path.join(folderOf(example), "node_modules", MARK);
	return existsSync(mark) && readFileSync(mark, "utf8") === fingerprintOf(example);
}

export function folderOf(example: Example): string {
	return path.join(PROJECT, "examples", example);
}

/** In a draft beside the system's home, and moved as a whole: an install that breaks off leaves nothing half done. */
async function install(example: Example): Promise<void> {
	const draft = path.join(PROJECT, ".tollgate", `example-${example}-${process.pid}`);
	mkdirSync(draft, { recursive: true });
	try {
		for (const file of FILES) copyFileSync(path.join(folderOf(example), file), path.join(draft, file));
		const args = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
		await promisify(execFile)("npm", args, { cwd: draft, timeout: INSTALL_TIMEOUT_MS });
		writeFileSync(path.join(draft, "node_modules", MARK), fingerprintOf(example));
		const packages = path.join(folderOf(example), "node_modules");
		rmSync(packages, { recursive: true, force: true });
		renameSync(path.join(draft, "node_modules"), packages);
	} catch (error) {
		if (hasPackages(example)) return; // another process was quicker
		const { stderr = "", message } = error as Error & { readonly stderr?: string };
		throw new Error(`npm ci failed for examples/${example}: ${stderr.trim().split("\n").slice(-3).join(" | ") || message}`, { cause: error });
	} finally {
		rmSync(draft, { recursive: true, force: true });
	}
}

function fingerprintOf(example: Example): string {
	return createHash("sha256")
		.update(readFileSync(path.join(folderOf(example), "package-lock.json")))
		.digest("hex");
}
