import { describe, expect, test } from "vitest";
import { BURST_REFUSALS, decideBurst, type RefusalCounts, USUAL_HOURS } from "#domain/alerts/burst.ts";

const hours = (count: number, refusals: number) => Array.from({ length: USUAL_HOURS }, (_, hour) => (hour < count ? refusals : 0));
const counts = (lately: number, perHour: readonly number[] = hours(0, 0), withinQuietTime = lately): RefusalCounts => ({ lately, withinQuietTime, perHour });
const calm = { isStanding: false };
const standing = { isStanding: true };

describe("a burst of refusals", () => {
	test("begins at fifty within five minutes where a team is seldom refused", () => {
		expect(decideBurst(counts(BURST_REFUSALS - 1), calm)).toEqual({ kind: "stays" });
		expect(decideBurst(counts(BURST_REFUSALS), calm)).toEqual({ kind: "begins", refusals: BURST_REFUSALS, usualPerHour: 0 });
	});

	test("begins only at five times a usual hour where a team is refused all the time", () => {
		const usual = hours(USUAL_HOURS, 40);
		expect(decideBurst(counts(199, usual), calm)).toEqual({ kind: "stays" });
		expect(decideBurst(counts(200, usual), calm)).toEqual({ kind: "begins", refusals: 200, usualPerHour: 40 });
	});

	test("one bad hour of the day before does not make the next one usual", () => {
		expect(decideBurst(counts(60, hours(6, 5_000)), calm)).toMatchObject({ kind: "begins", usualPerHour: 0 });
	});

	test("is told once: while it lasts nothing begins", () => {
		expect(decideBurst(counts(9_000, [], 9_000), standing)).toEqual({ kind: "stays" });
	});

	test("ends after fifteen minutes with less than it needs to begin, though a few are still refused", () => {
		expect(decideBurst(counts(0, [], BURST_REFUSALS), standing)).toEqual({ kind: "stays" });
		expect(decideBurst(counts(0, [], BURST_REFUSALS - 1), standing)).toEqual({ kind: "ends" });
	});

	test("of a team without any hour before is a burst", () => {
		expect(decideBurst(counts(60, []), calm)).toMatchObject({ kind: "begins" });
	});
});
