import type { Mutant } from "./mutant.ts";

/** Rules of the ceilings of agent runs, as the budgets they are. */
const UNIT = "test/unit/activities/request";

export const RUN_BUDGET_MUTANTS: readonly Mutant[] = [
	{
		rule: "a step meets the ceilings of its whole chain",
		file: "activities/request/met-budgets.ts",
		from: "const met = merge(matched, run.budgets);",
		to: "const met = merge(matched, run.budgets.slice(1));",
		test: `${UNIT}/met-budgets.test.ts`,
		titles: ["a step meets what matches it and the ceilings of its chain, ascending by id"],
	},
	{
		rule: "budgets that were read again hold for the steps of runs",
		file: "activities/request/met-budgets.ts",
		from: "if (last !== undefined && last.matched === matched) return last.met;",
		to: "if (last !== undefined) return last.met;",
		test: `${UNIT}/met-budgets.test.ts`,
		titles: ["the steps of a run are merged once, and anew when the budgets of the team were read again"],
	},
	{
		rule: "one grant locks at most 128 windows",
		file: "activities/request/grant-batch.ts",
		from: "		if (waiters.length > 0 && union.size + unmet.length > MAX_WINDOWS) break;\n",
		to: "",
		test: `${UNIT}/grant-batch.test.ts`,
		titles: ["a batch ends where its windows would be more than 128"],
	},
	{
		rule: "the ceilings of runs keep nothing for an outage",
		file: "activities/request/amounts.ts",
		from: 'return dimension === "run" ? 0n : amountIn(unit, allowance);',
		to: "void dimension;\n	return amountIn(unit, allowance);",
		test: `${UNIT}/asking-for-money.test.ts`,
		titles: ["asks for what is kept for an outage in the team's budget, and for none in the ceilings of its runs"],
	},
	{
		rule: "a lease that holds something is kept while its run rests",
		file: "domain/budget/window-lease.ts",
		from: "return this.reserved === 0n && this.idle === 0n && ",
		to: "return ",
		test: "test/unit/domain/budget/resting-lease.test.ts",
		titles: ["is kept while it has calls in flight", "is kept while it holds idle money"],
	},
	{
		rule: "what is on its way back is confirmed before a lease is forgotten",
		file: "domain/budget/window-lease.ts",
		from: "this.returned === this.returnedConfirmed && !this.isForgotten",
		to: "!this.isForgotten",
		test: "test/unit/domain/budget/resting-lease.test.ts",
		titles: ["is kept while it has money on its way back"],
	},
	{
		rule: "a forgotten lease begins at what its row says was posted",
		file: "domain/budget/window-lease.ts",
		from: "		this.spent = facts.leasePosted;\n",
		to: "		this.spent = 0n;\n",
		test: "test/unit/domain/budget/resting-lease.test.ts",
		titles: ["is adopted again as its row stands, and gives back on top of what it gave back before"],
	},
	{
		rule: "a clamp keeps to the output tokens that are left",
		file: "domain/bound/bound-request.ts",
		from: ", this.#byOutput(outputTokens));",
		to: ");",
		test: "test/unit/domain/bound/clamp.test.ts",
		titles: ["fits the output tokens that are left, over all choices together"],
	},
	{
		rule: "an estimate is above the reservation in no unit",
		file: "activities/request/attempt.ts",
		from: "outputTokens: outputTokens > overInput ? outputTokens : overInput }",
		to: "outputTokens }",
		test: `${UNIT}/run-records.test.ts`,
		titles: ["an estimate is above the reservation in no unit: input beyond it counts as output"],
	},
	{
		rule: "counting tokens is no step of a run",
		file: "activities/request/amounts.ts",
		from: 'run !== undefined && endpoint !== "count_tokens"',
		to: 'run !== undefined && endpoint !== "embeddings"',
		test: `${UNIT}/run-records.test.ts`,
		titles: ["counting tokens takes no step"],
	},
];
