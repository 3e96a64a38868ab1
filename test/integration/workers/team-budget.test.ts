import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setBudget } from "#activities/administration/budgets.ts";
import type { Administration } from "#activities/administration/port.ts";
import { freezeTeam } from "#activities/administration/teams.ts";
import { TEAM_BUDGET_WORKFLOW, type TeamBudgetStatus, teamBudgetWorkflowId } from "#workflows/team-budget/messages.ts";
import type { BudgetRole } from "../../../workers/budget.ts";
import { askTeamWorkflows } from "../../../workers/chain-witnesses.ts";
import { type CuttableGovernance, openCuttableGovernance, untilAnswered, untilStatus as untilStatusOf } from "../../support/cuttable-governance.ts";
import type { CuttableProxy } from "../../support/cuttable-proxy.ts";
import { DAILY_BUDGET } from "../../support/daily-budget.ts";
import { openTestPool, type TestPool } from "../../support/pool.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";

/** Workflow, worker and publisher on a real PostgreSQL and a real Temporal that can be cut off. */
let database: TestDatabase;
let connections: TestPool;
let governance: CuttableGovernance;
let proxy: CuttableProxy;
let role: BudgetRole;
let administration: Administration;

beforeAll(async () => {
	database = await createTestDatabase();
	connections = openTestPool(database.url);
	governance = await openCuttableGovernance(database.url);
	({ proxy, role } = governance);
	administration = { database: connections.pool, governor: role.governance, adminName: "ada" };
}, 120_000);

afterAll(async () => {
	await governance?.close();
	await connections?.close();
	await database?.close();
});

async function newTeam(teamId: string, limitAmount = "1000"): Promise<string> {
	await connections.pool.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
	await setBudget(administration, { teamId, windowKind: "lifetime", limitAmount });
	return (await windowOf(teamId)).id;
}

async function windowOf(teamId: string): Promise<{ id: string; limit_amount: string; is_frozen: boolean; is_stopped: boolean }> {
	const { rows } = await connections.pool.query(
		`SELECT w.id, w.limit_amount, w.is_frozen, (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease l WHERE l.window_id = w.id) > w.overrun_cleared AS is_stopped
		 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1 AND b.dimension = 'team'`,
		[teamId],
	);
	return rows[0];
}

async function post(windowId: string, amounts: { posted: number; overrun?: number }): Promise<void> {
	await connections.pool.query(
		`INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, overrun, version) VALUES ('g1', 1, $1, $2, $2, $3, 1)
		 ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = excluded.granted, posted = excluded.posted, overrun = excluded.overrun, version = l.version + 1`,
		[windowId, amounts.posted, amounts.overrun ?? 0],
	);
}

const untilStatus = (teamId: string, what: string, isSo: (status: TeamBudgetStatus) => boolean): Promise<TeamBudgetStatus> =>
	untilStatusOf(role, teamId, what, isSo);

const eventsOf = async (teamId: string): Promise<string[]> =>
	(await connections.pool.query<{ event: string }>("SELECT event FROM tollgate.governance_event WHERE team_id = $1 ORDER BY at", [teamId])).rows.map(
		({ event }) => event,
	);

describe("setting a budget again", () => {
	const again = (teamId: string) => setBudget(administration, { teamId, windowKind: "lifetime", limitAmount: "1000" });
	const revisionOf = async (teamId: string) => (await role.governance.status(teamId)).revision;

	test("clears an overrun that the workflow knows, also for a budget that never ends; without one it changes nothing", async () => {
		const windowId = await newTeam("over");
		await again("over");
		expect(await revisionOf("over")).toBe(1);
		await post(windowId, { posted: 900, overrun: 70 });
		await untilStatus("over", "the overrun in the workflow", ({ budgets }) => budgets[0]?.window?.overrun === "70");
		expect((await windowOf("over")).is_stopped).toBe(true);
		await role.governance.applyPolicy("over", {
			mode: "patch",
			set: (await role.governance.status("over")).budgets.map(({ definition }) => definition),
			remove: [],
			requestedBy: "ada",
		});
		await until("grants that are let go", async () => !(await windowOf("over")).is_stopped);
	});

	test("clears one that the workflow has not heard of, and is the same when it is repeated", async () => {
		const windowId = await newTeam("over-unheard");
		await proxy.cut();
		await post(windowId, { posted: 900, overrun: 70 });
		await proxy.restore();
		await untilAnswered("the worker back", () => again("over-unheard"));
		expect((await windowOf("over-unheard")).is_stopped).toBe(false);
		await again("over-unheard");
		expect((await windowOf("over-unheard")).is_stopped).toBe(false);
	}, 120_000);
});

describe("a change that PostgreSQL refuses for what it says", () => {
	test("is given up and announced; what comes after it is carried out, and the state is PostgreSQL's again", async () => {
		const windowId = await newTeam("refused");
		await connections.pool.query("ALTER TABLE tollgate.budget ADD CONSTRAINT unlucky CHECK (limit_amount <> 13)");
		const set = (limitAmount: string) =>
			role.governance.applyPolicy("refused", {
				mode: "patch",
				set: [{ ...DAILY_BUDGET, windowKind: "lifetime", limitAmount }],
				remove: [],
				requestedBy: "ada",
			});
		await set("13");
		await until("the announcement", async () => (await eventsOf("refused")).includes("change.refused"));
		await untilStatus("refused", "the limit in force", ({ budgets, mustReread }) => !mustReread && budgets[0]?.definition.limitAmount === "1000");
		expect((await role.governance.status("refused")).refusedChange).toMatchObject({ requestedBy: "ada", problem: expect.stringContaining("23514") });
		expect(governance.errors).toContain("change.refused of team refused");
		expect(await governance.metrics.metrics()).toContain('tollgate_threshold_events_total{event="change.refused"} 1');
		expect(await governance.metrics.metrics()).toMatch(/^tollgate_totals_sent_total [1-9]/m);
		await post(windowId, { posted: 900 });
		await until("the warning", async () => (await eventsOf("refused")).includes("threshold.warn.fired"));
		await set("2000");
		await until("the raised limit", async () => (await windowOf("refused")).limit_amount === "2000");
		await freezeTeam(administration, "refused", { isFrozen: true, reason: "enough" });
		expect((await windowOf("refused")).is_frozen).toBe(true);
	}, 60_000);
});

describe("a freeze with Temporal away", () => {
	test("is in force at once, and so is its end; the workflow learns of the newest when Temporal is back and undoes nothing", async () => {
		await newTeam("cold");
		await newTeam("thawed");
		expect(await freezeTeam(administration, "thawed", { isFrozen: true, reason: "a while ago" })).toMatchObject({ isFrozen: true, isWorkflowTold: true });
		await untilStatus("thawed", "the freeze told by the command", ({ isFrozen, freezeReason }) => isFrozen && freezeReason === "a while ago");
		await proxy.cut();
		expect(await freezeTeam(administration, "cold", { isFrozen: true, reason: "runaway" })).toMatchObject({ isFrozen: true, isWorkflowTold: false });
		expect(await freezeTeam(administration, "thawed", { isFrozen: false, reason: "" })).toMatchObject({ isFrozen: false, isWorkflowTold: false });
		expect([(await windowOf("cold")).is_frozen, (await windowOf("thawed")).is_frozen]).toEqual([true, false]);
		await proxy.restore();
		await untilStatus("cold", "the freeze told by the totals", ({ isFrozen, freezeReason }) => isFrozen && freezeReason === "runaway");
		await untilStatus("thawed", "its end told by the totals", ({ isFrozen }) => !isFrozen);
		// A limit that is changed meanwhile is written by the workflow, and leaves the freeze alone.
		await setBudget(administration, { teamId: "cold", windowKind: "lifetime", limitAmount: "2000" });
		expect(await windowOf("cold")).toMatchObject({ is_frozen: true, limit_amount: "2000" });
		expect(await freezeTeam(administration, "cold", { isFrozen: false, reason: "" })).toMatchObject({ isFrozen: false, isWorkflowTold: true });
		expect((await role.governance.status("cold")).isFrozen).toBe(false);
		expect((await windowOf("cold")).is_frozen).toBe(false);
	}, 180_000);
});

describe("the team workflows as witnesses of the chains", () => {
	const head = { gatewayId: "g1", epoch: "1", chunkSeq: "3", hash: "ab".repeat(32) };

	async function tellHead(teamId: string): Promise<void> {
		await role.governance.reportTotals(teamId, { windows: [], lastRefusals: [], chainHeads: [head] });
		await untilStatus(teamId, "the head", ({ chainHeads }) => chainHeads.length === 1);
	}

	async function countTold(teamIds: readonly string[]): Promise<number> {
		const { rowCount } = await connections.pool.query("SELECT 1 FROM tollgate.totals_told WHERE team_id = ANY ($1)", [teamIds]);
		return rowCount ?? 0;
	}

	test("one whose worker is away and one whose workflow was deleted leave the others' testimony", async () => {
		for (const teamId of ["heard", "deleted"]) await newTeam(teamId);
		await tellHead("heard");
		// The first totals of a team begin its workflow anew where they come after the deletion.
		await until("the first totals of both", async () => (await countTold(["heard", "deleted"])) === 2);
		const { temporal } = governance;
		const { client } = temporal;
		await client.workflow.start(TEAM_BUDGET_WORKFLOW, { workflowId: teamBudgetWorkflowId("unserved"), taskQueue: "nobody-polls-this", args: [] });
		const workflowExecution = { workflowId: teamBudgetWorkflowId("deleted") };
		await client.workflowService.deleteWorkflowExecution({ namespace: "default", workflowExecution });
		const ask = askTeamWorkflows({ temporalAddress: temporal.address, temporalNamespace: "default" });
		const testimony = await until(
			"the deletion",
			async () => {
				const { heads, note } = await ask(["heard", "deleted"]);
				return note?.includes("have no workflow") && { heads, note };
			},
			90_000,
		);
		expect(testimony.heads).toContainEqual({ ...head, witness: "team-budget/heard" });
		expect(testimony.note).toMatch(/left out: 1 did not answer, 1 have no workflow \(deleted\)\.$/);
	});

	test("are listed up to the number asked for", async () => {
		await until("two in the list", async () => (await role.governance.governedTeams(1_000)).length > 2);
		expect(await role.governance.governedTeams(2)).toHaveLength(2);
	});
});
