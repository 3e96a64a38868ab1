import fc from "fast-check";
import { expect, test } from "vitest";
import { coverSpan, HOUR_MS, type Span } from "#domain/spend/spans.ts";

const at = (text: string): number => Date.parse(`${text}Z`);
const show = ({ fromMs, toMs }: Span): string =>
	fromMs === toMs ? "nothing" : `${new Date(fromMs).toISOString().slice(0, 13)} to ${new Date(toMs).toISOString().slice(0, 13)}`;

test.each([
	["2026-11-01T00", "2026-12-01T00", "month", "nothing", "2026-11-01T00 to 2026-12-01T00", "nothing"],
	["2026-01-31T23", "2026-04-02T00", "month", "2026-01-31T23 to 2026-02-01T00", "2026-02-01T00 to 2026-04-01T00", "2026-04-01T00 to 2026-04-02T00"],
	["2026-11-02T00", "2026-12-01T00", "month", "2026-11-02T00 to 2026-12-01T00", "nothing", "nothing"],
	["2024-02-28T12", "2024-03-01T06", "day", "2024-02-28T12 to 2024-02-29T00", "2024-02-29T00 to 2024-03-01T00", "2024-03-01T00 to 2024-03-01T06"],
	["2026-11-01T05", "2026-11-01T09", "day", "2026-11-01T05 to 2026-11-01T09", "nothing", "nothing"],
	["2026-11-01T05", "2026-11-01T05", "day", "nothing", "nothing", "nothing"],
] as const)("from %s to %s by %s", (from, to, unit, before, whole, after) => {
	const cover = coverSpan({ fromMs: at(from.concat(":00")), toMs: at(to.concat(":00")) }, unit);
	expect([show(cover.before), show(cover.whole), show(cover.after)]).toEqual([before, whole, after]);
});

test("every hour is covered once, and what is whole begins and ends with a unit", () => {
	const hour = fc.integer({ min: at("1999-01-01T00:00") / HOUR_MS, max: at("2040-01-01T00:00") / HOUR_MS });
	fc.assert(
		fc.property(hour, fc.integer({ min: 0, max: 20_000 }), fc.constantFrom("day" as const, "month" as const), (start, hours, unit) => {
			const span = { fromMs: start * HOUR_MS, toMs: (start + hours) * HOUR_MS };
			const { before, whole, after } = coverSpan(span, unit);
			const lengths = [before, whole, after].map(({ fromMs, toMs }) => toMs - fromMs);
			expect(Math.min(...lengths)).toBeGreaterThanOrEqual(0);
			expect(lengths.reduce((sum, length) => sum + length)).toBe(span.toMs - span.fromMs);
			if (whole.fromMs === whole.toMs) return;
			expect([before.fromMs, before.toMs, whole.toMs, after.toMs]).toEqual([span.fromMs, whole.fromMs, after.fromMs, span.toMs]);
			for (const ms of [whole.fromMs, whole.toMs]) expect(new Date(ms).toISOString()).toMatch(unit === "day" ? /T00:00:00.000Z$/ : /-01T00:00:00.000Z$/);
			const unitMs = (unit === "day" ? 24 : 24 * 31) * HOUR_MS;
			expect(Math.max(lengths[0] ?? 0, lengths[2] ?? 0)).toBeLessThan(unitMs);
		}),
	);
});
