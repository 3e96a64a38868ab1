import { spawn } from "node:child_process";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, type WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { findFreePort } from "#activities/process/free-port.ts";
import { loadSettings } from "#config/load.ts";
import { acquireTemporalBinary } from "../../scripts/start/temporal-binary.ts";
import { buildWorkflowBundle } from "../../workers/bundle.ts";
import { keptBundle } from "../../workers/kept-bundle.ts";

export type TestTemporal = {
	readonly address: string;
	readonly connection: Connection;
	readonly client: Client;
	readonly nativeConnection: NativeConnection;
	/** Ends the server alone, as an outage would; default SIGTERM. */
	stopServer(signal?: NodeJS.Signals): Promise<void>;
	close(): Promise<void>;
};

const START_TIMEOUT_MS = 60_000;
/** A server of many hosts fires no timer sooner than a second after it was set, for their clocks may differ; one alone need not wait. */
const TIMER_SHIFT = "20ms";

export type TestTemporalOptions = {
	/** Registers TollgateTeam, TollgateState, TollgateUsedPercent and TollgateGuard; default true. */
	readonly hasSearchAttributes?: boolean;
	/** Default: a free one. */
	readonly port?: number;
	/** Keeps the server's state over a restart; default: in memory. */
	readonly databaseFile?: string;
};

/** A Temporal dev server of its own, ended by `close`. */
export async function startTestTemporal({ hasSearchAttributes = true, port, databaseFile }: TestTemporalOptions = {}): Promise<TestTemporal> {
	const { temporalBinary, cache } = loadSettings({
		TOLLGATE_TEMPORAL_BINARY: process.env["TOLLGATE_TEMPORAL_BINARY"],
		TOLLGATE_CACHE: process.env["TOLLGATE_CACHE"],
	});
	const binary = await acquireTemporalBinary({ named: temporalBinary, cache, onProgress: (line) => process.stderr.write(`${line}\n`) });
	const chosenPort = port ?? (await findFreePort());
	const attributes = hasSearchAttributes
		? ["TollgateTeam=Keyword", "TollgateState=Keyword", "TollgateUsedPercent=Int", "TollgateGuard=Keyword"].flatMap((attribute) => [
				"--search-attribute",
				attribute,
			])
		: [];
	const args = [
		"server",
		"start-dev",
		"--headless",
		"--ip",
		"127.0.0.1",
		"--port",
		String(chosenPort),
		"--log-level",
		"error",
		"--dynamic-config-value",
		`history.timerProcessorMaxTimeShift="${TIMER_SHIFT}"`,
		...attributes,
		...(databaseFile === undefined ? [] : ["--db-filename", databaseFile]),
	];
	const server = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
	let stderr = "";
	server.stderr.on("data", (chunk: Buffer) => (stderr = `${stderr}${chunk}`.slice(-4_000)));
	const ended = new Promise<void>((resolve) => server.once("close", () => resolve()));
	const kill = (): boolean => server.kill("SIGKILL");
	process.once("exit", kill);
	const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
		process.off("exit", kill);
		if (server.exitCode === null) server.kill(signal);
		await ended;
	};
	const address = `127.0.0.1:${chosenPort}`;
	try {
		installQuietRuntime();
		const connection = await connectWithin(address, START_TIMEOUT_MS);
		const nativeConnection = await NativeConnection.connect({ address });
		const close = async (): Promise<void> => {
			await connection.close();
			await nativeConnection.close();
			await stop();
		};
		return { address, connection, client: new Client({ connection }), nativeConnection, stopServer: stop, close };
	} catch (error) {
		await stop();
		throw new Error(`the Temporal dev server did not start: ${stderr}`, { cause: error });
	}
}

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** The workflow bundle, built once per test run. */
export function testWorkflowBundle(): Promise<WorkflowBundleWithSourceMap> {
	const cacheFolder = process.env["TOLLGATE_TEST_RUN_FOLDER"] ?? "";
	bundle ??= keptBundle({ cacheFolder, build: buildWorkflowBundle, onProblem: rethrow });
	return bundle;
}

function rethrow(error: unknown): never {
	throw error;
}

async function connectWithin(address: string, timeoutMs: number): Promise<Connection> {
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		try {
			return await Connection.connect({ address, connectTimeout: 1_000 });
		} catch (error) {
			if (performance.now() > deadline) throw error;
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}
}

let isRuntimeInstalled = false;

function installQuietRuntime(): void {
	if (isRuntimeInstalled) return;
	isRuntimeInstalled = true;
	Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
}
