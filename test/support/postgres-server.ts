import { readFile } from "node:fs/promises";
import path from "node:path";
import { stopServer } from "#activities/database/embedded-postgres.ts";
import type { ProcessIdentity } from "#activities/process/identity.ts";

/** The PostgreSQL of one test run. `identity` is null for a server that is not ours to end. */
export type TestServer = { readonly url: string; readonly identity: ProcessIdentity | null };

export const SERVER_FILE = "postgres.json";

export async function readServer(folder: string): Promise<TestServer | null> {
	try {
		return JSON.parse(await readFile(path.join(folder, SERVER_FILE), "utf8")) as TestServer;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
}

/** Ends the server that some worker of this run started, if any did. */
export async function stopTestServer(folder: string): Promise<void> {
	const server = await readServer(folder);
	if (server?.identity) await stopServer(server.identity);
}
