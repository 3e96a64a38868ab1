import { describe, expect, test } from "vitest";
import { formatAmount, formatCount, formatExactMoney, formatMoney, formatShare, toBarPercent } from "#console/format/money.ts";
import { formatClock, formatDay, formatDuration, formatInstant, formatMonth, formatRelative, knownTimeZone } from "#console/format/time.ts";

describe("money", () => {
	test.each([
		[0n, "0.00 USD"],
		[1n, "0.000000001 USD"],
		[12_345n, "0.0000123 USD"],
		[12_350_000n, "0.0124 USD"],
		[500_000_000n, "0.50 USD"],
		[999_999_999n, "1.00 USD"],
		[1_005_000_000n, "1.01 USD"],
		[1_234_567_890_000n, "1,234.57 USD"],
		[-1_234_567_890_000n, "−1,234.57 USD"],
		[9_007_199_254_740_993_000_000_000n, "9,007,199,254,740,993.00 USD"],
	])("%s nano-USD is %s", (nanoUsd, text) => {
		expect(formatMoney(nanoUsd)).toBe(text);
	});

	test("the exact amount has every nano-dollar", () => {
		expect(formatExactMoney(1_234_560_000_001n)).toBe("1234.560000001 USD (1234560000001 nano-USD)");
	});

	test("an amount in tokens is no money", () => {
		expect(formatAmount(1_500_000n, "output_tokens")).toBe("1,500,000 output tokens");
		expect(formatCount(-1_234)).toBe("−1,234");
	});

	test.each([
		[0n, 0n, null, 0],
		[4n, 1_000n, "0.4 %", 0.4],
		[845n, 1_000n, "85 %", 84.5],
		[3_000n, 1_000n, "300 %", 100],
		[-4n, 1_000n, "−0.4 %", 0],
	])("%s of %s is %s, and %s of a bar", (part, whole, text, percent) => {
		expect([formatShare(part, whole), toBarPercent(part, whole)]).toEqual([text, percent]);
	});
});

describe("time", () => {
	test("an instant is told in the zone of the page", () => {
		expect(formatInstant("2026-11-28T01:40:00Z", { timeZone: "America/New_York" })).toBe("27 Nov 2026, 20:40");
		expect(formatClock(Date.UTC(2026, 10, 28, 1, 40, 7), { timeZone: "UTC" })).toBe("01:40:07");
	});

	test("a zone that a browser does not know is UTC, and says so", () => {
		expect([knownTimeZone("Mars/Olympus"), knownTimeZone("Europe/Berlin")]).toEqual(["UTC", "Europe/Berlin"]);
	});

	test("days and months have no zone", () => {
		expect([formatDay("2026-11-28"), formatMonth("2026-11")]).toEqual(["28 Nov 2026", "November 2026"]);
	});

	test.each([
		["2026-11-28T03:00:00Z", "in 3 hours"],
		["2026-11-26T00:00:00Z", "2 days ago"],
		["2026-11-28T00:00:00Z", "now"],
	])("%s is %s", (iso, text) => {
		expect(formatRelative(iso, Date.UTC(2026, 10, 28))).toBe(text);
	});

	test.each([
		[850.4, "850 ms"],
		[12_340, "12.3 s"],
		[200_000, "3 min 20 s"],
	])("%s ms are %s", (durationMs, text) => {
		expect(formatDuration(durationMs)).toBe(text);
	});
});
