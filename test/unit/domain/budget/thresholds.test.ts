import { describe, expect, test } from "vitest";
import type { BudgetThreshold } from "#domain/budget/scope.ts";
import { decideThresholds, FIRED_LINES_MAX, linesOf, NO_THRESHOLDS, type ThresholdInput, type WindowThresholds } from "#domain/budget/thresholds.ts";

const notice = (basisPoints: number): BudgetThreshold => ({ action: "notify", at: { basisPoints } });
const base: ThresholdInput = { limitAmount: 1000n, thresholds: [notice(8000)], approvedAmount: 0n, postedAmount: 0n, refusals: 0 };

function play(...inputs: Partial<ThresholdInput>[]): string[] {
	let thresholds: WindowThresholds = NO_THRESHOLDS;
	return inputs.flatMap((input) => {
		const decided = decideThresholds(thresholds, { ...base, ...input });
		thresholds = decided.thresholds;
		return decided.transitions.map(({ action, transition, amount }) => `${action} ${transition} ${amount}`);
	});
}

describe("lines of a budget", () => {
	test("are in ascending order, each once, rounded up, and the limit is always a stop", () => {
		const thresholds: BudgetThreshold[] = [
			notice(9000),
			notice(8000),
			{ action: "stop", at: { amount: "999" } },
			{ action: "stop", at: { basisPoints: 10_000 } },
		];
		expect(linesOf({ limitAmount: 999n, thresholds })).toEqual([
			{ action: "notify", amount: 800n },
			{ action: "notify", amount: 900n },
			{ action: "stop", amount: 999n },
		]);
	});

	test("a line fires at its exact amount and once, however often it is looked at", () => {
		expect(
			play({ postedAmount: 799n }, { postedAmount: 800n }, { postedAmount: 800n }, { postedAmount: 999n }, { postedAmount: 1000n }, { postedAmount: 1200n }),
		).toEqual(["notify fired 800", "stop fired 1000"]);
	});

	test("one jump over all lines fires all, in order", () => {
		const thresholds: BudgetThreshold[] = [
			notice(5000),
			{ action: "degrade", at: { basisPoints: 8000 }, degradeTo: { a: "b" } },
			{ action: "needApproval", at: { amount: "900" } },
		];
		expect(play({ postedAmount: 5000n, thresholds })).toEqual(["notify fired 500", "degrade fired 800", "needApproval fired 900", "stop fired 1000"]);
	});

	test("a raised limit withdraws what no longer holds; the new line fires in its turn, the old one never again", () => {
		expect(
			play(
				{ postedAmount: 1000n },
				{ postedAmount: 1000n, limitAmount: 2000n },
				{ postedAmount: 1000n, limitAmount: 1000n },
				{ postedAmount: 1600n, limitAmount: 2000n },
			),
		).toEqual(["notify fired 800", "stop fired 1000", "notify withdrawn 800", "stop withdrawn 1000", "stop withdrawn 1000", "notify fired 1600"]);
	});

	test("a lowered limit fires the new stop; who is stopped still is not told that he is free", () => {
		expect(play({ postedAmount: 1000n }, { postedAmount: 1000n, limitAmount: 500n })).toEqual([
			"notify fired 800",
			"stop fired 1000",
			"notify fired 400",
			"stop fired 500",
		]);
	});

	test("a line taken away is withdrawn, one given later fires", () => {
		const two = [notice(5000), notice(8000)];
		expect(play({ postedAmount: 850n, thresholds: two }, { postedAmount: 850n }, { postedAmount: 850n, thresholds: [notice(8000), notice(8400)] })).toEqual([
			"notify fired 500",
			"notify fired 800",
			"notify withdrawn 500",
			"notify fired 840",
		]);
	});

	test("an approval withdraws its line and no other; a line above it asks again", () => {
		const thresholds: BudgetThreshold[] = [
			{ action: "needApproval", at: { amount: "500" } },
			{ action: "needApproval", at: { amount: "700" } },
		];
		expect(
			play(
				{ postedAmount: 500n, thresholds },
				{ postedAmount: 500n, thresholds, approvedAmount: 500n },
				{ postedAmount: 700n, thresholds, approvedAmount: 500n },
			),
		).toEqual(["needApproval fired 500", "needApproval withdrawn 500", "needApproval fired 700"]);
	});

	test("a window that refuses calls beyond its last line before the stop is stopped; a refused giant in a fresh window is not", () => {
		expect(play({ postedAmount: 10n, refusals: 5 })).toEqual([]);
		expect(play({ postedAmount: 990n, refusals: 1 })).toEqual(["notify fired 800", "stop fired 1000"]);
	});

	test("what was refused before a raise does not stop the raised window; what is refused at its own stop does", () => {
		const refused = { refusals: 1, refusedAtStop: 1000n };
		expect(
			play(
				{ postedAmount: 990n, ...refused },
				{ postedAmount: 990n, ...refused, limitAmount: 1200n },
				{ postedAmount: 1190n, refusals: 2, refusedAtStop: 1200n, limitAmount: 1200n },
			),
		).toEqual(["notify fired 800", "stop fired 1000", "stop withdrawn 1000", "notify fired 960", "stop fired 1200"]);
	});

	test("refusals at a line that waits for approval are that line's; once it is approved they do not stop the window", () => {
		const thresholds: BudgetThreshold[] = [notice(5000), { action: "needApproval", at: { amount: "900" } }];
		expect(play({ postedAmount: 600n, refusals: 1, thresholds }, { postedAmount: 600n, refusals: 1, thresholds, approvedAmount: 900n })).toEqual([
			"notify fired 500",
			"needApproval fired 900",
			"needApproval withdrawn 900",
		]);
	});

	test("a limit of zero stops at once and warns of nothing", () => {
		expect(play({ postedAmount: 0n, limitAmount: 0n })).toEqual(["stop fired 0"]);
	});

	test("what fired is remembered in a bounded list, and nothing of it fires twice", () => {
		let thresholds: WindowThresholds = NO_THRESHOLDS;
		const fired: string[] = [];
		const limits = Array.from({ length: 60 }, (_, index) => 1000n + BigInt((index % 30) * 100));
		for (const limitAmount of limits) {
			const decided = decideThresholds(thresholds, { ...base, limitAmount, postedAmount: limitAmount });
			thresholds = decided.thresholds;
			expect(thresholds.length).toBeLessThanOrEqual(FIRED_LINES_MAX);
			for (const { action, transition, amount } of decided.transitions) if (transition === "fired") fired.push(`${action} ${amount}`);
		}
		expect(fired).toHaveLength(60);
		expect(new Set(fired).size).toBe(60);
	});
});
