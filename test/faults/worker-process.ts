import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { FaultRun } from "./fault.ts";

const ROOT = path.join(import.meta.dirname, "../..");

/** A worker of all roles, as `npm start` runs it. */
export type WorkerProcess = { kill(): Promise<void> };

/** `environment`: further settings, among them the home that gateways keep payloads in; default a home of its own. */
export type WorkerSystem = { readonly databaseUrl: string; readonly temporalAddress: string; readonly environment?: Readonly<Record<string, string>> };

/** Resolves when it polls. It is ended with the run where nobody killed it before. */
export async function startWorkerProcess(run: FaultRun, to: WorkerSystem): Promise<WorkerProcess> {
	const home = await mkdtemp(path.join(tmpdir(), "tollgate-worker-"));
	const child = spawn(process.execPath, [path.join(ROOT, "workers/main.ts")], {
		cwd: ROOT,
		env: {
			PATH: process.env["PATH"],
			HOME: home,
			TOLLGATE_HOME: home,
			TOLLGATE_ADMIN_PORT: "0",
			DATABASE_URL: to.databaseUrl,
			TEMPORAL_ADDRESS: to.temporalAddress,
			...to.environment,
		},
		stdio: ["ignore", "pipe", "pipe"],
	});
	let log = "";
	child.stderr.on("data", (chunk: Buffer) => (log = `${log}${chunk}`.slice(-20_000)));
	const exited = once(child, "exit");
	const kill = async (): Promise<void> => {
		child.kill("SIGKILL");
		await exited;
	};
	run.defer(async () => {
		await kill();
		await rm(home, { recursive: true, force: true });
	});
	await new Promise<void>((resolve, reject) => {
		createInterface({ input: child.stdout }).once("line", () => resolve());
		void exited.then(() => reject(new Error(`the worker ended while starting:\n${log}`)));
	});
	return { kill };
}
