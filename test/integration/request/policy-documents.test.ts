import { afterAll, beforeAll, expect, it } from "vitest";
import { waitUntilInForce } from "#activities/administration/in-force.ts";
import { createVirtualKey } from "#activities/keys/postgres.ts";
import type { PolicyContext } from "#activities/policy/port.ts";
import { readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { applyPolicy, policyContext } from "#test/support/policy.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { until } from "#test/support/until.ts";

/** What a policy document changes is in force on every gateway when it is answered, without a restart. */
let stand: GatewayStand;
let gateways: GatewayProcess[];
let connections: TestPool;
let context: PolicyContext;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateways = [await stand.start("policy_1"), await stand.start("policy_2")];
	connections = openTestPool(stand.database.url);
	context = { ...policyContext(connections.pool), readPrices: () => readCurrentPriceBook(connections.pool) };
}, 60_000);

afterAll(async () => {
	await connections?.close();
	await stand?.close();
});

const ofTeam = (team: string, lines: string[]) => ["version: 1", "teams:", `  ${team}:`, ...lines.map((line) => `    ${line}`), ""].join("\n");
const budget = (limitUsd: string) => ["budgets:", `  - { window: month, limitUsd: ${limitUsd} }`];
const newKey = async (teamId: string) => (await createVirtualKey(connections.pool, { teamId }, "ada")).key;
const everywhere = (key: string, options: Parameters<typeof chat>[2] = {}) => Promise.all(gateways.map((gateway) => chat(gateway, key, options)));

it("a new team may spend at once, and a budget that is lowered below what is spent stops new calls while those under way settle", async () => {
	await applyPolicy(context, ofTeam("search", budget("1")));
	const key = await newKey("search");
	await waitUntilInForce(connections.pool);
	expect((await everywhere(key)).map(({ status }) => status)).toEqual([200, 200]);

	const [first] = gateways;
	const held = chat(first ?? expect.fail("a gateway"), key, { simulate: { holdUntil: "lowered" } });
	await until("the call to be in flight", async () => (await stand.provider.control("state"))["held"] === 1);
	await applyPolicy(context, ofTeam("search", [...budget("0.000001"), "settings: { admissionWaitMs: 0 }"]));
	expect((await everywhere(key)).map(({ status, body }) => [status, (body["error"] as { code: string }).code])).toEqual([
		[402, "budget.exceeded"],
		[402, "budget.exceeded"],
	]);
	await stand.provider.control("release");
	expect((await held).status).toBe(200);
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report.ok).toBe(true);
}, 60_000);

it("an alias of the policy is served by every gateway, and no more when it is pruned", async () => {
	await applyPolicy(context, ofTeam("aliases", budget("1")));
	const key = await newKey("aliases");
	await waitUntilInForce(connections.pool);
	expect((await everywhere(key, { model: "quick" })).map(({ status }) => status)).toEqual([422, 422]);
	await applyPolicy(context, `${ofTeam("aliases", budget("1"))}models:\n  quick:\n    - { provider: openai, model: gpt-4o }\n`);
	expect((await everywhere(key, { model: "quick" })).map(({ status }) => status)).toEqual([200, 200]);
	const started = await stand.start("policy_3");
	expect((await chat(started, key, { model: "quick" })).status).toBe(200);
	await applyPolicy(context, ofTeam("aliases", budget("1")), { isPruning: true });
	expect((await everywhere(key, { model: "quick" })).map(({ status }) => status)).toEqual([422, 422]);
}, 60_000);

it("what a key stands for is in force, and an archived team's keys are refused", async () => {
	await applyPolicy(context, ofTeam("keys", budget("1")));
	const { id, key } = await createVirtualKey(connections.pool, { teamId: "keys" }, "ada");
	await waitUntilInForce(connections.pool);
	expect((await everywhere(key)).map(({ status }) => status)).toEqual([200, 200]);
	await applyPolicy(context, ofTeam("keys", [...budget("1"), "keys:", `  ${id}: { models: [gpt-4o-mini] }`]));
	expect((await everywhere(key)).map(({ status }) => status)).toEqual([403, 403]);
	await applyPolicy(context, ofTeam("keys", [...budget("1"), "keys:", `  ${id}: { models: null }`]));
	expect((await everywhere(key)).map(({ status }) => status)).toEqual([200, 200]);
	await applyPolicy(context, ofTeam("others", budget("1")), { isPruning: true });
	expect((await everywhere(key)).map(({ status }) => status)).toEqual([401, 401]);
	const { report } = await stand.verify();
	expect(report.ok).toBe(true);
}, 60_000);
