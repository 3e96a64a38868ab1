import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Endpoints } from "../../scripts/start/endpoints.ts";

/**
 * The whole system as a person gets it: `scripts/start.ts` as a process of its own, with a temporary home, free ports
 * and no provider key. What it prints is kept for the message of a failure.
 */
export type System = {
	readonly home: string;
	endpoints(): Endpoints;
	output(): string;
	/** SIGTERM, as npm sends it; resolves with the exit code. */
	stop(): Promise<number | null>;
	/** Starts again on the same home. */
	restart(environment?: Record<string, string>): Promise<void>;
	/** Stops and removes the home. */
	close(): Promise<void>;
	readonly starter: ChildProcess;
};

const ROOT = path.resolve(import.meta.dirname, "../..");
const START_TIMEOUT_MS = 300_000;

const FREE_PORTS = ["GATEWAY", "ADMIN", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "PROVIDER"].map((name) => [`TOLLGATE_${name}_PORT`, "0"] as const);

/** The environment of a test system: the caller's without anything that names a real provider, database or other home. */
export function systemEnvironment(home: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
	const clean = Object.entries(process.env).filter(([name]) => !/^(TOLLGATE_(?!CACHE|TEMPORAL_BINARY)|TEMPORAL_|DATABASE_URL|OPENAI_|ANTHROPIC_)/.test(name));
	return { ...Object.fromEntries(clean), ...Object.fromEntries(FREE_PORTS), TOLLGATE_HOME: home, ...more };
}

export async function startSystem(environment: Record<string, string> = {}): Promise<System> {
	const home = mkdtempSync(path.join(tmpdir(), "tollgate-e2e-"));
	let output = "";
	let starter = launch(home, environment, (text) => {
		output += text;
	});
	await untilReady(home, starter, () => output);
	const stop = async (): Promise<number | null> => {
		if (starter.exitCode !== null || starter.signalCode !== null) return starter.exitCode;
		const exited = new Promise<number | null>((resolve) => starter.once("exit", resolve));
		starter.kill("SIGTERM");
		return exited;
	};
	return {
		home,
		endpoints: () => readEndpoints(home),
		output: () => output,
		stop,
		async restart(more = {}) {
			await stop();
			starter = launch(home, { ...environment, ...more }, (text) => {
				output += text;
			});
			await untilReady(home, starter, () => output);
		},
		async close() {
			await stop();
			rmSync(home, { recursive: true, force: true });
		},
		get starter() {
			return starter;
		},
	};
}

export function readEndpoints(home: string): Endpoints {
	return JSON.parse(readFileSync(path.join(home, "endpoints.json"), "utf8")) as Endpoints;
}

function launch(home: string, environment: Record<string, string>, onOutput: (text: string) => void): ChildProcess {
	const child = spawn(process.execPath, [path.join(ROOT, "scripts/start.ts")], {
		cwd: ROOT,
		env: systemEnvironment(home, environment),
		stdio: ["ignore", "pipe", "pipe"],
	});
	child.stdout?.setEncoding("utf8").on("data", onOutput);
	child.stderr?.setEncoding("utf8").on("data", onOutput);
	return child;
}

async function untilReady(home: string, starter: ChildProcess, output: () => string): Promise<void> {
	const deadlineMs = performance.now() + START_TIMEOUT_MS;
	while (!isReady(home, starter)) {
		if (starter.exitCode !== null) throw new Error(`the system ended with ${starter.exitCode} while starting:\n${output()}`);
		if (performance.now() > deadlineMs) throw new Error(`the system did not become ready:\n${output()}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

function isReady(home: string, starter: ChildProcess): boolean {
	return existsSync(path.join(home, "endpoints.json")) && readEndpoints(home).pids.start === starter.pid;
}

export type CommandResult = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };

/** `npx tollgate …` against the system. */
export function tollgate(system: System, args: readonly string[], environment: Record<string, string> = {}): Promise<CommandResult> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, [path.join(ROOT, "clients/command-line/main.ts"), ...args], {
			cwd: ROOT,
			env: systemEnvironment(system.home, environment),
		});
		let stdout = "";
		let stderr = "";
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		child.once("error", reject);
		child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
	});
}

export type VerifyReport = {
	readonly ok: boolean;
	readonly calls: number;
	readonly entries: number;
	readonly overspendNanoUsd: string;
	readonly overrunNanoUsd: string;
	readonly falseRefusals: number;
	readonly duplicated: number;
	readonly lost: number;
	readonly estimated: number;
	readonly unresolved: number;
	readonly pendingPastTime: number;
};

/** What `verify` says of books in which nothing is wrong, open or guessed. */
export const BOOKS_IN_ORDER = { ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, unresolved: 0, pendingPastTime: 0 } as const;

/** `tollgate verify --json --provider-log …`, with its exit code checked against what it says. */
export async function verify(system: System, more: readonly string[] = []): Promise<VerifyReport> {
	const { simulatedProvider } = system.endpoints();
	const result = await tollgate(system, ["verify", "--json", ...(simulatedProvider ? ["--provider-log", simulatedProvider.callLog] : []), ...more]);
	const lines = result.stdout.trim().split("\n");
	if (result.exitCode === 2 || lines.length !== 1) throw new Error(`verify could not look (${result.exitCode}):\n${result.stdout}\n${result.stderr}`);
	const report = JSON.parse(lines[0] ?? "") as VerifyReport;
	if (report.ok !== (result.exitCode === 0)) throw new Error(`verify says ok=${report.ok} and exits ${result.exitCode}`);
	if (!report.ok) process.stderr.write(result.stderr);
	return report;
}
