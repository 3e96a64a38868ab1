import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { type ProcessIdentity, readProcessStart } from "#activities/process/identity.ts";
import { lastLines } from "./log-files.ts";
import type { Life } from "./service.ts";

export type ChildCommand = {
	readonly name: string;
	readonly file: string;
	readonly args: readonly string[];
	/** All of its environment: nothing is inherited. */
	readonly environment: Readonly<Record<string, string>>;
	/** stderr, and of stdout everything but the line that says it is ready, is appended here. */
	readonly logFile: string;
};

const READY_TIMEOUT_MS = 120_000;

/**
 * Starts a child in a process group of its own (a Ctrl-C in the terminal is for us; we stop the children in order) and
 * waits for its one JSON line `{"event":"listening",…}` on stdout.
 *
 * @throws Error with its last log lines when it ends, or says nothing for two minutes.
 */
export async function startNodeChild(command: ChildCommand, onSpawn: (identity: ProcessIdentity) => void): Promise<Life> {
	const started = await spawnChild(command, onSpawn);
	const report = waitForReport(started.child, command.logFile);
	const ended = started.ended;
	const timer = new AbortController();
	try {
		const winner = await Promise.race([report, ended, delay(READY_TIMEOUT_MS, timer.signal)]);
		if (typeof winner === "object") return { identity: started.identity, report: winner, ended };
		const problem = typeof winner === "string" ? `ended while starting (${winner})` : "did not say that it is ready within two minutes";
		if (winner === undefined) started.child.kill("SIGKILL");
		throw new Error(`${command.name} ${problem}. Its log ${command.logFile} ends with:\n${lastLines(command.logFile, 12)}`);
	} finally {
		timer.abort();
	}
}

export type SpawnedChild = { readonly child: ChildProcess; readonly identity: ProcessIdentity; readonly ended: Promise<string> };

export async function spawnChild(command: ChildCommand, onSpawn: (identity: ProcessIdentity) => void): Promise<SpawnedChild> {
	const log = openSync(command.logFile, "a", 0o600);
	const child = spawn(command.file, command.args, { env: { ...command.environment }, stdio: ["ignore", "pipe", log], detached: true });
	closeSync(log);
	const ended = new Promise<string>((resolve) => {
		child.once("error", (error) => resolve(error.message));
		child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
	});
	if (child.pid === undefined) throw new Error(`${command.name} cannot be started: ${await ended}`);
	const startedAt = await readProcessStart(child.pid);
	if (startedAt === null)
		throw new Error(`${command.name} ended at once (${await ended}). Its log ${command.logFile} ends with:\n${lastLines(command.logFile, 12)}`);
	const identity = { pid: child.pid, startedAt };
	onSpawn(identity);
	return { child, identity, ended };
}

function waitForReport(child: ChildProcess, logFile: string): Promise<Record<string, unknown>> {
	return new Promise((resolve) => {
		if (child.stdout === null) return;
		createInterface({ input: child.stdout }).on("line", (line) => {
			const report = parseReport(line);
			if (report === null) appendFileSync(logFile, `${line}\n`);
			else resolve(report);
		});
	});
}

function parseReport(line: string): Record<string, unknown> | null {
	if (!line.startsWith("{")) return null;
	try {
		const value = JSON.parse(line) as Record<string, unknown>;
		return value["event"] === "listening" ? value : null;
	} catch {
		// Not ours: a line that merely looks like JSON goes to the log like any other.
		return null;
	}
}

function delay(milliseconds: number, signal: AbortSignal): Promise<undefined> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => resolve(undefined), milliseconds);
		signal.addEventListener("abort", () => clearTimeout(timer));
	});
}
