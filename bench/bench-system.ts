import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "#activities/database/embedded-postgres.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { type LaneContext, SIDE_PORT } from "./lanes/lane.ts";
import { databaseAt, prepareTemplate, withClient } from "./lanes/store.ts";
import { coresOf } from "./machine/cpu.ts";
import { OTHER_CORE, Processes } from "./machine/processes.ts";
import { RANKS, rank } from "./machine/scheduling.ts";
import { WakefulCores } from "./machine/wakeful-cores.ts";
import { LoadGenerator } from "./rounds/load-generator.ts";

const TEMPLATE = "bench-template";

/** What all lanes stand on: PostgreSQL with fsync on, the bench provider, the driver; all on core 1, this process too. */
export type BenchSystem = {
	readonly context: LaneContext;
	readonly generator: LoadGenerator;
	readonly callLogFolder: string;
	/** Ends everything that was started and removes the folder. Safe to call again. */
	close(): Promise<void>;
};

/** Throws, with what to do, where processes cannot be pinned. */
export function pinThisProcess(): void {
	if (process.platform !== "linux") throw new Error("The bench pins processes to cores with taskset and reads /proc: it needs Linux.");
	if (cpus().length < 2) throw new Error("The bench needs two cores: one for the gateway under test, one for everything else.");
	try {
		execFileSync("taskset", ["-a", "-p", "-c", String(OTHER_CORE), String(process.pid)], { stdio: "ignore" });
		for (const tool of ["chrt", "setpriv"]) execFileSync(tool, ["--version"], { stdio: "ignore" });
	} catch (cause) {
		throw new Error("taskset, chrt or setpriv (of util-linux) is not here or may not pin this process.", { cause });
	}
}

/** `lanes`: names, for each of which the provider has a port. */
export async function openBenchSystem(lanes: readonly string[], { isAwake }: { readonly isAwake: boolean }): Promise<BenchSystem> {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-bench-"));
	const callLogFolder = path.join(folder, "calls");
	mkdirSync(callLogFolder);
	const processes = new Processes(folder);
	let postgres: EmbeddedPostgres | undefined;
	let closing: Promise<void> | undefined;
	const close = async (): Promise<void> => {
		await processes.endAll();
		await postgres?.stop();
		rmSync(folder, { recursive: true, force: true });
	};
	const closeOnce = (): Promise<void> => {
		closing ??= close();
		return closing;
	};
	endOnSignal(closeOnce);
	try {
		// PostgreSQL inherits the core of this process.
		postgres = await startEmbeddedPostgres({ folder: path.join(folder, "postgres"), port: await findFreePort(), logFile: path.join(folder, "postgres.log") });
		// It shares its core with the driver, which must not be late behind a flush.
		rank(postgres.identity.pid, RANKS.postgres);
		const templateDatabase = TEMPLATE;
		await withClient(databaseAt(postgres.url, "postgres"), (client) => client.query(`CREATE DATABASE "${TEMPLATE}"`));
		await prepareTemplate(databaseAt(postgres.url, TEMPLATE));
		const cores = isAwake ? new WakefulCores(processes) : undefined;
		const generator = await LoadGenerator.start(processes, { lanes: [...lanes, SIDE_PORT], logFolder: callLogFolder, cores });
		const context: LaneContext = { processes, folder, providerPorts: generator.providerPorts, postgresUrl: postgres.url, templateDatabase };
		requireCore([...generator.pids, postgres.identity.pid], OTHER_CORE);
		return { context, generator, callLogFolder, close: closeOnce };
	} catch (error) {
		await closeOnce();
		throw error;
	}
}

/** Every thread of each process on that one core, by what the kernel says. */
export function requireCore(pids: readonly number[], core: number): void {
	for (const pid of pids) {
		const cores = coresOf(pid);
		if (cores.length !== 1 || cores[0] !== String(core)) {
			const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
			throw new Error(`${name} may run on cores ${cores.join(", ")} and not on ${core} alone`);
		}
	}
}

function endOnSignal(close: () => Promise<void>): void {
	let isEnding = false;
	for (const [signal, code] of [
		["SIGINT", 130],
		["SIGTERM", 143],
	] as const) {
		process.on(signal, () => {
			if (isEnding) return;
			isEnding = true;
			process.stderr.write("\nbench: ending everything it started\n");
			close().then(
				() => process.exit(code),
				(error: unknown) => {
					process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
					process.exit(code);
				},
			);
		});
	}
}
