import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "#activities/database/embedded-postgres.ts";
import { migrateDatabase, readMigrations } from "#activities/database/migrate.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { readServer, SERVER_FILE, type TestServer } from "./postgres-server.ts";

export type TestDatabase = { readonly url: string; close(): Promise<void> };

const TEMPLATE_LOCK_ID = "7011550002";
const START_TIMEOUT_MS = 120_000;

/**
 * A migrated database of its own, cloned from a template that is made once per content of `migrations/`. The server is
 * `TOLLGATE_TEST_DATABASE_URL`, else one embedded PostgreSQL per test run, started by whoever asks first.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
	const server = await findServer();
	const template = await ensureTemplate(server.url);
	const name = `tollgate_test_${process.pid}_${randomBytes(6).toString("hex")}`;
	// Copied file by file: the other strategy writes every page to the log first. A server that is not ours may be durable,
	// where the copy would cost two checkpoints.
	const strategy = server.identity === null ? "" : " STRATEGY FILE_COPY";
	await runAdmin(server.url, `CREATE DATABASE ${name} TEMPLATE ${template}${strategy}`);
	return { url: databaseUrl(server.url, name), close: () => runAdmin(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** The same without a schema. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
	const server = await findServer();
	const name = `tollgate_empty_${process.pid}_${randomBytes(6).toString("hex")}`;
	await runAdmin(server.url, `CREATE DATABASE ${name}`);
	return { url: databaseUrl(server.url, name), close: () => runAdmin(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function findServer(): Promise<TestServer> {
	const given = process.env["TOLLGATE_TEST_DATABASE_URL"];
	if (given !== undefined) return { url: given, identity: null };
	const folder = process.env["TOLLGATE_TEST_RUN_FOLDER"];
	if (folder === undefined) throw new Error("createTestDatabase() needs the global set-up of vitest.config.ts (TOLLGATE_TEST_RUN_FOLDER is not set).");
	return ensureTestServer(folder);
}

/** The PostgreSQL of a run folder: started by whoever asks first, ended with the folder (`removeRunFolder`). */
export async function ensureTestServer(folder: string): Promise<TestServer> {
	return (await takeStartRight(folder)) ? startServer(folder) : waitForServer(folder);
}

/** Workers are processes: the one that makes this file starts the server, the others wait for its address. */
async function takeStartRight(folder: string): Promise<boolean> {
	try {
		await (await open(path.join(folder, "postgres.starting"), "wx")).close();
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	}
}

async function startServer(folder: string): Promise<TestServer> {
	const postgresFolder = path.join(folder, "postgres");
	await mkdir(postgresFolder, { recursive: true });
	const logFile = path.join(folder, "postgres.log");
	const postgres = await startEmbeddedPostgres({ folder: postgresFolder, port: await findFreePort(), logFile, isDurable: false });
	// It serves the other workers too and is ended with the run.
	postgres.unref();
	const server: TestServer = { url: postgres.url, identity: postgres.identity };
	const draft = path.join(folder, `${SERVER_FILE}.new`);
	await writeFile(draft, JSON.stringify(server));
	await rename(draft, path.join(folder, SERVER_FILE));
	return server;
}

async function waitForServer(folder: string): Promise<TestServer> {
	const deadline = performance.now() + START_TIMEOUT_MS;
	for (;;) {
		const server = await readServer(folder);
		if (server !== null) return server;
		if (performance.now() > deadline) throw new Error(`the test PostgreSQL did not start: ${await readFile(path.join(folder, "postgres.log"), "utf8")}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

let templateOfThisProcess: Promise<string> | undefined;

function ensureTemplate(serverUrl: string): Promise<string> {
	templateOfThisProcess ??= makeTemplate(serverUrl);
	return templateOfThisProcess;
}

async function makeTemplate(serverUrl: string): Promise<string> {
	const checksums = (await readMigrations()).map((migration) => `${migration.name} ${migration.checksum}`);
	const name = `tollgate_template_${createHash("sha256").update(checksums.join("\n")).digest("hex").slice(0, 16)}`;
	const client = new pg.Client({ connectionString: databaseUrl(serverUrl, "postgres") });
	await client.connect();
	try {
		await client.query("SELECT pg_advisory_lock($1)", [TEMPLATE_LOCK_ID]);
		const existing = await client.query("SELECT datistemplate FROM pg_database WHERE datname = $1", [name]);
		if (existing.rows[0]?.datistemplate === true) return name;
		await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
		await client.query(`CREATE DATABASE ${name}`);
		await migrateDatabase(databaseUrl(serverUrl, name));
		// Set last: a template without the mark is the remains of a failed migration.
		await client.query(`ALTER DATABASE ${name} IS_TEMPLATE true`);
		return name;
	} finally {
		await client.end();
	}
}

async function runAdmin(serverUrl: string, statement: string): Promise<void> {
	const client = new pg.Client({ connectionString: databaseUrl(serverUrl, "postgres") });
	await client.connect();
	try {
		await client.query(statement);
	} finally {
		await client.end();
	}
}

function databaseUrl(serverUrl: string, database: string): string {
	const url = new URL(serverUrl);
	url.pathname = `/${database}`;
	return url.href;
}
