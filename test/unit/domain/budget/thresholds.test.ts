import { describe, expect, test } from "vitest";
import { decideThresholds, NO_THRESHOLDS, thresholdAmounts, type WindowThresholds } from "#domain/budget/thresholds.ts";

const base = { limitAmount: 1000n, stopAmount: null, warnBasisPoints: 8000, refusals: 0 };

function play(...inputs: { limitAmount?: bigint; stopAmount?: bigint | null; postedAmount: bigint; refusals?: number }[]): string[] {
	let thresholds: WindowThresholds = NO_THRESHOLDS;
	return inputs.flatMap((input) => {
		const decided = decideThresholds(thresholds, { ...base, ...input });
		thresholds = decided.thresholds;
		return decided.transitions.map(({ kind, transition, amount }) => `${kind} ${transition} ${amount}`);
	});
}

describe("lines of a budget", () => {
	test("the warning is rounded up, so that it never stands below its share", () => {
		expect(thresholdAmounts({ limitAmount: 999n, stopAmount: null, warnBasisPoints: 8000 })).toEqual({ warn: 800n, stop: 999n });
		expect(thresholdAmounts({ limitAmount: 10n ** 18n, stopAmount: 5n, warnBasisPoints: 1 })).toEqual({ warn: 10n ** 14n, stop: 5n });
	});

	test("a line fires at its exact amount and once, however often it is looked at", () => {
		expect(
			play({ postedAmount: 799n }, { postedAmount: 800n }, { postedAmount: 800n }, { postedAmount: 999n }, { postedAmount: 1000n }, { postedAmount: 1200n }),
		).toEqual(["warn fired 800", "stop fired 1000"]);
	});

	test("one jump over both lines fires both", () => {
		expect(play({ postedAmount: 5000n })).toEqual(["warn fired 800", "stop fired 1000"]);
	});

	test("a raised limit withdraws what no longer holds; the new line fires in its turn, the old one never again", () => {
		expect(
			play(
				{ postedAmount: 1000n },
				{ postedAmount: 1000n, limitAmount: 2000n },
				{ postedAmount: 1000n, limitAmount: 1000n },
				{ postedAmount: 1600n, limitAmount: 2000n },
			),
		).toEqual(["warn fired 800", "stop fired 1000", "warn withdrawn 1600", "stop withdrawn 2000", "warn fired 1600", "stop withdrawn 2000"]);
	});

	test("a window that refuses calls beyond its warning is stopped; a refused giant in a fresh window is not", () => {
		expect(play({ postedAmount: 10n, refusals: 5 })).toEqual([]);
		expect(play({ postedAmount: 990n, refusals: 1 })).toEqual(["warn fired 800", "stop fired 1000"]);
	});

	test("a limit of zero stops at once and warns of nothing", () => {
		expect(play({ postedAmount: 0n, limitAmount: 0n })).toEqual(["stop fired 0"]);
	});

	test("a stop below the limit fires there", () => {
		expect(play({ postedAmount: 500n, stopAmount: 500n })).toEqual(["stop fired 500"]);
	});
});
