import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: Connection;
let client: pg.Client;

beforeAll(async () => {
	database = await createTestDatabase();
	connection = new Connection({ url: database.url, applicationName: "test" });
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
});

afterAll(async () => {
	await client?.end();
	await connection?.close();
	await database?.close();
});

async function newTeam(teamId: string) {
	await client.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
	return createPostgresBudgetStore(connection);
}

function daily(limitAmount: string, overrides: Partial<BudgetDefinition> = {}): BudgetDefinition {
	return { ...DAILY_BUDGET, limitAmount, ...overrides };
}

const write = { requestedBy: "ann", remove: [] };

type BookedAttempt = { readonly windowIds?: readonly string[]; readonly userId?: string };

async function insertAttempt(teamId: string, attemptId: string, costNanoUsd: string, { windowIds = [], userId }: BookedAttempt = {}): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, user_id, provider, deployment, protocol, endpoint, model, priced_model, priced_tiers,
			outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, window_ids)
		 VALUES ($1, clock_timestamp(), clock_timestamp(), 'r', 'g1', 1, $2, 'key_1', $5, 'openai', 'd', 'openai', 'chat', 'gpt-4o', 'gpt-4o', '{standard}', 'settled', $3, 7, $3, 7, 1, clock_timestamp(), $4)`,
		[attemptId, teamId, costNanoUsd, windowIds, userId ?? null],
	);
}

async function windowOf(teamId: string) {
	const { rows } = await client.query<{ id: string; granted: string; limit_amount: string; stop_amount: string; is_frozen: boolean; events: string[] }>(
		`SELECT w.id, w.granted, w.limit_amount, w.stop_amount, w.is_frozen, (SELECT array_agg(kind ORDER BY seq) FROM tollgate.window_event e WHERE e.window_id = w.id) AS events
		 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1`,
		[teamId],
	);
	return rows[0];
}

describe("limits in PostgreSQL have one writer", () => {
	test("a policy revision is held as a whole, and holding it twice changes nothing", async () => {
		const store = await newTeam("alpha");
		expect(await store.writeBudgets({ ...write, teamId: "alpha", revision: 1, set: [daily("250000000"), daily("9000", { unit: "tokens" })] })).toEqual({
			heldRevision: 1,
		});
		expect(await store.writeBudgets({ ...write, teamId: "alpha", revision: 1, set: [daily("1")] })).toEqual({ heldRevision: 1 });
		const held = await store.readBudgets({ teamId: "alpha" });
		expect(held.revision).toBe(1);
		expect(held.budgets.map(({ limitAmount }) => limitAmount)).toEqual(["250000000", "9000"]);
		expect(held.windows.map(({ granted }) => granted)).toEqual(["0", "0"]);
		expect(await store.heldRevision("alpha")).toBe(1);
	});

	test("a revision below the fence changes nothing and says what stands", async () => {
		const store = await newTeam("beta");
		await store.writeBudgets({ ...write, teamId: "beta", revision: 7, set: [daily("100")] });
		expect(await store.writeBudgets({ ...write, teamId: "beta", revision: 6, set: [daily("999")] })).toEqual({ heldRevision: 7 });
		expect((await windowOf("beta"))?.limit_amount).toBe("100");
	});

	test("a changed limit reaches the open window with an event, and the change is recorded with the person's name", async () => {
		const store = await newTeam("gamma");
		await store.writeBudgets({ ...write, teamId: "gamma", revision: 1, set: [daily("100")] });
		await store.writeBudgets({ ...write, teamId: "gamma", revision: 2, set: [daily("300", { thresholds: [{ action: "stop", at: { amount: "200" } }] })] });
		expect(await windowOf("gamma")).toMatchObject({ limit_amount: "300", stop_amount: "200", events: ["opened", "limit"] });
		const { rows } = await client.query("SELECT admin_name, kind FROM tollgate.change WHERE detail->>'teamId' = 'gamma'");
		expect(rows).toEqual([
			{ admin_name: "ann", kind: "budget" },
			{ admin_name: "ann", kind: "budget" },
		]);
	});

	test("a removed budget is gone for new calls and may come back under the same selector", async () => {
		const store = await newTeam("delta");
		await store.writeBudgets({ ...write, teamId: "delta", revision: 1, set: [daily("100")] });
		await store.writeBudgets({ requestedBy: "ann", teamId: "delta", revision: 2, set: [], remove: [daily("100")] });
		expect((await store.readBudgets({ teamId: "delta" })).budgets).toEqual([]);
		await store.writeBudgets({ ...write, teamId: "delta", revision: 3, set: [daily("50")] });
		expect((await store.readBudgets({ teamId: "delta" })).budgets).toEqual([daily("50")]);
	});

	test("a budget of a team that does not exist is refused by name", async () => {
		const store = createPostgresBudgetStore(connection);
		await expect(store.writeBudgets({ ...write, teamId: "nobody", revision: 1, set: [daily("1")] })).rejects.toMatchObject({ code: "admin.not_found" });
	});

	test("the organisation's budget belongs to no team and is governed under its own name", async () => {
		const store = createPostgresBudgetStore(connection);
		await store.writeBudgets({ ...write, teamId: "@organization", revision: 1, set: [daily("77", { dimension: "organization", windowKind: "lifetime" })] });
		const held = await store.readBudgets({ teamId: "@organization" });
		expect(held.budgets[0]?.dimension).toBe("organization");
		expect(held.windows[0]).toMatchObject({ startsAtMs: 0, endsAtMs: null });
		await store.writeBudgets({ requestedBy: "ann", teamId: "@organization", revision: 2, set: [], remove: held.budgets });
		expect((await store.readBudgets({ teamId: "@organization" })).budgets).toEqual([]);
	});
});

describe("freeze", () => {
	test("a person's decision needs no revision, and a later unfreeze of the workflow that did not know of it changes nothing", async () => {
		const store = await newTeam("urgent");
		await store.writeBudgets({ ...write, teamId: "urgent", revision: 1, set: [daily("100")] });
		const decide = async (isFrozen: boolean, reason: string) =>
			(await client.query("SELECT tollgate.freeze_now('urgent', $1, $2, 'ann') AS seq", [isFrozen, reason])).rows[0].seq;
		expect(await decide(true, "runaway")).toBe("1");
		expect(await decide(true, "runaway")).toBe("1");
		expect((await windowOf("urgent"))?.is_frozen).toBe(true);
		const unfreeze = { teamId: "urgent", isFrozen: false, reason: "", requestedBy: "workflow" };
		expect(await store.setFrozen({ ...unfreeze, revision: 2, knownSeq: 0 })).toEqual({
			heldRevision: 2,
			freeze: { isFrozen: true, reason: "runaway", seq: 1 },
		});
		expect((await windowOf("urgent"))?.is_frozen).toBe(true);
		expect(await store.readBudgets({ teamId: "urgent" })).toMatchObject({ isFrozen: true, freezeReason: "runaway", freezeSeq: 1 });
		expect(await store.setFrozen({ ...unfreeze, revision: 3, knownSeq: 1 })).toEqual({ heldRevision: 3, freeze: { isFrozen: false, reason: null, seq: 2 } });
		expect((await windowOf("urgent"))?.is_frozen).toBe(false);
	});

	test("by a revision that PostgreSQL has passed changes nothing", async () => {
		const store = await newTeam("outrun");
		await store.writeBudgets({ ...write, teamId: "outrun", revision: 5, set: [daily("100")] });
		const freeze = { teamId: "outrun", isFrozen: true, reason: "late", requestedBy: "workflow" };
		expect(await store.setFrozen({ ...freeze, revision: 5 })).toMatchObject({ heldRevision: 5, freeze: { isFrozen: false, seq: 0 } });
		expect(await store.setFrozen({ ...freeze, revision: 4 })).toMatchObject({ heldRevision: 5, freeze: { isFrozen: false, seq: 0 } });
		expect((await windowOf("outrun"))?.is_frozen).toBe(false);
		expect(await store.setFrozen({ ...freeze, revision: 6 })).toMatchObject({ heldRevision: 6, freeze: { isFrozen: true, seq: 1 } });
	});

	test("reaches every open window and every budget made later, and unfreezing ends it", async () => {
		const store = await newTeam("frozen");
		await store.writeBudgets({ ...write, teamId: "frozen", revision: 1, set: [daily("100")] });
		expect(await store.setFrozen({ teamId: "frozen", isFrozen: true, reason: "runaway", revision: null, requestedBy: "ann" })).toMatchObject({
			heldRevision: 1,
		});
		expect((await windowOf("frozen"))?.is_frozen).toBe(true);
		expect(await store.setFrozen({ teamId: "frozen", isFrozen: true, reason: "runaway", revision: 2, requestedBy: "ann" })).toMatchObject({ heldRevision: 2 });
		await store.writeBudgets({ ...write, teamId: "frozen", revision: 3, set: [daily("5", { unit: "tokens" })] });
		const { rows } = await client.query(
			"SELECT bool_and(w.is_frozen) AS all_frozen FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = 'frozen'",
		);
		expect(rows[0].all_frozen).toBe(true);
		await store.setFrozen({ teamId: "frozen", isFrozen: false, reason: "", revision: 4, requestedBy: "ann" });
		expect(await windowOf("frozen")).toMatchObject({ is_frozen: false, events: ["opened", "limit", "limit"] });
	});
});

describe("a new budget starts with what its window has already booked", () => {
	test("matching attempts are its opening balance, attempts of others are not, and the limit may lie below", async () => {
		const store = await newTeam("late");
		await newTeam("other");
		await insertAttempt("late", "g1-1-1", "60");
		await insertAttempt("late", "g1-1-2", "50", { userId: "bob" });
		await insertAttempt("other", "g1-1-3", "1000");
		await store.writeBudgets({ ...write, teamId: "late", revision: 1, set: [daily("100"), daily("80", { dimension: "user", dimensionValue: "bob" })] });
		const { rows } = await client.query(
			`SELECT b.dimension, w.granted, l.granted AS lease_granted, l.posted FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id
			 JOIN tollgate.lease l ON l.window_id = w.id AND l.gateway_id = 'opening' AND l.epoch = 0 WHERE b.team_id = 'late' ORDER BY b.id`,
		);
		expect(rows).toEqual([
			{ dimension: "team", granted: "110", lease_granted: "110", posted: "110" },
			{ dimension: "user", granted: "50", lease_granted: "50", posted: "50" },
		]);
		expect((await windowOf("late"))?.events).toEqual(["opened", "opening_balance"]);
	});

	test("a call reserved before the budget existed counts in it when it settles, once", async () => {
		const store = await newTeam("inflight");
		await store.writeBudgets({ ...write, teamId: "inflight", revision: 1, set: [daily("100")] });
		const windowId = (await windowOf("inflight"))!.id;
		await insertAttempt("inflight", "g1-1-10", "30");
		await insertAttempt("inflight", "g1-1-11", "40", { windowIds: [windowId] });
		const refresh = async () => (await client.query("SELECT tollgate.refresh_opening_balances(interval '20 minutes') AS moved")).rows[0].moved;
		expect(await refresh()).toBe("1");
		expect(await refresh()).toBe("0");
		expect((await windowOf("inflight"))?.granted).toBe("30");
	});
});

describe("announcements", () => {
	test("are remembered once by their key", async () => {
		const store = createPostgresBudgetStore(connection);
		const event = { eventKey: "k1", teamId: "alpha", event: "threshold.warn.fired", detail: { amount: "80" } };
		expect([await store.recordEvent(event), await store.recordEvent(event)]).toEqual([true, false]);
	});
});
