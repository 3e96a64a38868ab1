import { describe, expect, test } from "vitest";
import { backOffMs, decideDelivery, GIVE_UP_AFTER_MS, isFinalStatus, LONGEST_PAUSE_MS, readRetryAfterMs, type SendOutcome } from "#domain/alerts/retry.ts";

const failed = (more: Partial<Extract<SendOutcome, { kind: "failed" }>> = {}): SendOutcome => ({
	kind: "failed",
	said: "503",
	isFinal: false,
	mayHaveArrived: false,
	pauseMs: 0,
	...more,
});
const tried = (attempt: number, triedForMs = 0) => ({ attempt, triedForMs, random: 0 });

describe("a try that failed", () => {
	test("is tried again after one second, then twice as long each time, at most a quarter of an hour", () => {
		expect([1, 2, 3, 10, 11, 500].map((attempt) => backOffMs(attempt, 1))).toEqual([1_000, 2_000, 4_000, 512_000, 900_000, 900_000]);
	});

	test("leaves half of the wait to chance", () => {
		expect([backOffMs(5, 0), backOffMs(5, 0.5)]).toEqual([8_000, 12_000]);
	});

	test("waits for as long as the receiver asks, an hour at most, and keeps the whole channel waiting", () => {
		expect(decideDelivery(failed({ pauseMs: 30_000 }), tried(1))).toMatchObject({ kind: "retry", afterMs: 30_000, pauseMs: 30_000 });
		expect(decideDelivery(failed({ pauseMs: 1e12 }), tried(1))).toMatchObject({ afterMs: LONGEST_PAUSE_MS, pauseMs: LONGEST_PAUSE_MS });
	});

	test("is given up after a day, or at once where the answer says never", () => {
		expect(decideDelivery(failed(), tried(90, GIVE_UP_AFTER_MS - 1)).kind).toBe("retry");
		expect(decideDelivery(failed(), tried(90, GIVE_UP_AFTER_MS)).kind).toBe("dead");
		expect(decideDelivery(failed({ isFinal: true }), tried(1))).toMatchObject({ kind: "dead", said: "503" });
	});

	test("whose answer was lost says so", () => {
		expect(decideDelivery(failed({ mayHaveArrived: true }), tried(1))).toMatchObject({ kind: "retry", mayHaveArrived: true });
	});
});

test.each([
	[302, true],
	[400, true],
	[401, true],
	[404, true],
	[410, true],
	[408, false],
	[409, false],
	[425, false],
	[429, false],
	[500, false],
	[503, false],
])("status %i is final: %s", (status, isFinal) => {
	expect(isFinalStatus(status)).toBe(isFinal);
});

test("Retry-After is read in seconds and as a date; anything else asks for nothing", () => {
	const nowMs = Date.parse("2026-11-26T00:00:00Z");
	const read = (header: string | undefined) => readRetryAfterMs(header, nowMs, Date.parse);
	expect([read("30"), read("Thu, 26 Nov 2026 00:01:00 GMT"), read("Wed, 25 Nov 2026 00:00:00 GMT"), read("soon"), read(undefined)]).toEqual([
		30_000, 60_000, 0, 0, 0,
	]);
});
