import { createHash, randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import type { Admission } from "#activities/request/port.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { insertBudget, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { chat, openGatewayStand } from "#test/support/gateway-process.ts";
import { createTestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

it("a lease that a failover forgot is not spent from, and what was spent of it is presented: no money is given away twice", async () => {
	const database = await createTestDatabase();
	const secret = `tg-${randomBytes(32).toString("base64url")}`;
	const budgetId = await withClient(database.url, async (client) => {
		await insertTeam(client, "team", { admissionWaitMs: 0 });
		await client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ('key', $1, '', 'team', 'test')", [
			createHash("sha256").update(secret).digest(),
		]);
		return insertBudget(client, { teamId: "team", limit: 1_000n });
	});
	const gateways = [await startTestGateway(database.url, "first"), await startTestGateway(database.url, "second")];
	const [first, second] = gateways as [TestGateway, TestGateway];
	const call = async ({ authority }: TestGateway, need: bigint): Promise<Admission> => {
		const key = await authority.resolveKey(secret);
		if (key.kind === "refused") throw new Error(key.message);
		return authority.admit(testCall(key.key, testBound(need)));
	};
	const row = async () => {
		const text = `SELECT w.granted::int AS granted, l.granted::int AS lease, l.returned::int AS returned
			FROM tollgate.budget_window w JOIN tollgate.lease l ON l.window_id = w.id WHERE w.budget_id = $1 AND l.gateway_id = 'first'`;
		return (await withClient(database.url, (client) => client.query(text, [budgetId]))).rows[0];
	};
	try {
		const held = await call(first, 300n);
		expect(held.kind).toBe("admitted");
		const before = await row();
		expect(before.lease).toBeGreaterThan(300);
		// A failover lost the commit that granted more than 100.
		await withClient(database.url, async (client) => {
			await client.query("UPDATE tollgate.lease SET granted = 100");
			await client.query("UPDATE tollgate.budget_window SET granted = 100");
			await client.query("UPDATE tollgate.window_event SET amount = 100, granted_after = 100 WHERE kind = 'grant'");
		});
		const elsewhere = await call(second, 700n); // the authority gives away again what it forgot
		expect((await call(first, 600n)).kind).toBe("refused");
		expect(first.alerts).toContain("authority lost commits");
		expect((await call(first, 1n)).kind).toBe("refused");
		await until("its own amounts in PostgreSQL", async () => (await row()).lease === before.lease);
		const noted = await withClient(database.url, (client) => client.query("SELECT gateway_id, kind, window_ids <> '{}' AS names FROM tollgate.gateway_notice"));
		expect(noted.rows).toEqual([{ gateway_id: "first", kind: "lost_commits", names: true }]); // people are told
		expect(await row()).toEqual({ granted: 1_000, lease: before.lease, returned: before.lease - 300 });
		expect((await call(first, 1n)).kind).toBe("refused");
		if (elsewhere.kind === "admitted") elsewhere.attempt.release("test");
		await until("the lease in use again", async () => (await call(first, 700n)).kind === "admitted");
		expect((await call(first, 1n)).kind).toBe("refused");
		const { findings } = await verifyLedger({ databaseUrl: database.url });
		expect(findings.filter(({ kind }) => ["overspend", "counter", "history"].includes(kind))).toEqual([]);
	} finally {
		await Promise.all(gateways.map((gateway) => gateway.close()));
		await database.close();
	}
});

it("a call whose lease a failover forgot is booked all the same, as an overrun, before anything is presented", async () => {
	const stand = await openGatewayStand();
	try {
		const gateway = await stand.start("forgotten");
		const { key } = await stand.team(100_000_000_000n);
		expect((await chat(gateway, key, { maxTokens: 100 })).status).toBe(200);
		expect((await stand.verify()).report).toMatchObject({ ok: true, calls: 1 }); // flushes
		await withClient(stand.database.url, async (client) => {
			await client.query("UPDATE tollgate.lease SET granted = posted, returned = 0");
			await client.query("UPDATE tollgate.budget_window SET granted = (SELECT sum(posted) FROM tollgate.lease)");
			await client.query("DELETE FROM tollgate.window_event WHERE kind = 'return'");
			await client.query("UPDATE tollgate.window_event SET amount = w.granted, granted_after = w.granted FROM tollgate.budget_window w WHERE kind = 'grant'");
		});
		const answer = await chat(gateway, key, { maxTokens: 100 });
		expect(answer.status).toBe(200);
		const { report, findings } = await stand.verify();
		expect(findings.filter(({ kind }) => ["lost", "entry", "chain", "counter", "cost"].includes(kind))).toEqual([]);
		expect(report).toMatchObject({ calls: 2, lost: 0, overspendNanoUsd: "0", overrunNanoUsd: answer.headers.get("x-tollgate-cost-nano-usd") });
		const { rows } = await withClient(stand.database.url, (client) => client.query("SELECT * FROM tollgate.quarantine"));
		expect(rows).toEqual([]);
	} finally {
		await stand.close();
	}
}, 60_000);

it("a gateway whose identity goes on without it leaves word of it beside its heartbeat, and ends", async () => {
	const database = await createTestDatabase();
	const gateway = await startTestGateway(database.url, "first");
	try {
		const takeOver = "SELECT tollgate.register_gateway('first', 'another', 'off', ARRAY(SELECT boot_id FROM tollgate.gateway_epoch))";
		await withClient(database.url, (client) => client.query(takeOver));
		await until("the gateway to be fenced", async () => gateway.alerts.includes("fenced"));
		expect(gateway.alerts).toContain("gateway.fenced");
		const noted = await withClient(database.url, (client) => client.query("SELECT gateway_id, epoch::int, kind FROM tollgate.gateway_notice"));
		expect(noted.rows).toEqual([{ gateway_id: "first", epoch: 1, kind: "fenced" }]);
	} finally {
		await gateway.close();
		await database.close();
	}
});
