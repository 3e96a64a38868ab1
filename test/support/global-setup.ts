import { chmod, mkdir, mkdtemp, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isolateEnvironment } from "./environment.ts";
import { makeMemoryFolder } from "./memory-folder.ts";
import { stopTestServer } from "./postgres-server.ts";

/** Without scripts/test.ts (`vitest run FILE`) this makes the folder that workers share, and cleans up after them. */
export default async function setUpRun(): Promise<(() => Promise<void>) | undefined> {
	if (process.env["TOLLGATE_TEST_RUN_FOLDER"] !== undefined) return undefined;
	const folder = await makeRunFolder();
	const isolated = isolateEnvironment(process.env, folder);
	for (const name of Object.keys(process.env)) if (!(name in isolated)) delete process.env[name];
	Object.assign(process.env, isolated);
	return () => removeRunFolder(folder);
}

/** A folder for all files of one run, `tmp` in it. Its `postgres` lies in memory where there is room. */
export async function makeRunFolder(): Promise<string> {
	const folder = await mkdtemp(path.join(tmpdir(), "tollgate-test-"));
	// The embedded PostgreSQL of root runs as another user, who has to pass.
	await chmod(folder, 0o711);
	await mkdir(path.join(folder, "tmp"), { mode: 0o711 });
	const inMemory = await makeMemoryFolder();
	if (inMemory !== null) await symlink(inMemory, path.join(folder, "postgres"));
	return folder;
}

export async function removeRunFolder(folder: string): Promise<void> {
	await stopTestServer(folder);
	const inMemory = await readlink(path.join(folder, "postgres")).catch(() => null);
	// Processes that are ending may still be writing what they compiled.
	for (const one of [inMemory, folder]) if (one !== null) await rm(one, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
