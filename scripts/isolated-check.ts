import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isolateEnvironment } from "#test/support/environment.ts";
import { endLeftovers, findLeftovers } from "#test/support/leftovers.ts";

const ROOT = path.join(import.meta.dirname, "..");

/**
 * Runs `entry`, a path below the project, in the environment of a test run: a home and temporary files of its own that are gone afterwards.
 * `argumentsIn` is given that folder. What it started ends with it, also where a signal ended it. Resolves with its exit code, 2 then.
 */
export async function runIsolatedCheck(name: string, entry: string, argumentsIn: (folder: string) => readonly string[]): Promise<number> {
	const folder = mkdtempSync(path.join(tmpdir(), `tollgate-${name}-`));
	mkdirSync(path.join(folder, "tmp"));
	try {
		const child = spawn(process.execPath, [path.join(ROOT, entry), ...argumentsIn(folder)], {
			cwd: ROOT,
			env: isolateEnvironment(process.env, folder),
			stdio: "inherit",
		});
		process.on("SIGINT", () => undefined); // a Ctrl-C reaches the check by itself
		process.on("SIGTERM", () => child.kill("SIGTERM"));
		const [code] = (await once(child, "exit")) as [number | null];
		return code ?? 2;
	} finally {
		endLeftovers(findLeftovers(folder));
		rmSync(folder, { recursive: true, force: true });
	}
}
