import { Worker } from "@temporalio/worker";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBudgetActivities } from "#activities/budgets/activities.ts";
import type { BudgetStore, GovernanceEvent, HeldBudgets, SetFrozenInput, WriteBudgetsInput } from "#activities/budgets/port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import { WAITING_CHANGES_MAX } from "#domain/budget/team-budget-outbox.ts";
import type { WindowReport } from "#domain/budget/team-budget-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { BUDGET_TASK_QUEUE, teamBudgetWorkflowId } from "#workflows/team-budget/messages.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** A BudgetStore in memory that keeps what it was told, and can be away. */
class MemoryStore implements BudgetStore {
	readonly writes: WriteBudgetsInput[] = [];
	readonly freezes: SetFrozenInput[] = [];
	readonly events = new Map<string, GovernanceEvent>();
	readonly held = new Map<string, number>();
	before: HeldBudgets = { revision: 0, isFrozen: false, budgets: [], windows: [] };
	isAway = false;
	/** Writes fail, the rest works: rows that somebody keeps locked. */
	areWritesAway = false;

	eventsRefusedNext = 0;

	async writeBudgets(input: WriteBudgetsInput) {
		if (this.areWritesAway) throw new CostControlError("authority.unreachable", "locked");
		return this.hold(input.teamId, input.revision, () => this.writes.push(input));
	}
	async setFrozen(input: SetFrozenInput) {
		return this.hold(input.teamId, input.revision ?? 0, () => this.freezes.push(input));
	}
	async readBudgets() {
		this.requireHere();
		return this.before;
	}
	async recordEvent(event: GovernanceEvent) {
		this.requireHere();
		if (this.eventsRefusedNext > 0) {
			this.eventsRefusedNext -= 1;
			throw new CostControlError("authority.unreachable", "away for a moment");
		}
		if (event.detail["posted"] === "813") throw Object.assign(new Error("invalid input syntax for type json"), { code: "22P02" });
		if (this.events.has(event.eventKey)) return false;
		this.events.set(event.eventKey, event);
		return true;
	}
	async heldRevision(teamId: string) {
		return this.held.get(teamId) ?? 0;
	}
	private hold(teamId: string, revision: number, write: () => unknown) {
		this.requireHere();
		const heldBefore = this.held.get(teamId) ?? 0;
		if (heldBefore < revision) {
			write();
			this.held.set(teamId, revision);
		}
		return { heldRevision: Math.max(heldBefore, revision) };
	}
	private requireHere() {
		if (this.isAway) throw new CostControlError("authority.unreachable", "away");
	}
}

let temporal: TestTemporal;
let store = new MemoryStore();
const announced: GovernanceEvent[] = [];
let stopWorker: () => Promise<void>;

beforeAll(async () => {
	temporal = await startTestTemporal();
	const delegate: BudgetStore = {
		writeBudgets: (input) => store.writeBudgets(input),
		setFrozen: (input) => store.setFrozen(input),
		readBudgets: () => store.readBudgets(),
		recordEvent: (event) => store.recordEvent(event),
		heldRevision: (teamId) => store.heldRevision(teamId),
	};
	const worker = await Worker.create({
		connection: temporal.nativeConnection,
		workflowBundle: await testWorkflowBundle(),
		taskQueue: BUDGET_TASK_QUEUE,
		activities: createBudgetActivities({ store: delegate, observer: { announced: (event) => announced.push(event) } }),
	});
	const run = worker.run();
	stopWorker = async () => {
		worker.shutdown();
		await run;
	};
});

afterEach(() => {
	store = new MemoryStore();
	announced.length = 0;
});

afterAll(async () => {
	await stopWorker?.();
	await temporal?.close();
});

const startsAtMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;

function report(posted: string, version: number, overrides: Partial<WindowReport> = {}): WindowReport {
	return {
		key: selectorKey(day),
		startsAtMs,
		endsAtMs: startsAtMs + 2 * 86_400_000,
		granted: posted,
		posted,
		overrun: "0",
		leases: 1,
		refusals: 0,
		version,
		...overrides,
	};
}

function governanceClient(messagesPerRun?: number): GovernanceClient {
	return new GovernanceClient({ connection: temporal.connection, client: temporal.client, ...(messagesPerRun === undefined ? {} : { messagesPerRun }) });
}

function patch(set: readonly BudgetDefinition[]) {
	return { mode: "patch" as const, set, remove: [], requestedBy: "ann" };
}

async function holds(teamId: string, revision: number): Promise<void> {
	await until(`revision ${revision} of ${teamId}`, () => (store.held.get(teamId) ?? 0) >= revision);
}

describe("limits", () => {
	test("a policy update reaches the store under the next revision, and asking again changes nothing", async () => {
		const client = governanceClient();
		expect(await client.applyPolicy("limits", patch([day]), holds)).toEqual({ revision: 1 });
		expect(await client.applyPolicy("limits", patch([day]), holds)).toEqual({ revision: 1 });
		expect(await client.applyPolicy("limits", patch([{ ...day, limitAmount: "2000" }]), holds)).toEqual({ revision: 2 });
		expect(store.writes.map(({ revision, requestedBy, set }) => [revision, requestedBy, set[0]?.limitAmount])).toEqual([
			[1, "ann", "1000"],
			[2, "ann", "2000"],
		]);
	});

	test("a bad limit is refused naming the field, and the workflow goes on", async () => {
		const client = governanceClient();
		await expect(client.applyPolicy("bad", patch([{ ...day, limitAmount: "-1" }]))).rejects.toMatchObject({
			code: "admin.invalid",
			publicMessage: expect.stringContaining("set[0].limitAmount"),
		});
		await expect(client.applyPolicy("bad", patch([{ ...day, limitAmount: "0.5" }]))).rejects.toMatchObject({ code: "admin.invalid" });
		expect(await client.applyPolicy("bad", patch([day]), holds)).toEqual({ revision: 1 });
	});

	test("a new workflow takes up what PostgreSQL already holds, revision included", async () => {
		store.before = { revision: 41, isFrozen: false, budgets: [day], windows: [report("850", 3)] };
		const client = governanceClient();
		expect(await client.applyPolicy("reborn", patch([{ ...day, limitAmount: "3000" }]), holds)).toEqual({ revision: 42 });
		expect((await client.status("reborn")).budgets[0]?.window?.posted).toBe("850");
	});

	test("a fence that stands higher is passed by the next free revision", async () => {
		const client = governanceClient();
		await client.applyPolicy("fenced", patch([day]), holds);
		store.held.set("fenced", 9);
		await client.applyPolicy("fenced", patch([{ ...day, limitAmount: "7" }]));
		await holds("fenced", 10);
		expect(store.writes.at(-1)).toMatchObject({ revision: 10, set: [{ limitAmount: "7" }] });
	});
});

describe("thresholds by signals", () => {
	test("warn and stop come through exactly once, however often and in whatever order totals are told", async () => {
		const client = governanceClient();
		await client.applyPolicy("signals", patch([day]), holds);
		for (const [posted, version] of [
			["100", 1],
			["810", 5],
			["500", 3],
			["810", 5],
			["1000", 9],
			["900", 7],
			["1000", 9],
		] as const) {
			await client.reportTotals("signals", { windows: [report(posted, version)], lastRefusals: [] });
		}
		await until("both announcements", () => announced.length >= 2);
		await until("an empty outbox", async () => (await client.status("signals")).waitingEffects === 0);
		expect(announced.map(({ event }) => event)).toEqual(["threshold.warn.fired", "threshold.stop.fired"]);
		const status = await client.status("signals");
		expect(status.budgets[0]?.window).toMatchObject({ posted: "1000", version: 9 });
	});

	test("the current details show every budget, its refusals and its state", async () => {
		const client = governanceClient();
		await client.applyPolicy("shown", patch([{ ...day, limitAmount: "250000000" }]), holds);
		const note = { atMs: startsAtMs, key: selectorKey(day), code: "budget.exceeded", requestId: "req_1" };
		await client.reportTotals("shown", { windows: [report("240000000", 2, { refusals: 4 })], lastRefusals: [note] });
		const handle = temporal.client.workflow.getHandle(teamBudgetWorkflowId("shown"));
		const details = await until("details", async () => {
			const { currentDetails } = await handle.query<{ currentDetails: string }>("__temporal_workflow_metadata");
			return currentDetails.includes("stopped") ? currentDetails : undefined;
		});
		expect(details).toContain("## Team shown: stopped");
		expect(details).toContain("| team, day | 0.25 USD | 0.24 USD | 0.24 USD | 0.01 USD |");
		expect(details).toContain("request `req_1`");
		const description = await handle.describe();
		expect(description.memo).toMatchObject({ team: "shown", state: "stopped" });
		expect(description.typedSearchAttributes.getAll().map(({ value }) => value)).toEqual(expect.arrayContaining(["shown", "stopped", 90]));
		await until("the team in the list of those above 80 %", async () => {
			for await (const { workflowId } of temporal.client.workflow.list({ query: "TollgateUsedPercent >= 80" }))
				if (workflowId === teamBudgetWorkflowId("shown")) return true;
			return false;
		});
	});

	test("a report of an unknown shape is ignored and does not stop the team's workflow", async () => {
		const client = governanceClient();
		await client.applyPolicy("garbage", patch([day]), holds);
		await temporal.client.workflow
			.getHandle(teamBudgetWorkflowId("garbage"))
			.signal("totalsReported", { windows: [{ key: 1, posted: "x" }], lastRefusals: [] });
		await client.reportTotals("garbage", { windows: [report("5", 1)], lastRefusals: [] });
		await until("the good report", async () => (await client.status("garbage")).budgets[0]?.window?.posted === "5");
	});
});

describe("nothing that is sent stops a team's workflow", () => {
	test("text that PostgreSQL cannot hold is refused before it is accepted, and the workflow goes on", async () => {
		const client = governanceClient();
		await client.applyPolicy("wedge", patch([day]), holds);
		for (const text of ["\u0000", "ann\ud800"]) {
			await expect(client.freeze("wedge", { reason: text, requestedBy: "ann" })).rejects.toMatchObject({ code: "admin.invalid" });
			const budget = { ...day, dimension: "user" as const, dimensionValue: text };
			await expect(client.applyPolicy("wedge", patch([budget]))).rejects.toMatchObject({ code: "admin.invalid" });
		}
		expect(await client.applyPolicy("wedge", patch([{ ...day, limitAmount: "2000" }]), holds)).toEqual({ revision: 2 });
		expect(store.freezes).toEqual([]);
	});

	test("a signal with an element that is no refusal is ignored, and updates are answered", async () => {
		const client = governanceClient();
		await client.applyPolicy("null-note", patch([day]), holds);
		await temporal.client.workflow.getHandle(teamBudgetWorkflowId("null-note")).signal("totalsReported", { windows: [], lastRefusals: [null] });
		expect(await client.applyPolicy("null-note", patch([{ ...day, limitAmount: "5" }]), holds)).toEqual({ revision: 2 });
	});

	test("an announcement does not wait behind a write that fails, and the write keeps its place", async () => {
		const client = governanceClient();
		await client.applyPolicy("lanes", patch([day]), holds);
		store.areWritesAway = true;
		await client.applyPolicy("lanes", patch([{ ...day, limitAmount: "999" }]));
		await client.reportTotals("lanes", { windows: [report("900", 1)], lastRefusals: [] });
		await until("the warning", () => announced.some(({ event }) => event === "threshold.warn.fired"), 5_000);
		expect((await client.status("lanes")).waitingEffects).toBe(1);
		store.areWritesAway = false;
		await holds("lanes", 2);
	});

	test("an announcement is made within its workflow task; one that the store does not take there is made by an activity, once", async () => {
		const client = governanceClient();
		await client.applyPolicy("local", patch([day]), holds);
		const activities = async (): Promise<(string | null | undefined)[]> =>
			((await temporal.client.workflow.getHandle(teamBudgetWorkflowId("local")).fetchHistory()).events ?? []).flatMap(
				({ activityTaskScheduledEventAttributes: scheduled }) => (scheduled == null ? [] : [scheduled.activityType?.name]),
			);
		await client.reportTotals("local", { windows: [report("900", 1)], lastRefusals: [] });
		await until("the warning", async () => announced.length === 1 && (await client.status("local")).waitingEffects === 0);
		expect(await activities()).not.toContain("announceEvents");
		store.eventsRefusedNext = 1;
		await client.reportTotals("local", { windows: [report("1000", 2)], lastRefusals: [] });
		await until("the stop", async () => announced.length > 1 && (await client.status("local")).waitingEffects === 0);
		expect(announced.map(({ event }) => event)).toEqual(["threshold.warn.fired", "threshold.stop.fired"]);
		expect((await activities()).filter((name) => name === "announceEvents")).toHaveLength(1);
	});

	test("an announcement that the store refuses for what it says is given up and counted, those beside it come through", async () => {
		const client = governanceClient();
		const user = { ...day, dimension: "user" as const, dimensionValue: "bob" };
		await client.applyPolicy("odd", patch([day, user]), holds);
		const windows = [report("813", 1), report("900", 1, { key: selectorKey(user) })];
		await client.reportTotals("odd", { windows, lastRefusals: [] });
		await until("the lost one", async () => (await client.status("odd")).announcementsLost === 1);
		await until("an empty outbox", async () => (await client.status("odd")).waitingEffects === 0);
		expect(announced.map(({ detail }) => detail["posted"])).toEqual(["900"]);
	});

	test("more changes than may wait are refused as a matter of time, and none that was accepted is lost", async () => {
		const client = governanceClient();
		await client.applyPolicy("full", patch([day]), holds);
		store.areWritesAway = true;
		for (let change = 0; change < WAITING_CHANGES_MAX; change++) await client.applyPolicy("full", patch([{ ...day, limitAmount: String(2_000 + change) }]));
		await expect(client.applyPolicy("full", patch([{ ...day, limitAmount: "7" }]))).rejects.toMatchObject({ code: "governance.unreachable" });
		store.areWritesAway = false;
		await holds("full", 1 + WAITING_CHANGES_MAX);
		expect(await client.applyPolicy("full", patch([{ ...day, limitAmount: "7" }]), holds)).toEqual({ revision: 2 + WAITING_CHANGES_MAX });
	});
});

describe("freeze", () => {
	test("is written with its reason and undone by unfreeze", async () => {
		const client = governanceClient();
		await client.applyPolicy("cold", patch([day]), holds);
		expect(await client.freeze("cold", { reason: "runaway loop", requestedBy: "ann" }, holds)).toEqual({ revision: 2 });
		expect((await client.status("cold")).isFrozen).toBe(true);
		expect(await client.unfreeze("cold", { requestedBy: "bob" }, holds)).toEqual({ revision: 3 });
		expect(store.freezes.map(({ isFrozen, reason, requestedBy }) => [isFrozen, reason, requestedBy])).toEqual([
			[true, "runaway loop", "ann"],
			[false, "", "bob"],
		]);
	});
});

describe("continue-as-new", () => {
	test("keeps revision, totals, thresholds, memo and name over many short runs", async () => {
		const client = governanceClient(5);
		await client.applyPolicy("rolling", patch([day]), holds);
		const handle = temporal.client.workflow.getHandle(teamBudgetWorkflowId("rolling"));
		const firstRun = (await handle.describe()).runId;
		for (let version = 1; version <= 24; version++)
			await client.reportTotals("rolling", { windows: [report(String(version * 40), version)], lastRefusals: [] });
		await until("the last report in a later run", async () => (await client.status("rolling")).budgets[0]?.window?.version === 24);
		expect((await handle.describe()).runId).not.toBe(firstRun);
		expect(await client.applyPolicy("rolling", patch([{ ...day, limitAmount: "5000" }]), holds)).toEqual({ revision: 2 });
		await until("the withdrawn warning", () => announced.some(({ event }) => event === "threshold.warn.withdrawn"));
		expect(announced.filter(({ event }) => event === "threshold.warn.fired")).toHaveLength(1);
		const description = await handle.describe();
		expect(description.memo).toMatchObject({ team: "rolling" });
		expect(description.typedSearchAttributes.getAll().map(({ value }) => value)).toContain("rolling");
	});
});

describe("outages", () => {
	test("with PostgreSQL away, an update is accepted, waits in the outbox and rolls over with it", async () => {
		const client = governanceClient(3);
		await client.applyPolicy("patient", patch([day]), holds);
		store.isAway = true;
		expect(await client.applyPolicy("patient", patch([{ ...day, limitAmount: "7" }]))).toEqual({ revision: 2 });
		expect((await client.status("patient")).waitingEffects).toBe(1);
		expect((await client.status("patient")).heldRevision).toBe(1);
		store.isAway = false;
		await holds("patient", 2);
	});

	test("20 callers at once are led through without exhausting the workflow's updates", async () => {
		const client = governanceClient();
		const budgets = Array.from({ length: 20 }, (_, index) => ({ ...day, dimension: "user" as const, dimensionValue: `user-${index}` }));
		const results = await Promise.all(budgets.map((budget) => client.applyPolicy("crowd", patch([budget]))));
		expect(new Set(results.map(({ revision }) => revision)).size).toBe(20);
		await holds("crowd", 20);
		expect((await client.status("crowd")).budgets).toHaveLength(20);
	});

	test("with Temporal away, every operation says so within its deadline", async () => {
		const other = await startTestTemporal({ hasSearchAttributes: false });
		const client = new GovernanceClient({ connection: other.connection, client: other.client, updateTimeoutMs: 500, messageTimeoutMs: 500 });
		// No worker polls there: the update cannot be answered.
		await expect(client.applyPolicy("away", patch([day]))).rejects.toMatchObject({ code: "governance.unreachable" });
		await other.stopServer();
		await expect(client.reportTotals("away", { windows: [], lastRefusals: [] })).rejects.toMatchObject({ code: "governance.unreachable" });
		await other.close();
	});
});
