import { expect, test } from "vitest";
import { allowanceIn, amountsAt, amountsOf, isRunStep, leastAmounts } from "#activities/request/amounts.ts";
import { amountIn } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { testBound } from "#test/support/request-authority.ts";

const BOUND = { ...testBound(900n, 50), inputTokens: 100, tokens: 1_000, at: (output: number) => ({ nanoUsd: BigInt(output), tokens: 100 + output }) };
const RUN = { runIds: ["7"], budgets: [] };

test("a step of an agent run counts one step and its output apart; another call neither, which no window of it counts", () => {
	expect(amountsOf(BOUND, true)).toEqual({ nanoUsd: 900n, tokens: 1_000n, outputTokens: 900n, steps: 1n });
	expect(amountsOf(BOUND, false)).toEqual({ nanoUsd: 900n, tokens: 1_000n, outputTokens: 0n, steps: 0n });
});

test("under a cap it takes less, at the least what the floor of a clamp takes", () => {
	expect(amountsAt(BOUND, 300, true)).toEqual({ nanoUsd: 300n, tokens: 400n, outputTokens: 300n, steps: 1n });
	expect(leastAmounts(BOUND, true)).toEqual({ nanoUsd: 50n, tokens: 150n, outputTokens: 50n, steps: 1n });
	expect(leastAmounts({ ...BOUND, clampFloorTokens: undefined }, true)).toEqual(amountsOf(BOUND, true));
});

test("each unit has its amount; what is not output is input", () => {
	const taken = amountsOf(BOUND, true);
	const units = ["nano_usd", "tokens", "input_tokens", "output_tokens", "steps"] as const;
	expect(units.map((unit) => amountIn(unit, taken))).toEqual([900n, 1_000n, 100n, 900n, 1n]);
});

test("counting tokens is no step, nor is a call without a run", () => {
	expect(isRunStep({ run: RUN, endpoint: "responses" })).toBe(true);
	expect(isRunStep({ run: RUN, endpoint: "count_tokens" })).toBe(false);
	expect(isRunStep({ endpoint: "responses" })).toBe(false);
});

test("a ceiling of a run keeps nothing for an outage, the team's budget what the team wants", () => {
	const wanted = amounts({ nanoUsd: 70n, tokens: 30n });
	expect(allowanceIn({ budgetId: "1", unit: "nano_usd", dimension: "team" }, wanted)).toBe(70n);
	expect(allowanceIn({ budgetId: "1", unit: "tokens" }, wanted)).toBe(30n);
	expect(allowanceIn({ budgetId: "2", unit: "nano_usd", dimension: "run" }, wanted)).toBe(0n);
});
