import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HoldResult } from "#activities/batches/port.ts";
import { holdInTime } from "#activities/batches/store/hold-in-time.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { matchBudgets } from "#domain/budget/match.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { BatchStand } from "#test/support/batch-stand.ts";

/** What a batch is granted, and when it is refused, on the real authority (docs/batch-money.md). */
let stand: BatchStand;
beforeEach(async () => {
	stand = await BatchStand.open();
	// Nobody waits where a test does not say so: the wait is judged on PostgreSQL's clock.
	await stand.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
});
afterEach(() => stand.close());

async function findings() {
	await stand.ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: stand.ledger.database.url })).findings;
}

const hold = (batchId: string, waitIsOver = true): Promise<HoldResult> => stand.store.hold(batchId, { waitIsOver });

/** Asks until it is held or refused. */
async function decided(batchId: string, store = stand.store): Promise<Exclude<HoldResult, { kind: "short" }>> {
	return holdInTime(store, batchId, { waitMs: 0, nowMs: () => performance.now(), pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) });
}

function refused(result: HoldResult) {
	if (result.kind !== "refused") throw new Error(`the batch is ${result.kind}`);
	return result;
}

describe("what a batch is held in", () => {
	test("every budget that matches, by the sum of its items' bounds, and no other", async () => {
		const [tokens, model] = [
			await stand.budget({ unit: "tokens", limit: 10_000n }),
			await stand.budget({ dimension: "model", value: "gpt-test", limit: 10_000n }),
		];
		const organization = await stand.budget({ dimension: "organization", limit: 10_000n });
		const others = [await stand.budget({ dimension: "model", value: "other", limit: 1n }), await stand.budget({ dimension: "user", value: "ann", limit: 1n })];
		const result = await hold(await stand.begin());
		const amounts = new Map(result.kind === "held" ? result.windows.map(({ windowId, unit, amount }) => [windowId, `${amount} ${unit}`]) : []);
		expect(amounts.get(stand.ledger.windowId)).toBe("600 nano_usd");
		expect(amounts.get(await stand.windowOf(tokens))).toBe("450 tokens");
		expect(amounts.get(await stand.windowOf(model))).toBe("600 nano_usd");
		expect(amounts.get(await stand.windowOf(organization))).toBe("600 nano_usd");
		expect(amounts.size).toBe(4);
		expect(await stand.ledger.sql("SELECT 1 FROM tollgate.budget_window WHERE budget_id = ANY ($1)", [others])).toEqual([]);
		expect(await findings()).toEqual([]);
	});

	test("asked again it is held once", async () => {
		const batchId = await stand.held();
		const again = await createPostgresBatchStore(stand.sql).hold(batchId, { waitIsOver: false });
		expect(again).toEqual({ kind: "held", windows: [{ windowId: stand.ledger.windowId, unit: "nano_usd", amount: 600n }] });
		expect(await stand.window()).toEqual({ granted: "600", leased: "600" });
		expect(await stand.store.read(batchId)).toMatchObject({ state: "held", heldNanoUsd: "600", settledNanoUsd: "0", counts: { open: 3 } });
	});

	test("the budgets are those that a call of its key would meet", async () => {
		const dimensions = ["team", "feature", "user", "model", "provider", "key", "environment"] as const;
		const values = ["a", "b"];
		await stand.ledger.sql("INSERT INTO tollgate.team (id) VALUES ('other')");
		for (const dimension of dimensions.slice(1)) for (const value of values) await stand.budget({ dimension, value, limit: 1_000_000_000n });
		for (const teamId of ["demo", "other"]) await stand.budget({ teamId, dimension: "team", windowKind: "month", limit: 1_000_000_000n });
		await stand.budget({ dimension: "organization", limit: 1_000_000_000n });
		await stand.ledger.sql("UPDATE tollgate.budget SET deleted_at = now() WHERE dimension = 'environment' AND dimension_value = 'b'");
		const [team] = await stand.ledger.sql<{ reply: { budgets: { budgetId: string; teamId: string | null; dimension: "team"; dimensionValue: string }[] } }>(
			"SELECT tollgate.load_team('demo') AS reply",
		);
		const some = fc.constantFrom(...values);
		const maybe = fc.option(some);
		await fc.assert(
			fc.asyncProperty(
				fc.record({ feature: maybe, user: maybe, environment: maybe, model: some, provider: some, key: some }),
				async ({ user, key, ...rest }) => {
					const { feature, environment, model, provider } = rest;
					const attribution = { keyId: key, feature, userId: user, environment, asserted: null, claimed: null };
					const batchId = await stand.begin({ count: 1, boundNanoUsd: 1n, model, provider, attribution });
					const met = await stand.ledger.sql<{ id: string }>(
						"SELECT d.id::text FROM tollgate.batch b CROSS JOIN LATERAL tollgate.budgets_of_batch(b) d WHERE b.id = $1 ORDER BY d.id",
						[batchId],
					);
					const call = { teamId: "demo", user, key, ...rest };
					expect(met.map(({ id }) => id)).toEqual(matchBudgets(team?.reply.budgets ?? [], call).budgets.map(({ budgetId }) => budgetId));
				},
			),
			{ numRuns: 40 },
		);
	});

	test("a team that is unlimited and has no budget holds nothing, and books all the same", async () => {
		await stand.ledger.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('free', true)");
		expect(await hold(await stand.begin({ teamId: "free" }))).toEqual({ kind: "held", windows: [] });
	});

	test("a team without a budget may not, and the books say so", async () => {
		await stand.ledger.sql("INSERT INTO tollgate.team (id) VALUES ('poor')");
		const batchId = await stand.begin({ teamId: "poor" });
		const { refusal, record } = refused(await hold(batchId));
		expect(refusal).toMatchObject({ code: "budget.none", message: "Team poor has no budget that covers this batch, so it may not spend." });
		expect(await stand.ledger.sql("SELECT refusal_id, request_id, code FROM tollgate.refusal")).toEqual([
			{ refusal_id: record.refusalId, request_id: batchId, code: "budget.none" },
		]);
		await stand.store.abandon(batchId);
		expect(await findings()).toEqual([]);
	});
});

describe("at the edge of a budget", () => {
	test("what fits exactly is held, one more is refused with the numbers, and nothing of it stays", async () => {
		await stand.ledger.limit(1_000n, 2);
		const small = await stand.budget({ dimension: "model", value: "gpt-test", limit: 600n });
		const wide = await stand.budget({ dimension: "organization", limit: 1_000_000n });
		await stand.held();
		const batchId = await stand.begin({ count: 1, boundNanoUsd: 1n });
		const { refusal, record } = refused(await decided(batchId));
		expect(refusal).toMatchObject({ code: "budget.exceeded", budgetId: small, limitAmount: 600n, leftAmount: 0n, heldAmount: 600n, heldUntil: null });
		expect(refusal.message).toMatch(/has 0\.00 USD left of .*; this batch can cost up to /);
		expect(record).toMatchObject({ granted: "600", idle: "0", need: "1", openReservations: "600" });
		expect(await stand.window()).toEqual({ granted: "600", leased: "600" });
		expect(await stand.window(await stand.windowOf(wide))).toEqual({ granted: "600", leased: "600" });
		await stand.store.abandon(batchId);
		expect(await stand.store.read(batchId)).toBeUndefined();
		expect(await findings()).toEqual([]);
	});

	test("of two batches and a gateway that ask at once for the last money, only as many are served as fit", async () => {
		await stand.ledger.limit(1_000n, 2);
		const connections = [0, 1].map((place) => new Connection({ url: stand.ledger.database.url, applicationName: `test batches ${place}` }));
		const batches = [await stand.begin({ count: 4 }), await stand.begin({ count: 4 })];
		const gateway = stand.ledger.grant(300n);
		const results = await Promise.all(
			batches.map((batchId, place) => decided(batchId, createPostgresBatchStore(connections[place] ?? stand.sql)).then(({ kind }) => kind)),
		);
		const served = (await gateway) ? 300 : 0;
		const held = 800 * results.filter((kind) => kind === "held").length;
		expect(held + served).toBeLessThanOrEqual(1_000);
		expect(held + served).toBeGreaterThan(0);
		expect(await stand.window()).toEqual({ granted: String(held + served), leased: String(held + served) });
		await Promise.all(connections.map((connection) => connection.close()));
	});

	test("what is spent already leaves too little: refused at once, however long it may wait", async () => {
		await stand.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 60000}'");
		await stand.ledger.limit(1_000n, 2);
		await stand.ledger.settle({ n: 1 }, { n: 2 }, { n: 3 });
		expect(refused(await hold(await stand.begin(), false)).refusal.code).toBe("budget.exceeded");
		expect(await findings()).toEqual([]);
	});
});

describe("money that gateways hold and do not use", () => {
	beforeEach(() => stand.ledger.limit(1_000n, 2));

	const answer = async (returnTo: bigint, claimId: bigint) =>
		stand.ledger.sql("SELECT tollgate.heartbeat('g1', 1, ARRAY[$1::bigint], ARRAY[$2::bigint], $3, 0, 0)", [
			stand.ledger.windowId,
			returnTo.toString(),
			claimId.toString(),
		]);

	test("is claimed, and held once it came back", async () => {
		await stand.ledger.grant(900n);
		const batchId = await stand.begin();
		await stand.hear();
		const short = await hold(batchId);
		const claimId = short.kind === "short" ? (short.items[0]?.claimId ?? 0n) : 0n;
		expect(claimId).toBeGreaterThan(0n);
		await answer(700n, claimId);
		expect(await hold(batchId)).toMatchObject({ kind: "held" });
		expect(await stand.window()).toEqual({ granted: "800", leased: "800" });
		expect(await stand.ledger.sql("SELECT 1 FROM tollgate.claim")).toEqual([]);
		expect(await findings()).toEqual([]);
	});

	test("is waited for until the gateway has answered; then the batch is refused", async () => {
		await stand.ledger.grant(900n);
		const batchId = await stand.begin();
		await stand.hear();
		const short = await hold(batchId);
		expect(short.kind).toBe("short");
		await answer(0n, short.kind === "short" ? (short.items[0]?.claimId ?? 0n) : 0n);
		expect(refused(await hold(batchId)).refusal).toMatchObject({ code: "budget.exceeded", heldAmount: 900n, heldUntil: null });
		expect(await findings()).toEqual([]);
	});

	test("of one that is gone is not: the batch is refused, and told until when that is held", async () => {
		await stand.ledger.grant(900n);
		const batchId = await stand.begin();
		await stand.hear("5 seconds");
		const { refusal } = refused(await decided(batchId));
		expect(refusal).toMatchObject({ code: "budget.exceeded", heldAmount: 900n, heldUntil: expect.stringMatching(/^\d{4}-/) });
		expect(await findings()).toEqual([]);
	});

	test("a first look does not tell who is gone: PostgreSQL may have been away", async () => {
		await stand.ledger.grant(900n);
		await stand.hear("5 seconds");
		expect((await hold(await stand.begin())).kind).toBe("short");
	});

	test("the wait is over when PostgreSQL's clock says so", async () => {
		await stand.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 60000}'");
		await stand.held();
		const batchId = await stand.begin();
		expect([(await hold(batchId)).kind, (await hold(batchId)).kind]).toEqual(["short", "short"]);
		await stand.ledger.sql("UPDATE tollgate.batch SET hold_asked_at = hold_asked_at - interval '1 minute' WHERE id = $1", [batchId]);
		expect(refused(await hold(batchId)).record.waitedMs).toBeGreaterThanOrEqual(60_000);
		expect(await findings()).toEqual([]);
	});
});

describe("what holds a call up holds a batch up", () => {
	test("a frozen team", async () => {
		await stand.ledger.sql("SELECT tollgate.freeze_now('demo', true, 'test', 'ada')");
		expect(refused(await hold(await stand.begin(), false)).refusal.code).toBe("budget.frozen");
		expect(await findings()).toEqual([]);
	});

	test("a frozen organisation", async () => {
		await stand.budget({ dimension: "organization", limit: 1_000_000n });
		await stand.ledger.sql("SELECT tollgate.freeze_now('@organization', true, 'test', 'ada')");
		expect(refused(await hold(await stand.begin(), false)).refusal).toMatchObject({
			code: "budget.frozen",
			howToAsk: expect.stringContaining("@organization"),
		});
	});

	test("a stop line", async () => {
		await stand.ledger.limit(1_000n, 2, { thresholds: [{ action: "stop", at: { basisPoints: 5_000 } }] });
		expect(refused(await decided(await stand.begin())).refusal).toMatchObject({ code: "budget.exceeded", leftAmount: 500n });
		expect(await findings()).toEqual([]);
	});

	test("a line that needs approval", async () => {
		await stand.ledger.limit(1_000n, 2, { thresholds: [{ action: "needApproval", at: { basisPoints: 5_000 } }] });
		expect(refused(await decided(await stand.begin())).refusal.code).toBe("budget.needs_approval");
		expect(await findings()).toEqual([]);
	});

	test("an overrun", async () => {
		await stand.ledger.settle({ n: 1, reserved: 100n, cost: 150n });
		expect(refused(await hold(await stand.begin(), false)).refusal.code).toBe("budget.overrun");
		expect(await findings()).toEqual([]);
	});

	test("an observed budget books and refuses nothing, and says once what it would have refused", async () => {
		await stand.ledger.limit(100n, 2, { mode: "observe" });
		const batchId = await stand.held();
		await hold(batchId);
		expect(await stand.window()).toEqual({ granted: "600", leased: "600" });
		expect(await stand.ledger.sql("SELECT request_id, code, granted, idle, need, is_observed FROM tollgate.refusal")).toEqual([
			{ request_id: batchId, code: "budget.exceeded", granted: "600", idle: "600", need: "600", is_observed: true },
		]);
		expect(await findings()).toEqual([]);
	});

	test("a line that degrades calls is passed: a batch is of the model it names", async () => {
		await stand.ledger.limit(1_000n, 2, { thresholds: [{ action: "degrade", at: { basisPoints: 1_000 }, degradeTo: { "gpt-test": "gpt-small" } }] });
		await stand.held();
		expect(await stand.window()).toEqual({ granted: "600", leased: "600" });
	});
});

describe("what a batch holds", () => {
	test.each(["- interval '3 days'", "+ interval '1 hour'"])(
		"is held elsewhere for calls: by nobody who could answer a claim, and until nobody knows when (%s)",
		async (heard) => {
			await stand.ledger.limit(1_000n, 2);
			await stand.held();
			await stand.ledger.sql(`UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() ${heard} WHERE kind = 'batch'`);
			const epoch = await registerGateway(stand.ledger.client, "g2");
			const [row] = await stand.ledger.sql<{ reply: { served: boolean[]; items: Record<string, unknown>[] } }>(
				"SELECT tollgate.grant_lease('g2', $1, ARRAY[$2::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[500::bigint], true, true) AS reply",
				[epoch.toString(), stand.ledger.budgetId],
			);
			expect(row?.reply.served).toEqual([false]);
			expect(row?.reply.items[0]).toMatchObject({
				heldElsewhere: "600",
				heldUnreachable: "0",
				heldUntil: null,
				leastAnswered: null,
				granted: "600",
				posted: "0",
			});
		},
	);

	test("makes it no gateway: lookahead is not divided by it, and nothing waits for it", async () => {
		await stand.held();
		const behind = async () => (await stand.ledger.sql<{ behind: string }>("SELECT tollgate.gateways_behind(9000000000) AS behind"))[0]?.behind;
		await stand.hear();
		await stand.ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() + interval '1 hour' WHERE kind = 'batch'");
		expect(await behind()).toBe("1");
		const [rates] = await stand.ledger.sql<{ reply: { live: number } }>(
			"SELECT tollgate.take_rate('g1', 1, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') AS reply",
		);
		expect(rates?.reply.live).toBe(1);
		const [row] = await stand.ledger.sql<{ reply: { items: { leaseGranted: string }[] } }>(
			"SELECT tollgate.grant_lease('g1', 1, ARRAY[$1::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[1000000000::bigint], ARRAY[0::bigint], false, false) AS reply",
			[stand.ledger.budgetId],
		);
		expect(row?.reply.items[0]?.leaseGranted).toBe(((1_000_000_000n - 600n) / 2n).toString());
	});

	test("no gateway can be called as a batch is", async () => {
		await expect(registerGateway(stand.ledger.client, "batch7")).rejects.toThrow("a gateway cannot be called batch7");
		await expect(registerGateway(stand.ledger.client, "batches7")).resolves.toBe(1n);
	});
});
