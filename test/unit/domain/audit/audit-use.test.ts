import fc from "fast-check";
import { expect, test } from "vitest";
import { auditSimpleCalls, type SimpleDay } from "#domain/audit/audit-use.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { boundLine } from "#test/support/bound-lines.ts";

/** 100 nano-USD a token in, 10 of them cached; 400 out. */
const CHEAPER = boundLine({ provider: "openai", model: "small", protocol: "openai", inputNanoUsd: 100_000_000n, outputNanoUsd: 400_000_000n });
const NONE: SimpleDay = {
	calls: 0,
	inputTokens: 0n,
	cachedInputTokens: 0n,
	cacheWrite5mTokens: 0n,
	cacheWrite1hTokens: 0n,
	outputTokens: 0n,
	reasoningTokens: 0n,
	costNanoUsd: 0n,
};
const day = (fields: Partial<SimpleDay> = {}): SimpleDay => ({
	...NONE,
	calls: 50,
	inputTokens: 10_000n,
	outputTokens: 1_000n,
	costNanoUsd: 20_000_000n,
	...fields,
});
const days = (count: number, fields: Partial<SimpleDay> = {}): SimpleDay[] => Array.from({ length: count }, () => day(fields));

test("the same tokens are priced by the other line, and 30 days come to as much as the span did a day", () => {
	const saving = auditSimpleCalls(days(10), CHEAPER);
	// 10 days of 10,000 x 100 + 1,000 x 400 nano-USD.
	expect(saving).toMatchObject({
		costNanoUsd: 200_000_000n,
		cheaperNanoUsd: 14_000_000n,
		savedNanoUsd: 186_000_000n,
		retryShareMax: 0.93,
		isRecommended: true,
	});
	expect(saving.monthly.expectedNanoUsd).toBe(558_000_000n);
});

test("days that are all alike differ only by how long the other model writes", () => {
	const { lowNanoUsd, highNanoUsd } = auditSimpleCalls(days(28), CHEAPER).monthly;
	// 30 days of 19,000,000 less what is written, 400,000 at the same length.
	expect(lowNanoUsd).toBeGreaterThanOrEqual(30n * (19_000_000n - 520_000n));
	expect(lowNanoUsd).toBeLessThan(30n * (19_000_000n - 480_000n));
	expect(highNanoUsd).toBeLessThanOrEqual(30n * (19_000_000n - 320_000n));
	expect(highNanoUsd).toBeGreaterThan(30n * (19_000_000n - 360_000n));
});

test("wild days make the bounds wide, and days without a call count", () => {
	const wild = [
		...days(3),
		day({ calls: 500, inputTokens: 100_000n, outputTokens: 10_000n, costNanoUsd: 200_000_000n }),
		...Array.from({ length: 4 }, () => NONE),
	];
	const { expectedNanoUsd, lowNanoUsd, highNanoUsd } = auditSimpleCalls(wild, CHEAPER).monthly;
	expect(expectedNanoUsd).toBe(((260_000_000n - 18_200_000n) * 30n) / 8n);
	expect(highNanoUsd - lowNanoUsd).toBeGreaterThan(expectedNanoUsd / 4n);
});

test("what began lately is judged from its first day on", () => {
	const young = [...Array.from({ length: 23 }, () => NONE), ...days(5)];
	expect(auditSimpleCalls(young, CHEAPER)).toEqual(auditSimpleCalls(days(5), CHEAPER));
	expect(auditSimpleCalls(young, CHEAPER).isRecommended).toBe(true);
});

test.each([
	["fewer than 100 calls", days(3, { calls: 33 })],
	["two days alone", [...days(2), ...Array.from({ length: 26 }, () => NONE)]],
	["a model that is not cheaper", days(28, { costNanoUsd: 1_400_000n })],
	["nothing at all", Array.from({ length: 28 }, () => NONE)],
])("%s is not recommended", (_name, span) => {
	expect(auditSimpleCalls(span, CHEAPER).isRecommended).toBe(false);
});

test("whatever the days, every class of tokens has its price, bounds are in order, and the answer is the same twice", () => {
	const count = fc.integer({ min: 0, max: 50_000 });
	const anyDay = fc.tuple(count, count, count, count, count, count).map(([plain, cached, short, long, text, reasoning]) => ({
		usage: {
			inputTokens: plain + cached + short + long,
			cachedInputTokens: cached,
			cacheWrite5mTokens: short,
			cacheWrite1hTokens: long,
			outputTokens: text + reasoning,
			reasoningTokens: reasoning,
		},
	}));
	fc.assert(
		fc.property(fc.array(anyDay, { minLength: 1, maxLength: 40 }), (drawn) => {
			const span = drawn.map(({ usage }) => {
				const sums = Object.fromEntries(Object.entries(usage).map(([name, tokens]) => [name, BigInt(tokens)]));
				return { ...NONE, ...sums, calls: 10, costNanoUsd: 5_000_000n };
			});
			const saving = auditSimpleCalls(span, CHEAPER);
			const exact = drawn.reduce((sum, { usage }) => sum + priceUsage(usage, CHEAPER, "standard").costNanoUsd, 0n);
			expect(saving.cheaperNanoUsd - exact).toBeGreaterThanOrEqual(0n);
			// Input and output of a day are rounded up each by itself.
			expect(saving.cheaperNanoUsd - exact).toBeLessThanOrEqual(BigInt(span.length));
			expect(saving.monthly.lowNanoUsd).toBeLessThanOrEqual(saving.monthly.highNanoUsd);
			expect(auditSimpleCalls(span, CHEAPER)).toEqual(saving);
		}),
	);
});
