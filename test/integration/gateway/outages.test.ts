import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { type Answer, chat, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

const OUTAGE_MS = 30_000;

let stand: GatewayStand;

beforeAll(async () => {
	stand = await openGatewayStand();
});

afterAll(() => stand.close());

const count = (table: string, teamId: string) =>
	withClient(stand.database.url, async (client) =>
		Number((await client.query<{ count: string }>(`SELECT count(*) FROM tollgate.${table} WHERE team_id = $1`, [teamId])).rows[0]?.count),
	);

describe("PostgreSQL away for 30 s", () => {
	it("live leases are spent, then calls are closed out with 503 and no refusal row; on return everything settles once", async () => {
		const address = new URL(stand.database.url);
		const proxy = await openCuttableProxy(Number(address.port));
		address.port = String(proxy.port);
		const gateway = await stand.start("outage", { DATABASE_URL: address.href });
		const { key, teamId } = await stand.team(30_000_000n);
		expect((await chat(gateway, key, { maxTokens: 100 })).status).toBe(200);

		await proxy.cut();
		const startedAtMs = performance.now();
		const during: Answer[] = [];
		while (performance.now() - startedAtMs < OUTAGE_MS) during.push(await chat(gateway, key, { maxTokens: 100, simulate: { latencyMs: 50 } }));
		const served = during.filter((answer) => answer.status === 200);
		const closed = during.filter((answer) => answer.status === 503);
		expect(served.length).toBeGreaterThan(0);
		expect(closed.length).toBeGreaterThan(0);
		expect(served.length + closed.length).toBe(during.length);
		expect(closed[0]?.headers.get("retry-after")).toBeTruthy();
		expect(closed[0]?.body).toMatchObject({ error: { code: "authority.unreachable" } });
		expect(during.findIndex((answer) => answer.status === 503)).toBeGreaterThanOrEqual(served.length); // first the lease, then closed

		await proxy.restore();
		await expect.poll(async () => (await chat(gateway, key, { maxTokens: 100 })).status, { timeout: 20_000 }).not.toBe(503);
		// A heartbeat that ran into the outage may be silent for longer than `verify` waits for a gateway's flush.
		await expect.poll(() => count("attempt", teamId), { timeout: 20_000 }).toBe(1 + served.length + 1);
		const { report, findings } = await stand.verify();
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, falseRefusals: 0, lost: 0, duplicated: 0, unresolved: 0 });
		expect(await count("refusal", teamId)).toBe(0);
		await gateway.end();
		await proxy.close();
	}, 120_000);
});
