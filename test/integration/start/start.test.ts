import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readProcessStart } from "#activities/process/identity.ts";
import { createTestDatabase } from "#test/support/postgres.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { until } from "#test/support/until.ts";
import { type Endpoints, readEndpoints } from "../../../scripts/start/endpoints.ts";

const RUN = path.join(import.meta.dirname, "../../support/start-fixture/run.ts");
const PORTS = ["GATEWAY", "ADMIN", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "PROVIDER"];

let home: string;
const started: Started[] = [];

type Started = { readonly process: ChildProcess; readonly output: () => string; readonly exit: Promise<number | null> };

beforeEach(() => {
	home = mkdtempSync(path.join(tmpdir(), "tollgate-start-"));
});
afterEach(async () => {
	for (const run of started.splice(0)) {
		run.process.kill("SIGTERM");
		await run.exit;
	}
	rmSync(home, { recursive: true, force: true });
});

function start(environment: Record<string, string> = {}, [file, ...args]: readonly [string, ...string[]] = [process.execPath, RUN]): Started {
	const freePorts = Object.fromEntries(PORTS.map((name) => [`TOLLGATE_${name}_PORT`, "0"]));
	const { PATH, HOME, NODE_OPTIONS, TOLLGATE_TEMPORAL_BINARY } = process.env;
	const own = { PATH, HOME, NODE_OPTIONS, TOLLGATE_TEMPORAL_BINARY, TOLLGATE_HOME: home, ...freePorts, ...environment };
	const child = spawn(file, args, { cwd: home, env: own, stdio: ["ignore", "pipe", "pipe"] });
	let output = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream.on("data", (chunk: Buffer) => {
			output += chunk.toString();
		});
	}
	const exit = once(child, "exit").then(([code]) => code as number | null);
	const run = { process: child, output: () => output, exit };
	started.push(run);
	return run;
}

async function ready(run: Started, isByNpm = false): Promise<Endpoints> {
	return until(
		"endpoints.json of this start",
		() => {
			if (run.process.exitCode !== null) throw new Error(`it ended:\n${run.output()}`);
			const endpoints = readEndpoints(home);
			return endpoints !== null && (endpoints.pids.start === run.process.pid || isByNpm) && endpoints;
		},
		100_000,
	);
}

function pidsOf(endpoints: Endpoints): number[] {
	const { start: _own, gateway: _first, gateways, ...others } = endpoints.pids;
	return [...gateways, ...Object.values(others)].filter((pid) => pid !== null);
}

async function expectGone(pids: readonly number[]): Promise<void> {
	for (const pid of pids) await until(`the end of process ${pid}`, async () => (await readProcessStart(pid)) === null);
}

test("everything comes up, is told in endpoints.json and on the screen, and SIGTERM ends all of it", async () => {
	const run = start({ TOLLGATE_GATEWAYS: "2" });
	const endpoints = await ready(run);
	expect(statSync(path.join(home, "endpoints.json")).mode & 0o777).toBe(0o600);
	expect(endpoints.provider).toBe("simulated");
	expect(endpoints.simulatedProvider?.callLog).toBe(path.join(home, "provider-calls.jsonl"));
	for (const url of [endpoints.gateway, endpoints.admin, endpoints.temporalUi ?? "", endpoints.simulatedProvider?.url ?? ""])
		expect(url).toBe(new URL(url).origin);
	expect(endpoints.pids.gateway).toBe(endpoints.pids.gateways[0]);
	expect(new Set(pidsOf(endpoints)).size).toBe(6);
	expect((await fetch(endpoints.temporalUi ?? "")).status).toBe(200);
	await until("the last line", () => run.output().includes("curl "));
	expect(run.output().split("\n")[0]).toContain("simulated provider");
	expect(run.output()).toContain(endpoints.demoKey);
	run.process.kill("SIGTERM");
	expect(await run.exit).toBe(0);
	await expectGone(pidsOf(endpoints));
	expect(readEndpoints(home)).toBeNull();
});

test("a dead child is started again and its new pid is told", async () => {
	const run = start({ TOLLGATE_GATEWAYS: "2" });
	const first = await ready(run);
	const killed = pidsOf(first);
	for (const pid of killed) process.kill(pid, "SIGKILL");
	const second = await until("six new processes", () => {
		const endpoints = readEndpoints(home);
		if (endpoints === null) return undefined;
		const pids = pidsOf(endpoints);
		return pids.length === 6 && pids.every((pid) => !killed.includes(pid)) && endpoints;
	});
	expect(second.gateway).toBe(first.gateway);
	await until("gateway and Temporal answering again", async () => {
		const answers = await Promise.allSettled([fetch(second.gateway), fetch(second.temporalUi ?? "")]);
		return answers.every((answer) => answer.status === "fulfilled");
	});
});

test("a second start on a live home prints its addresses and exits 3, leaving it alone", async () => {
	const run = start();
	const endpoints = await ready(run);
	const second = start();
	expect(await second.exit).toBe(3);
	expect(second.output()).toContain(endpoints.gateway);
	expect(second.output()).toContain(endpoints.demoKey);
	expect(readEndpoints(home)).toEqual(endpoints);
	expect((await fetch(endpoints.gateway)).status).toBe(200);
});

test("after a kill -9 of the start itself, the next one ends the orphans and goes on with the same data", async () => {
	const run = start();
	const first = await ready(run);
	run.process.kill("SIGKILL");
	await run.exit;
	const ports = { TOLLGATE_POSTGRES_PORT: new URL(first.databaseUrl).port, TOLLGATE_GATEWAY_PORT: new URL(first.gateway).port };
	const again = start(ports);
	const second = await ready(again);
	await expectGone(pidsOf(first));
	expect(second.databaseUrl).toBe(first.databaseUrl);
	expect(second.demoKey).toBe(first.demoKey);
	expect(again.output()).not.toContain("database migrated");
});

test("a process that merely has a recorded number is not touched", async () => {
	const run = start();
	await ready(run);
	run.process.kill("SIGKILL");
	await run.exit;
	const recordFile = path.join(home, "processes.json");
	const record = JSON.parse(readFileSync(recordFile, "utf8")) as { name: string; pid: number; startedAt: string }[];
	const bystander = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
	writeFileSync(recordFile, JSON.stringify([...record, { name: "worker", pid: bystander.pid, startedAt: "1" }]));
	await ready(start());
	expect(bystander.exitCode).toBeNull();
	expect(bystander.signalCode).toBeNull();
	bystander.kill("SIGKILL");
});

test("a taken port is told with its variable, and nothing is left running", async () => {
	const holder = createServer().listen(0, "127.0.0.1");
	await once(holder, "listening");
	const { port } = holder.address() as { port: number };
	const run = start({ TOLLGATE_GATEWAY_PORT: String(port) });
	expect(await run.exit).toBe(1);
	holder.close();
	expect(run.output()).toContain(`Port ${port} is taken by another program. End that program, or set TOLLGATE_GATEWAY_PORT`);
});

test("a child that cannot start ends the start with the end of its log", async () => {
	const run = start({ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" });
	expect(await run.exit).toBe(1);
	expect(run.output()).toContain("The database of DATABASE_URL cannot be used");
	expect(readEndpoints(home)).toBeNull();
});

test("stopped while Go builds the Temporal server, it ends the build and leaves nothing half made behind", async () => {
	const bin = path.join(home, "bin");
	const compiler = path.join(home, "compiler.pid");
	mkdirSync(bin);
	writeFileSync(path.join(bin, "go"), `#!/bin/sh\n[ "$1" = version ] && exit 0\n/bin/sleep 600 &\necho $! > ${compiler}\nwait\n`, { mode: 0o755 });
	// What the machine has of its own is passed over, and a download finds nobody.
	writeFileSync(path.join(bin, "temporal"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
	const database = await createTestDatabase();
	const run = start({
		// Nothing else has to be stopped: only the build could keep this process waiting.
		DATABASE_URL: database.url,
		TOLLGATE_SIMULATED_PROVIDER_URL: "http://127.0.0.1:1",
		PATH: `${bin}${path.delimiter}${process.env["PATH"]}`,
		TOLLGATE_CACHE: path.join(home, "cache"),
		TOLLGATE_TEMPORAL_BINARY: "",
		HTTPS_PROXY: "http://127.0.0.1:1",
		ALL_PROXY: "http://127.0.0.1:1",
	});
	const pid = await until("the compiler", () => existsSync(compiler) && Number(readFileSync(compiler, "utf8")), 100_000);
	run.process.kill("SIGTERM");
	expect(await run.exit).toBe(0);
	await expectGone([pid]);
	expect(readdirSync(path.join(home, "cache/temporal"))).toEqual([]);
	await database.close();
});

test("a real key is said on the first line, and goes to the gateway, and to the worker for batches", async () => {
	const run = start({ OPENAI_API_KEY: "sk-not-a-real-key" });
	const endpoints = await ready(run);
	expect(run.output().split("\n")[0]).toMatch(/REAL providers \(OPENAI_API_KEY is set\): calls cost real money/);
	expect(run.output().split("\n")[1]).toContain("ANTHROPIC_API_KEY is not set");
	// The worker found 7 USD in force, whatever the setting is.
	await until("the last line", () => run.output().includes("curl "));
	expect(run.output()).toContain('team "demo" is limited to 7.00 USD a day');
	expect(run.output()).toContain("until the budget of 7.00 USD a day says no");
	expect(run.output()).not.toContain("0.25");
	expect(endpoints).toMatchObject({ provider: "real", simulatedProvider: null, pids: { provider: null } });
	expect(await (await fetch(`${endpoints.gateway}/environment`)).text()).toContain("sk-not-a-real-key");
	expect(readFileSync(path.join(home, "worker-environment.json"), "utf8")).toContain("sk-not-a-real-key");
});

test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)("a %s to npm, and to nothing else, stops all", async (signal) => {
	const { scripts } = JSON.parse(readFileSync(path.join(PROJECT_FOLDER, "package.json"), "utf8")) as { scripts: { start: string } };
	// The script of the product, with the fixture in place of the product.
	expect(scripts.start).toContain("scripts/start.ts");
	writeFileSync(path.join(home, "package.json"), JSON.stringify({ scripts: { start: scripts.start.replace("scripts/start.ts", RUN) } }));
	const run = start({}, ["npm", "start"]);
	const endpoints = await ready(run, true);
	run.process.kill(signal);
	await run.exit;
	await expectGone([endpoints.pids.start, ...pidsOf(endpoints)]);
	expect(readEndpoints(home)).toBeNull();
});
