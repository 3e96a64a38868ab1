import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readProcessStart } from "#activities/process/identity.ts";
import { findLeftovers } from "#test/support/leftovers.ts";
import { createTestDatabase } from "#test/support/postgres.ts";
import { readEndpoints, type System, startSystem, systemEnvironment, verify } from "#test/support/system.ts";
import { chat, tollgateJson } from "#test/support/system-commands.ts";
import { until } from "#test/support/until.ts";
import type { Endpoints } from "../../scripts/start/endpoints.ts";

const START = path.join(import.meta.dirname, "../../scripts/start.ts");
const STOP_MS = 15_000;

let system: System;

beforeAll(async () => {
	system = await startSystem();
}, 120_000);

afterEach(() => {
	vi.unstubAllEnvs();
});

afterAll(async () => {
	await system?.close();
});

const demoKey = (): string => system.endpoints().demoKey;
const isGone = async (pid: number): Promise<boolean> => (await readProcessStart(pid)) === null;

function pidsOf({ pids }: Endpoints): number[] {
	const { start: _start, gateway: _gateway, gateways, ...others } = pids;
	return [...gateways, ...Object.values(others)].filter((pid) => pid !== null);
}

/** What the demo team has spent for certain: posted, after a flush of the live gateways. */
async function postedNanoUsd(of: System = system): Promise<bigint> {
	await verify(of);
	const [budget] = await tollgateJson<{ postedAmount: string }[]>(of, ["budget", "show", "--team", "demo"]);
	return BigInt(budget?.postedAmount ?? "-1");
}

async function isStopped(starter: ChildProcess): Promise<number | null> {
	await until("the end of the start", () => starter.exitCode !== null || starter.signalCode !== null, STOP_MS);
	return starter.exitCode;
}

describe("a running system", () => {
	it("runs code that is compiled once: what a gateway loads lies in the cache for its next start", () => {
		const environment = readFileSync(`/proc/${system.endpoints().pids.gateway}/environ`, "utf8").split("\0");
		const cache = environment.find((line) => line.startsWith("NODE_COMPILE_CACHE="))?.slice("NODE_COMPILE_CACHE=".length) ?? "";
		expect(readdirSync(cache, { recursive: true }).length).toBeGreaterThan(100);
	});

	it("tells scripts where everything is", () => {
		const endpoints = system.endpoints();
		expect(statSync(path.join(system.home, "endpoints.json")).mode & 0o777).toBe(0o600);
		expect(Object.keys(endpoints).sort()).toEqual([
			"admin",
			"adminKeyFile",
			"databaseUrl",
			"demoKey",
			"gateway",
			"pids",
			"provider",
			"simulatedProvider",
			"temporalAddress",
			"temporalUi",
		]);
		expect(Object.keys(endpoints.pids).sort()).toEqual(["gateway", "gateways", "postgres", "provider", "start", "temporal", "worker"]);
		for (const url of [endpoints.gateway, endpoints.admin, endpoints.temporalUi ?? "", endpoints.simulatedProvider?.url ?? ""])
			expect(new URL(url).origin).toBe(url);
		for (const file of [endpoints.adminKeyFile, endpoints.simulatedProvider?.callLog ?? ""]) expect(path.isAbsolute(file)).toBe(true);
		expect(endpoints.temporalAddress).toMatch(/^127\.0\.0\.1:\d+$/);
		expect(endpoints.pids).toMatchObject({ start: system.starter.pid, gateway: endpoints.pids.gateways[0] });
		expect(new Set(pidsOf(endpoints)).size).toBe(5);
	});

	it("serves its first call at once: ready means ready", async () => {
		const { gateway, admin, temporalUi } = system.endpoints();
		expect((await fetch(`${gateway}/readyz`)).status).toBe(200);
		expect((await fetch(`${admin}/healthz`)).status).toBe(200);
		expect((await fetch(temporalUi ?? "")).status).toBe(200);
		expect((await chat(system, demoKey())).status).toBe(200);
	});

	it("prints a link that opens one session of the console, kept in no file", async () => {
		const { admin, temporalUi } = system.endpoints();
		const [, origin, secret = ""] = /^ {2}Console {6}(http:\/\/[^/]+)\/console\/enter#(tgl-[\w-]{43}) /m.exec(system.output()) ?? [];
		expect(origin).toBe(admin);
		const signIn = async () => {
			const answer = await fetch(`${admin}/admin/v1/session`, {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ link: secret }),
			});
			return (await answer.json()) as Record<string, unknown>;
		};
		expect(await signIn()).toMatchObject({ name: "first administrator", role: "operator", teamIds: null, temporalUiUrl: temporalUi });
		expect(await signIn()).toMatchObject({ error: { code: "link.used" } });
		for (const entry of readdirSync(system.home, { recursive: true, withFileTypes: true }))
			if (entry.isFile()) expect(readFileSync(path.join(entry.parentPath, entry.name), "latin1").includes(secret), entry.name).toBe(false);
	});

	it("keeps the demo key and the admin key readable in their own files alone", () => {
		const adminKey = readFileSync(system.endpoints().adminKeyFile, "utf8").trim();
		const found: Record<string, string[]> = { [demoKey()]: [], [adminKey]: [] };
		for (const entry of readdirSync(system.home, { recursive: true, withFileTypes: true })) {
			const file = path.join(entry.parentPath, entry.name);
			if (!entry.isFile() || file.includes(`${path.sep}postgres${path.sep}data${path.sep}pg_`)) continue;
			const content = readFileSync(file, "latin1");
			for (const [secret, files] of Object.entries(found)) if (content.includes(secret)) files.push(path.relative(system.home, file));
			if (content.includes(demoKey()) || content.includes(adminKey)) expect(statSync(file).mode & 0o777, file).toBe(0o600);
		}
		expect(found[demoKey()]?.sort()).toEqual(["demo-key", "endpoints.json"]);
		expect(found[adminKey]).toEqual(["admin-key"]);
		expect(system.output()).toContain(demoKey());
		expect(system.output()).not.toContain(adminKey);
	});

	it("is left alone by a second one beside it, which takes no provider key, home or port from the environment of the tests", async () => {
		const first = system.endpoints();
		vi.stubEnv("OPENAI_API_KEY", "sk-a-real-looking-key");
		vi.stubEnv("ANTHROPIC_API_KEY", "sk-ant-a-real-looking-key");
		vi.stubEnv("TOLLGATE_HOME", system.home);
		vi.stubEnv("TOLLGATE_GATEWAY_PORT", new URL(first.gateway).port);
		vi.stubEnv("DATABASE_URL", first.databaseUrl);
		const spent = await postedNanoUsd();
		const second = await startSystem();
		try {
			const endpoints = second.endpoints();
			expect(endpoints.provider).toBe("simulated");
			expect(second.output().split("\n")[0]).toContain("simulated provider");
			for (const name of ["gateway", "admin", "temporalAddress", "temporalUi", "databaseUrl", "demoKey"] as const)
				expect(endpoints[name]).not.toBe(first[name]);
			expect((await chat(second, endpoints.demoKey)).status).toBe(200);
			expect((await chat(second, demoKey())).status).toBe(401);
			expect(await postedNanoUsd(second)).toBeGreaterThan(0n);
			expect(await postedNanoUsd()).toBe(spent);
			expect(system.endpoints()).toEqual(first);
		} finally {
			await second.close();
		}
		expect(findLeftovers(second.home)).toEqual([]);
		expect((await chat(system, demoKey())).status).toBe(200);
	}, 120_000);
});

describe("the start process killed with kill -9", () => {
	it("leaves a system that enforces money; the next start ends the orphans and goes on with the money spent", async () => {
		const before = system.endpoints();
		const { starter } = system;
		starter.kill("SIGKILL");
		await isStopped(starter);
		expect((await chat(system, before.demoKey)).status).toBe(200);
		const spent = await postedNanoUsd();
		expect(spent).toBeGreaterThan(0n);

		await system.restart();
		for (const pid of pidsOf(before)) expect(await isGone(pid), String(pid)).toBe(true);
		expect(system.endpoints().demoKey).toBe(before.demoKey);
		expect(await postedNanoUsd()).toBe(spent);
		expect((await chat(system, demoKey())).status).toBe(200);
		expect(await verify(system)).toMatchObject({ ok: true, unresolved: 0 });
	}, 120_000);
});

describe("Ctrl-C", () => {
	it("stops everything within 15 s, a call in flight included, which is in the books afterwards", async () => {
		const before = system.endpoints();
		const { starter } = system;
		const held = chat(system, demoKey(), { simulate: { holdUntil: "never" } }).then(
			(answer) => answer.status,
			() => 0,
		);
		await until(
			"the call at the provider",
			async () => ((await (await fetch(`${before.simulatedProvider?.url}/simulator/state`)).json()) as { held: number }).held === 1,
		);
		starter.kill("SIGINT");
		expect(await isStopped(starter)).toBe(0);
		expect(await held).not.toBe(200);
		for (const pid of pidsOf(before)) expect(await isGone(pid), String(pid)).toBe(true);
		expect(findLeftovers(system.home)).toEqual([]);
		expect(readdirSync(system.home)).not.toContain("endpoints.json");

		await system.restart();
		expect(await verify(system)).toMatchObject({ ok: true, lost: 0, unresolved: 1 });
	}, 120_000);
});

describe("npm", () => {
	it("killed, takes everything with it", async () => {
		await system.stop();
		const command = `require("node:child_process").spawn(process.execPath, [${JSON.stringify(START)}], { stdio: "ignore" }); setInterval(() => {}, 60_000)`;
		const npm = spawn(process.execPath, ["-e", command], { env: systemEnvironment(system.home, { npm_lifecycle_event: "start" }), stdio: "ignore" });
		try {
			const endpoints = await until("a running system", () => readdirSync(system.home).includes("endpoints.json") && readEndpoints(system.home), 60_000);
			npm.kill("SIGKILL");
			await until("the end of the start", () => isGone(endpoints.pids.start), STOP_MS);
			for (const pid of pidsOf(endpoints)) expect(await isGone(pid), String(pid)).toBe(true);
			expect(findLeftovers(system.home)).toEqual([]);
		} finally {
			npm.kill("SIGKILL");
		}
	}, 120_000);
});

describe("a start that cannot go on says in one paragraph what to do", () => {
	function startRefused(environment: Record<string, string>): { readonly status: number | null; readonly output: string } {
		const home = mkdtempSync(path.join(tmpdir(), "tollgate-refused-"));
		try {
			const { status, stdout, stderr } = spawnSync(process.execPath, [START], { env: systemEnvironment(home, environment), encoding: "utf8", timeout: 60_000 });
			expect(findLeftovers(home)).toEqual([]);
			expect(readdirSync(home)).not.toContain("endpoints.json");
			return { status, output: `${stdout}${stderr}` };
		} finally {
			rmSync(home, { recursive: true, force: true });
		}
	}

	it("an unknown setting", () => {
		const { status, output } = startRefused({ TOLLGATE_GATEWAY_PROT: "4000" });
		expect(status).toBe(1);
		expect(output).toContain("TOLLGATE_GATEWAY_PROT: there is no such setting; did you mean TOLLGATE_GATEWAY_PORT?");
	});

	it("a setting that is no number of dollars", () => {
		const { status, output } = startRefused({ TOLLGATE_DEMO_LIMIT_USD: "plenty" });
		expect(status).toBe(1);
		expect(output).toMatch(/TOLLGATE_DEMO_LIMIT_USD: expected .*dollars.*; got "plenty"/);
	});

	it("a taken port", async () => {
		const holder = createServer().listen(0, "127.0.0.1");
		await once(holder, "listening");
		const { port } = holder.address() as { port: number };
		for (const variable of [
			"TOLLGATE_GATEWAY_PORT",
			"TOLLGATE_ADMIN_PORT",
			"TOLLGATE_POSTGRES_PORT",
			"TOLLGATE_TEMPORAL_PORT",
			"TOLLGATE_TEMPORAL_UI_PORT",
			"TOLLGATE_PROVIDER_PORT",
		]) {
			const { status, output } = startRefused({ [variable]: String(port) });
			expect(status).toBe(1);
			expect(output).toContain(`Port ${port} is taken by another program. End that program, or set ${variable} to another port, or to 0`);
		}
		holder.close();
	}, 60_000);

	it("a database of a newer schema", async () => {
		const database = await createTestDatabase();
		const client = new pg.Client({ connectionString: database.url });
		await client.connect();
		await client.query("INSERT INTO tollgate.schema_migration (number, name, checksum) VALUES (9999, '9999_future.sql', '')");
		await client.end();
		const { status, output } = startRefused({ DATABASE_URL: database.url });
		await database.close();
		expect(status).toBe(1);
		expect(output).toContain("a newer release has used it");
	}, 90_000);
});
