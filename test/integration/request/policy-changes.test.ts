import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("policy");
});

afterAll(() => stand.close());

const MONTHLY = { ...DAILY_BUDGET, dimension: "organization", windowKind: "month" };

it("a budget of the organisation is in force for teams this gateway already serves, and gone again when it is removed", async () => {
	const { key } = await stand.team(1_000_000_000n);
	expect((await chat(gateway, key)).status).toBe(200);
	const change = (text: string, values: unknown[]) => withClient(stand.database.url, (client) => client.query(text, values));
	await change("SELECT tollgate.write_budget('@organization', 1, 'test', $1)", [{ ...MONTHLY, limitAmount: "1" }]);
	await expect
		.poll(async () => (await chat(gateway, key)).body, { timeout: 5_000 })
		.toMatchObject({ error: { code: "budget.exceeded", budget: "organisation, per month" } });
	await change("SELECT tollgate.remove_budget('@organization', 2, 'test', $1)", [MONTHLY]);
	await expect.poll(async () => (await chat(gateway, key)).status, { timeout: 5_000 }).toBe(200);
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report.ok).toBe(true);
}, 60_000);
