import { mkdirSync } from "node:fs";
import path from "node:path";
import { Connection } from "@temporalio/client";
import type { ProcessIdentity } from "#activities/process/identity.ts";
import { inheritedEnvironment } from "./child-environment.ts";
import { lastLines } from "./log-files.ts";
import { spawnChild } from "./node-child.ts";
import type { Life } from "./service.ts";

export type TemporalServerOptions = {
	readonly binary: string;
	/** Holds the SQLite file, so that nothing is lost on restart. */
	readonly folder: string;
	readonly port: number;
	/** Null: no web UI. */
	readonly uiPort: number | null;
	readonly namespace: string;
	readonly logFile: string;
};

const READY_TIMEOUT_MS = 60_000;

/** Starts `temporal server start-dev` on loopback and waits until its namespace answers. */
export async function startTemporalServer(options: TemporalServerOptions, onSpawn: (identity: ProcessIdentity) => void): Promise<Life> {
	mkdirSync(options.folder, { recursive: true, mode: 0o700 });
	const userInterface = options.uiPort === null ? ["--headless"] : ["--ui-port", String(options.uiPort), "--ui-ip", "127.0.0.1"];
	const args = ["server", "start-dev", "--ip", "127.0.0.1", "--port", String(options.port), ...userInterface];
	args.push("--namespace", options.namespace, "--db-filename", path.join(options.folder, "temporal.db"), "--log-level", "warn");
	// Workflows of teams and runs name themselves by these where they are registered (the clients of both look).
	args.push("--search-attribute", "TollgateTeam=Keyword", "--search-attribute", "TollgateState=Keyword", "--search-attribute", "TollgateUsedPercent=Int");
	args.push("--search-attribute", "TollgateGuard=Keyword");
	// Users' own profiles and environments of the command line are not ours.
	args.push("--disable-config-file", "--disable-config-env");
	const started = await spawnChild({ name: "temporal", file: options.binary, args, environment: inheritedEnvironment(), logFile: options.logFile }, onSpawn);
	started.child.stdout?.resume();
	let ending: string | null = null;
	void started.ended.then((how) => {
		ending = how;
	});
	const problem = await waitForNamespace(options, () => ending !== null);
	if (problem === null) return { identity: started.identity, report: {}, ended: started.ended };
	started.child.kill("SIGKILL");
	throw new Error(`The Temporal server did not start (${ending ?? problem}). Its log ${options.logFile} ends with:\n${lastLines(options.logFile, 12)}`);
}

/**
 * Waits until a Temporal server answers for the namespace.
 *
 * @returns null, or why it did not within the time.
 */
export async function waitForNamespace(
	server: { readonly port?: number; readonly address?: string; readonly namespace: string },
	isHopeless: () => boolean = () => false,
	timeoutMs: number = READY_TIMEOUT_MS,
): Promise<string | null> {
	const address = server.address ?? `127.0.0.1:${server.port}`;
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		const problem = await describeNamespaceOnce(address, server.namespace);
		if (problem === null || isHopeless() || performance.now() > deadline) return problem;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

async function describeNamespaceOnce(address: string, namespace: string): Promise<string | null> {
	try {
		const connection = await Connection.connect({ address, connectTimeout: 2_000 });
		try {
			await connection.withDeadline(Date.now() + 5_000, () => connection.workflowService.describeNamespace({ namespace }));
			return null;
		} finally {
			await connection.close();
		}
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}
