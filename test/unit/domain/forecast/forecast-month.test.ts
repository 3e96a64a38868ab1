import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forecastMonth } from "#domain/forecast/forecast-month.ts";
import { createRandom } from "#domain/statistics/random.ts";

const USD = 1_000_000_000n;
const STARTS_ON = Date.UTC(2026, 10) / 86_400_000;
const MONTH = { startsOn: STARTS_ON, endsOn: STARTS_ON + 30 };

/** So many days up to the `known`th of the month, each of `usd` with its weekday and noise. */
function series({
	days,
	known = 12,
	noise = 0.1,
	usd = 100,
	factor = () => 1,
}: {
	days: number;
	known?: number;
	noise?: number;
	usd?: number;
	factor?: (index: number) => number;
}) {
	const random = createRandom(days * 31 + known);
	const firstDay = STARTS_ON + known - days;
	const amountsNanoUsd = Array.from({ length: days }, (_, index) => {
		const weekday = (firstDay + index + 4) % 7;
		const amount = usd * (weekday === 0 || weekday === 6 ? 0.4 : 1.2) * Math.exp(noise * random.normal()) * factor(index);
		return BigInt(Math.round(amount * 1e9));
	});
	return { firstDay, amountsNanoUsd, ...MONTH };
}

describe("with history", () => {
	test("a calm team's month is told within a few percent, with an interval around it", () => {
		const forecast = forecastMonth(series({ days: 120 }));
		const month = Array.from({ length: 30 }, (_, day) => ((STARTS_ON + day + 4) % 7 === 0 || (STARTS_ON + day + 4) % 7 === 6 ? 40 : 120)).reduce(
			(sum, one) => sum + one,
			0,
		);
		expect(Math.abs(Number(forecast.expectedNanoUsd) / 1e9 / month - 1)).toBeLessThan(0.05);
		expect(forecast).toMatchObject({ method: "model", confidence: "normal", isRecentChange: false, budget: null });
		const { low95NanoUsd, low80NanoUsd, expectedNanoUsd, high80NanoUsd, high95NanoUsd, knownNanoUsd } = forecast;
		expect(
			knownNanoUsd <= low95NanoUsd &&
				low95NanoUsd <= low80NanoUsd &&
				low80NanoUsd < expectedNanoUsd &&
				expectedNanoUsd < high80NanoUsd &&
				high80NanoUsd <= high95NanoUsd,
		).toBe(true);
	});

	test("a step restarts it: what comes is of the new level, and that it is recent is said", () => {
		const forecast = forecastMonth(series({ days: 120, factor: (index) => (index >= 112 ? 2 : 1) }));
		expect(forecast.isRecentChange).toBe(true);
		const rest = Number(forecast.expectedNanoUsd - forecast.knownNanoUsd) / 1e9;
		expect(rest / 18).toBeGreaterThan(170);
		expect(rest / 18).toBeLessThan(220);
	});

	test("the same series gives the same forecast, and one a thousand times as dear a thousand times as much", () => {
		const facts = series({ days: 90 });
		expect(forecastMonth(facts)).toEqual(forecastMonth(facts));
		const dearer = forecastMonth(series({ days: 90, usd: 100_000 }));
		expect(Number(dearer.expectedNanoUsd) / Number(forecastMonth(facts).expectedNanoUsd) / 1_000).toBeCloseTo(1, 1);
	});

	test("days without spend, free weekends and a day of corrections are no trouble", () => {
		const facts = series({ days: 100 });
		const amountsNanoUsd = facts.amountsNanoUsd.map((amount, index) => (index === 95 ? -5n * USD : index % 7 < 2 ? 0n : amount));
		const forecast = forecastMonth({ ...facts, amountsNanoUsd });
		expect(forecast.knownNanoUsd).toBe(amountsNanoUsd.slice(-12).reduce((sum, one) => sum + one, 0n));
		expect(forecast.expectedNanoUsd).toBeGreaterThan(forecast.knownNanoUsd);
	});

	test("a month that is over is known, one without any spend costs nothing", () => {
		const over = series({ days: 120, known: 30 });
		const known = over.amountsNanoUsd.slice(-30).reduce((sum, one) => sum + one, 0n);
		expect(forecastMonth(over)).toMatchObject({ method: "known", expectedNanoUsd: known, low80NanoUsd: known, high95NanoUsd: known });
		const later = { ...over, amountsNanoUsd: [...over.amountsNanoUsd, 7n * USD, 7n * USD] };
		expect(forecastMonth(later)).toEqual(forecastMonth(over));
		expect(forecastMonth({ firstDay: STARTS_ON, amountsNanoUsd: [], ...MONTH })).toMatchObject({ method: "run_rate", confidence: "low", expectedNanoUsd: 0n });
	});

	test("a month that has not begun is forecast whole", () => {
		const { expectedNanoUsd, knownNanoUsd } = forecastMonth({ ...series({ days: 120 }), startsOn: MONTH.endsOn, endsOn: MONTH.endsOn + 31 });
		expect(knownNanoUsd).toBe(0n);
		expect(Number(expectedNanoUsd) / 1e9 / 31).toBeGreaterThan(85);
		expect(Number(expectedNanoUsd) / 1e9 / 31).toBeLessThan(110);
	});

	test("today does not cost less than it has already", () => {
		const facts = series({ days: 120 });
		const usual = forecastMonth(facts).expectedNanoUsd;
		const dear = forecastMonth({ ...facts, spentTodayNanoUsd: 5_000n * USD }).expectedNanoUsd;
		expect(dear - usual).toBeGreaterThan(4_700n * USD);
	});
});

describe("with less than 14 days", () => {
	test("goes on at the pace so far, says so, and is twice as unsure as its days", () => {
		const amountsNanoUsd = [10n, 20n, 30n, 20n, 10n, 30n].map((usd) => usd * USD);
		const forecast = forecastMonth({ firstDay: STARTS_ON, amountsNanoUsd, ...MONTH });
		expect(forecast).toMatchObject({ method: "run_rate", confidence: "low", expectedNanoUsd: 600n * USD });
		// Days vary by 8.2 dollars: 24 of them by 40, of which 80 % lie within 1.28 on either side.
		const halfWidth = Number(forecast.high80NanoUsd - forecast.low80NanoUsd) / 2e9;
		expect(halfWidth / (2 * 1.28 * 40)).toBeGreaterThan(0.85);
		expect(halfWidth / (2 * 1.28 * 40)).toBeLessThan(1.15);
	});

	test("13 days are too few, 14 are enough", () => {
		expect([13, 14].map((days) => forecastMonth(series({ days })).method)).toEqual(["run_rate", "model"]);
	});
});

describe("a budget", () => {
	const outlook = (budgetUsd: bigint) => forecastMonth({ ...series({ days: 120 }), budgetNanoUsd: budgetUsd * USD }).budget;

	test("far above is never crossed, far below for sure, and nearer is likelier", () => {
		expect(outlook(100_000n)).toMatchObject({ aboveBasisPoints: 0, crossedOn: null, crossedEarlyOn: null });
		expect(outlook(2_000n)).toMatchObject({ aboveBasisPoints: 10_000 });
		const risks = [2_600n, 2_800n, 2_900n, 3_000n, 3_200n].map((usd) => outlook(usd)?.aboveBasisPoints ?? -1);
		expect(risks).toEqual([...risks].sort((left, right) => right - left));
	});

	test("is crossed on the day on which half of the paths have, one in ten of them no later", () => {
		const { crossedOn, crossedEarlyOn } = outlook(2_000n) ?? {};
		expect(crossedOn).toBeGreaterThanOrEqual(STARTS_ON + 18);
		expect(crossedOn).toBeLessThanOrEqual(STARTS_ON + 23);
		expect(crossedEarlyOn).toBeLessThanOrEqual(crossedOn ?? 0);
	});

	test("that is spent already was crossed on that day", () => {
		const amountsNanoUsd = Array<bigint>(20).fill(10n * USD);
		const facts = { firstDay: STARTS_ON, amountsNanoUsd, ...MONTH, budgetNanoUsd: 45n * USD };
		expect(forecastMonth(facts).budget).toEqual({
			amountNanoUsd: 45n * USD,
			aboveBasisPoints: 10_000,
			crossedOn: STARTS_ON + 4,
			crossedEarlyOn: STARTS_ON + 4,
		});
	});

	test("whatever was spent, the figures are in order", () => {
		const amounts = fc.array(fc.bigInt({ min: -1_000n, max: 1_000_000_000_000n }), { maxLength: 45 });
		fc.assert(
			fc.property(amounts, fc.bigInt({ min: 0n, max: 10_000_000_000_000n }), fc.integer({ min: -10, max: 40 }), (amountsNanoUsd, budgetNanoUsd, later) => {
				const { low95NanoUsd, low80NanoUsd, high80NanoUsd, high95NanoUsd, budget } = forecastMonth({
					firstDay: STARTS_ON - later,
					amountsNanoUsd,
					...MONTH,
					budgetNanoUsd,
				});
				expect(low95NanoUsd <= low80NanoUsd && low80NanoUsd <= high80NanoUsd && high80NanoUsd <= high95NanoUsd).toBe(true);
				expect(budget?.aboveBasisPoints).toBeGreaterThanOrEqual(0);
				expect(budget?.aboveBasisPoints).toBeLessThanOrEqual(10_000);
			}),
			{ numRuns: 60 },
		);
	});
});
