import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { identify, openRequestStand, type RequestStand, type RequestTeam, settleAt } from "#test/support/request-stand.ts";

let stand: RequestStand;

beforeAll(async () => {
	stand = await openRequestStand();
});

afterEach(() => stand.closeGateways());

afterAll(() => stand.close());

async function start(count: number): Promise<readonly TestGateway[]> {
	await Promise.all(Array.from({ length: count }, () => stand.start()));
	return stand.gateways;
}

async function call(gateway: TestGateway, team: RequestTeam, nanoUsd: bigint, floor?: number): Promise<Admission> {
	return gateway.authority.admit(testCall(await identify(gateway, team.secret), testBound(nanoUsd, floor)));
}

const admitted = (admissions: readonly Admission[]): Attempt[] => admissions.flatMap((admission) => (admission.kind === "admitted" ? [admission.attempt] : []));

/** False refusals by the rule of money-path §3, from the evidence in the refusal records. */
function falseRefusals(): number {
	return stand.gateways
		.flatMap((gateway) => gateway.refusals)
		.filter((record) => BigInt(record.limitAmount ?? 0) - BigInt(record.granted ?? 0) + BigInt(record.idle ?? 0) >= BigInt(record.need ?? 1)).length;
}

describe("200 calls at once whose cost equals their reservation, wait 0", () => {
	for (const gatewayCount of [1, 4]) {
		for (const k of [0, 1, 37, 199, 200]) {
			it(`serves exactly ${k} on ${gatewayCount} gateways, first use of a new team included`, async () => {
				const cost = 1_000n;
				const team = await stand.team(BigInt(k) * cost);
				const running = await start(gatewayCount);
				const admissions = await Promise.all(
					Array.from({ length: 200 }, (_, index) => call(running[index % gatewayCount] ?? expect.fail("a gateway"), team, cost)),
				);
				const attempts = admitted(admissions);
				expect(attempts.length).toBe(k);
				expect(falseRefusals()).toBe(0);
				for (const attempt of attempts) settleAt(attempt, cost);
				expect(stand.gateways.flatMap((gateway) => gateway.alerts)).toEqual([]);
			});
		}
	}
});

describe("money that is held, not spent, is waited for", () => {
	for (const { calls, times, limit } of [
		{ calls: 200, times: 10n, limit: 210n },
		{ calls: 20, times: 16n, limit: 36n },
	]) {
		it(`serves all ${calls} calls that reserve ${times} times their cost under a limit of ${limit} costs`, async () => {
			const cost = 100n;
			const team = await stand.team(limit * cost, {});
			const [gateway] = await start(1);
			if (!gateway) throw new Error("no gateway");
			const admissions = await Promise.all(
				Array.from({ length: calls }, async () => {
					const admission = await call(gateway, team, times * cost);
					if (admission.kind === "admitted") setTimeout(() => settleAt(admission.attempt, cost), 100);
					return admission;
				}),
			);
			expect(admitted(admissions).length).toBe(calls);
			expect(gateway.refusals).toEqual([]);
			await expect.poll(() => gateway.authority.counters.openReservations).toBe(0);
		});
	}

	it("is recalled from another gateway that holds it idle, within the wait", async () => {
		const team = await stand.team(1_000n, {});
		const [first, second] = await start(2);
		if (!first || !second) throw new Error("no gateways");
		settleAt(admitted([await call(first, team, 900n)])[0] ?? expect.fail("admitted"), 1n);
		expect(admitted([await call(second, team, 990n)]).length).toBe(1);
		expect(first.authority.counters.recallsAnswered).toBeGreaterThan(0);
	});

	it("is recalled at wait 0 too: no refusal while money is idle elsewhere", async () => {
		const team = await stand.team(1_000n);
		const [first, second] = await start(2);
		if (!first || !second) throw new Error("no gateways");
		settleAt(admitted([await call(first, team, 900n)])[0] ?? expect.fail("admitted"), 1n);
		expect(admitted([await call(second, team, 990n)]).length).toBe(1);
	});

	it("refuses at once what no open reservation could avert, with the evidence, and remembers it for 1 s", async () => {
		const team = await stand.team(1_000n, {});
		const [gateway] = await start(1);
		if (!gateway) throw new Error("no gateway");
		settleAt(admitted([await call(gateway, team, 900n)])[0] ?? expect.fail("admitted"), 900n);
		const refused = await call(gateway, team, 200n);
		expect(refused).toMatchObject({
			kind: "refused",
			refusal: { code: "budget.exceeded", budget: `team ${team.teamId}, per day`, limitAmount: 1_000n, leftAmount: 100n },
		});
		const grants = gateway.authority.counters.grants;
		expect((await call(gateway, team, 300n)).kind).toBe("refused");
		expect(gateway.authority.counters.grants).toBe(grants);
		expect(gateway.refusals.at(-1)).toMatchObject({ isRemembered: true, need: "300", limitAmount: "1000" });
		expect((await call(gateway, team, 100n)).kind).toBe("admitted");
	});
});

describe("clamp", () => {
	it("leaves a call that fits untouched, and clamps one that would be refused to what is free", async () => {
		const team = await stand.team(10_000n, {});
		const [gateway] = await start(1);
		if (!gateway) throw new Error("no gateway");
		const whole = admitted([await call(gateway, team, 8_000n, 256)])[0] ?? expect.fail("admitted");
		expect(whole.clampedOutputTokens).toBeUndefined();
		settleAt(whole, 8_000n);
		const clamped = admitted([await call(gateway, team, 8_000n, 256)])[0] ?? expect.fail("clamped, not refused");
		expect(clamped.clampedOutputTokens).toBe(2_000);
		settleAt(clamped, 1_900n);
		expect((await call(gateway, team, 8_000n, 256)).kind).toBe("refused");
		expect(falseRefusals()).toBe(0);
	});
});

describe("the request path", () => {
	it("makes no SQL round trip through a live lease and a known key", async () => {
		const team = await stand.team(1_000_000n);
		const [gateway] = await start(1);
		if (!gateway) throw new Error("no gateway");
		settleAt(admitted([await call(gateway, team, 100n)])[0] ?? expect.fail("admitted"), 100n);
		const before = gateway.authority.counters.sqlRoundTripsBeforeSend;
		for (let index = 0; index < 5; index++) {
			const key = gateway.authority.resolveKey(team.secret);
			if (key instanceof Promise || key.kind === "refused") throw new Error("the key is known");
			const admission = await gateway.authority.admit(testCall(key.key, testBound(100n)));
			if (admission.kind === "refused") throw new Error("the lease is live");
			settleAt(admission.attempt, 100n);
		}
		expect(gateway.authority.counters.sqlRoundTripsBeforeSend).toBe(before);
	});

	it("refuses a team without a budget, and journals the refusal", async () => {
		const team = await stand.team(100n);
		await withClient(stand.databaseUrl, (client) => client.query("UPDATE tollgate.budget SET deleted_at = now() WHERE id = $1", [team.budgetId]));
		const [gateway] = await start(1);
		if (!gateway) throw new Error("no gateway");
		expect(await call(gateway, team, 1n)).toMatchObject({ kind: "refused", refusal: { code: "budget.none" } });
		expect(gateway.refusals).toMatchObject([{ code: "budget.none" }]);
	});

	it("acts on a lowered limit, a freeze and a revoked key within a second, money in hand or not", async () => {
		const team = await stand.team(1_000_000n);
		const [gateway] = await start(1);
		if (!gateway) throw new Error("no gateway");
		settleAt(admitted([await call(gateway, team, 10n)])[0] ?? expect.fail("admitted"), 10n);
		const change = (text: string) => withClient(stand.databaseUrl, (client) => client.query(text, [team.teamId]));
		const inForce = () =>
			expect
				.poll(
					() =>
						withClient(
							stand.databaseUrl,
							async (client) => (await client.query("SELECT tollgate.gateways_behind((SELECT max(revision) FROM tollgate.change)) AS n")).rows[0].n,
						),
					{ timeout: 5_000 },
				)
				.toBe("0");
		await change(
			"WITH changed AS (UPDATE tollgate.budget_window SET is_frozen = true FROM tollgate.budget b WHERE b.id = budget_id AND b.team_id = $1) SELECT tollgate.record_change('budget', $1, 'test', '{}')",
		);
		await inForce();
		expect(await call(gateway, team, 10n)).toMatchObject({ kind: "refused", refusal: { code: "budget.frozen" } });
		await change(
			"WITH changed AS (UPDATE tollgate.virtual_key SET revoked_at = now() WHERE team_id = $1) SELECT tollgate.record_change('key', 'key_' || $1, 'test', '{}')",
		);
		await inForce();
		expect(await gateway.authority.resolveKey(team.secret)).toMatchObject({ kind: "refused", code: "key.revoked" });
	});
});
