import fc from "fast-check";
import { expect, test } from "vitest";
import { WINDOW_KINDS } from "#domain/budget/scope.ts";
import { calendarWindow, followingWindow, windowInForce } from "#domain/budget/window.ts";
import { AWKWARD_ZONES as ZONES } from "#test/support/time-zones.ts";

const HOUR_MS = 3_600_000;
/** Shortest and longest a calendar window can be: daylight changes of an hour, and days a zone skipped whole. */
const HOURS = { hour: [1, 1], day: [23, 49], week: [143, 193], month: [647, 769], quarter: [2135, 2233], lifetime: [0, 0] } as const;

const rule = fc.record({
	windowKind: fc.constantFrom(...WINDOW_KINDS.filter((kind) => kind !== "lifetime")),
	timeZone: fc.constantFrom(...ZONES),
	weekStart: fc.integer({ min: 1, max: 7 }),
	fiscalYearStart: fc.integer({ min: 1, max: 12 }),
});
const instant = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2037, 0, 1) });

test("every instant is in the window that is computed for it, and all instants of a window agree", () => {
	fc.assert(
		fc.property(rule, instant, fc.double({ min: 0, max: 0.999999, noNaN: true }), (anyRule, nowMs, share) => {
			const window = calendarWindow(anyRule, nowMs);
			expect(window.startsAtMs).toBeLessThanOrEqual(nowMs);
			expect(window.endsAtMs).toBeGreaterThan(nowMs);
			const lengthMs = window.endsAtMs! - window.startsAtMs;
			const [shortest, longest] = HOURS[anyRule.windowKind];
			expect(lengthMs / HOUR_MS).toBeGreaterThanOrEqual(shortest);
			expect(lengthMs / HOUR_MS).toBeLessThanOrEqual(longest);
			expect(calendarWindow(anyRule, window.startsAtMs + Math.floor(lengthMs * share))).toEqual(window);
		}),
		{ numRuns: 3_000 },
	);
});

test("windows are contiguous: each starts where the one before ended", () => {
	fc.assert(
		fc.property(rule, instant, (anyRule, nowMs) => {
			const window = calendarWindow(anyRule, nowMs);
			expect(calendarWindow(anyRule, window.endsAtMs!)).toEqual(followingWindow(anyRule, window.endsAtMs!));
			expect(calendarWindow(anyRule, window.startsAtMs - 1).endsAtMs).toBe(window.startsAtMs);
		}),
		{ numRuns: 2_000 },
	);
});

test("zone changes and clock jumps give no overlap, no hole where anyone looked, and no window shorter than a calendar one", () => {
	const step = fc.record({ timeZone: fc.constantFrom(...ZONES), jumpHours: fc.integer({ min: -60, max: 60 }) });
	fc.assert(
		fc.property(fc.constantFrom("day" as const, "week" as const), instant, fc.array(step, { minLength: 1, maxLength: 30 }), (windowKind, startMs, steps) => {
			let nowMs = startMs;
			let current = calendarWindow({ windowKind, timeZone: "UTC" }, nowMs);
			for (const { timeZone, jumpHours } of steps) {
				nowMs += jumpHours * HOUR_MS;
				const next = windowInForce({ windowKind, timeZone }, current, nowMs);
				if (next.startsAtMs === current.startsAtMs) {
					expect(next).toEqual(current);
					continue;
				}
				expect(next.startsAtMs).toBeGreaterThanOrEqual(current.endsAtMs!);
				expect(next.startsAtMs).toBeLessThanOrEqual(nowMs);
				expect(next.endsAtMs).toBeGreaterThan(nowMs);
				expect((next.endsAtMs! - next.startsAtMs) / HOUR_MS).toBeGreaterThanOrEqual(HOURS[windowKind][0]);
				current = next;
			}
		}),
		{ numRuns: 1_000 },
	);
});
