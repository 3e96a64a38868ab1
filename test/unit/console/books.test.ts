import { describe, expect, test } from "vitest";
import { stateOf } from "../../../console/pages/keys/key-state.ts";
import { matches, type PriceLine } from "../../../console/pages/keys/price-line.ts";
import { pageOf, periodName, type ReportSummary } from "../../../console/pages/reports/period.ts";
import { formatBasisPoints, readBasisPoints } from "../../../console/pages/statements/basis-points.ts";
import { type Month, monthsToClose } from "../../../console/pages/statements/month.ts";

describe("pages of reports", () => {
	const of = (...dates: string[]): ReportSummary[] =>
		dates.map((date, index) => ({ id: `${index}`, kind: "daily", date, teamId: null, edition: 1, writtenAt: "", writtenBy: "", spentNanoUsd: "0" }));
	const dates = (reports: readonly ReportSummary[]): string[] => reports.map(({ date }) => date);

	test("a page that is not full is the last", () => {
		expect(pageOf(of("2026-11-03", "2026-11-02"), 3)).toMatchObject({ nextBefore: null, reports: { length: 2 } });
		expect(pageOf([], 3)).toEqual({ reports: [], nextBefore: null });
	});

	test("the oldest day of a full page comes whole with the next one", () => {
		const { reports, nextBefore } = pageOf(of("2026-11-03", "2026-11-02", "2026-11-01"), 3);
		expect(dates(reports)).toEqual(["2026-11-03", "2026-11-02"]);
		expect(nextBefore).toBe("2026-11-02");
	});

	test("a day with more reports than a page is shown as far as it goes, and does not stop the way", () => {
		expect(pageOf(of("2026-11-01", "2026-11-01"), 2)).toMatchObject({ nextBefore: "2026-11-01", reports: { length: 2 } });
	});

	test("periods have names", () => {
		expect(["daily", "weekly", "monthly"].map((kind) => periodName({ kind: kind as "daily", date: "2026-11-01" }))).toEqual([
			"1 Nov 2026",
			"Week from 1 Nov 2026",
			"November 2026",
		]);
	});
});

test("a month can be closed once it is over on its calendar, unless it is closed", () => {
	const closed = [{ month: "2026-10", state: "closed" }] as Month[];
	const atMs = Date.parse("2026-12-01T02:00:00Z");
	expect(monthsToClose(closed, atMs, "UTC").slice(0, 2)).toEqual(["2026-11", "2026-09"]);
	expect(monthsToClose([], atMs, "America/New_York").slice(0, 1)).toEqual(["2026-10"]);
	expect(monthsToClose([{ month: "2026-11", state: "drafted" }] as Month[], atMs, "UTC")[0]).toBe("2026-11");
});

test.each([
	["2.5", 250],
	["-1", -100],
	["−0.25", -25],
	["0", 0],
	["100.00", 10_000],
	["", undefined],
	["1.234", undefined],
	["1e3", undefined],
	["five", undefined],
] as const)("a margin of %j percent is %j basis points", (percent, basisPoints) => {
	expect(readBasisPoints(percent)).toBe(basisPoints);
});

test("basis points are read as percent", () => {
	expect([250, -100, 0, 1].map(formatBasisPoints)).toEqual(["2.5 %", "−1 %", "0 %", "0.01 %"]);
});

describe("a key", () => {
	const nowMs = Date.parse("2026-11-28T00:00:00Z");
	test.each([
		[{ revokedAt: "2026-11-01T00:00:00Z", expiresAt: "2027-01-01T00:00:00Z" }, "revoked", true],
		[{ revokedAt: null, expiresAt: null }, "in use until revoked", false],
		[{ revokedAt: null, expiresAt: "2026-11-27T00:00:00Z" }, "expired", true],
		[{ revokedAt: null, expiresAt: "2026-11-29T00:00:00Z" }, "in use; expires", false],
	] as const)("%j is %s", (key, words, isEnded) => {
		expect(stateOf(key, nowMs)).toMatchObject({ words, isEnded });
	});

	test("one that ends within a week is told apart", () => {
		expect(stateOf({ revokedAt: null, expiresAt: "2026-11-29T00:00:00Z" }, nowMs).tone).toBe("warn");
		expect(stateOf({ revokedAt: null, expiresAt: "2027-11-29T00:00:00Z" }, nowMs).tone).toBe("good");
	});
});

test("a price is found by each word of its provider, model and aliases, in any order", () => {
	const line = { provider: "openai", model: "gpt-5", aliases: ["gpt-5-2026"] } as unknown as PriceLine;
	expect(["gpt OPENAI", "2026", " gpt-5 "].map((find) => matches(line, find))).toEqual([true, true, true]);
	expect(matches(line, "gpt anthropic")).toBe(false);
});
