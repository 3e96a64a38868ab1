import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { combinationKey, OTHER } from "#domain/metrics/fold-series.ts";
import { type GrowingRow, SeriesGrowth } from "#domain/metrics/series-growth.ts";

const row = (team: string, model: string, usd: bigint): GrowingRow<"usd"> => ({ labels: [team, model], rank: usd, amounts: { usd } });
const shown = (growth: SeriesGrowth<"usd">) => Object.fromEntries(growth.series().map(({ labels, amounts }) => [labels.join("/"), amounts.usd]));

describe("SeriesGrowth", () => {
	test("begins at 0 with what there is, and counts what comes", () => {
		const growth = new SeriesGrowth<"usd">(10);
		growth.see([row("a", "x", 100n)]);
		expect(shown(growth)).toEqual({ "a/x": 0n });
		growth.see([row("a", "x", 130n), row("a", "y", 5n)]);
		expect(shown(growth)).toEqual({ "a/x": 30n, "a/y": 5n });
	});

	test("stands still after a correction until it is made up, and never falls", () => {
		const growth = new SeriesGrowth<"usd">(10);
		growth.see([row("a", "x", 0n)]);
		const seen = [50n, 20n, 45n, 60n].map((usd) => {
			growth.see([row("a", "x", usd)]);
			return shown(growth)["a/x"];
		});
		expect(seen).toEqual([50n, 50n, 50n, 60n]);
	});

	test("gives room to what comes later while there is some, then puts it with the others", () => {
		const growth = new SeriesGrowth<"usd">(3);
		growth.see([row("a", "x", 1n)]);
		growth.see([row("a", "x", 1n), row("b", "x", 2n), row("c", "x", 4n), row("d", "x", 8n)]);
		expect(shown(growth)).toEqual({ "a/x": 0n, "b/x": 2n, [`${OTHER}/${OTHER}`]: 12n });
	});

	test("never falls, never has more series than the bound, and counts all growth where nothing is corrected", () => {
		const steps = fc.array(
			fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("x", "y", "z"), fc.bigInt({ min: -9n, max: 20n })), { maxLength: 9 }),
			{
				minLength: 1,
				maxLength: 8,
			},
		);
		fc.assert(
			fc.property(steps, fc.integer({ min: 2, max: 8 }), fc.boolean(), (all, seriesMax, hasCorrections) => {
				const growth = new SeriesGrowth<"usd">(seriesMax);
				const totals = new Map<string, GrowingRow<"usd">>();
				let [before, grown] = [new Map<string, bigint>(), 0n];
				for (const [index, step] of all.entries()) {
					for (const [team, model, change] of step) {
						const amount = hasCorrections || change > 0n ? change : -change;
						const key = combinationKey([team, model]);
						totals.set(key, row(team, model, (totals.get(key)?.amounts.usd ?? 0n) + amount));
						if (index > 0) grown += amount;
					}
					growth.see([...totals.values()]);
					const now = new Map(growth.series().map(({ labels, amounts }) => [combinationKey(labels), amounts.usd]));
					expect(now.size).toBeLessThanOrEqual(seriesMax);
					for (const [key, usd] of before) expect((now.get(key) ?? -1n) >= usd).toBe(true);
					before = now;
				}
				if (!hasCorrections) expect([...before.values()].reduce((sum, usd) => sum + usd, 0n)).toBe(grown);
			}),
		);
	});
});
