import { expect, test } from "vitest";
import { type IncreasePlan, planDecision, planRequest } from "#domain/budget/increases.ts";
import { type BudgetDefinition, type BudgetThreshold, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";

const DAY_MS = 86_400_000;
const rules = { approvers: [], ceilingNanoUsd: null };

/** A budget of 1000 whose line at 900 was reached, asked for itself and was rejected; then a person asked for 500 more and got it. */
function afterRejectionAndRaise(at: BudgetThreshold["at"]): {
	readonly asked: readonly TeamBudgetState[];
	readonly raised: TeamBudgetState;
	readonly spent: TeamBudgetState;
} {
	const definition: BudgetDefinition = {
		...{ dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day", timeZone: "UTC", weekStart: 1, fiscalYearStart: 1 },
		...{ limitAmount: "1000", mode: "enforce", thresholds: [{ action: "needApproval", at }] },
	};
	const key = selectorKey(definition);
	const budget = { definition, windowEndsAtMs: DAY_MS };
	const tick = (state: TeamBudgetState, nowMs: number) => reduceTeamBudget(state, { kind: "timePassed", nowMs }).state;
	const report = (state: TeamBudgetState, posted: string, version: number) => {
		const window = { key, startsAtMs: 0, endsAtMs: DAY_MS, granted: posted, posted, overrun: "0", leases: 1, refusals: 0, version };
		return reduceTeamBudget(state, { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } }).state;
	};
	const take = (state: TeamBudgetState, plan: IncreasePlan): TeamBudgetState => {
		if (plan.kind !== "planned") throw new Error(JSON.stringify(plan));
		return reduceTeamBudget(state, { kind: "increaseChanged", increase: plan.increase }).state;
	};
	const decide = (state: TeamBudgetState, id: string, isApproval: boolean) =>
		take(
			state,
			planDecision(
				{ id, isApproval, reason: "x", decidedBy: "bob", isByHand: false },
				{ known: { open: state.increases, closed: [] }, budgetOf: () => budget, rules, nowMs: 1 },
			),
		);
	const loaded = reduceTeamBudget(emptyTeamBudget("demo"), { kind: "loaded", revision: 0, isFrozen: false, budgets: [definition], windows: [] }).state;
	const reached = tick(report(loaded, "900", 1), 1);
	const rejected = tick(decide(reached, reached.increases[0]?.id ?? "", false), 2);
	const ask = { selector: definition, amount: "500", reason: "more", requestedBy: "ann", isByHand: false };
	const requested = take(
		rejected,
		planRequest(ask, { known: { open: rejected.increases, closed: rejected.closedIncreases }, budget, key, rules, nowMs: 3, newId: "inc_0123456789ab" }),
	);
	const raised = tick(decide(requested, "inc_0123456789ab", true), 4);
	return { asked: [reached, rejected], raised, spent: tick(report(raised, "1350", 2), 5) };
}

const linesOf = ({ increases }: TeamBudgetState): string[] => increases.filter(({ kind }) => kind === "line").map(({ askedAmount }) => askedAmount);
const isStopped = ({ budgets }: TeamBudgetState): boolean => budgets[0]?.window?.thresholds.some(({ isStanding }) => isStanding) ?? false;

test("a rejected line is not asked for again; a raise moves one that is a share, and at its new place it asks anew", () => {
	const { asked, raised, spent } = afterRejectionAndRaise({ basisPoints: 9_000 });
	expect(asked.map(linesOf)).toEqual([["900"], []]);
	expect([isStopped(raised), linesOf(raised)]).toEqual([false, []]);
	expect([isStopped(spent), linesOf(spent)]).toEqual([true, ["1350"]]);
});

test("a line that is an amount stays where it is, whatever the raise, and is not asked for again", () => {
	const { asked, raised, spent } = afterRejectionAndRaise({ amount: "900" });
	expect(asked.map(linesOf)).toEqual([["900"], []]);
	expect([isStopped(raised), linesOf(raised)]).toEqual([true, []]);
	expect(linesOf(spent)).toEqual([]);
});
