import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAgentRunActivities } from "#activities/agent-runs/activities.ts";
import type { RemindRunInput, RunDecisionStore } from "#activities/agent-runs/port.ts";
import { RunGovernanceClient } from "#clients/run-governance-client.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { snapshotOf } from "#test/support/run-snapshots.ts";
import { AGENT_RUN_TASK_QUEUE, agentRunWorkflowId, approveMoreUpdate, raiseRunUpdate, resumeRunUpdate, stopRunUpdate } from "#workflows/agent-run/messages.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** What PostgreSQL would hold, in memory: decisions by their version; it can be away. */
class MemoryRun implements RunDecisionStore {
	readonly snapshots = new Map<string, RunSnapshot>();
	readonly decided: RunDecision[] = [];
	readonly reminded: RemindRunInput[] = [];
	isAway = false;
	ceilingHolds = false;

	put(snapshot: RunSnapshot): RunSnapshot {
		this.snapshots.set(snapshot.run.runId, snapshot);
		return snapshot;
	}

	async decide(input: RunDecision) {
		if (this.isAway) throw new CostControlError("authority.unreachable", "away");
		const held = this.snapshots.get(input.runId);
		if (held === undefined) return refuse("run.unknown", "runId", "there is no such run");
		if (held.run.version !== input.knownVersion) return refuse("admin.conflict", "knownVersion", `is not the version of the run, which is ${held.run.version}`);
		const { kind } = input.decision;
		if (kind === "resume" && this.ceilingHolds) return refuse("admin.conflict", "limits.steps.hard.at", "of the run holds it: raise it above 9");
		this.decided.push(input);
		const state = kind === "stop" || kind === "expire" ? "stopped" : kind === "finish" ? "finished" : kind === "raise" ? held.run.state : "running";
		const next = this.put(
			snapshotOf({ runId: input.runId, version: Number(held.run.version) + 1, state, readAtMs: Date.now(), heldAtMs: state === "running" ? null : Date.now() }),
		);
		return { kind: "decided", run: next.run, revision: 1n } as const;
	}

	async snapshot(runId: string) {
		return this.snapshots.get(runId);
	}

	async remind(input: RemindRunInput) {
		this.reminded.push(input);
		return true;
	}
}

function refuse(code: "run.unknown" | "admin.conflict", field: string, problem: string) {
	return { kind: "refused", code, problems: [{ field, problem }] } as const;
}

let temporal: TestTemporal;
let store = new MemoryRun();
let stopWorker: () => Promise<void>;

async function startWorker(): Promise<() => Promise<void>> {
	const worker = await Worker.create({
		connection: temporal.nativeConnection,
		taskQueue: AGENT_RUN_TASK_QUEUE,
		workflowBundle: await testWorkflowBundle(),
		activities: createAgentRunActivities({
			decide: (input) => store.decide(input),
			snapshot: (runId) => store.snapshot(runId),
			remind: (input) => store.remind(input),
		}),
	});
	const running = worker.run();
	return async () => {
		worker.shutdown();
		await running;
	};
}

beforeAll(async () => {
	temporal = await startTestTemporal();
	stopWorker = await startWorker();
}, 120_000);
afterAll(async () => {
	await stopWorker?.();
	await temporal?.close();
});
beforeEach(() => {
	store = new MemoryRun();
});

const client = (messagesPerRun?: number) =>
	new RunGovernanceClient({ connection: temporal.connection, client: temporal.client, ...(messagesPerRun !== undefined && { messagesPerRun }) });
const paused = (runId: string, more = {}) => store.put(snapshotOf({ runId, version: 2, state: "paused", readAtMs: Date.now(), heldAtMs: Date.now(), ...more }));
const handleOf = (runId: string) => temporal.client.workflow.getHandle(agentRunWorkflowId(runId));
const ann = { by: "ann", reason: "it is fine" };

describe("a person", () => {
	test("lets a run go on: the answer is the version that PostgreSQL holds, and the workflow shows it", async () => {
		await client().report(paused("resumed"));
		expect(await client().decide("resumed", resumeRunUpdate, ann)).toEqual({ version: "3" });
		expect(store.decided).toMatchObject([{ by: "ann", reason: "it is fine", knownVersion: "2", decision: { kind: "resume" } }]);
		expect((await client().status("resumed")).snapshot?.run).toMatchObject({ state: "running", version: "3" });
	});

	test("approves more, raises and stops, each on what the one before left", async () => {
		await client().report(paused("several"));
		const limits = { costNanoUsd: "10000000000" };
		const answers = await Promise.all([
			client().decide("several", raiseRunUpdate, { ...ann, limits }),
			client().decide("several", approveMoreUpdate, { ...ann, limits }),
			client().decide("several", stopRunUpdate, ann),
		]);
		expect(answers.map(({ version }) => version).toSorted()).toEqual(["3", "4", "5"]);
		expect(store.decided.map(({ knownVersion }) => knownVersion)).toEqual(["2", "3", "4"]);
		const normal = { costNanoUsd: { hard: { at: "10000000000", action: "pause" } } };
		expect(store.decided.map(({ decision }) => decision)).toEqual(
			expect.arrayContaining([{ kind: "raise", limits: normal }, { kind: "approve", limits: normal }, { kind: "stop" }]),
		);
	});

	test("is told what PostgreSQL says against it, and the details show it", async () => {
		await client().report(paused("ceiling"));
		store.ceilingHolds = true;
		await expect(client().decide("ceiling", resumeRunUpdate, ann)).rejects.toMatchObject({
			code: "admin.conflict",
			message: expect.stringContaining("raise it above 9"),
			details: { field: "limits.steps.hard.at" },
		});
		const details = (await handleOf("ceiling").query<{ currentDetails: string }>("__temporal_workflow_metadata")).currentDetails;
		expect(details).toMatch(/^## Run ceiling of team search: paused\n/);
		expect(details).toContain("**Not carried out:** resume by ann: limits.steps.hard.at: of the run holds it: raise it above 9");
	});

	test("who decides on what changed meanwhile is told so, and the workflow takes up what there is", async () => {
		await client().report(paused("fenced"));
		store.put(snapshotOf({ runId: "fenced", version: 3, state: "stopped", readAtMs: Date.now(), heldAtMs: Date.now() }));
		await expect(client().decide("fenced", resumeRunUpdate, ann)).rejects.toMatchObject({ code: "admin.conflict", details: { field: "knownVersion" } });
		expect((await client().status("fenced")).snapshot?.run).toMatchObject({ state: "stopped", version: "3" });
	});

	test("what is wrong is refused with every field, and leaves no trace", async () => {
		await client().report(paused("wrong"));
		await expect(client().decide("wrong", approveMoreUpdate, { limits: { moons: 1 }, by: "", reason: "r" })).rejects.toMatchObject({
			code: "admin.invalid",
			message: /limits\.moons .*; by /,
		});
		await expect(client().decide("wrong", stopRunUpdate, { by: "ann" } as never)).rejects.toMatchObject({
			code: "admin.invalid",
			details: { field: "reason" },
		});
		const { events } = await handleOf("wrong").fetchHistory();
		expect(events?.some(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => accepted != null)).toBe(false);
		await expect(client().decide("nobody", stopRunUpdate, ann)).rejects.toMatchObject({ code: "run.unknown" });
	});

	test("with PostgreSQL away is answered in time, and the decision is carried out when it is back", async () => {
		await client().report(paused("away"));
		store.isAway = true;
		await expect(client().decide("away", stopRunUpdate, ann)).rejects.toMatchObject({
			code: "governance.unreachable",
			message: expect.stringContaining("carried out when it does"),
		});
		expect((await client().status("away")).waitingEffects).toBe(1);
		store.isAway = false;
		await until("the stop", () => store.decided.length === 1);
		expect(store.decided).toMatchObject([{ decision: { kind: "stop" }, knownVersion: "2" }]);
	}, 60_000);
});

describe("time", () => {
	test("reminds twice of a pause that nobody answers, then makes it a stop, each once", async () => {
		// 7 seconds to answer.
		await client().report(paused("expiring", { pauseHours: 7 / 3_600 }));
		await until("the end", () => store.decided.length > 0);
		expect(store.reminded).toEqual([
			{ runId: "expiring", reminder: 1 },
			{ runId: "expiring", reminder: 2 },
		]);
		expect(store.decided).toMatchObject([{ by: "tollgate", decision: { kind: "expire" } }]);
		await until("the stop to show", async () => (await client().status("expiring")).snapshot?.run.state === "stopped");
	}, 60_000);

	test("ends nothing that was answered", async () => {
		await client().report(paused("answered", { pauseHours: 3 / 3_600 }));
		store.put(snapshotOf({ runId: "answered", version: 3, readAtMs: Date.now() }));
		await until("the workflow to hear of it", async () => (await client().status("answered")).snapshot?.run.state === "running");
		expect(store.decided).toEqual([]);
		expect((await client().status("answered")).snapshot?.run.version).toBe("3");
	}, 60_000);
});

describe("the workflow", () => {
	test("ends with its run, and the next report begins it again", async () => {
		await client().report(paused("ending"));
		await client().report(store.put(snapshotOf({ runId: "ending", version: 3, state: "finished", readAtMs: Date.now() })));
		await until("the end", async () => (await handleOf("ending").describe()).status.name === "COMPLETED");
		await client().report(paused("ending", { version: 4 }));
		expect((await client().status("ending")).snapshot?.run.version).toBe("4");
	});

	test("begins a new run of itself with what it knows, reports and waiting decisions included", async () => {
		const rolling = client(3);
		await rolling.report(paused("rolling"));
		const { runId } = await handleOf("rolling").describe();
		for (let version = 3; version <= 6; version++) await rolling.report(paused("rolling", { version }));
		await until("a new run", async () => (await handleOf("rolling").describe()).runId !== runId);
		expect(await rolling.decide("rolling", resumeRunUpdate, ann)).toEqual({ version: "7" });
		expect((await rolling.status("rolling")).snapshot?.run).toMatchObject({ version: "7", state: "running" });
	});

	test("takes reports of any shape without harm", async () => {
		await client().report(paused("hostile"));
		for (const report of [null, 7, { run: {} }, { ...snapshotOf({ runId: "hostile", version: 9 }), steps: [{}] }])
			await handleOf("hostile").signal("runReported", report);
		expect((await client().status("hostile")).snapshot?.run.version).toBe("2");
	});

	test("is found by team, state, guard and share of its fullest ceiling", async () => {
		await client().report(paused("found", { more: { ceilings: [{ ofRunId: "found", kind: "steps", at: "10", taken: "9" }] } }));
		const query = "TollgateTeam = 'search' AND TollgateState = 'paused' AND TollgateGuard = 'loop.repetition' AND TollgateUsedPercent = 90";
		await until("the list", async () => {
			for await (const { workflowId } of temporal.client.workflow.list({ query })) if (workflowId === "agent-run/found") return true;
			return false;
		});
	});
});

test("without registered search attributes it works all the same", async () => {
	const bare = await startTestTemporal({ hasSearchAttributes: false });
	const worker = await Worker.create({
		connection: bare.nativeConnection,
		taskQueue: AGENT_RUN_TASK_QUEUE,
		workflowBundle: await testWorkflowBundle(),
		activities: createAgentRunActivities(store),
	});
	const running = worker.run();
	const governance = new RunGovernanceClient({ connection: bare.connection, client: bare.client });
	await governance.report(paused("bare"));
	expect(await governance.decide("bare", resumeRunUpdate, ann)).toEqual({ version: "3" });
	worker.shutdown();
	await running;
	await bare.close();
}, 90_000);
