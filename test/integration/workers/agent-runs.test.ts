import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Administration } from "#activities/administration/port.ts";
import { decideRun, type RunAdministration, readRun } from "#activities/administration/runs.ts";
import { createWorkflowLinks } from "#clients/workflow-links.ts";
import { agentRunWorkflowId, resumeRunUpdate, stopRunUpdate } from "#workflows/agent-run/messages.ts";
import { type AgentRunsRole, startAgentRunsRole } from "../../../workers/agent-runs.ts";
import { type CuttableProxy, openCuttableProxy } from "../../support/cuttable-proxy.ts";
import { RunRows } from "../../support/governed-run-rows.ts";
import { openTestPool, type TestPool } from "../../support/pool.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../../support/temporal.ts";
import { until } from "../../support/until.ts";

/** The worker's part in agent runs, on a real PostgreSQL and a real Temporal that can be cut off. */
let rows: Awaited<ReturnType<typeof RunRows.open>>;
let connections: TestPool;
let temporal: TestTemporal;
let proxy: CuttableProxy;
let role: AgentRunsRole;
const errors: string[] = [];
const log = { info: () => undefined, warn: () => undefined, error: (_fields: unknown, message?: string) => void errors.push(message ?? "") };

beforeAll(async () => {
	[rows, temporal] = await Promise.all([RunRows.open(), startTestTemporal()]);
	connections = openTestPool(rows.url);
	proxy = await openCuttableProxy(Number(temporal.address.split(":")[1]));
}, 120_000);

afterAll(async () => {
	await role?.stop();
	await proxy?.close();
	await connections?.close();
	await rows?.close();
	await rows?.database.close();
	await temporal?.close();
});

const workflows = createWorkflowLinks({ uiUrl: null, namespace: "default" });
const administration = (): Administration & RunAdministration => ({ database: connections.pool, workflows, governor: undefined as never, adminName: "ada" });
const stateOf = async (runId: string) => (await role.governance.status(runId)).snapshot?.run.state;

/** When the workflows began, in order, by Temporal's clock. */
async function startedAt(prefix: string): Promise<{ runId: string; atMs: number }[]> {
	const found: { runId: string; atMs: number }[] = [];
	for await (const { workflowId, startTime } of temporal.client.workflow.list({ query: "WorkflowType = 'agentRunWorkflow'" }))
		if (workflowId.startsWith(agentRunWorkflowId(prefix))) found.push({ runId: workflowId, atMs: startTime.getTime() });
	return found.toSorted((left, right) => left.atMs - right.atMs);
}

test("sixty registered runs get their workflow once each, no more than twenty in a second, and the one that is held before them", async () => {
	await rows.many("new-", 60, { origin: "registered" });
	await rows.run("held");
	await rows.hold("held");
	const bundle = await testWorkflowBundle();
	role = startAgentRunsRole({
		...{ databaseUrl: rows.url, temporalAddress: `127.0.0.1:${proxy.port}`, temporalNamespace: "default" },
		...{ workflowBundle: bundle, log: log as never, metrics: new Registry() },
	});
	await role.polls;
	const started = await until(
		"all workflows",
		async () => {
			const found = await startedAt("new-");
			return found.length >= 60 && found;
		},
		60_000,
	);
	expect(new Set(started.map(({ runId }) => runId)).size).toBe(60);
	const busiest = Math.max(...started.map(({ atMs: from }) => started.filter(({ atMs }) => atMs >= from && atMs < from + 1_000).length));
	expect(busiest).toBeLessThanOrEqual(20);
	const [held] = await startedAt("held");
	expect(held?.atMs).toBeLessThanOrEqual(started[8]?.atMs ?? 0);
	await until("the rows to say so", async () => {
		const [row] = await rows.sql<{ left: string }>("SELECT count(*) AS left FROM tollgate.run WHERE told_version < version");
		return row?.left === "0";
	});
	expect(errors).toEqual([]);
}, 120_000);

test("an update decides in PostgreSQL, as the command line would", async () => {
	await rows.run("decided");
	await rows.hold("decided");
	await until("the workflow", async () => (await startedAt("decided")).length === 1);
	await until("the worker", async () => (await stateOf("decided")) === "paused");
	const { version } = await role.governance.decide("decided", resumeRunUpdate, { by: "ann", reason: "it is fine" });
	const view = await readRun(administration(), "decided");
	expect(view).toMatchObject({ state: "running", version, forgiven: 1, workflow: { id: "agent-run/decided", uiUrl: null } });
	expect(view.events.at(-1)).toMatchObject({ kind: "resumed", detail: { by: "ann", reason: "it is fine" } });
}, 60_000);

test("with Temporal away a run is stopped and let go by the administration, and the workflow catches up", async () => {
	await rows.run("cut-off");
	await rows.hold("cut-off");
	await until("the workflow", async () => (await startedAt("cut-off")).length === 1);
	await proxy.cut();
	expect(await decideRun(administration(), "cut-off", { kind: "stop", reason: "a loop" })).toMatchObject({ state: "stopped" });
	expect(await decideRun(administration(), "cut-off", { kind: "resume", reason: "it was none" })).toMatchObject({ state: "running", version: "4" });
	await decideRun(administration(), "cut-off", { kind: "stop", reason: "it was" });
	await proxy.restore();
	await until(
		"the workflow to hear of it",
		async () => {
			const run = await role.governance.status("cut-off").then(
				({ snapshot }) => snapshot?.run,
				() => undefined, // not back yet
			);
			return run?.version === "5" && run.state === "stopped";
		},
		60_000,
	);
	// What stands already is decided, and changes nothing.
	expect(await role.governance.decide("cut-off", stopRunUpdate, { by: "ann", reason: "again" })).toEqual({ version: "5" });
	expect(errors).toEqual([]);
}, 170_000);

describe("alerts of a worker that is killed", () => {
	const children: ChildProcess[] = [];
	let folder: string;
	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), "tollgate-agent-runs-"));
		await writeFile(path.join(folder, "bundle.js"), (await testWorkflowBundle()).code);
	});
	afterAll(async () => {
		for (const child of children) child.kill("SIGKILL");
		await rm(folder, { recursive: true });
	});

	async function startChild(): Promise<ChildProcess> {
		const file = path.join(import.meta.dirname, "../../support/agent-runs-child.ts");
		const child = spawn(process.execPath, [file, rows.url, temporal.address, path.join(folder, "bundle.js")], { stdio: ["ignore", "pipe", "ignore"] });
		children.push(child);
		await once(createInterface({ input: child.stdout }), "line");
		return child;
	}

	test("twenty pauses that nobody answers are told, reminded of and stopped once each", async () => {
		await role.stop();
		// Twelve seconds to answer.
		await rows.sql("UPDATE tollgate.team SET runs = jsonb_build_object('pauseHours', 12.0 / 3600)");
		await rows.many("killed-", 20);
		let child = await startChild();
		for (let n = 0; n < 20; n++) await rows.hold(`killed-${n}`);
		const count = async (kind: string) => {
			const [row] = await rows.sql<{ made: string }>(
				"SELECT count(*) AS made FROM tollgate.alert WHERE subject LIKE 'run/killed-%' AND kind = $1 AND is_firing",
				[kind],
			);
			return Number(row?.made);
		};
		for (const kind of ["run.paused", "run.stopped"]) {
			await until(`some ${kind}`, async () => (await count(kind)) > 0, 60_000);
			child.kill("SIGKILL");
			child = await startChild();
		}
		await until("every stop", async () => (await count("run.stopped")) >= 20, 60_000);
		const ended = "SELECT count(*) AS left FROM tollgate.alert WHERE subject LIKE 'run/killed-%' AND kind = 'run.paused' AND is_firing AND resolved_at IS NULL";
		await until("every pause to be over", async () => (await rows.sql<{ left: string }>(ended))[0]?.left === "0");
		const made = await rows.sql<{ subject: string; what: string; made: string }>(
			`SELECT subject, concat_ws(' ', kind, is_firing, detail ->> 'reminder') AS what, count(*) AS made FROM tollgate.alert WHERE subject LIKE 'run/killed-%' GROUP BY 1, 2`,
		);
		expect(made.filter((row) => row.made !== "1")).toEqual([]);
		const subjects = (what: RegExp) => new Set(made.filter((row) => what.test(row.what)).map(({ subject }) => subject)).size;
		expect([subjects(/^run\.paused t/), subjects(/^run\.stopped t/), subjects(/^run\.paused f$/)]).toEqual([20, 20, 20]);
		// Who was away until the end was not reminded before it.
		expect(subjects(/^run\.paused f \d/)).toBeGreaterThan(0);
		role = startAgentRunsRole({
			...{ databaseUrl: rows.url, temporalAddress: temporal.address, temporalNamespace: "default" },
			...{ workflowBundle: await testWorkflowBundle(), log: log as never, metrics: new Registry() },
		});
		child.kill("SIGKILL");
	}, 170_000);
});
