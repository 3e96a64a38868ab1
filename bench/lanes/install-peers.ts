import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const INSTALL_TIMEOUT_MS = 120_000;
const FILES = ["package.json", "package-lock.json"] as const;
const PEERS = path.join(import.meta.dirname, "../peers");

/**
 * The peers' packages in a folder of the cache named after their lock file: installed once, without running their install
 * scripts, and never among the product's own. Returns the folder. Throws npm's last words when the install fails.
 */
export async function installPeers(cache: string): Promise<string> {
	const lockHash = createHash("sha256")
		.update(readFileSync(path.join(PEERS, "package-lock.json")))
		.digest("hex");
	const folder = path.join(cache, `bench-peers-${lockHash.slice(0, 16)}`);
	if (existsSync(folder)) return folder;
	const draft = `${folder}.${process.pid}.new`;
	mkdirSync(draft, { recursive: true });
	try {
		for (const file of FILES) copyFileSync(path.join(PEERS, file), path.join(draft, file));
		await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: draft, timeout: INSTALL_TIMEOUT_MS });
		renameSync(draft, folder);
	} catch (error) {
		const { stderr = "", message } = error as Error & { readonly stderr?: string };
		throw new Error(`npm ci failed: ${stderr.trim().split("\n").slice(-3).join(" | ") || message}`, { cause: error });
	} finally {
		rmSync(draft, { recursive: true, force: true });
	}
	return folder;
}
