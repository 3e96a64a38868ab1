import fc from "fast-check";
import { expect, test } from "vitest";
import { type BudgetDefinition, type BudgetThreshold, checkBudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { linesOf } from "#domain/budget/thresholds.ts";
import { carriedState, initialState } from "#workflows/team-budget/state.ts";

const at = fc.oneof(fc.record({ basisPoints: fc.integer({ min: 1, max: 10_000 }) }), fc.record({ amount: fc.bigInt({ min: 1n, max: 1_000n }).map(String) }));
const threshold: fc.Arbitrary<BudgetThreshold> = fc.oneof(
	fc.record({ action: fc.constantFrom("notify" as const, "needApproval" as const, "stop" as const), at }),
	fc.record({ action: fc.constant("degrade" as const), at, degradeTo: fc.constant({ dear: "cheap" }) }),
);
const definition = fc
	.record({
		limitAmount: fc.bigInt({ min: 0n, max: 2_000n }).map(String),
		mode: fc.constantFrom("enforce" as const, "observe" as const),
		thresholds: fc.array(threshold, { maxLength: 8 }),
	})
	.map(
		(rules): BudgetDefinition => ({
			...{ dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day", timeZone: "UTC", weekStart: 1, fiscalYearStart: 1 },
			...rules,
		}),
	);

type Step =
	| { readonly kind: "define"; readonly definition: BudgetDefinition }
	| { readonly kind: "total"; readonly posted: bigint; readonly refusals: number; readonly approved: bigint }
	| { readonly kind: "nextWindow" }
	| { readonly kind: "restart" };

const step: fc.Arbitrary<Step> = fc.oneof(
	fc.record({ kind: fc.constant("define" as const), definition }),
	fc.record({
		kind: fc.constant("total" as const),
		posted: fc.bigInt({ min: 0n, max: 2_500n }),
		refusals: fc.nat({ max: 2 }),
		approved: fc.bigInt({ min: 0n, max: 1_500n }),
	}),
	fc.constant({ kind: "nextWindow" as const }),
	fc.constant({ kind: "restart" as const }),
);

type Played = { state: TeamBudgetState; startsAtMs: number; version: number };

function eventOf(one: Exclude<Step, { kind: "restart" | "nextWindow" }>, played: Played): TeamBudgetEvent {
	if (one.kind === "define") return { kind: "policyApplied", mode: "replace", set: [one.definition], removeKeys: [], requestedBy: "ann" };
	const { startsAtMs, version } = played;
	const { posted, refusals, approved } = one;
	const amounts = { granted: posted.toString(), posted: posted.toString(), overrun: "0", approved: approved.toString() };
	const window = { ...amounts, key: "team||nano_usd|day", startsAtMs, endsAtMs: startsAtMs + 1_000, leases: 1, refusals, version };
	return { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } };
}

/** Announcements in order, as "window event amount". */
function play(first: BudgetDefinition, steps: readonly Step[]): { readonly told: string[]; readonly state: TeamBudgetState } {
	const played: Played = { state: emptyTeamBudget("demo"), startsAtMs: 0, version: 0 };
	const told: string[] = [];
	const apply = (event: TeamBudgetEvent): void => {
		const reduced = reduceTeamBudget(played.state, event);
		played.state = reduced.state;
		for (const effect of reduced.effects) if (effect.kind === "announce") told.push(`${effect.windowStartsAtMs} ${effect.event} ${effect.amount}`);
	};
	apply({ kind: "loaded", revision: 0, isFrozen: false, budgets: [first], windows: [] });
	for (const one of steps) {
		played.version += 1;
		if (one.kind === "nextWindow") played.startsAtMs += 1_000;
		// What is carried is what another process reads.
		else if (one.kind === "restart")
			played.state = initialState({ teamId: "demo", hasSearchAttributes: false, state: JSON.parse(JSON.stringify(carriedState(played.state))) });
		else apply(eventOf(one, played));
	}
	return { told, state: played.state };
}

test("whatever a budget is and becomes, each line fires at most once per window and amount, and a withdrawal follows a firing of its own", () => {
	fc.assert(
		fc.property(definition, fc.array(step, { maxLength: 40 }), (first, steps) => {
			const { told } = play(first, steps);
			const fired = told.filter((text) => text.includes(".fired "));
			expect(fired).toEqual([...new Set(fired)]);
			for (const [index, text] of told.entries())
				if (text.includes(".withdrawn ")) expect(told.slice(0, index)).toContain(text.replace(".withdrawn ", ".fired "));
		}),
		{ numRuns: 1_500 },
	);
});

test("what stands is what the last total has reached: every such line, and of others only a stop in effect", () => {
	fc.assert(
		fc.property(definition, fc.array(step, { maxLength: 25 }), (first, steps) => {
			const { state } = play(first, steps);
			const [budget] = state.budgets;
			if (budget === undefined || budget.window === null) return;
			const { posted, approved, refusals, thresholds } = budget.window;
			const limitAmount = BigInt(budget.definition.limitAmount);
			const lines = linesOf({ limitAmount, thresholds: budget.definition.thresholds });
			const reached = lines.filter(
				({ action, amount }) =>
					BigInt(posted) >= amount && (action === "stop" || limitAmount > 0n) && !(action === "needApproval" && amount <= BigInt(approved)),
			);
			const standing = thresholds.filter(({ isStanding }) => isStanding).map(({ action, amount }) => `${action} ${amount}`);
			expect(standing).toEqual(expect.arrayContaining(reached.map(({ action, amount }) => `${action} ${amount}`)));
			expect(standing.length - reached.length).toBeLessThanOrEqual(refusals > 0 ? 1 : 0);
		}),
		{ numRuns: 1_500 },
	);
});

test("what is checked is kept: a definition in its normal form is checked into itself", () => {
	fc.assert(
		fc.property(definition, (wanted) => {
			const checked = checkBudgetDefinition(wanted, "demo");
			if (checked.kind === "invalid") return;
			expect(checkBudgetDefinition(JSON.parse(JSON.stringify(checked.value)), "demo")).toEqual(checked);
			expect(selectorKey(checked.value)).toBe("team||nano_usd|day");
		}),
		{ numRuns: 2_000 },
	);
});
