import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type pg from "pg";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { insertBudget, insertTeam, withClient } from "./authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { type SimulatedProvider, startSimulatedProvider } from "./simulated-provider.ts";
import { systemEnvironment } from "./system.ts";

/** Gateways as the processes they are, on a real database and the simulated provider; no Temporal, which no call needs. */
const ROOT = path.resolve(import.meta.dirname, "../..");

export type GatewayProcess = {
	readonly url: string;
	readonly child: ChildProcess;
	/** Everything it logged. */
	log(): string;
	/** SIGTERM and wait; or another signal. */
	end(signal?: NodeJS.Signals): Promise<void>;
	/** Resolves when the process has ended by itself or was killed. */
	readonly exited: Promise<void>;
};

export type GatewayStand = {
	readonly database: TestDatabase;
	readonly provider: SimulatedProvider;
	readonly home: string;
	start(gatewayId: string, environment?: Record<string, string>): Promise<GatewayProcess>;
	/** A team with one budget and one key. */
	team(limitNanoUsd: bigint, policy?: Record<string, unknown>): Promise<{ readonly teamId: string; readonly key: string }>;
	verify(): ReturnType<typeof verifyLedger>;
	close(): Promise<void>;
};

export type GatewayStandOptions = {
	/** Default: a database of its own on the server of the test run. Closed with the stand. */
	readonly database?: TestDatabase;
	/** Settings of the simulated provider; default: no latency. */
	readonly providerEnvironment?: Readonly<Record<string, string>>;
	/** Of the budget that each team gets; default "day". */
	readonly windowKind?: string;
};

export async function openGatewayStand(options: GatewayStandOptions = {}): Promise<GatewayStand> {
	const { database: given, providerEnvironment = {}, windowKind = "day" } = options;
	const [database, provider] = await Promise.all([given ?? createTestDatabase(), startSimulatedProvider(providerEnvironment)]);
	const home = mkdtempSync(path.join(tmpdir(), "tollgate-gateways-"));
	const started: GatewayProcess[] = [];
	await withClient(database.url, async (client) => {
		for (const file of readSeedFiles(path.join(ROOT, "config/prices"))) await loadPriceFile(client, file, "seed", "test");
	});
	return {
		database,
		provider,
		home,
		async start(gatewayId, environment = {}) {
			const gateway = await startGateway({
				TOLLGATE_HOME: home,
				TOLLGATE_GATEWAY_ID: gatewayId,
				TOLLGATE_GATEWAY_PORT: "0",
				TOLLGATE_SIMULATED_PROVIDER_URL: provider.url,
				DATABASE_URL: database.url,
				...environment,
			});
			started.push(gateway);
			return gateway;
		},
		team: (limitNanoUsd, policy = {}) => withClient(database.url, (client) => createTeam(client, { limitNanoUsd, policy, windowKind })),
		verify: () => verifyLedger({ databaseUrl: database.url, providerLogPath: provider.callLogPath }),
		async close() {
			await Promise.all(started.map((gateway) => gateway.end("SIGKILL")));
			await provider.close();
			await database.close();
			rmSync(home, { recursive: true, force: true });
		},
	};
}

type NewTeam = { readonly limitNanoUsd: bigint; readonly policy: Record<string, unknown>; readonly windowKind: string };

async function createTeam(client: pg.Client, { limitNanoUsd, policy, windowKind }: NewTeam): Promise<{ teamId: string; key: string }> {
	const teamId = `team-${randomBytes(4).toString("hex")}`;
	const key = `tg-${randomBytes(32).toString("base64url")}`;
	await insertTeam(client, teamId, policy);
	await insertBudget(client, { teamId, limit: limitNanoUsd, windowKind });
	await client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, $2, '', $3, 'test')", [
		`key_${randomBytes(8).toString("hex")}`,
		createHash("sha256").update(key).digest(),
		teamId,
	]);
	return { teamId, key };
}

function startGateway(environment: Record<string, string>): Promise<GatewayProcess> {
	const child = spawn(process.execPath, [path.join(ROOT, "gateway/main.ts")], {
		cwd: ROOT,
		env: systemEnvironment(environment["TOLLGATE_HOME"] ?? "", environment),
		stdio: ["ignore", "pipe", "pipe"],
	});
	let log = "";
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		log += text;
	});
	const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	return new Promise((resolve, reject) => {
		void exited.then(() => reject(new Error(`the gateway ended while starting:\n${log}`)));
		createInterface(child.stdout).once("line", (line) => {
			resolve({
				url: (JSON.parse(line) as { url: string }).url,
				child,
				log: () => log,
				exited,
				async end(signal = "SIGTERM") {
					child.kill("SIGCONT"); // a stopped process hears nothing
					child.kill(signal);
					await exited;
				},
			});
		});
	});
}

export type Answer = { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> };

/** One chat call; `simulate` are the simulated provider's directives. Throws when the connection breaks. */
export async function chat(
	gateway: { readonly url: string },
	key: string,
	options: { simulate?: Record<string, unknown>; maxTokens?: number; model?: string; run?: string; signal?: AbortSignal } = {},
): Promise<Answer> {
	const { simulate = {}, maxTokens = 50, model = "gpt-4o", run, signal } = options;
	const content = `hello [[simulate:${JSON.stringify(simulate)}]]`;
	const response = await fetch(`${gateway.url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...(run !== undefined && { "x-tollgate-run": run }) },
		body: JSON.stringify({ model, max_tokens: maxTokens, messages: [{ role: "user", content }] }),
		...(signal && { signal }),
	});
	return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}
