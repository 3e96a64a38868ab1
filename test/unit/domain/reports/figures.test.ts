import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { axisUsd, dearestFirst, exactUsd, grouped, readableChange, readableShare, readableUsd, roundedDivision } from "#domain/reports/figures.ts";

describe("an amount as people read it", () => {
	test.each([
		[0n, "$0.00"],
		[1_234_560_000_001n, "$1,234.56"],
		[1_005_000_000n, "$1.01"],
		[38_649_999n, "$0.0386"],
		[150_000_000n, "$0.1500"],
		[999_999_999n, "$1.0000"],
		[42_400n, "$0.000042"],
		[999n, "<$0.000001"],
		[-3_100_000_000n, "−$3.10"],
	])("%s is %s", (nanoUsd, shown) => expect(readableUsd(nanoUsd)).toBe(shown));

	test("is never further from the exact one than half of its last digit", () => {
		fc.assert(
			fc.property(fc.bigInt({ min: 10_000_000n, max: 10n ** 20n }), (nanoUsd) => {
				const shown = BigInt(readableUsd(nanoUsd).replaceAll(/[$,.]/g, ""));
				const digit = readableUsd(nanoUsd).split(".")[1]?.length === 4 ? 100_000n : 10_000_000n;
				const off = shown * digit - nanoUsd;
				expect((off < 0n ? -off : off) * 2n).toBeLessThanOrEqual(digit);
			}),
		);
	});

	test("stands exact beside it", () => expect(exactUsd(1_234_560_000_001n)).toBe("1234.560000001 USD"));
});

test.each([
	[110n, 100n, "+10 %"],
	[97n, 100n, "−3 %"],
	[100n, 100n, "0 %"],
	[100_001n, 100_000n, "+<1 %"],
	[99_999n, 100_000n, "−<1 %"],
	[0n, 100n, "−100 %"],
	[5n, 0n, "new"],
	[0n, 0n, undefined],
	[2_500n, 100n, "×25"],
	[100n, -5n, "new"],
])("%s after %s is %s", (now, before, shown) => expect(readableChange(now, before)).toBe(shown));

test("a share of nothing is none, and one below a percent is not nothing", () => {
	expect([readableShare(1n, 0n), readableShare(1n, 1_000n), readableShare(0n, 5n), readableShare(1n, 3n)]).toEqual([undefined, "<1 %", "0 %", "33 %"]);
});

test.each([
	[0n, "$0"],
	[250_000_000n, "$0.25"],
	[100_000_000n, "$0.1"],
	[1_000_000_000n, "$1"],
	[750_000_000_000n, "$750"],
	[2_500_000_000_000n, "$2.5k"],
	[1_250_000_000_000_000n, "$1.25M"],
])("a mark of %s is %s", (nanoUsd, shown) => expect(axisUsd(nanoUsd)).toBe(shown));

test("numbers are grouped, divided half away from zero, and ordered the same however they come", () => {
	expect([grouped(1_234_567n), grouped(-1_000n), grouped(999n)]).toEqual(["1,234,567", "−1,000", "999"]);
	expect([roundedDivision(5n, 2n), roundedDivision(-5n, 2n), roundedDivision(4n, 3n)]).toEqual([3n, -3n, 1n]);
	const items = [
		{ name: "b", of: 1n },
		{ name: "a", of: 1n },
		{ name: "c", of: 2n },
	];
	for (const order of [items, [...items].reverse()])
		expect(
			dearestFirst(
				order,
				({ of }) => of,
				({ name }) => name,
			).map(({ name }) => name),
		).toEqual(["c", "a", "b"]);
});
