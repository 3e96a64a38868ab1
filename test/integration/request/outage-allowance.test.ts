import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { insertBudget, insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { type CuttableProxy, openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

/** Each call is bound to 100, so that a lease holds eight of them beside what is kept for an outage. */
const NEED = 100n;

let database: TestDatabase;
let proxy: CuttableProxy;
let proxied: string;
let gateways: TestGateway[] = [];
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	const url = new URL(database.url);
	proxy = await openCuttableProxy(Number(url.port));
	url.port = String(proxy.port);
	proxied = url.href;
});

afterEach(async () => {
	await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
	// What a grant looks ahead is shared by the gateways that live: one that left calls open counts for a second more.
	const live = "SELECT count(*)::int AS n FROM tollgate.gateway_epoch WHERE closed_at IS NULL AND last_seen_at > clock_timestamp() - interval '1 second'";
	await until("no gateway alive", () => withClient(database.url, async (client) => (await client.query<{ n: number }>(live)).rows[0]?.n === 0));
});

afterAll(async () => {
	await proxy.close();
	await database.close();
});

async function createTeam(limit: bigint, policy: Record<string, unknown>): Promise<string> {
	const teamId = `team${++number}`;
	return withClient(database.url, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs: 0, ...policy });
		await insertBudget(client, { teamId, limit });
		return insertKey(client, teamId);
	});
}

async function startGateway(): Promise<TestGateway> {
	const gateway = await startTestGateway(proxied, `g${++number}`);
	gateways.push(gateway);
	return gateway;
}

async function call({ authority }: TestGateway, secret: string, need = NEED): Promise<Admission> {
	const key = await authority.resolveKey(secret);
	if (key.kind === "refused") throw new Error(key.message);
	return authority.admit(testCall(key.key, testBound(need)));
}

/** Calls until one is refused: the attempts admitted, and why no more were. */
async function callUntilRefused(gateway: TestGateway, secret: string): Promise<{ readonly attempts: readonly Attempt[]; readonly code: string }> {
	const attempts: Attempt[] = [];
	for (;;) {
		const admission = await call(gateway, secret);
		if (admission.kind === "refused") return { attempts, code: admission.refusal.code };
		attempts.push(admission.attempt);
	}
}

async function callOnce(gateway: TestGateway, secret: string): Promise<Attempt> {
	const admission = await call(gateway, secret);
	return admission.kind === "admitted" ? admission.attempt : expect.fail(admission.refusal.message);
}

const leased = async (): Promise<number> =>
	withClient(database.url, async (client) => {
		const { rows } = await client.query<{ pending: number }>("SELECT coalesce(sum(granted - returned - posted), 0)::int AS pending FROM tollgate.lease");
		return rows[0]?.pending ?? 0;
	});

it("is granted beforehand and served in an outage beside the lease, and no call is refused by the budget then", async () => {
	const served: number[] = [];
	for (const outageAllowanceNanoUsd of [0, 500]) {
		const secret = await createTeam(1_000_000n, { outageAllowanceNanoUsd });
		const gateway = await startGateway();
		(await callOnce(gateway, secret)).release("test");
		expect(gateway.authority.counters.admittedOnAllowance).toBe(0);
		await proxy.cut();
		const { attempts, code } = await callUntilRefused(gateway, secret);
		expect(code).toBe("authority.unreachable");
		expect(gateway.refusals).toEqual([]);
		expect(gateway.authority.counters.admittedOnAllowance).toBe(outageAllowanceNanoUsd / Number(NEED));
		served.push(attempts.length);
		await proxy.restore();
		for (const attempt of attempts) attempt.release("test");
		await until("the authority", async () => (await call(gateway, secret)).kind === "admitted");
		await gateway.close();
		gateways = [];
	}
	// The first call's own 100 came back, eight more were looked ahead for, and five are kept.
	expect(served).toEqual([9, 9 + 5]);
});

it("is left alone while the authority answers and has money", async () => {
	const secret = await createTeam(1_000_000n, { outageAllowanceNanoUsd: 500 });
	const gateway = await startGateway();
	for (let round = 0; round < 100; round++) await callOnce(gateway, secret);
	expect(gateway.authority.counters.admittedOnAllowance).toBe(0);
});

it("is given up before a call is refused, here and for another gateway", async () => {
	const secret = await createTeam(2_000n, { outageAllowanceNanoUsd: 500 });
	const [first, second] = [await startGateway(), await startGateway()];
	(await callOnce(first, secret)).release("test");
	expect(await leased()).toBeGreaterThan(Number(NEED));
	const elsewhere = await callUntilRefused(second, secret);
	expect(elsewhere).toMatchObject({ code: "budget.exceeded" });
	expect(elsewhere.attempts.length).toBe(20);
	for (const attempt of elsewhere.attempts) attempt.release("test");
	expect((await callUntilRefused(first, secret)).attempts.length).toBe(20);
	expect([...first.refusals, ...second.refusals].every((row) => BigInt(row.limitAmount ?? 0) - BigInt(row.granted ?? 0) + BigInt(row.idle ?? 0) < NEED)).toBe(
		true,
	);
});

it("goes to a call that fits the budget only together with it", async () => {
	const secret = await createTeam(4_000n, { outageAllowanceNanoUsd: 500 });
	const gateway = await startGateway();
	(await callOnce(gateway, secret)).release("test");
	// 1,400 leased, 500 of them kept, 2,600 not granted to anybody.
	expect(await call(gateway, secret, 3_800n)).toMatchObject({ kind: "admitted" });
	expect(gateway.authority.counters.admittedOnAllowance).toBe(1);
});

it("is kept in the leases of the next windows as well", async () => {
	const secret = await createTeam(1_000_000n, { outageAllowanceNanoUsd: 500 });
	await withClient(database.url, async (client) => {
		await client.query("SELECT tollgate.open_window(id) FROM tollgate.budget WHERE team_id = $1", [`team${number}`]);
		await client.query(
			"UPDATE tollgate.budget_window w SET ends_at = clock_timestamp() + interval '2 seconds' FROM tollgate.budget b WHERE b.id = w.budget_id AND b.team_id = $1",
			[`team${number}`],
		);
	});
	const gateway = await startGateway();
	(await callOnce(gateway, secret)).release("test");
	const ahead = "SELECT max(l.granted)::int AS granted FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id WHERE w.is_ahead";
	await until("the next lease", () => withClient(database.url, async (client) => (await client.query(ahead)).rows[0]?.granted === 8 * Number(NEED) + 500));
	await proxy.cut();
	const begun = "SELECT bool_and(starts_at < clock_timestamp() - interval '50 milliseconds') AS yes FROM tollgate.budget_window WHERE is_ahead";
	await until("the boundary", () => withClient(database.url, async (client) => (await client.query(begun)).rows[0]?.yes === true));
	expect((await callUntilRefused(gateway, secret)).attempts.length).toBe(8 + 5);
	await proxy.restore();
});
