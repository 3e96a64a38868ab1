import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "#activities/database/embedded-postgres.ts";
import { migrateDatabase } from "#activities/database/migrate.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { waitForEnd } from "#activities/process/identity.ts";
import type { TestDatabase } from "#test/support/postgres.ts";

const execute = promisify(execFile);
const BALLAST_PIECE = Buffer.alloc(64 * 1024);

/** A PostgreSQL server of one fault's own, with fsync on, that can be killed or run out of disk. */
export class OwnServer {
	readonly folder: string;
	/** Null: the folder is an ordinary one, and filling it is not possible. */
	readonly filesystem: "tmpfs" | null;
	private readonly port: number;
	private server: EmbeddedPostgres;
	private isClosed = false;

	private constructor(input: { folder: string; filesystem: "tmpfs" | null; port: number; server: EmbeddedPostgres }) {
		this.folder = input.folder;
		this.filesystem = input.filesystem;
		this.port = input.port;
		this.server = input.server;
	}

	/** `sizeMegabytes`: on a file system of its own, where this machine lets us mount one. */
	static async start(sizeMegabytes?: number): Promise<OwnServer> {
		const folder = await mkdtemp(path.join(tmpdir(), "tollgate-server-"));
		await chmod(folder, 0o711);
		const filesystem = sizeMegabytes !== undefined && (await mountSmall(folder, sizeMegabytes)) ? "tmpfs" : null;
		const port = await findFreePort();
		const server = await startEmbeddedPostgres(settingsOf(folder, port));
		await migrateDatabase(server.url);
		return new OwnServer({ folder, filesystem, port, server });
	}

	get database(): TestDatabase {
		return { url: this.server.url, close: () => this.close() };
	}

	/** The postmaster and everything it started, at once, as when the machine's power fails. */
	async kill(): Promise<void> {
		const { pid } = this.server.identity;
		const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean);
		for (const victim of [pid, ...children.map(Number)]) endNow(victim);
		await waitForEnd(this.server.identity, 10_000);
	}

	/** Starts the server again where it is not running. */
	async restart(): Promise<void> {
		this.server = await startEmbeddedPostgres(settingsOf(this.folder, this.port));
	}

	async isAnswering(): Promise<boolean> {
		const client = new pg.Client({ connectionString: this.server.url, connectionTimeoutMillis: 1_000, query_timeout: 1_000 });
		try {
			await client.connect();
			await client.query("SELECT 1");
			return true;
		} catch {
			return false; // which is the answer
		} finally {
			await client.end();
		}
	}

	/** What the server logged. */
	readLog(): string {
		return readFileSync(settingsOf(this.folder, this.port).logFile, "utf8");
	}

	/** Leaves not one block free. */
	async fillDisk(): Promise<void> {
		const file = path.join(this.folder, "ballast");
		for (;;) {
			try {
				await writeFile(file, BALLAST_PIECE, { flag: "a" });
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
				throw error;
			}
		}
	}

	async emptyDisk(): Promise<void> {
		await rm(path.join(this.folder, "ballast"), { force: true });
	}

	/** Once; a second time changes nothing. */
	async close(): Promise<void> {
		if (this.isClosed) return;
		this.isClosed = true;
		await this.server.stop();
		if (this.filesystem !== null) await execute("umount", [this.folder]);
		await rm(this.folder, { recursive: true, force: true });
	}
}

function settingsOf(folder: string, port: number): Parameters<typeof startEmbeddedPostgres>[0] {
	return { folder: path.join(folder, "postgres"), port, logFile: path.join(tmpdir(), `${path.basename(folder)}.log`) };
}

async function mountSmall(folder: string, sizeMegabytes: number): Promise<boolean> {
	await mkdir(folder, { recursive: true });
	try {
		await execute("mount", ["-t", "tmpfs", "-o", `size=${sizeMegabytes}m,mode=0711`, "tmpfs", folder]);
		return true;
	} catch {
		return false; // not for us on this machine; the fault says what it did instead
	}
}

function endNow(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}
