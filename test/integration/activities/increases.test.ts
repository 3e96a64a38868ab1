import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Authority } from "#activities/authority/port.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { createPostgresIncreaseStore, lowerDueWindows } from "#activities/increases/postgres.ts";
import type { Increase } from "#domain/budget/increases.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { until } from "#test/support/until.ts";

let database: TestDatabase;
let connection: Connection;
let client: pg.Client;
const opened: Authority[] = [];

beforeAll(async () => {
	database = await createTestDatabase();
	connection = new Connection({ url: database.url, applicationName: "test" });
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
});

afterAll(async () => {
	await Promise.all(opened.map((authority) => authority.close()));
	await client?.end();
	await connection?.close();
	await database?.close();
});

const store = () => createPostgresIncreaseStore(connection);
const DAY_MS = 86_400_000;
const day: BudgetDefinition = { ...DAILY_BUDGET, limitAmount: "100", thresholds: [] };

async function newTeam(teamId: string, budget: BudgetDefinition = day): Promise<string> {
	await client.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
	await createPostgresBudgetStore(connection).writeBudgets({ teamId, revision: 1, requestedBy: "ann", set: [budget], remove: [] });
	return (await client.query<{ id: string }>("SELECT id FROM tollgate.budget WHERE team_id = $1 AND deleted_at IS NULL", [teamId])).rows[0]?.id ?? "";
}

let number = 0;
function pending(overrides: Partial<Increase> = {}): Increase {
	const requestedAtMs = Date.now();
	return {
		...{
			id: `inc_${(++number).toString(16).padStart(12, "0")}`,
			kind: "increase",
			key: selectorKey(day),
			status: "pending",
			askedAmount: "50",
			grantedAmount: null,
		},
		...{
			untilMs: requestedAtMs + 3_600_000,
			reason: "launch",
			requestedBy: "ann",
			isRequestedByHand: false,
			requestedAtMs,
			expiresAtMs: requestedAtMs + 3_600_000,
			decision: null,
		},
		...overrides,
	};
}

const decision = { by: "bob", isByHand: false, atMs: Date.now(), reason: "fine" };
const approved = (asked: Increase, overrides: Partial<Increase> = {}): Increase => ({
	...asked,
	status: "approved",
	grantedAmount: asked.askedAmount,
	decision,
	...overrides,
});

/** A request and its approval under the next two revisions. */
async function raise(teamId: string, revision: number, overrides: Partial<Increase> = {}): Promise<Increase> {
	const asked = pending(overrides);
	await store().recordIncrease({ teamId, revision, requestedBy: asked.requestedBy, increase: asked });
	const increase = approved(asked);
	expect(await store().applyIncrease({ teamId, revision: revision + 1, increase })).toEqual({ heldRevision: revision + 1 });
	return increase;
}

async function windowsOf(budgetId: string) {
	const { rows } = await client.query<{ limit_amount: string; granted: string; is_ahead: boolean; raised_until: Date | null; events: string[] }>(
		`SELECT w.limit_amount, w.granted, w.is_ahead, w.raised_until, (SELECT array_agg(e.kind || ' ' || e.limit_amount ORDER BY e.seq) FROM tollgate.window_event e WHERE e.window_id = w.id) AS events
		 FROM tollgate.budget_window w WHERE w.budget_id = $1 ORDER BY w.starts_at`,
		[budgetId],
	);
	return rows;
}

const rowOf = async (id: string) => (await client.query("SELECT * FROM tollgate.limit_increase WHERE id = $1", [id])).rows[0];

async function gateway(name: string): Promise<Authority> {
	const authority = createPostgresAuthority({ url: database.url, gatewayId: name, epoch: await registerGateway(client, name) });
	opened.push(authority);
	return authority;
}

async function grant(authority: Authority, budgetId: string, amount: bigint) {
	const items = [{ budgetId, windowId: undefined, leaseGranted: 0n, idle: 0n, lookahead: 0n }];
	const reply = await authority.grant({ items, needs: [[amount]], wantsClaim: false, isFinal: true });
	if ("isFenced" in reply) throw new Error("fenced");
	return { isServed: reply.served[0], limit: reply.items[0]?.limit, granted: reply.items[0]?.granted };
}

/** Moves the end of a raise to now, by the clock of PostgreSQL: nobody is told. */
async function endNow(increase: Increase): Promise<void> {
	await client.query("UPDATE tollgate.limit_increase SET until_at = clock_timestamp() WHERE id = $1", [increase.id]);
	await client.query(
		"UPDATE tollgate.budget_window w SET raised_until = i.until_at FROM tollgate.limit_increase i WHERE i.id = $1 AND w.budget_id = i.budget_id AND w.raised_until IS NOT NULL",
		[increase.id],
	);
}

describe("a request", () => {
	test("is kept with who asked and why, raises nothing, and is written once", async () => {
		const budgetId = await newTeam("asked");
		const increase = pending();
		const input = { teamId: "asked", revision: 2, requestedBy: "ann", increase };
		expect(await store().recordIncrease(input)).toEqual({ heldRevision: 2 });
		expect(await store().recordIncrease(input)).toEqual({ heldRevision: 2 });
		expect(await rowOf(increase.id)).toMatchObject({ status: "pending", asked_amount: "50", requested_by: "ann", reason: "launch", granted_amount: null });
		expect((await windowsOf(budgetId))[0]).toMatchObject({ limit_amount: "100", raised_until: null });
		const { rows } = await client.query(
			"SELECT admin_name, detail->>'action' AS action, detail->>'isByHand' AS by_hand FROM tollgate.change WHERE kind = 'increase' AND subject = $1",
			[increase.id],
		);
		expect(rows).toEqual([{ admin_name: "ann", action: "pending", by_hand: "false" }]);
		const held = await createPostgresBudgetStore(connection).readBudgets({ teamId: "asked" });
		expect(held).toMatchObject({ revision: 2, increases: [increase] });
	});

	test("is closed once: what comes after the first decision changes nothing", async () => {
		await newTeam("closed");
		const increase = pending();
		await store().recordIncrease({ teamId: "closed", revision: 2, requestedBy: "ann", increase });
		await store().recordIncrease({ teamId: "closed", revision: 3, requestedBy: "bob", increase: { ...increase, status: "rejected", decision } });
		await store().recordIncrease({
			teamId: "closed",
			revision: 4,
			requestedBy: "ann",
			increase: { ...increase, status: "withdrawn", decision: { ...decision, by: "ann" } },
		});
		expect(await rowOf(increase.id)).toMatchObject({ status: "rejected", decided_by: "bob", decision_reason: "fine" });
		await expect(store().applyIncrease({ teamId: "closed", revision: 5, increase: approved(increase) })).rejects.toMatchObject({ code: "23514" });
	});

	test("below the fence changes nothing and says what stands; for a budget that is not there it is refused", async () => {
		await newTeam("fence");
		const increase = pending();
		await createPostgresBudgetStore(connection).writeBudgets({
			teamId: "fence",
			revision: 9,
			requestedBy: "ann",
			set: [{ ...day, limitAmount: "200" }],
			remove: [],
		});
		expect(await store().recordIncrease({ teamId: "fence", revision: 5, requestedBy: "ann", increase })).toEqual({ heldRevision: 9 });
		expect(await rowOf(increase.id)).toBeUndefined();
		const elsewhere = pending({ key: "user|bob|nano_usd|day" });
		await expect(store().recordIncrease({ teamId: "fence", revision: 10, requestedBy: "ann", increase: elsewhere })).rejects.toMatchObject({ code: "23503" });
	});

	test("by hand is marked as such in the audit log", async () => {
		await newTeam("hand");
		const increase = pending({ isRequestedByHand: true });
		await store().recordIncrease({ teamId: "hand", revision: 2, requestedBy: "ann", increase });
		const { rows } = await client.query("SELECT detail->>'isByHand' AS by_hand FROM tollgate.change WHERE subject = $1", [increase.id]);
		expect(rows).toEqual([{ by_hand: "true" }]);
	});
});

describe("a raise", () => {
	test("is in force at once, also for the next window, and says what then held", async () => {
		const budgetId = await newTeam("raised");
		const increase = await raise("raised", 2);
		expect(await windowsOf(budgetId)).toMatchObject([{ limit_amount: "150", events: ["opened 100", "limit 150"] }]);
		expect(await rowOf(increase.id)).toMatchObject({ status: "approved", granted_amount: "50", decided_by: "bob", limit_before: "100", limit_after: "150" });
		const held = await createPostgresBudgetStore(connection).readBudgets({ teamId: "raised" });
		expect(held.increases).toEqual([increase]);
	});

	test("applied twice it is applied once, also under a higher revision", async () => {
		const budgetId = await newTeam("twice");
		const increase = await raise("twice", 2);
		expect(await store().applyIncrease({ teamId: "twice", revision: 3, increase })).toEqual({ heldRevision: 3 });
		expect(await store().applyIncrease({ teamId: "twice", revision: 4, increase })).toEqual({ heldRevision: 4 });
		expect((await windowsOf(budgetId))[0]).toMatchObject({ limit_amount: "150", events: ["opened 100", "limit 150"] });
	});

	test("a revision that somebody else took for another step is no proof that this one is done", async () => {
		const budgetId = await newTeam("taken");
		const asked = pending();
		await store().recordIncrease({ teamId: "taken", revision: 2, requestedBy: "ann", increase: asked });
		await client.query("UPDATE tollgate.team_governance SET revision = 3 WHERE team_id = 'taken'");
		await store().applyIncrease({ teamId: "taken", revision: 3, increase: approved(asked) });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("150");
	});

	test("several add up, each ends on its own date, and a changed limit keeps them", async () => {
		const budgetId = await newTeam("several");
		const first = await raise("several", 2, { askedAmount: "50" });
		await raise("several", 4, { askedAmount: "7" });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("157");
		await createPostgresBudgetStore(connection).writeBudgets({
			teamId: "several",
			revision: 6,
			requestedBy: "ann",
			set: [{ ...day, limitAmount: "200" }],
			remove: [],
		});
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("257");
		await endNow(first);
		await store().endIncreases({ teamId: "several", revision: 7, increaseIds: [first.id] });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("207");
		expect(await rowOf(first.id)).toMatchObject({ status: "ended", limit_after: "150" });
	});

	test("a window opened ahead has the raises that are in force when it begins", async () => {
		const budgetId = await newTeam("ahead");
		await raise("ahead", 2, { untilMs: Date.now() + 30_000 });
		await raise("ahead", 4, { askedAmount: "9", untilMs: Date.now() + 3 * 86_400_000 });
		await client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + interval '40 seconds' WHERE budget_id = $1", [budgetId]);
		await client.query("SELECT tollgate.open_next_window($1)", [budgetId]);
		expect((await windowsOf(budgetId)).map(({ limit_amount, is_ahead }) => [limit_amount, is_ahead])).toEqual([
			["159", false],
			["109", true],
		]);
	});
});

describe("who may, how high: judged when the raise is written", () => {
	async function attempt(teamId: string, overrides: Partial<Increase>): Promise<unknown> {
		const budgetId = await newTeam(teamId);
		const asked = pending(overrides);
		await store().recordIncrease({ teamId, revision: 2, requestedBy: "ann", increase: asked });
		const outcome = await store()
			.applyIncrease({ teamId, revision: 3, increase: approved(asked, overrides) })
			.catch((error: unknown) => (error as { code: string }).code);
		if (typeof outcome === "string") expect((await windowsOf(budgetId))[0]).toMatchObject({ limit_amount: "100", events: ["opened 100"] });
		return outcome;
	}

	test("nobody approves his own", async () => {
		expect(await attempt("own", { requestedBy: "Bob " })).toBe("23514");
		await client.query("INSERT INTO tollgate.approver VALUES ('own2', 'bob')");
		expect(await attempt("own2", { requestedBy: "bob" })).toBe("23514");
	});

	test("an approver that was taken away meanwhile approves nothing; the organisation's approve for every team", async () => {
		await client.query("INSERT INTO tollgate.approver VALUES ('strict', 'carol')");
		expect(await attempt("strict", {})).toBe("23514");
		await client.query("DELETE FROM tollgate.approver");
		await client.query("INSERT INTO tollgate.approver VALUES ('@organization', 'bob')");
		expect(await attempt("lenient", {})).toEqual({ heldRevision: 3 });
		await client.query("DELETE FROM tollgate.approver");
	});

	test("nothing above the ceiling, the team's or else the organisation's, in all raises together", async () => {
		await client.query("INSERT INTO tollgate.increase_ceiling VALUES ('@organization', 49)");
		expect(await attempt("high", {})).toBe("23514");
		await client.query("INSERT INTO tollgate.increase_ceiling VALUES ('higher', 60)");
		expect(await attempt("higher", {})).toEqual({ heldRevision: 3 });
		const more = pending({ askedAmount: "11" });
		await store().recordIncrease({ teamId: "higher", revision: 4, requestedBy: "ann", increase: more });
		await expect(store().applyIncrease({ teamId: "higher", revision: 5, increase: approved(more) })).rejects.toMatchObject({ code: "23514" });
		await client.query("DELETE FROM tollgate.increase_ceiling");
		expect(await store().readIncreaseRules({ teamId: "higher" })).toEqual({ approvers: [], ceilingNanoUsd: null });
	});

	test("a budget that was removed meanwhile is not raised, and one made anew under its name is another", async () => {
		await newTeam("removed");
		const asked = pending();
		await store().recordIncrease({ teamId: "removed", revision: 2, requestedBy: "ann", increase: asked });
		const budgets = createPostgresBudgetStore(connection);
		await budgets.writeBudgets({ teamId: "removed", revision: 3, requestedBy: "ann", set: [], remove: [day] });
		await budgets.writeBudgets({ teamId: "removed", revision: 4, requestedBy: "ann", set: [day], remove: [] });
		await expect(store().applyIncrease({ teamId: "removed", revision: 5, increase: approved(asked) })).rejects.toMatchObject({ code: "23503" });
		expect((await budgets.readBudgets({ teamId: "removed" })).increases).toEqual([{ ...asked, isBudgetGone: true }]);
	});
});

describe("the end of a raise before its date", () => {
	const ended = (increase: Increase, by = "bob"): Increase => ({
		...increase,
		status: "ended",
		ending: { by, isByHand: false, atMs: Date.now(), reason: "over" },
	});

	test("lowers the open window and the one ahead at once, is kept with who and why, and is done once", async () => {
		const budgetId = await newTeam("early");
		const g = await gateway("early-g");
		const increase = await raise("early", 2, { untilMs: Date.now() + 3 * 86_400_000 });
		await raise("early", 4, { askedAmount: "7" });
		await client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + interval '40 seconds' WHERE budget_id = $1 AND NOT is_ahead", [
			budgetId,
		]);
		await client.query("SELECT tollgate.open_next_window($1)", [budgetId]);
		expect((await windowsOf(budgetId)).map(({ limit_amount, is_ahead }) => [limit_amount, is_ahead])).toEqual([
			["157", false],
			["157", true],
		]);
		expect(await grant(g, budgetId, 120n)).toMatchObject({ isServed: true });
		expect(await store().endIncreaseEarly({ teamId: "early", revision: 6, increase: ended(increase) })).toEqual({ heldRevision: 6 });
		expect(await store().endIncreaseEarly({ teamId: "early", revision: 7, increase: ended(increase, "carol") })).toEqual({ heldRevision: 7 });
		expect((await windowsOf(budgetId)).map(({ limit_amount, is_ahead }) => [limit_amount, is_ahead])).toEqual([
			["107", false],
			["107", true],
		]);
		expect(await grant(g, budgetId, 121n)).toMatchObject({ isServed: false, limit: 107n, granted: 120n });
		expect(await rowOf(increase.id)).toMatchObject({ status: "ended", ended_by: "bob", is_ended_by_hand: false, end_reason: "over" });
		const { rows } = await client.query(
			"SELECT admin_name, detail->>'endReason' AS why FROM tollgate.change WHERE kind = 'increase' AND subject = $1 AND detail->>'action' = 'ended'",
			[increase.id],
		);
		expect(rows).toEqual([{ admin_name: "bob", why: "over" }]);
		expect((await createPostgresBudgetStore(connection).readBudgets({ teamId: "early" })).increases?.map(({ id }) => id)).not.toContain(increase.id);
	});

	test("is written for nobody but those who may decide, below no fence, and for nothing that is not in force", async () => {
		const budgetId = await newTeam("mayend");
		const increase = await raise("mayend", 2);
		await client.query("INSERT INTO tollgate.approver VALUES ('mayend', 'carol')");
		await expect(store().endIncreaseEarly({ teamId: "mayend", revision: 4, increase: ended(increase) })).rejects.toMatchObject({ code: "23514" });
		expect(await store().endIncreaseEarly({ teamId: "mayend", revision: 2, increase: ended(increase, "carol") })).toEqual({ heldRevision: 3 });
		await expect(store().endIncreaseEarly({ teamId: "other", revision: 9, increase: ended(increase, "carol") })).rejects.toMatchObject({ code: "23514" });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("150");
		const waiting = pending();
		await store().recordIncrease({ teamId: "mayend", revision: 4, requestedBy: "ann", increase: waiting });
		await expect(store().endIncreaseEarly({ teamId: "mayend", revision: 5, increase: ended(waiting, "carol") })).rejects.toMatchObject({ code: "23514" });
		expect(await store().endIncreaseEarly({ teamId: "mayend", revision: 5, increase: ended(increase, "carol") })).toEqual({ heldRevision: 5 });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("100");
	});
});

describe("the end of a raise, with nobody awake", () => {
	test("a grant falls back to the old limit by PostgreSQL's clock, and what was spent above it is no overspend", async () => {
		const budgetId = await newTeam("alone");
		const g = await gateway("alone-g");
		expect(await grant(g, budgetId, 120n)).toMatchObject({ isServed: false, limit: 100n });
		await raise("alone", 2, { untilMs: Date.now() + 700 });
		expect(await grant(g, budgetId, 120n)).toMatchObject({ isServed: true, limit: 150n, granted: 120n });
		const other = await gateway("alone-h");
		await until("the end of the raise", async () => (await grant(other, budgetId, 31n)).limit === 100n);
		expect(await grant(other, budgetId, 1n)).toMatchObject({ isServed: false, limit: 100n, granted: 120n });
		const [window] = await windowsOf(budgetId);
		expect(window?.events.filter((event) => event.startsWith("limit"))).toEqual(["limit 150", "limit 100"]);
		expect(window?.raised_until).toBeNull();
	});

	test("the first of two raises that ends takes its part alone", async () => {
		const budgetId = await newTeam("part");
		const g = await gateway("part-g");
		const first = await raise("part", 2);
		await raise("part", 4, { askedAmount: "7" });
		await endNow(first);
		expect(await grant(g, budgetId, 108n)).toMatchObject({ isServed: false, limit: 107n });
		expect(await grant(g, budgetId, 107n)).toMatchObject({ isServed: true });
	});

	test("a worker's clock does it without a grant, once, and gateways are told; a window that is over keeps its limit", async () => {
		const budgetId = await newTeam("swept");
		const increase = await raise("swept", 2);
		expect(await lowerDueWindows(connection)).toBe(0);
		await endNow(increase);
		expect(await lowerDueWindows(connection)).toBe(1);
		expect(await lowerDueWindows(connection)).toBe(0);
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("100");
		const { rows } = await client.query(
			"SELECT detail->>'teamId' AS team, detail->>'limitAmount' AS limit FROM tollgate.change WHERE kind = 'increase' AND subject = $1",
			[budgetId],
		);
		expect(rows).toEqual([{ team: "swept", limit: "100" }]);
		const late = await raise("swept", 4);
		await client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() WHERE budget_id = $1", [budgetId]);
		await endNow(late);
		expect(await lowerDueWindows(connection)).toBe(0);
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("150");
	});
});

test("a line that asked for approval is passed by an approval", async () => {
	const budgetId = await newTeam("line", { ...day, windowKind: "lifetime", thresholds: [{ action: "needApproval", at: { amount: "40" } }] });
	const g = await gateway("line-g");
	expect(await grant(g, budgetId, 41n)).toMatchObject({ isServed: false });
	const asked = pending({ kind: "line", key: "team||nano_usd|lifetime", askedAmount: "40", requestedBy: "tollgate", untilMs: null, windowStartsAtMs: 0 });
	await store().recordIncrease({ teamId: "line", revision: 2, requestedBy: "tollgate", increase: asked });
	expect(await store().applyIncrease({ teamId: "line", revision: 2, increase: approved(asked) })).toEqual({ heldRevision: 3 });
	expect(await store().applyIncrease({ teamId: "line", revision: 3, increase: approved(asked) })).toEqual({ heldRevision: 3 });
	expect(await grant(g, budgetId, 41n)).toMatchObject({ isServed: true, limit: 100n });
	expect(await rowOf(asked.id)).toMatchObject({ status: "approved", decided_by: "bob", applied_at: null });
	expect((await createPostgresBudgetStore(connection).readBudgets({ teamId: "line" })).increases).toMatchObject([{ kind: "line", windowStartsAtMs: 0 }]);
});

test("a line is passed in a window that no call has opened yet", async () => {
	const budgetId = await newTeam("unopened", { ...day, thresholds: [{ action: "needApproval", at: { amount: "40" } }] });
	const yesterday = "UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day' WHERE budget_id = $1";
	await client.query(yesterday, [budgetId]);
	const windowStartsAtMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
	const asked = pending({ kind: "line", askedAmount: "40", untilMs: windowStartsAtMs + DAY_MS, windowStartsAtMs });
	await store().recordIncrease({ teamId: "unopened", revision: 2, requestedBy: "ann", increase: asked });
	await store().applyIncrease({ teamId: "unopened", revision: 3, increase: approved(asked) });
	expect(await grant(await gateway("unopened-g"), budgetId, 41n)).toMatchObject({ isServed: true });
});
