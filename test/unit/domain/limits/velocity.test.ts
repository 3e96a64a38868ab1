import { describe, expect, test } from "vitest";
import { judgeVelocity, type VelocityQuestion } from "#domain/limits/velocity.ts";

const USD = 1_000_000_000n;

/** Seven days of a dollar each ten minutes, a little more or less. */
const STEADY: VelocityQuestion = {
	costNanoUsd: USD,
	calls: 100,
	historyDays: 7,
	history: Array.from({ length: 84 }, (_, index) => USD + (BigInt(index % 3) - 1n) * (USD / 10n)),
	sigmas: 6,
	minimumNanoUsd: USD / 2n,
};

describe("the velocity of a key or user", () => {
	test("its usual spending is usual", () => {
		expect(judgeVelocity(STEADY)).toEqual({ kind: "usual" });
		expect(judgeVelocity({ ...STEADY, costNanoUsd: 4n * USD })).toEqual({ kind: "usual" });
	});

	test("beyond four times its median and six robust deviations it has left its history, and is slowed to what is usual", () => {
		expect(judgeVelocity({ ...STEADY, costNanoUsd: 40n * USD, calls: 4_000 })).toEqual({
			kind: "left_history",
			medianNanoUsd: USD,
			usualNanoUsd: 4n * USD,
			requestsPerMinute: 40,
		});
		expect(judgeVelocity({ ...STEADY, costNanoUsd: 4n * USD + 1n })).toMatchObject({ kind: "left_history" });
	});

	test("a history that varies is given its deviations", () => {
		const history = Array.from({ length: 84 }, (_, index) => BigInt(index % 7) * USD);
		const varied = { ...STEADY, history };
		// Median 3, deviation 2: 3 + 6 × 2 × 1.4826 is more than four times the median.
		expect(judgeVelocity({ ...varied, costNanoUsd: 20n * USD })).toEqual({ kind: "usual" });
		expect(judgeVelocity({ ...varied, costNanoUsd: 21n * USD })).toMatchObject({ kind: "left_history", usualNanoUsd: 20_791_200_000n });
	});

	test("one runaway day does not become the measure", () => {
		const history = [...STEADY.history.slice(0, 72), ...Array.from({ length: 12 }, () => 100n * USD)];
		expect(judgeVelocity({ ...STEADY, history, costNanoUsd: 50n * USD })).toMatchObject({ kind: "left_history" });
	});

	test("hours in which it never spent count as nothing: the minimum decides", () => {
		const quiet = { ...STEADY, history: [], minimumNanoUsd: 5n * USD };
		expect(judgeVelocity({ ...quiet, costNanoUsd: 5n * USD })).toEqual({ kind: "usual" });
		expect(judgeVelocity({ ...quiet, costNanoUsd: 50n * USD, calls: 1_000 })).toMatchObject({ usualNanoUsd: 5n * USD, requestsPerMinute: 10 });
	});

	test("at least one request a minute is left", () => {
		expect(judgeVelocity({ ...STEADY, costNanoUsd: 1_000n * USD, calls: 10 })).toMatchObject({ requestsPerMinute: 1 });
	});

	test.each([
		["less than three days are known", { historyDays: 2 }],
		["it is below the minimum", { minimumNanoUsd: 41n * USD }],
		["the team does not want it", { sigmas: 0 }],
	])("nothing is judged when %s", (_, changes) => {
		expect(judgeVelocity({ ...STEADY, costNanoUsd: 40n * USD, ...changes })).toEqual({ kind: "usual" });
	});
});
