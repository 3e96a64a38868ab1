import { afterAll, beforeAll, expect, test } from "vitest";
import { setBudget } from "#activities/administration/budgets.ts";
import type { Administration } from "#activities/administration/port.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import { type TeamBudgetStatus, teamBudgetWorkflowId } from "#workflows/team-budget/messages.ts";
import type { BudgetRole } from "../../../workers/budget.ts";
import { withClient } from "../../support/authority-rows.ts";
import { type CuttableGovernance, openCuttableGovernance, untilStatus as untilStatusOf } from "../../support/cuttable-governance.ts";
import type { CuttableProxy } from "../../support/cuttable-proxy.ts";
import { applyPolicy, policyContext, readCurrentPolicy } from "../../support/policy.ts";
import { openTestPool, type TestPool } from "../../support/pool.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

/** A policy document is in force without Temporal; the teams' workflows take it up when they are told. Real PostgreSQL, real Temporal. */
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
	administration = { database: connections.pool, governor: role.governance, adminName: "bob" };
}, 120_000);

afterAll(async () => {
	await governance?.close();
	await connections?.close();
	await database?.close();
	expect(governance.errors).toEqual([]);
});

const ofTeam = (team: string, budgets: Readonly<Record<string, number>>): string =>
	[
		"version: 1",
		"teams:",
		`  ${team}:`,
		"    budgets:",
		...Object.entries(budgets).map(([window, usd]) => `      - { window: ${window}, limitUsd: ${usd} }`),
		"",
	].join("\n");

const apply = (text: string, isPruning = false) => applyPolicy(policyContext(connections.pool), text, { isPruning });

async function newTeam(teamId: string): Promise<void> {
	await connections.pool.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
	await setBudget(administration, { teamId, windowKind: "month", limitUsd: "10" });
}

const untilStatus = (teamId: string, what: string, isSo: (status: TeamBudgetStatus) => boolean): Promise<TeamBudgetStatus> =>
	untilStatusOf(role, teamId, what, isSo);

const limitsOf = (status: TeamBudgetStatus) => Object.fromEntries(status.budgets.map(({ definition }) => [definition.windowKind, definition.limitAmount]));

async function windowsOf(teamId: string): Promise<Record<string, string>> {
	const { rows } = await connections.pool.query<{ window_kind: string; limit_amount: string }>(
		"SELECT b.window_kind, w.limit_amount FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id WHERE b.team_id = $1 AND b.deleted_at IS NULL",
		[teamId],
	);
	return Object.fromEntries(rows.map(({ window_kind, limit_amount }) => [window_kind, limit_amount]));
}

test("the workflow reads the rows again, and its next change comes after the document", async () => {
	await newTeam("taken");
	await apply(ofTeam("taken", { month: 20, day: 5 }));
	const status = await untilStatus("taken", "the document in the workflow", ({ documentRevision }) => documentRevision === 1_000);
	expect([limitsOf(status), status.revision, status.heldRevision, status.mustReread]).toEqual([
		{ month: "20000000000", day: "5000000000" },
		1_000,
		1_000,
		false,
	]);
	await setBudget(administration, { teamId: "taken", windowKind: "month", limitUsd: "30" });
	expect((await role.governance.status("taken")).revision).toBe(1_001);
	expect(await windowsOf("taken")).toEqual({ month: "30000000000", day: "5000000000" });
}, 60_000);

test("with Temporal away a document is in force all the same, and the workflow catches up by the totals", async () => {
	await newTeam("away");
	await proxy.cut();
	await apply(ofTeam("away", { month: 7 }));
	expect(await windowsOf("away")).toEqual({ month: "7000000000" });
	await proxy.restore();
	const status = await untilStatus("away", "the document in the workflow", ({ documentRevision }) => documentRevision === 1_000);
	expect(limitsOf(status)).toEqual({ month: "7000000000" });
}, 120_000);

test("a change that waits in the workflow while a document is written goes out after it, and nothing of either is lost", async () => {
	await newTeam("waiting");
	const { policy, basis } = await readCurrentPolicy(connections.pool);
	const [month] = policy.teams["waiting"]?.budgets ?? [];
	const budget = (windowKind: BudgetDefinition["windowKind"], limitAmount: string): BudgetDefinition => ({ ...month!, windowKind, limitAmount });
	const next = mergePolicy(policy, { teams: { waiting: { budgets: [budget("month", "40"), budget("day", "9")] } } }, { isPruning: false });
	await withClient(database.url, async (client) => {
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.team_governance WHERE team_id = 'waiting' FOR NO KEY UPDATE");
		await role.governance.applyPolicy("waiting", { mode: "patch", set: [budget("month", "70")], remove: [], requestedBy: "bob" });
		await untilStatus("waiting", "a change that waits", ({ waitingEffects }) => waitingEffects === 1);
		await client.query("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '')", [basis, JSON.stringify(next)]);
		await client.query("COMMIT");
	});
	const status = await untilStatus(
		"waiting",
		"both in the workflow",
		({ documentRevision, waitingEffects }) => documentRevision === 1_000 && waitingEffects === 0,
	);
	expect([limitsOf(status), status.revision]).toEqual([{ month: "70", day: "9" }, 1_001]);
	expect(await windowsOf("waiting")).toEqual({ month: "70", day: "9" });
}, 60_000);

test("an archived team's workflow learns that it has no budget left, and idles", async () => {
	await newTeam("archived");
	await newTeam("kept");
	await apply(ofTeam("kept", { month: 1 }), true);
	const status = await untilStatus("archived", "the end of its budgets in the workflow", ({ budgets }) => budgets.length === 0);
	expect([status.waitingEffects, status.refusedChange]).toEqual([0, null]);
	expect((await governance.temporal.client.workflow.getHandle(teamBudgetWorkflowId("archived")).describe()).status.name).toBe("RUNNING");
}, 60_000);
