import { afterAll, beforeAll, expect, it } from "vitest";
import { explainRequest } from "#activities/administration/explain.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type Answer, chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

/** Budgets that observe, degrade and wait for approval, on gateways as they are: journal, ledger and `verify` included. */
let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("thresholds");
});

afterAll(() => stand.close());

const CALENDAR = { timeZone: "UTC", weekStart: 1, fiscalYearStart: 1 } as const;
const DAILY: BudgetDefinition = {
	...{ dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" },
	...CALENDAR,
	...{ limitAmount: "2000000", mode: "enforce", thresholds: [] },
};
const sql = (text: string, values: unknown[]) => withClient(stand.database.url, (client) => client.query(text, values));
const define = (teamId: string, revision: number, rules: Partial<BudgetDefinition>) =>
	sql("SELECT tollgate.apply_policy($1, $2, 'test', $3, '[]')", [teamId, revision, JSON.stringify([{ ...DAILY, ...rules }])]);
const code = (answer: { body: Record<string, unknown> }) => (answer.body["error"] as { code?: string } | undefined)?.code;

it("an observed team is served past its limit, its books are right, and each call says what it would have met", async () => {
	const { key, teamId } = await stand.team(1n);
	await define(teamId, 1, { mode: "observe" });
	// About 520,000 nano-USD each: the fourth and later ones do not fit any more.
	const answers: Answer[] = [];
	for (let count = 0; count < 8; count++) answers.push(await chat(gateway, key, { simulate: { outputTokens: 50 } }));
	expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
	const { report, findings } = await stand.verify(); // flushes
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0 });
	const explained = await withClient(stand.database.url, (client) => explainRequest(client, answers[7]?.headers.get("x-tollgate-request-id") ?? ""));
	expect(explained).toMatchObject({ attempts: [{ outcome: "settled" }], refusals: [{ code: "budget.exceeded", isObserved: true }] });
	const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
	expect(metrics).toMatch(/tollgate_observed_refusals_total [1-9]/);
	expect(metrics).toContain("tollgate_budget_refusals_total 0");

	await define(teamId, 2, { mode: "enforce" });
	await expect.poll(async () => code(await chat(gateway, key)), { timeout: 5_000 }).toBe("budget.exceeded");
	expect((await stand.verify()).findings).toEqual([]);
}, 60_000);

it("beyond its line a team is served by the cheaper model, which the books and the header name", async () => {
	const { key, teamId } = await stand.team(1n);
	await define(teamId, 1, {
		limitAmount: "100000000",
		thresholds: [{ action: "degrade", at: { amount: "1000000" }, degradeTo: { "gpt-4o": "gpt-4o-mini" } }],
	});
	const calls: Answer[] = [];
	for (let count = 0; count < 5; count++) calls.push(await chat(gateway, key, { simulate: { outputTokens: 50 } }));
	expect(calls.map(({ status }) => status)).toEqual(Array(5).fill(200));
	const [first, last] = [calls[0], calls.at(-1)];
	expect([first?.headers.get("x-tollgate-degraded"), first?.headers.get("x-tollgate-model")]).toEqual([null, "gpt-4o"]);
	expect([last?.headers.get("x-tollgate-degraded"), last?.headers.get("x-tollgate-model")]).toEqual(["gpt-4o", "gpt-4o-mini"]);
	expect((await chat(gateway, key, { model: "gpt-4.1" })).headers.get("x-tollgate-degraded")).toBeNull();
	const { report, findings } = await stand.verify();
	expect([findings, report.ok]).toEqual([[], true]);
	const { rows } = await sql("SELECT DISTINCT model, asked_model FROM tollgate.attempt WHERE team_id = $1 ORDER BY model", [teamId]);
	expect(rows).toEqual([
		{ model: "gpt-4.1", asked_model: null },
		{ model: "gpt-4o", asked_model: null },
		{ model: "gpt-4o-mini", asked_model: "gpt-4o" },
	]);
	await withClient(stand.database.url, async (client) => {
		const { attempts } = await explainRequest(client, last?.headers.get("x-tollgate-request-id") ?? "");
		const degradedBy = { budget: "team, day", unit: "nano_usd", place: 1, lineAmount: "1000000" };
		expect(attempts).toMatchObject([{ model: "gpt-4o-mini", askedModel: "gpt-4o", degradedBy }]);
		const asAsked = await explainRequest(client, first?.headers.get("x-tollgate-request-id") ?? "");
		expect(asAsked.attempts).toMatchObject([{ model: "gpt-4o", askedModel: null, degradedBy: null }]);
		const calls = async (by: "model" | "askedModel") =>
			(await readSpend(client, { by: [by], only: { team: teamId } })).rows.map((row) => [row.groups[by], row.calls]).sort();
		const degraded = Number((await calls("model")).find(([model]) => model === "gpt-4o-mini")?.[1]);
		expect(degraded).toBeGreaterThan(0);
		expect(await calls("askedModel")).toEqual([
			["gpt-4.1", 1],
			["gpt-4o", 5],
		]);
	});
}, 60_000);

it("a line that needs approval answers 402 in the caller's protocol, until it is given", async () => {
	const { key, teamId } = await stand.team(1n);
	await define(teamId, 1, { limitAmount: "3000000", thresholds: [{ action: "needApproval", at: { amount: "1100000" } }] });
	expect((await chat(gateway, key, { simulate: { outputTokens: 50 } })).status).toBe(200);
	const refused = await chat(gateway, key);
	expect(refused).toMatchObject({ status: 402, body: { error: { code: "budget.needs_approval" } } });
	expect(JSON.stringify(refused.body)).toContain("npx tollgate budget increase list --team");
	const { rows } = await sql("SELECT starts_at FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1", [teamId]);
	const { dimension, dimensionValue, unit, windowKind } = DAILY;
	await sql("SELECT tollgate.approve_line($1, 2, 'boss', $2, $3, 1100000)", [teamId, { dimension, dimensionValue, unit, windowKind }, rows[0]?.starts_at]);
	await expect.poll(async () => (await chat(gateway, key)).status, { timeout: 5_000 }).toBe(200);
	expect((await stand.verify()).findings).toEqual([]);
}, 60_000);
