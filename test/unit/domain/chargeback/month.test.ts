import { expect, test } from "vitest";
import { isMonth, monthAt, monthBefore, monthSpan } from "#domain/chargeback/month.ts";

const span = (month: string, timeZone: string) => {
	const { startsAtMs, endsAtMs } = monthSpan(month, timeZone);
	return [startsAtMs, endsAtMs].map((atMs) => new Date(atMs).toISOString().slice(0, 16));
};

test("a month goes from its first midnight to that of the next, wherever that is", () => {
	expect(span("2026-10", "UTC")).toEqual(["2026-10-01T00:00", "2026-11-01T00:00"]);
	expect(span("2026-10", "Europe/Berlin")).toEqual(["2026-09-30T22:00", "2026-10-31T23:00"]);
	expect(span("2026-12", "Pacific/Auckland")).toEqual(["2026-11-30T11:00", "2026-12-31T11:00"]);
	expect(span("2027-01", "America/Los_Angeles")).toEqual(["2027-01-01T08:00", "2027-02-01T08:00"]);
});

test.each(["UTC", "Pacific/Auckland", "America/Los_Angeles"])("the end of a month is in the next one, the instant before in it (%s)", (timeZone) => {
	const { endsAtMs } = monthSpan("2026-12", timeZone);
	expect([monthAt(endsAtMs - 1, timeZone), monthAt(endsAtMs, timeZone), monthBefore(monthAt(endsAtMs, timeZone))]).toEqual(["2026-12", "2027-01", "2026-12"]);
});

test("what is written otherwise is no month", () => {
	expect(["2026-10", "2026-13", "2026-1", "1999-10", "2026-10-01", ""].map(isMonth)).toEqual([true, false, false, false, false, false]);
});
