import { describe, expect, test } from "vitest";
import { lowerDueWindows } from "#activities/increases/postgres.ts";
import type { Increase } from "#domain/budget/increases.ts";
import { useIncreaseStand } from "#test/support/increase-stand.ts";
import { until } from "#test/support/until.ts";

/** Before its date by a person, or on it with nobody awake. */
const { query, connection, store, budgets, newTeam, pending, raise, windowsOf, rowOf, gateway, grant, endNow } = useIncreaseStand();

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
		await query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + interval '40 seconds' WHERE budget_id = $1 AND NOT is_ahead", [budgetId]);
		await query("SELECT tollgate.open_next_window($1)", [budgetId]);
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
		const { rows } = await query(
			"SELECT admin_name, detail->>'endReason' AS why FROM tollgate.change WHERE kind = 'increase' AND subject = $1 AND detail->>'action' = 'ended'",
			[increase.id],
		);
		expect(rows).toEqual([{ admin_name: "bob", why: "over" }]);
		expect((await budgets().readBudgets({ teamId: "early" })).increases?.map(({ id }) => id)).not.toContain(increase.id);
	});

	test("is written for nobody but those who may decide, below no fence, and for nothing that is not in force", async () => {
		const budgetId = await newTeam("mayend");
		const increase = await raise("mayend", 2);
		await query("INSERT INTO tollgate.approver VALUES ('mayend', 'carol')");
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
		expect(await lowerDueWindows(connection())).toBe(0);
		await endNow(increase);
		expect(await lowerDueWindows(connection())).toBe(1);
		expect(await lowerDueWindows(connection())).toBe(0);
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("100");
		const { rows } = await query(
			"SELECT detail->>'teamId' AS team, detail->>'limitAmount' AS limit FROM tollgate.change WHERE kind = 'increase' AND subject = $1",
			[budgetId],
		);
		expect(rows).toEqual([{ team: "swept", limit: "100" }]);
		const late = await raise("swept", 4);
		await query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() WHERE budget_id = $1", [budgetId]);
		await endNow(late);
		expect(await lowerDueWindows(connection())).toBe(0);
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("150");
	});
});
