import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { combinationKey, foldSeries, OTHER, type SeriesRow } from "#domain/metrics/fold-series.ts";

const row = (team: string, model: string, rank: bigint): SeriesRow => ({ labels: [team, model], rank });

describe("foldSeries", () => {
	test("leaves everything as it is while it fits", () => {
		const fold = foldSeries([row("a", "x", 1n), row("b", "x", 2n)], 2);
		expect([fold.seriesOf(["a", "x"]), fold.foldedCombinations, fold.foldedHeads]).toEqual([["a", "x"], 0, 0]);
	});

	test("keeps the dearest, the rest of a named team under its name, and the other teams together", () => {
		const rows = [...[9n, 8n, 7n, 6n, 5n, 4n, 3n].map((rank, index) => row("a", `m${index}`, rank)), row("b", "x", 2n), row("c", "x", 1n)];
		// Two heads of eight series, one series for all others: five are left.
		const fold = foldSeries(rows, 8);
		expect(rows.map(({ labels }) => fold.seriesOf(labels).join("/"))).toEqual([
			"a/m0",
			"a/m1",
			"a/m2",
			"a/m3",
			"a/m4",
			`a/${OTHER}`,
			`a/${OTHER}`,
			`b/${OTHER}`,
			`${OTHER}/${OTHER}`,
		]);
		expect([fold.foldedCombinations, fold.foldedHeads]).toEqual([4, 1]);
	});

	test("of one rank, names the same ones in whatever order the rows come", () => {
		const rows = ["a", "b", "c", "d", "e"].map((model) => row("t", model, 1n));
		const namedOf = (all: readonly SeriesRow[]) =>
			rows.filter(({ labels }) => !foldSeries(all, 4).seriesOf(labels).includes(OTHER)).map(({ labels }) => labels[1]);
		expect([namedOf(rows), namedOf([...rows].reverse())]).toEqual([
			["a", "b"],
			["a", "b"],
		]);
	});

	const names = fc.constantFrom("", "a", "b", "c", "d", "e", OTHER, '"');
	const rows = fc.uniqueArray(fc.record({ labels: fc.tuple(names, names, names), rank: fc.bigInt({ min: -5n, max: 50n }) }), {
		selector: ({ labels }) => combinationKey(labels),
		maxLength: 60,
		size: "max",
	});

	test("never more series than the bound, the same ones in whatever order the rows come, and nothing in two places", () => {
		fc.assert(
			fc.property(rows, fc.integer({ min: 1, max: 40 }), (all, seriesMax) => {
				const fold = foldSeries(all, seriesMax);
				const series = new Set(all.map(({ labels }) => combinationKey(fold.seriesOf(labels))));
				expect(series.size).toBeLessThanOrEqual(seriesMax);
				const turned = foldSeries([...all].reverse(), seriesMax);
				for (const { labels } of all) expect(turned.seriesOf(labels)).toEqual(fold.seriesOf(labels));
				for (const { labels } of all) expect([labels[0], OTHER]).toContain(fold.seriesOf(labels)[0]);
			}),
		);
	});
});
