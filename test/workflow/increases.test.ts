import { Worker } from "@temporalio/worker";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBudgetActivities } from "#activities/budgets/activities.ts";
import type { BudgetStore, GovernanceEvent, HeldBudgets, HeldRevision } from "#activities/budgets/port.ts";
import { createIncreaseActivities } from "#activities/increases/activities.ts";
import type { IncreaseStore } from "#activities/increases/port.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import type { RequestIncreaseInput } from "#domain/budget/increase-input.ts";
import type { Increase, IncreaseRules } from "#domain/budget/increases.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { BUDGET_TASK_QUEUE, teamBudgetWorkflowId } from "#workflows/team-budget/messages.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** What PostgreSQL would hold, in memory: rows by id, revisions by team; writes can fail, and rules can be away. */
class MemoryStore implements BudgetStore, IncreaseStore {
	readonly held = new Map<string, number>();
	readonly rows = new Map<string, Increase>();
	readonly applied: string[] = [];
	readonly ended: string[] = [];
	before: HeldBudgets = { revision: 0, isFrozen: false, budgets: [day], windows: [] };
	rules: IncreaseRules = { approvers: [], ceilingNanoUsd: null };
	areWritesAway = false;
	areRulesAway = false;
	/** Refuses what is applied for what it says. */
	refusesRaises = false;
	refusesEnds = false;

	async writeBudgets(input: { teamId: string; revision: number }) {
		return this.hold(input.teamId, input.revision);
	}
	async setFrozen(input: { teamId: string; revision: number | null }) {
		return this.hold(input.teamId, input.revision ?? 0);
	}
	async readBudgets() {
		return this.before;
	}
	async recordEvent(event: GovernanceEvent) {
		if (announced.some(({ eventKey }) => eventKey === event.eventKey)) return false;
		announced.push(event);
		return true;
	}
	async heldRevision(teamId: string) {
		return this.held.get(teamId) ?? 0;
	}
	async readIncreaseRules() {
		if (this.areRulesAway) throw new CostControlError("authority.unreachable", "away");
		return this.rules;
	}
	async recordIncrease(input: { teamId: string; revision: number; increase: Increase }) {
		return this.hold(input.teamId, input.revision, () => this.rows.set(input.increase.id, input.increase));
	}
	async applyIncrease(input: { teamId: string; revision: number; increase: Increase }) {
		if (this.refusesRaises) throw Object.assign(new Error("bob may not approve increases"), { code: "23514" });
		return this.hold(input.teamId, input.revision, () => {
			if (this.rows.get(input.increase.id)?.status !== "approved") this.applied.push(input.increase.id);
			this.rows.set(input.increase.id, input.increase);
		});
	}
	async endIncreaseEarly(input: { teamId: string; revision: number; increase: Increase }) {
		if (this.refusesEnds) throw Object.assign(new Error("bob may not end increases"), { code: "23514" });
		return this.hold(input.teamId, input.revision, () => this.rows.set(input.increase.id, input.increase));
	}
	async endIncreases(input: { teamId: string; revision: number; increaseIds: readonly string[] }) {
		return this.hold(input.teamId, input.revision, () => this.ended.push(...input.increaseIds));
	}
	private hold(teamId: string, revision: number, write: () => unknown = () => undefined): HeldRevision {
		if (this.areWritesAway) throw new CostControlError("authority.unreachable", "away");
		const before = this.held.get(teamId) ?? 0;
		if (before <= revision) {
			write();
			this.held.set(teamId, revision);
		}
		return { heldRevision: Math.max(before, revision) };
	}
}

let temporal: TestTemporal;
let store = new MemoryStore();
const announced: GovernanceEvent[] = [];
let stopWorker: () => Promise<void>;

async function startWorker(): Promise<() => Promise<void>> {
	const delegate: BudgetStore & IncreaseStore = {
		writeBudgets: (input) => store.writeBudgets(input),
		setFrozen: (input) => store.setFrozen(input),
		readBudgets: () => store.readBudgets(),
		recordEvent: (event) => store.recordEvent(event),
		heldRevision: (teamId) => store.heldRevision(teamId),
		readIncreaseRules: () => store.readIncreaseRules(),
		recordIncrease: (input) => store.recordIncrease(input),
		applyIncrease: (input) => store.applyIncrease(input),
		endIncreaseEarly: (input) => store.endIncreaseEarly(input),
		endIncreases: (input) => store.endIncreases(input),
	};
	const worker = await Worker.create({
		connection: temporal.nativeConnection,
		workflowBundle: await testWorkflowBundle(),
		taskQueue: BUDGET_TASK_QUEUE,
		activities: { ...createBudgetActivities({ store: delegate, observer: { announced: () => undefined } }), ...createIncreaseActivities(delegate) },
		// A worker that is stopped does not wait for its activities, as one that is killed.
		shutdownForceTime: "1 second",
		shutdownGraceTime: "1 second",
	});
	const run = worker.run();
	return async () => {
		worker.shutdown();
		await run;
	};
}

beforeAll(async () => {
	temporal = await startTestTemporal();
	stopWorker = await startWorker();
}, 120_000);

afterEach(() => {
	store = new MemoryStore();
	announced.length = 0;
});

afterAll(async () => {
	await stopWorker?.();
	await temporal?.close();
});

const governance = (messagesPerRun?: number): GovernanceClient =>
	new GovernanceClient({ connection: temporal.connection, client: temporal.client, ...(messagesPerRun === undefined ? {} : { messagesPerRun }) });

const ask: RequestIncreaseInput = { budget: { windowKind: "day" }, amount: "50", reason: "launch week", requestedBy: "ann" };
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
const holds = (teamId: string, revision: number): Promise<void> =>
	until(`revision ${revision} of ${teamId}`, () => (store.held.get(teamId) ?? 0) >= revision).then(() => undefined);
const told = (): string[] => announced.map(({ event, detail }) => `${event} ${detail["status"] ?? ""}`);

describe("a request", () => {
	test("waits, is approved by somebody else, is in force until its date and ends by itself", async () => {
		const client = governance();
		const { increase, revision } = await client.requestIncrease("life", { ...ask, until: inMs(4_000), via: "administration" }, holds);
		expect([increase.status, revision, increase.id]).toEqual(["pending", 1, expect.stringMatching(/^inc_[0-9a-f]{12}$/)]);
		expect(await client.decideIncrease("life", { id: increase.id, decision: "approve", amount: "30", decidedBy: "bob" }, holds)).toMatchObject({
			revision: 2,
			increase: { status: "approved", grantedAmount: "30", isRequestedByHand: false, decision: { by: "bob", isByHand: true } },
		});
		expect((await client.status("life")).increases).toMatchObject([{ id: increase.id, status: "approved" }]);
		await until("the end", () => store.ended.includes(increase.id));
		expect((await client.status("life")).increases).toEqual([]);
		await until("three announcements", () => announced.length === 3);
		expect(told()).toEqual(["increase.requested pending", "increase.decided approved", "increase.ended ended"]);
		expect(announced[1]?.detail).toMatchObject({
			increase: increase.id,
			grantedAmount: "30",
			decidedBy: "bob",
			requestedBy: "ann",
			reason: "launch week",
			isByHand: "true",
		});
	});

	test("asked for again while it waits is the same one; withdrawn by whoever asked it is gone", async () => {
		const client = governance();
		const first = await client.requestIncrease("again", ask, holds);
		expect(await client.requestIncrease("again", ask, holds)).toEqual(first);
		await expect(client.withdrawIncrease("again", { id: first.increase.id, withdrawnBy: "bob" })).rejects.toMatchObject({
			code: "admin.forbidden",
			details: { field: "withdrawnBy" },
		});
		await client.withdrawIncrease("again", { id: first.increase.id, withdrawnBy: "ann" }, holds);
		expect(store.rows.get(first.increase.id)?.status).toBe("withdrawn");
		await expect(client.decideIncrease("again", { id: first.increase.id, decision: "approve", decidedBy: "bob" })).rejects.toMatchObject({
			code: "admin.conflict",
		});
	});

	test("that nobody decides expires at its own deadline", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("forgotten", { ...ask, expiresInMs: 1_000 }, holds);
		await until("its end", () => store.rows.get(increase.id)?.status === "expired");
		await until("the announcement", () => told().includes("increase.decided expired"));
		await expect(client.decideIncrease("forgotten", { id: increase.id, decision: "approve", decidedBy: "bob" })).rejects.toMatchObject({
			code: "admin.conflict",
		});
		expect(store.applied).toEqual([]);
	});

	test("that is no request is refused naming the field, and leaves no trace", async () => {
		const client = governance();
		await expect(client.requestIncrease("bad", { ...ask, amount: "-1" })).rejects.toMatchObject({ code: "admin.invalid", details: { field: "amount" } });
		await expect(client.requestIncrease("bad", { ...ask, reason: "a\u0000" })).rejects.toMatchObject({ code: "admin.invalid", details: { field: "reason" } });
		await expect(client.requestIncrease("bad", { ...ask, until: inMs(-1_000) })).rejects.toMatchObject({ code: "admin.invalid", details: { field: "until" } });
		await expect(client.requestIncrease("bad", { ...ask, budget: { windowKind: "month" } })).rejects.toMatchObject({
			code: "admin.not_found",
			details: { field: "budget" },
		});
		store.rules = { approvers: [], ceilingNanoUsd: "49" };
		await expect(client.requestIncrease("bad", ask)).rejects.toMatchObject({ code: "admin.invalid", details: { field: "amount" } });
		expect(await client.status("bad")).toMatchObject({ increases: [], revision: 0 });
	});
});

describe("a decision", () => {
	test("is nobody's own, and only an approver's where some are named, by the rules of this moment", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("rules", ask, holds);
		const approve = (decidedBy: string) => client.decideIncrease("rules", { id: increase.id, decision: "approve", decidedBy }, holds);
		await expect(approve("ann")).rejects.toMatchObject({ code: "admin.forbidden", details: { field: "decidedBy" } });
		store.rules = { approvers: ["carol"], ceilingNanoUsd: null };
		await expect(approve("bob")).rejects.toMatchObject({ code: "admin.forbidden" });
		store.rules = { approvers: ["carol"], ceilingNanoUsd: "49" };
		await expect(approve("carol")).rejects.toMatchObject({ code: "admin.invalid", details: { field: "amount" } });
		store.rules = { approvers: ["carol"], ceilingNanoUsd: "50" };
		expect((await approve("carol")).increase.status).toBe("approved");
	});

	test("without an answer about the rules nothing is decided", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("closed", ask, holds);
		store.areRulesAway = true;
		const patient = new GovernanceClient({ connection: temporal.connection, client: temporal.client, updateTimeoutMs: 20_000 });
		await expect(patient.decideIncrease("closed", { id: increase.id, decision: "approve", decidedBy: "bob" })).rejects.toMatchObject({
			code: "governance.unreachable",
			publicMessage: expect.stringContaining("nothing was changed"),
		});
		expect((await client.status("closed")).increases).toMatchObject([{ status: "pending" }]);
	}, 40_000);

	test("of two at once one holds, the other is told who decided, and the same again is harmless", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("race", { ...ask, until: inMs(60_000) }, holds);
		const approve = (decidedBy: string) => client.decideIncrease("race", { id: increase.id, decision: "approve", decidedBy }, holds);
		const outcomes = await Promise.allSettled([approve("bob"), approve("carol")]);
		const [won] = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
		const [lost] = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as CostControlError] : []));
		const winner = won?.increase.decision?.by ?? "";
		expect(lost).toMatchObject({ code: "admin.conflict", publicMessage: expect.stringContaining(`approved already, by ${winner}`) });
		expect(await approve(winner)).toMatchObject({ increase: { status: "approved", decision: { by: winner } } });
		expect(store.applied).toEqual([increase.id]);
	});

	test("that PostgreSQL refuses holds for nothing: the limit stays, the request is closed, and both are told", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("refused", ask, holds);
		store.refusesRaises = true;
		const { revision } = await client.decideIncrease("refused", { id: increase.id, decision: "approve", decidedBy: "bob" });
		await until("the refusal", () => store.rows.get(increase.id)?.status === "refused");
		await holds("refused", revision + 1);
		await until("both announcements", () => told().includes("increase.decided refused") && told().includes("change.refused "));
		const status = await client.status("refused");
		expect(status.increases).toEqual([]);
		expect(status.refusedChange).toMatchObject({ requestedBy: "bob", problem: expect.stringContaining("may not approve") });
	});

	test("whose worker is stopped before it is written is carried out once, by the next one", async () => {
		const client = governance();
		const { increase } = await client.requestIncrease("killed", { ...ask, until: inMs(120_000) }, holds);
		store.areWritesAway = true;
		await client.decideIncrease("killed", { id: increase.id, decision: "approve", decidedBy: "bob" });
		await stopWorker();
		store.areWritesAway = false;
		stopWorker = await startWorker();
		await holds("killed", 2);
		expect(store.applied).toEqual([increase.id]);
		expect(store.rows.get(increase.id)).toMatchObject({ status: "approved", decision: { by: "bob" } });
	}, 90_000);
});

describe("an end before the date", () => {
	async function raised(teamId: string): Promise<string> {
		const client = governance();
		const { increase } = await client.requestIncrease(teamId, { ...ask, until: inMs(60_000) }, holds);
		await client.decideIncrease(teamId, { id: increase.id, decision: "approve", decidedBy: "bob" }, holds);
		return increase.id;
	}

	test("is an approver's, lowers the limit at once, and is announced once, by whom and why", async () => {
		const client = governance();
		const id = await raised("early");
		store.rules = { approvers: ["bob"], ceilingNanoUsd: null };
		await expect(client.endIncrease("early", { id, endedBy: "carol" })).rejects.toMatchObject({ code: "admin.forbidden", details: { field: "endedBy" } });
		const { increase } = await client.endIncrease("early", { id, endedBy: "bob", reason: "over", via: "administration" }, holds);
		expect(increase).toMatchObject({ status: "ended", ending: { by: "bob", isByHand: false, reason: "over" } });
		expect(await client.endIncrease("early", { id, endedBy: "bob" }, holds)).toMatchObject({ increase: { status: "ended" } });
		await expect(client.endIncrease("early", { id: "inc_ffffffffffff", endedBy: "bob" })).rejects.toMatchObject({ code: "admin.not_found" });
		expect(store.rows.get(id)?.status).toBe("ended");
		expect((await client.status("early")).increases).toEqual([]);
		// What another test left behind may still be announced.
		const own = () => announced.filter((event) => event.teamId === "early");
		await until("three announcements", () => own().length === 3);
		expect(own().map(({ event }) => event)).toEqual(["increase.requested", "increase.decided", "increase.ended"]);
		expect(own()[2]?.detail).toMatchObject({ increase: id, endedBy: "bob", endReason: "over", isByHand: "false" });
		expect(store.ended).toEqual([]);
	});

	test("that PostgreSQL refuses leaves the raise in force, and its date ends it", async () => {
		const client = governance();
		const id = await raised("kept");
		store.refusesEnds = true;
		store.before = { ...store.before, revision: 2, increases: [...store.rows.values()] };
		await client.endIncrease("kept", { id, endedBy: "bob" });
		await until("the refusal", () => told().includes("change.refused "));
		expect((await client.status("kept")).increases).toMatchObject([{ id, status: "approved" }]);
		expect(told()).not.toContain("increase.ended ended");
	});
});

test("requests and raises roll over with the run", async () => {
	const client = governance(2);
	const handle = temporal.client.workflow.getHandle(teamBudgetWorkflowId("rolling"));
	const { increase } = await client.requestIncrease("rolling", { ...ask, until: inMs(60_000) }, holds);
	const other = await client.requestIncrease("rolling", { ...ask, reason: "other", until: inMs(60_000) }, holds);
	const firstRun = (await handle.describe()).raw.workflowExecutionInfo?.firstRunId;
	await client.decideIncrease("rolling", { id: increase.id, decision: "approve", decidedBy: "bob" }, holds);
	await client.decideIncrease("rolling", { id: other.increase.id, decision: "reject", reason: "no", decidedBy: "bob" }, holds);
	expect((await handle.describe()).runId).not.toBe(firstRun);
	const status = await client.status("rolling");
	expect(status.increases).toMatchObject([{ id: increase.id, status: "approved", grantedAmount: "50" }]);
	expect(status.closedIncreases).toMatchObject([{ status: "rejected" }]);
});

test("a workflow that begins anew takes up requests and raises from PostgreSQL", async () => {
	const open: Increase = {
		...{
			id: "inc_0123456789ab",
			kind: "increase",
			key: selectorKey(day),
			status: "pending",
			askedAmount: "50",
			grantedAmount: null,
			untilMs: null,
			reason: "r",
		},
		...{ requestedBy: "ann", isRequestedByHand: false, requestedAtMs: Date.now(), expiresAtMs: Date.now() + 600_000, decision: null },
	};
	store.before = { ...store.before, revision: 41, increases: [open] };
	const client = governance();
	expect(await client.decideIncrease("reborn", { id: open.id, decision: "approve", decidedBy: "bob" }, holds)).toMatchObject({
		revision: 42,
		increase: { status: "approved" },
	});
});

test("the current details list what waits, with the update to paste, and that update is accepted", async () => {
	const client = governance();
	const { increase } = await client.requestIncrease("shown", { ...ask, until: inMs(60_000) }, holds);
	const handle = temporal.client.workflow.getHandle(teamBudgetWorkflowId("shown"));
	const details = async () => (await handle.query<{ currentDetails: string }>("__temporal_workflow_metadata")).currentDetails;
	const pasted = /`(\{"id":.*?\})`/.exec(await details())?.[1];
	expect(await details()).toContain("asked by ann: launch week");
	const input = { ...(JSON.parse(pasted ?? "{}") as object), decidedBy: "bob" };
	await handle.executeUpdate("decideIncrease", { args: [input] });
	await holds("shown", 2);
	expect(await details()).toContain(`\`${increase.id}\``);
	expect(await details()).toContain("approved by bob");
	expect(store.rows.get(increase.id)?.decision).toMatchObject({ by: "bob", isByHand: true });
});

test("a line that needs approval asks by itself, once; rejected, a person asks for it, and it is passed when somebody else approves", async () => {
	const startsAtMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
	const waiting: BudgetDefinition = { ...day, thresholds: [{ action: "needApproval", at: { amount: "900" } }] };
	store.before = { ...store.before, budgets: [waiting] };
	const client = governance();
	const window = {
		key: selectorKey(waiting),
		startsAtMs,
		endsAtMs: startsAtMs + 2 * 86_400_000,
		granted: "900",
		posted: "900",
		overrun: "0",
		leases: 1,
		refusals: 0,
		version: 1,
	};
	await client.reportTotals("line", { windows: [window], lastRefusals: [] });
	const [increase] = await until("the request", async () => {
		const { increases } = await client.status("line");
		return increases.length > 0 ? increases : undefined;
	});
	expect(increase).toMatchObject({ kind: "line", askedAmount: "900", requestedBy: "tollgate", status: "pending" });
	await client.decideIncrease("line", { id: increase?.id ?? "", decision: "reject", reason: "not today", decidedBy: "bob" }, holds);
	const asking: RequestIncreaseInput = { kind: "line", budget: { windowKind: "day" }, reason: "it is urgent", requestedBy: "ann" };
	const { increase: again } = await client.requestIncrease("line", asking, holds);
	expect(again).toMatchObject({ kind: "line", askedAmount: "900", requestedBy: "ann", status: "pending", untilMs: window.endsAtMs });
	await expect(client.decideIncrease("line", { id: again.id, decision: "approve", decidedBy: "ann" })).rejects.toMatchObject({ code: "admin.forbidden" });
	await client.decideIncrease("line", { id: again.id, decision: "approve", decidedBy: "bob" }, holds);
	await client.reportTotals("line", { windows: [{ ...window, version: 2, posted: "950", approved: "900" }], lastRefusals: [] });
	await until("the report", async () => (await client.status("line")).budgets[0]?.window?.posted === "950");
	expect((await client.status("line")).increases).toMatchObject([{ id: again.id, status: "approved" }]);
	expect(store.applied).toEqual([again.id]);
	await expect(client.requestIncrease("line", { ...asking, reason: "more" })).rejects.toMatchObject({ code: "admin.conflict", message: /has no line/ });
	await expect(client.requestIncrease("line", { ...asking, amount: "5", until: "2026-12-01" })).rejects.toMatchObject({
		code: "admin.invalid",
		message: /amount.*cannot be named.*until.*cannot be named/,
	});
});
