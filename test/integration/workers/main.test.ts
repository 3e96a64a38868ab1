import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { startTestTemporal, type TestTemporal } from "../../support/temporal.ts";
import { until } from "../../support/until.ts";

/** The worker as `npm start` runs it, on a real PostgreSQL and a real Temporal. */
const ENTRY = path.join(import.meta.dirname, "../../../workers/main.ts");

let folder: string;
let database: TestDatabase;
let client: pg.Client;
let temporal: TestTemporal;
let worker: ChildProcess;
let report: { admin: string; demoKeyFile: string; adminKeyFile: string };
let stderr = "";

beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-worker-"));
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	await bookBeforeStart();
	const port = await findFreePort();
	// Temporal comes up after the worker: the worker waits for it.
	({ child: worker, listening: report } = await startWorkerProcess(port, async () => {
		temporal = await startTestTemporal({ port, databaseFile: path.join(folder, "temporal.db") });
	}));
});

afterAll(async () => {
	if (worker?.exitCode === null) worker.kill("SIGKILL");
	await temporal?.close();
	await client?.end();
	await database?.close();
	await rm(folder, { recursive: true, force: true });
});

/** A call of a team that is no more: its first sweep finds it. */
async function bookBeforeStart(): Promise<void> {
	await client.query(`INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
		VALUES ('gone', clock_timestamp(), 'charge', 'gone', 1, 1, 'team/gone', 'provider/openai', 7, 1)`);
	await client.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('gone', 1, 1, 1, '', '')");
}

async function startWorkerProcess(temporalPort: number, meanwhile: () => Promise<void>) {
	const environment = {
		PATH: process.env["PATH"],
		HOME: folder,
		TOLLGATE_HOME: path.join(folder, "home"),
		TOLLGATE_ADMIN_PORT: "0",
		DATABASE_URL: database.url,
		TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
		NODE_COMPILE_CACHE: path.join(folder, "compiled"),
	};
	const child = spawn(process.execPath, [ENTRY], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
	child.stderr.on("data", (chunk: Buffer) => (stderr = `${stderr}${chunk}`.slice(-20_000)));
	const firstLine = new Promise<string>((resolve, reject) => {
		createInterface({ input: child.stdout }).once("line", resolve);
		child.once("exit", (code) => reject(new Error(`the worker ended with ${code}: ${stderr}`)));
	});
	await meanwhile();
	return { child, listening: JSON.parse(await firstLine) };
}

async function startAgain(): Promise<void> {
	stderr = "";
	({ child: worker, listening: report } = await startWorkerProcess(Number(temporal.address.split(":")[1]), async () => undefined));
}

function isThere(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false; // ESRCH
	}
}

async function administer(method: string, route: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
	const adminKey = (await readFile(report.adminKeyFile, "utf8")).trim();
	const response = await fetch(`${report.admin}/admin/v1${route}`, {
		method,
		headers: { authorization: `Bearer ${adminKey}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

async function demoWindow(): Promise<{ id: string; limit_amount: string }> {
	const { rows } = await client.query(
		"SELECT w.id, w.limit_amount FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = 'demo' ORDER BY w.id DESC LIMIT 1",
	);
	return rows[0];
}

async function post(amount: string): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, version) VALUES ('g1', 1, $1, $2, $2, 1)
		 ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = excluded.granted, posted = excluded.posted, version = l.version + 1`,
		[(await demoWindow()).id, amount],
	);
}

function governance(): GovernanceClient {
	return new GovernanceClient({ connection: temporal.connection, client: temporal.client });
}

/** The one that the worker started for batches; undefined while there is none. */
async function batchesProcess(): Promise<number | undefined> {
	const children = (await readFile(`/proc/${worker.pid}/task/${worker.pid}/children`, "utf8")).trim().split(" ");
	for (const pid of children) {
		const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""); // it has ended
		if (command.includes("batches-child.ts")) return Number(pid);
	}
	return undefined;
}

async function isServing(): Promise<boolean> {
	return fetch(`${report.admin}/healthz`).then(
		({ ok }) => ok,
		() => false,
	);
}

async function countersOfBatches(): Promise<boolean> {
	return (await (await fetch(`${report.admin}/metrics`)).text()).includes("tollgate_batches_told_total 0");
}

async function firedEvents(): Promise<string[]> {
	const { rows } = await client.query<{ event: string }>("SELECT event FROM tollgate.governance_event WHERE team_id = 'demo' ORDER BY at");
	return rows.map(({ event }) => event);
}

describe("the worker process", () => {
	test("says it listens once the demo budget is in force, with its secrets in files of mode 0600", async () => {
		expect((await demoWindow()).limit_amount).toBe("250000000");
		for (const file of [report.adminKeyFile, report.demoKeyFile]) expect((await stat(file)).mode & 0o777).toBe(0o600);
		expect(await (await fetch(`${report.admin}/healthz`)).json()).toEqual({ ok: true });
		expect(Number((await client.query("SELECT count(*) AS lines FROM tollgate.price_line")).rows[0].lines)).toBeGreaterThan(50);
	});

	test("has written what it compiled for its next start, however it will end", async () => {
		await until("compiled code", async () => (await readdir(path.join(folder, "compiled"), { recursive: true })).length > 100);
		expect([worker.exitCode, worker.signalCode]).toEqual([null, null]);
	});

	test("counts what teams spent by days", async () => {
		const amount = () => client.query<{ amount: string }>("SELECT amount_nano_usd::text AS amount FROM tollgate.spend_day WHERE team_id = 'gone'");
		await until("the totals of days", async () => (await amount()).rows[0]?.amount === "7");
	});

	test("tells the team's workflow its totals as they move", async () => {
		await post("100000000");
		await until("posted totals in the workflow", async () => (await governance().status("demo")).budgets[0]?.window?.posted === "100000000");
		expect(await firedEvents()).toEqual([]);
	});

	test("with Temporal away the limit stands; afterwards every threshold has come through exactly once", async () => {
		const port = Number(temporal.address.split(":")[1]);
		await temporal.stopServer();
		for (const amount of ["210000000", "230000000", "250000000"]) await post(amount);
		expect((await demoWindow()).limit_amount).toBe("250000000");
		await until("the worker to notice", () => stderr.includes("budgets are enforced all the same"));
		await temporal.close();
		temporal = await startTestTemporal({ port, databaseFile: path.join(folder, "temporal.db") });
		await until("both thresholds", async () => (await firedEvents()).length >= 2, 60_000);
		await until("the final totals", async () => (await governance().status("demo")).budgets[0]?.window?.posted === "250000000");
		expect(await firedEvents()).toEqual(["threshold.warn.fired", "threshold.stop.fired"]);
		expect(await (await fetch(`${report.admin}/metrics`)).text()).toContain('tollgate_threshold_events_total{event="threshold.stop.fired"} 1');
	});

	test("with every connection to PostgreSQL lost it goes on, and a raised limit is in force when the call returns", async () => {
		await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tollgate-worker%'");
		const answer = await until("an answer after the loss", async () => {
			const reply = await administer("PUT", "/budgets", { teamId: "demo", windowKind: "day", limitUsd: "1" });
			return reply.status === 200 ? reply : undefined;
		});
		expect(answer.json).toMatchObject({ limitAmount: "1000000000" });
		expect((await demoWindow()).limit_amount).toBe("1000000000");
		await until("the withdrawal", async () => (await firedEvents()).includes("threshold.stop.withdrawn"));
	});

	test("batches have a process of their own, whose counters are among the worker's; killed, it is started again", async () => {
		await until("its counters", countersOfBatches);
		const first = (await batchesProcess()) ?? Number.NaN;
		process.kill(first, "SIGKILL");
		await until("another one", async () => ![first, undefined].includes(await batchesProcess()));
		await until("its counters", countersOfBatches);
		expect(stderr).toContain("the process of batches ended and is started again");
		expect([worker.exitCode, worker.signalCode]).toEqual([null, null]);
	});

	test("ends on SIGTERM with exit code 0, and with it the process of batches", async () => {
		const batches = (await batchesProcess()) ?? Number.NaN;
		const ended = new Promise((resolve) => worker.once("exit", (code, signal) => resolve(code ?? signal)));
		worker.kill("SIGTERM");
		expect(await ended).toBe(0);
		expect(() => process.kill(batches, 0)).toThrow("ESRCH");
		// Left to itself the SDK ends its workers at the signal, and each was made anew while the others were being stopped.
		expect(stderr).not.toContain("Cannot close connection while Workers hold a reference to it");
	});

	test("a second signal ends it at once, and with it the process of batches", async () => {
		await startAgain();
		const batches = await until("its process of batches", batchesProcess);
		const ended = new Promise((resolve) => worker.once("exit", (code, signal) => resolve(code ?? signal)));
		// Stopped, it hears of its end when it goes on: until then the worker waits for it.
		process.kill(batches, "SIGSTOP");
		worker.kill("SIGTERM");
		await until("the stop", async () => !(await isServing()));
		worker.kill("SIGTERM");
		expect(await ended).toBe(1);
		process.kill(batches, "SIGCONT");
		await until("its end", () => !isThere(batches));
	});

	test("killed, it leaves no process of batches behind", async () => {
		await startAgain();
		await until("batches at work", () => /"taskQueue":"batches","msg":"the Temporal worker polls"/.test(stderr));
		const batches = await batchesProcess();
		if (batches === undefined) throw new Error("there is no process of batches");
		worker.kill("SIGKILL");
		try {
			await until("its end", () => !isThere(batches));
		} finally {
			if (isThere(batches)) process.kill(batches, "SIGKILL");
		}
	});
});
