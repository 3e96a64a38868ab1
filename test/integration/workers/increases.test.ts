import { afterAll, beforeAll, expect, test } from "vitest";
import { decideIncrease, listIncreases, readIncrease, requestIncrease } from "#activities/administration/increases.ts";
import type { Administration } from "#activities/administration/port.ts";
import type { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BudgetRole } from "../../../workers/budget.ts";
import { type CuttableGovernance, openCuttableGovernance, untilAnswered } from "../../support/cuttable-governance.ts";
import type { CuttableProxy } from "../../support/cuttable-proxy.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "../../support/gateway-process.ts";
import { openTestPool, type TestPool } from "../../support/pool.ts";
import { until } from "../../support/until.ts";

/** A gateway that spends, a worker that governs, a real PostgreSQL, and a Temporal that can be cut off. */
let stand: GatewayStand;
let gateway: GatewayProcess;
let connections: TestPool;
let governance: CuttableGovernance;
let proxy: CuttableProxy;
let role: BudgetRole;

beforeAll(async () => {
	stand = await openGatewayStand({ windowKind: "lifetime" });
	connections = openTestPool(stand.database.url);
	[gateway, governance] = await Promise.all([stand.start("raises"), openCuttableGovernance(stand.database.url)]);
	({ proxy, role } = governance);
}, 120_000);

afterAll(async () => {
	await governance?.close();
	await connections?.close();
	await stand?.close();
});

const as = (adminName: string): Administration => ({ database: connections.pool, governor: role.governance, adminName });
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
/** Less than one call of `chat` can cost. */
const LITTLE = 100_000n;

test("approved money is spent at once and ends on its date without Temporal; the workflow says so when it is back, and the books are in order", async () => {
	const { teamId, key } = await stand.team(LITTLE, { admissionWaitMs: 0 });
	expect((await chat(gateway, key)).status).toBe(402);
	const asked = await requestIncrease(as("ada"), { teamId, amountUsd: "1", until: inMs(8_000), reason: "launch week" });
	await expect(decideIncrease(as("ada"), asked.id, { decision: "approve" })).rejects.toMatchObject({ code: "admin.forbidden" });
	const approved = await decideIncrease(as("grace"), asked.id, { decision: "approve" });
	expect(approved).toMatchObject({
		status: "approved",
		decidedBy: "grace",
		isDecidedByHand: false,
		limitBefore: LITTLE.toString(),
		limitAfter: (LITTLE + 1_000_000_000n).toString(),
	});
	expect((await chat(gateway, key)).status).toBe(200);

	await proxy.cut();
	const refused = await until("a refusal", async () => {
		const answer = await chat(gateway, key);
		return answer.status === 402 ? answer : undefined;
	});
	expect(refused.body).toMatchObject({ error: { code: "budget.exceeded" } });
	expect(await readIncrease(connections.pool, asked.id)).toMatchObject({ status: "ended" });
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0" });

	await proxy.restore();
	await until(
		"the workflow's word",
		async () => {
			const { rows } = await connections.pool.query<{ event: string }>("SELECT event FROM tollgate.governance_event WHERE team_id = $1", [teamId]);
			return rows.some(({ event }) => event === "increase.ended");
		},
		60_000,
	);
	// Announcements and writes leave side by side: the one is no word of the other.
	await until("the row to say so", async () => {
		const { rows } = await connections.pool.query<{ status: string; has_end: boolean }>(
			"SELECT status, ended_at IS NOT NULL AS has_end FROM tollgate.limit_increase WHERE id = $1",
			[asked.id],
		);
		return rows[0]?.status === "ended" && rows[0].has_end;
	});
}, 120_000);

test("two approvers at once: one decision holds, the other is told of it", async () => {
	const { teamId } = await stand.team(LITTLE);
	const asked = await untilAnswered("a request", () => requestIncrease(as("ada"), { teamId, amountUsd: "1", until: inMs(600_000), reason: "r" }));
	const outcomes = await Promise.allSettled(["grace", "carol"].map((name) => decideIncrease(as(name), asked.id, { decision: "approve" })));
	const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
	const lost = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as CostControlError] : []));
	expect([won.length, lost.length]).toEqual([1, 1]);
	expect(lost[0]).toMatchObject({ code: "admin.conflict", publicMessage: expect.stringContaining(`by ${won[0]?.decidedBy}`) });
	expect(await listIncreases(connections.pool, { teamId, isAll: false, limit: 10 })).toMatchObject([{ id: asked.id, status: "approved" }]);
}, 60_000);

test("an approver who is taken away between the decision and its writing approves nothing", async () => {
	const { teamId, key } = await stand.team(LITTLE, { admissionWaitMs: 0 });
	await connections.pool.query("INSERT INTO tollgate.approver VALUES ($1, 'grace')", [teamId]);
	const asked = await untilAnswered("a request", () => requestIncrease(as("ada"), { teamId, amountUsd: "1", until: inMs(600_000), reason: "r" }));
	const client = await connections.pool.connect();
	try {
		// The team's row is locked: what the workflow decides cannot be written yet.
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.team_governance WHERE team_id = $1 FOR UPDATE", [teamId]);
		const { increase } = await role.governance.decideIncrease(teamId, { id: asked.id, decision: "approve", decidedBy: "grace", via: "administration" });
		expect(increase.status).toBe("approved");
		await client.query("DELETE FROM tollgate.approver WHERE team_id = $1", [teamId]);
		await client.query("INSERT INTO tollgate.approver VALUES ($1, 'carol')", [teamId]);
		await client.query("COMMIT");
	} finally {
		client.release();
	}
	await until("the refusal", async () => (await readIncrease(connections.pool, asked.id)).status === "refused", 60_000);
	expect((await chat(gateway, key)).status).toBe(402);
	expect(await readIncrease(connections.pool, asked.id)).toMatchObject({
		decidedBy: "tollgate",
		decisionReason: expect.stringContaining("grace may not approve"),
		limitAfter: null,
	});
}, 120_000);
