import { describe, expect, test } from "vitest";
import type { Increase } from "#domain/budget/increases.ts";
import { approved, day, decision, useIncreaseStand } from "#test/support/increase-stand.ts";

const { query, store, budgets, newTeam, pending, raise, windowsOf, rowOf, gateway, grant, endNow } = useIncreaseStand();
const DAY_MS = 86_400_000;

describe("a request", () => {
	test("is kept with who asked and why, raises nothing, and is written once", async () => {
		const budgetId = await newTeam("asked");
		const increase = pending();
		const input = { teamId: "asked", revision: 2, requestedBy: "ann", increase };
		expect(await store().recordIncrease(input)).toEqual({ heldRevision: 2 });
		expect(await store().recordIncrease(input)).toEqual({ heldRevision: 2 });
		expect(await rowOf(increase.id)).toMatchObject({ status: "pending", asked_amount: "50", requested_by: "ann", reason: "launch", granted_amount: null });
		expect((await windowsOf(budgetId))[0]).toMatchObject({ limit_amount: "100", raised_until: null });
		const { rows } = await query(
			"SELECT admin_name, detail->>'action' AS action, detail->>'isByHand' AS by_hand FROM tollgate.change WHERE kind = 'increase' AND subject = $1",
			[increase.id],
		);
		expect(rows).toEqual([{ admin_name: "ann", action: "pending", by_hand: "false" }]);
		const held = await budgets().readBudgets({ teamId: "asked" });
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
		await budgets().writeBudgets({
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
		const { rows } = await query("SELECT detail->>'isByHand' AS by_hand FROM tollgate.change WHERE subject = $1", [increase.id]);
		expect(rows).toEqual([{ by_hand: "true" }]);
	});
});

describe("a raise", () => {
	test("is in force at once, also for the next window, and says what then held", async () => {
		const budgetId = await newTeam("raised");
		const increase = await raise("raised", 2);
		expect(await windowsOf(budgetId)).toMatchObject([{ limit_amount: "150", events: ["opened 100", "limit 150"] }]);
		expect(await rowOf(increase.id)).toMatchObject({ status: "approved", granted_amount: "50", decided_by: "bob", limit_before: "100", limit_after: "150" });
		const held = await budgets().readBudgets({ teamId: "raised" });
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
		await query("UPDATE tollgate.team_governance SET revision = 3 WHERE team_id = 'taken'");
		await store().applyIncrease({ teamId: "taken", revision: 3, increase: approved(asked) });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("150");
	});

	test("several add up, each ends on its own date, and a changed limit keeps them", async () => {
		const budgetId = await newTeam("several");
		const first = await raise("several", 2, { askedAmount: "50" });
		await raise("several", 4, { askedAmount: "7" });
		expect((await windowsOf(budgetId))[0]?.limit_amount).toBe("157");
		await budgets().writeBudgets({
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
		await query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + interval '40 seconds' WHERE budget_id = $1", [budgetId]);
		await query("SELECT tollgate.open_next_window($1)", [budgetId]);
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
		await query("INSERT INTO tollgate.approver VALUES ('own2', 'bob')");
		expect(await attempt("own2", { requestedBy: "bob" })).toBe("23514");
	});

	test("an approver that was taken away meanwhile approves nothing; the organisation's approve for every team", async () => {
		await query("INSERT INTO tollgate.approver VALUES ('strict', 'carol')");
		expect(await attempt("strict", {})).toBe("23514");
		await query("DELETE FROM tollgate.approver");
		await query("INSERT INTO tollgate.approver VALUES ('@organization', 'bob')");
		expect(await attempt("lenient", {})).toEqual({ heldRevision: 3 });
		await query("DELETE FROM tollgate.approver");
	});

	test("nothing above the ceiling, the team's or else the organisation's, in all raises together", async () => {
		await query("INSERT INTO tollgate.increase_ceiling VALUES ('@organization', 49)");
		expect(await attempt("high", {})).toBe("23514");
		await query("INSERT INTO tollgate.increase_ceiling VALUES ('higher', 60)");
		expect(await attempt("higher", {})).toEqual({ heldRevision: 3 });
		const more = pending({ askedAmount: "11" });
		await store().recordIncrease({ teamId: "higher", revision: 4, requestedBy: "ann", increase: more });
		await expect(store().applyIncrease({ teamId: "higher", revision: 5, increase: approved(more) })).rejects.toMatchObject({ code: "23514" });
		await query("DELETE FROM tollgate.increase_ceiling");
		expect(await store().readIncreaseRules({ teamId: "higher" })).toEqual({ approvers: [], ceilingNanoUsd: null });
	});

	test("a budget that was removed meanwhile is not raised, and one made anew under its name is another", async () => {
		await newTeam("removed");
		const asked = pending();
		await store().recordIncrease({ teamId: "removed", revision: 2, requestedBy: "ann", increase: asked });
		await budgets().writeBudgets({ teamId: "removed", revision: 3, requestedBy: "ann", set: [], remove: [day] });
		await budgets().writeBudgets({ teamId: "removed", revision: 4, requestedBy: "ann", set: [day], remove: [] });
		await expect(store().applyIncrease({ teamId: "removed", revision: 5, increase: approved(asked) })).rejects.toMatchObject({ code: "23503" });
		expect((await budgets().readBudgets({ teamId: "removed" })).increases).toEqual([{ ...asked, isBudgetGone: true }]);
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
	expect((await budgets().readBudgets({ teamId: "line" })).increases).toMatchObject([{ kind: "line", windowStartsAtMs: 0 }]);
});

test("a line is passed in a window that no call has opened yet", async () => {
	const budgetId = await newTeam("unopened", { ...day, thresholds: [{ action: "needApproval", at: { amount: "40" } }] });
	const yesterday = "UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day' WHERE budget_id = $1";
	await query(yesterday, [budgetId]);
	const windowStartsAtMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
	const asked = pending({ kind: "line", askedAmount: "40", untilMs: windowStartsAtMs + DAY_MS, windowStartsAtMs });
	await store().recordIncrease({ teamId: "unopened", revision: 2, requestedBy: "ann", increase: asked });
	await store().applyIncrease({ teamId: "unopened", revision: 3, increase: approved(asked) });
	expect(await grant(await gateway("unopened-g"), budgetId, 41n)).toMatchObject({ isServed: true });
});
