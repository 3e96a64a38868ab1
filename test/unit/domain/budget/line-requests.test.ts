import { expect, test } from "vitest";
import { type IncreasePlan, planDecision, planRequest } from "#domain/budget/increases.ts";
import { planLineRequest } from "#domain/budget/line-requests.ts";
import { type BudgetDefinition, type BudgetThreshold, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";

const DAY_MS = 86_400_000;
const rules = { approvers: [], ceilingNanoUsd: null };

const budgetWith = (at: BudgetThreshold["at"], more: Partial<BudgetDefinition> = {}): BudgetDefinition => ({
	...{ dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day", timeZone: "UTC", weekStart: 1, fiscalYearStart: 1 },
	...{ limitAmount: "1000", mode: "enforce", thresholds: [{ action: "needApproval", at }] },
	...more,
});
const tick = (state: TeamBudgetState, nowMs: number) => reduceTeamBudget(state, { kind: "timePassed", nowMs }).state;
const report = (state: TeamBudgetState, posted: string, version: number, approved = "0") => {
	const key = state.budgets[0]?.key ?? "";
	const window = { key, startsAtMs: 0, endsAtMs: DAY_MS, granted: posted, posted, overrun: "0", leases: 1, refusals: 0, version, approved };
	return reduceTeamBudget(state, { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } }).state;
};
const take = (state: TeamBudgetState, plan: IncreasePlan): TeamBudgetState => {
	if (plan.kind !== "planned") throw new Error(JSON.stringify(plan));
	return reduceTeamBudget(state, { kind: "increaseChanged", increase: plan.increase }).state;
};
const answer = (state: TeamBudgetState, { id, isApproval, by }: { id: string; isApproval: boolean; by: string }): IncreasePlan => {
	const definition = state.budgets[0]?.definition;
	return planDecision(
		{ id, isApproval, reason: "x", decidedBy: by, isByHand: false },
		{ known: { open: state.increases, closed: [] }, budgetOf: () => definition && { definition, windowEndsAtMs: DAY_MS }, rules, nowMs: 1 },
	);
};
const decide = (state: TeamBudgetState, id: string, isApproval: boolean) => take(state, answer(state, { id, isApproval, by: "bob" }));
const loadedWith = (definition: BudgetDefinition): TeamBudgetState =>
	reduceTeamBudget(emptyTeamBudget("demo"), { kind: "loaded", revision: 0, isFrozen: false, budgets: [definition], windows: [] }).state;
const reachedWith = (definition: BudgetDefinition): TeamBudgetState => tick(report(loadedWith(definition), "900", 1), 1);

/** A budget of 1000 whose line at 900 was reached, asked for itself and was rejected. */
function afterRejection(at: BudgetThreshold["at"]): readonly [reached: TeamBudgetState, rejected: TeamBudgetState] {
	const reached = reachedWith(budgetWith(at));
	return [reached, tick(decide(reached, reached.increases[0]?.id ?? "", false), 2)];
}

/** Then a person asked for 500 more and got it. */
function afterRejectionAndRaise(at: BudgetThreshold["at"]): {
	readonly asked: readonly TeamBudgetState[];
	readonly raised: TeamBudgetState;
	readonly spent: TeamBudgetState;
} {
	const asked = afterRejection(at);
	const [, rejected] = asked;
	const definition = budgetWith(at);
	const ask = { selector: definition, amount: "500", reason: "more", requestedBy: "ann", isByHand: false };
	const known = { open: rejected.increases, closed: rejected.closedIncreases };
	const budget = { definition, windowEndsAtMs: DAY_MS };
	const requested = take(rejected, planRequest(ask, { known, budget, key: selectorKey(definition), rules, nowMs: 3, newId: "inc_0123456789ab" }));
	const raised = tick(decide(requested, "inc_0123456789ab", true), 4);
	return { asked, raised, spent: tick(report(raised, "1350", 2), 5) };
}

const linesOf = ({ increases }: TeamBudgetState): string[] => increases.filter(({ kind }) => kind === "line").map(({ askedAmount }) => askedAmount);
const isStopped = ({ budgets }: TeamBudgetState): boolean => budgets[0]?.window?.thresholds.some(({ isStanding }) => isStanding) ?? false;

test("a rejected line is not asked for again; a raise moves one that is a share, and at its new place it asks anew", () => {
	const { asked, raised, spent } = afterRejectionAndRaise({ basisPoints: 9_000 });
	expect(asked.map(linesOf)).toEqual([["900"], []]);
	expect([isStopped(raised), linesOf(raised)]).toEqual([false, []]);
	expect([isStopped(spent), linesOf(spent)]).toEqual([true, ["1350"]]);
});

test("a line that is an amount stays where it is, whatever the raise, and does not ask for itself again", () => {
	const { asked, raised, spent } = afterRejectionAndRaise({ amount: "900" });
	expect(asked.map(linesOf)).toEqual([["900"], []]);
	expect([isStopped(raised), linesOf(raised)]).toEqual([true, []]);
	expect(linesOf(spent)).toEqual([]);
});

const personAsks = (
	state: TeamBudgetState,
	more: { by?: string; nowMs?: number; reason?: string; expiresInMs?: number; newId?: string } = {},
): IncreasePlan => {
	const selector = state.budgets[0]?.definition ?? budgetWith({ amount: "900" });
	const { by = "ann", nowMs = 3, reason = "launch", expiresInMs, newId = "inc_0123456789ab" } = more;
	return planLineRequest({ kind: "line", selector, reason, requestedBy: by, isByHand: false, expiresInMs }, { state, nowMs, newId });
};
const refusedFor = (plan: IncreasePlan): string =>
	plan.kind === "refused" ? `${plan.code}: ${plan.problems.map(({ problem }) => problem).join()}` : plan.kind;

test.each([{ amount: "900" }, { basisPoints: 9_000 }])(
	"a person asks for a line %j whose own request was rejected, and somebody else lets spend pass it",
	(at) => {
		const [, rejected] = afterRejection(at);
		const plan = personAsks(rejected);
		expect(plan).toMatchObject({
			kind: "planned",
			increase: {
				id: "inc_0123456789ab",
				kind: "line",
				askedAmount: "900",
				requestedBy: "ann",
				reason: "launch",
				windowStartsAtMs: 0,
				untilMs: DAY_MS,
				expiresAtMs: DAY_MS,
			},
		});
		const asked = tick(take(rejected, plan), 4);
		expect(linesOf(asked)).toEqual(["900"]);
		expect(refusedFor(answer(asked, { id: "inc_0123456789ab", isApproval: true, by: "ann" }))).toContain("admin.forbidden");
		const approved = decide(asked, "inc_0123456789ab", true);
		expect(approved.outbox.at(-1)).toMatchObject({ kind: "applyIncrease", requestedBy: "bob", increase: { kind: "line", grantedAmount: "900" } });
		expect(refusedFor(personAsks(approved, { by: "eve" }))).toBe("admin.conflict: may be spent beyond this line already: inc_0123456789ab is approved");
		const passed = tick(report(approved, "950", 2, "900"), 5);
		expect([isStopped(passed), passed.increases.map(({ status }) => status)]).toEqual([false, ["approved"]]);
	},
);

test("what waits for a decision is asked for once: the same person's question is the same, another's is told of it", () => {
	const [reached, rejected] = afterRejection({ amount: "900" });
	expect(refusedFor(personAsks(reached))).toMatch(/^admin\.conflict: waits for a decision about this line already: inc_[0-9a-f]{12}, asked for by tollgate$/);
	const asked = take(rejected, personAsks(rejected));
	expect(personAsks(asked, { newId: "inc_ffffffffffff" })).toMatchObject({ kind: "same", increase: { id: "inc_0123456789ab" } });
	expect(refusedFor(personAsks(asked, { by: "eve" }))).toContain("inc_0123456789ab, asked for by ann");
	const again = decide(asked, "inc_0123456789ab", false);
	expect(personAsks(again, { reason: "it is urgent", newId: "inc_ffffffffffff" })).toMatchObject({ kind: "planned", increase: { id: "inc_ffffffffffff" } });
});

test("a person asks before the line is reached, and of several for the next one that is not passed", () => {
	const below = tick(report(loadedWith(budgetWith({ amount: "900" })), "899", 1), 1);
	const asked = take(below, personAsks(below));
	expect(linesOf(tick(asked, 4))).toEqual(["900"]);
	expect(linesOf(tick(report(asked, "900", 2), 5))).toEqual(["900"]);
	const lines: BudgetDefinition["thresholds"] = ["300", "500"].map((amount) => ({ action: "needApproval", at: { amount } }));
	const several = report(loadedWith(budgetWith({ amount: "0" }, { thresholds: lines })), "0", 1);
	expect(personAsks(several)).toMatchObject({ increase: { askedAmount: "300" } });
	expect(personAsks(report(several, "0", 2, "300"))).toMatchObject({ increase: { askedAmount: "500" } });
	const raised = afterRejectionAndRaise({ basisPoints: 9_000 }).raised;
	expect(personAsks(raised)).toMatchObject({ increase: { askedAmount: "1350" } });
});

test("there is nothing to ask for where every line is passed, in a window that is over, of a budget that observes or that is not there", () => {
	const [, rejected] = afterRejection({ amount: "900" });
	const nothing = "admin.conflict: has no line that needs approval and is not approved, so that there is nothing to ask for";
	expect(refusedFor(personAsks(report(rejected, "900", 2, "900")))).toBe(nothing);
	expect(refusedFor(personAsks(reachedWith(budgetWith({ amount: "900" }, { mode: "observe" }))))).toBe(nothing);
	expect(refusedFor(personAsks(reachedWith(budgetWith({ amount: "900" }, { thresholds: [] }))))).toBe(nothing);
	expect(refusedFor(personAsks(rejected, { nowMs: DAY_MS }))).toContain("admin.conflict: begins a new window");
	expect(refusedFor(personAsks(emptyTeamBudget("demo")))).toContain("admin.not_found");
});

test("a person's question about a line expires when asked to, is taken back when the line goes, and asks in place of the budget", () => {
	const [, rejected] = afterRejection({ amount: "900" });
	const asked = take(rejected, personAsks(rejected, { expiresInMs: 1_000 }));
	expect(tick(asked, 1_003).closedIncreases.at(-1)).toMatchObject({ id: "inc_0123456789ab", status: "expired" });
	const without = reduceTeamBudget(asked, {
		...{ kind: "policyApplied", mode: "patch", removeKeys: [], requestedBy: "ann" },
		set: [budgetWith({ amount: "950" })],
	}).state;
	expect(tick(without, 4).closedIncreases.at(-1)).toMatchObject({ id: "inc_0123456789ab", status: "withdrawn", decision: { by: "tollgate" } });
	const early = report(loadedWith(budgetWith({ amount: "900" })), "900", 1);
	expect(linesOf(tick(take(early, personAsks(early)), 4))).toEqual(["900"]);
});

test("a line that is passed for good is not announced as ended when the time to decide about it would be over", () => {
	const lifetime = budgetWith({ amount: "900" }, { windowKind: "lifetime" });
	const start = loadedWith(lifetime);
	const window = { key: selectorKey(lifetime), startsAtMs: 0, endsAtMs: null, granted: "900", posted: "900", overrun: "0", leases: 1, refusals: 0, version: 1 };
	const reached = reduceTeamBudget(start, { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } }).state;
	const approved = decide(take(reached, personAsks(reached, { expiresInMs: 1_000 })), "inc_0123456789ab", true);
	expect(tick(approved, 90 * DAY_MS).increases).toMatchObject([{ id: "inc_0123456789ab", status: "approved", untilMs: null }]);
});
