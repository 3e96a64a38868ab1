import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { insertBudget, withClient } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("overrun");
});

afterAll(() => stand.close());

const BOOKED = `SELECT b.unit, l.posted::text, l.overrun::text, a.cost_tokens::text FROM tollgate.budget b
	JOIN tollgate.budget_window w ON w.budget_id = b.id JOIN tollgate.lease l ON l.window_id = w.id JOIN tollgate.attempt a ON w.id = ANY (a.window_ids)
	WHERE b.team_id = $1 ORDER BY b.unit`;

const code = (answer: { body: Record<string, unknown> }) => (answer.body["error"] as { code?: string } | undefined)?.code;

describe("a call that costs more than it reserved", () => {
	it("takes idle money first; the rest is an overrun that is reported beside overspend and stops the budget until a person sets it again", async () => {
		const { key, teamId } = await stand.team(3_000_000n);
		// 100 tokens reserved at 10 USD per million are about 1,000,000 nano-USD; 600 tokens cost six times that.
		const answer = await chat(gateway, key, { maxTokens: 100, simulate: { ignoreCap: true, outputTokens: 600 } });
		expect(answer.status).toBe(200);
		expect(code(await chat(gateway, key, { maxTokens: 10 }))).toMatch(/^budget\.(overrun|exceeded)$/);
		const { report, findings } = await stand.verify();
		expect(BigInt(report.overrunNanoUsd)).toBeGreaterThan(0n);
		expect(report.overspendNanoUsd).toBe("0");
		expect(findings).toEqual([]);
		expect(code(await chat(gateway, key, { maxTokens: 10 }))).toBe("budget.overrun");

		await withClient(stand.database.url, (client) =>
			client.query("SELECT tollgate.write_budget($1, 1, 'test', $2)", [teamId, { ...DAILY_BUDGET, limitAmount: "100000000" }]),
		);
		await expect.poll(async () => (await chat(gateway, key, { maxTokens: 10 })).status, { timeout: 5_000 }).toBe(200);
	}, 60_000);

	it("overruns each window by what its own idle amount does not cover: tokens here, and no money", async () => {
		const { key, teamId } = await stand.team(100_000_000_000n);
		await withClient(stand.database.url, (client) => insertBudget(client, { teamId, unit: "tokens", limit: 400n }));
		const answer = await chat(gateway, key, { maxTokens: 100, simulate: { ignoreCap: true, outputTokens: 600 } });
		expect(answer.status).toBe(200);
		const { report, findings } = await stand.verify(); // flushes
		expect(findings).toEqual([]);
		expect(report.overspendNanoUsd).toBe("0");
		const { total_tokens: tokens } = answer.body["usage"] as { total_tokens: number };
		const booked = await withClient(
			stand.database.url,
			async (client) => (await client.query<{ unit: string; posted: string; overrun: string; cost_tokens: string }>(BOOKED, [teamId])).rows,
		);
		expect(booked).toEqual([
			{ unit: "nano_usd", posted: answer.headers.get("x-tollgate-cost-nano-usd"), overrun: "0", cost_tokens: String(tokens) },
			{ unit: "tokens", posted: expect.any(String), overrun: expect.any(String), cost_tokens: String(tokens) },
		]);
		expect(Number(booked[1]?.posted) + Number(booked[1]?.overrun)).toBe(tokens);
		expect(Number(booked[1]?.overrun)).toBeGreaterThanOrEqual(tokens - 400);
		expect(code(await chat(gateway, key, { maxTokens: 10 }))).toBe("budget.overrun");
	}, 60_000);
});
