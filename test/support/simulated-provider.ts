import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** One line of the simulated provider's call log. */
export type CallLogLine = {
	readonly attemptId: string | null;
	readonly providerRequestId: string;
	readonly at: string;
	readonly protocol: "openai" | "anthropic";
	readonly model: string;
	readonly serviceTier: string | null;
	/** Raw, as the provider shapes it. */
	readonly usage: Readonly<Record<string, unknown>>;
};

/** Read without a body, changed with one. */
type ControlPath = "state" | "release" | "faults" | "pace" | "batches" | `batches/${"clock" | "plan" | "faults" | "limits"}`;

export type SimulatedProvider = {
	/** Origin without a trailing slash. */
	readonly url: string;
	readonly callLogPath: string;
	readonly child: ChildProcess;
	/** Billed calls so far, oldest first. */
	calls(): CallLogLine[];
	/** The lines of one attempt. */
	callsOf(attemptId: string): CallLogLine[];
	control(path: ControlPath, body?: unknown): Promise<Record<string, unknown>>;
	/** SIGTERM and wait; resolves with the exit code. */
	stop(): Promise<number | null>;
	/** Stops and removes the temporary folder. */
	close(): Promise<void>;
};

/**
 * Starts the real simulated provider as a child process on a free port, without latency unless `environment` says so.
 * `callLogPath` given: that file is appended to and kept.
 */
export async function startSimulatedProvider(environment: Readonly<Record<string, string>> = {}, callLogPath?: string): Promise<SimulatedProvider> {
	const folder = mkdtempSync(join(tmpdir(), "tollgate-provider-"));
	const log = callLogPath ?? join(folder, "calls.jsonl");
	const entry = new URL("../../simulator/main.ts", import.meta.url).pathname;
	const child = spawn(process.execPath, [entry], {
		env: {
			PATH: process.env["PATH"],
			TOLLGATE_PROVIDER_PORT: "0",
			TOLLGATE_PROVIDER_CALL_LOG: log,
			TOLLGATE_SIMULATOR_LATENCY_MS: "0",
			TOLLGATE_SIMULATOR_TOKENS_PER_SECOND: "0",
			...environment,
		},
		stdio: ["ignore", "pipe", "inherit"],
	});
	const url = await firstUrl(child);
	const calls = (): CallLogLine[] => readLines(log);
	const stop = () => stopChild(child);
	return {
		url,
		callLogPath: log,
		child,
		calls,
		callsOf: (attemptId) => calls().filter((call) => call.attemptId === attemptId),
		control: async (path, body) => {
			const init = path === "state" || path === "batches" ? {} : { method: "POST", body: JSON.stringify(body ?? {}) };
			const response = await fetch(`${url}/simulator/${path}`, init);
			return { httpStatus: response.status, ...((await response.json()) as object) };
		},
		stop,
		close: async () => {
			await stop();
			rmSync(folder, { recursive: true, force: true });
		},
	};
}

function readLines(path: string): CallLogLine[] {
	const text = readFileSync(path, "utf8");
	return text
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as CallLogLine);
}

async function firstUrl(child: ChildProcess): Promise<string> {
	if (child.stdout === null) throw new Error("the simulated provider has no stdout");
	for await (const line of createInterface({ input: child.stdout })) return (JSON.parse(line) as { url: string }).url;
	throw new Error("the simulated provider ended before it listened");
}

async function stopChild(child: ChildProcess): Promise<number | null> {
	if (child.exitCode === null && child.signalCode === null) {
		const exited = new Promise((resolve) => child.once("exit", resolve));
		child.kill("SIGTERM");
		await exited;
	}
	return child.exitCode;
}
