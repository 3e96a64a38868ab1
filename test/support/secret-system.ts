import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { withClient } from "./authority-rows.ts";
import { type Canary, findLeaks, readDatabase, readFolder, type Source } from "./canaries.ts";
import { type CuttableProxy, openCuttableProxy } from "./cuttable-proxy.ts";
import { startEchoingProvider } from "./echoing-provider.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import type { ScriptedProvider } from "./scripted-provider.ts";
import { type System, startSystem, systemEnvironment, tollgate } from "./system.ts";

/** A whole system in which every secret is a canary, on a database behind a proxy, with providers that repeat their key. */
export type SecretSystem = {
	readonly system: System;
	readonly provider: ScriptedProvider;
	readonly proxy: CuttableProxy;
	readonly database: TestDatabase;
	readonly databaseUrl: string;
	/** Grows as keys are made. */
	readonly canaries: Canary[];
	/** What was told to whoever asked, to be searched too. */
	readonly told: Source[];
	/** A virtual key made by the command line, whose own answer is the one place that shows it. */
	createKey(name: string, args: readonly string[]): Promise<string>;
	/** A process of ours that has to fail; what it says is told. */
	failToRun(entry: string, environment: Record<string, string>): Promise<void>;
	/** Logs, journals, metrics, tables, statements and everything told. */
	sources(): Promise<Source[]>;
	leaks(): Promise<string[]>;
	close(): Promise<void>;
};

const ROOT = path.resolve(import.meta.dirname, "../..");
/** The two files that hold a secret on purpose, and the one that tells scripts where everything is; none is readable to others. */
const KEPT_SECRET = ["admin-key", "demo-key", "endpoints.json"];

/** Characters that JSON, URLs and base64 each write in their own way. */
function canary(name: string, prefix: string): Canary {
	return { name, secret: `${prefix}${randomBytes(9).toString("hex")}/+=${randomBytes(6).toString("hex")}` };
}

export async function openSecretSystem(): Promise<SecretSystem> {
	const [database, provider] = await Promise.all([createTestDatabase(), startEchoingProvider()]);
	const password = canary("the database password", "pw");
	const keys = [canary("OpenAI's key", "sk"), canary("Anthropic's key", "sk")] as const;
	const role = `canary_${randomBytes(4).toString("hex")}`;
	await withClient(database.url, (client) => client.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${password.secret}'`));
	const proxy = await openCuttableProxy(Number(new URL(database.url).port));
	const databaseUrl = `postgres://${role}:${encodeURIComponent(password.secret)}@127.0.0.1:${proxy.port}${new URL(database.url).pathname}`;
	const system = await startSystem({
		DATABASE_URL: databaseUrl,
		OPENAI_API_KEY: keys[0].secret,
		ANTHROPIC_API_KEY: keys[1].secret,
		TOLLGATE_OPENAI_BASE_URL: `${provider.url}/v1`,
		TOLLGATE_ANTHROPIC_BASE_URL: provider.url,
		TOLLGATE_GATEWAYS: "2",
		TOLLGATE_LOG_LEVEL: "debug",
	});
	const canaries: Canary[] = [
		password,
		...keys,
		{ name: "the first admin key", secret: readFileSync(system.endpoints().adminKeyFile, "utf8").trim() },
		{ name: "the demo key", secret: system.endpoints().demoKey },
	];
	const told: Source[] = [];
	const sources = async (): Promise<Source[]> => [
		...told,
		...readFolder(system.home, new Set(KEPT_SECRET)),
		...(await withClient(database.url, readDatabase)),
		{ name: "what npm start says", content: system.output().replaceAll(system.endpoints().demoKey, "the demo key, which it shows on purpose") },
	];
	return {
		system,
		provider,
		proxy,
		database,
		databaseUrl,
		canaries,
		told,
		sources,
		async createKey(name, args) {
			const { stdout } = await tollgate(system, [...args, "--json"]);
			const { key } = JSON.parse(stdout) as { key: string };
			canaries.push({ name, secret: key });
			return key;
		},
		async failToRun(entry, environment) {
			const output = await runToItsEnd(entry, systemEnvironment(system.home, environment));
			told.push({ name: `${entry} with ${Object.keys(environment).join(", ")}`, content: output });
		},
		leaks: async () => findLeaks(canaries, await sources()),
		async close() {
			for (const name of KEPT_SECRET.slice(0, 2)) assertPrivate(path.join(system.home, name));
			await system.close();
			await provider.close();
			await proxy.close();
			await database.close();
			const server = new URL(database.url);
			server.pathname = "/postgres";
			await withClient(server.href, (client) => client.query(`DROP ROLE ${role}`));
		},
	};
}

function assertPrivate(file: string): void {
	if ((statSync(file).mode & 0o077) !== 0) throw new Error(`${file} is readable to others`);
}

/** Everything it printed. Throws when it succeeds: then no mistake was forced. */
function runToItsEnd(entry: string, environment: NodeJS.ProcessEnv): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, [path.join(ROOT, entry)], { cwd: ROOT, env: environment });
		let output = "";
		for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
		child.once("error", reject);
		child.once("close", (code) => (code === 0 ? reject(new Error(`${entry} did not fail`)) : resolve(output)));
	});
}
