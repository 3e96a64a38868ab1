import { describe, expect, test } from "vitest";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { isTotalsReport, validateFreeze, validatePolicy, validateUnfreeze } from "#workflows/team-budget/validation.ts";

describe("an accepted update can be carried out", () => {
	const unstorable = ["\u0000", "a\u0007", "a\u0085", "ann\ud800", "\udfff"];

	test.each(unstorable)("a freeze with %j as its reason or its person is refused, naming the field", (text) => {
		expect(() => validateFreeze({ reason: text, requestedBy: "ann" })).toThrow(/^reason must be well-formed/);
		expect(() => validateFreeze({ reason: "", requestedBy: text })).toThrow(/^requestedBy must be well-formed/);
		expect(() => validateUnfreeze({ requestedBy: text })).toThrow(/^requestedBy must be well-formed/);
	});

	test.each(unstorable)("a policy with %j as its person or the value of a dimension is refused, naming the field", (text) => {
		expect(() => validatePolicy({ mode: "patch", set: [day], remove: [], requestedBy: text }, "demo")).toThrow(/^requestedBy must be well-formed/);
		const user = { ...day, dimension: "user", dimensionValue: text } as const;
		expect(() => validatePolicy({ mode: "patch", set: [user], remove: [], requestedBy: "ann" }, "demo")).toThrow(
			/^set\[0\].dimensionValue must be well-formed/,
		);
		expect(() => validatePolicy({ mode: "patch", set: [], remove: [user], requestedBy: "ann" }, "demo")).toThrow(/^remove\[0\].dimensionValue must be/);
	});

	test("text of every language is welcome", () => {
		expect(() => validateFreeze({ reason: "Endlosschleife 🙂 무한 루프", requestedBy: "Žofie" })).not.toThrow();
	});
});

describe("a signal is read only when all of it has the shape of a report", () => {
	const window = { key: "team||nano_usd|day", startsAtMs: 0, endsAtMs: 1, granted: "0", posted: "0", overrun: "0", leases: 0, refusals: 0, version: 0 };
	const note = { atMs: 1, key: "", code: "budget.exceeded", requestId: "r" };
	const head = { gatewayId: "g1", epoch: "1", chunkSeq: "7", hash: "0a".repeat(32) };
	const isReport = (report: unknown): boolean => isTotalsReport(report as never);

	test("what the publisher tells", () => {
		expect(isReport({ windows: [window, { ...window, endsAtMs: null }], lastRefusals: [note] })).toBe(true);
		expect(isReport({ windows: [], lastRefusals: [], chainHeads: [head] })).toBe(true);
	});

	test.each([
		[null],
		[{ windows: [] }],
		[{ windows: [], lastRefusals: [null] }],
		[{ windows: [], lastRefusals: [{ ...note, requestId: undefined }] }],
		[{ windows: [], lastRefusals: [{ ...note, requestId: "x".repeat(513) }] }],
		[{ windows: [], lastRefusals: [{ ...note, atMs: "1" }] }],
		[{ windows: [], lastRefusals: [{ ...note, atMs: 1e300 }] }],
		[{ windows: [null], lastRefusals: [] }],
		[{ windows: [{ ...window, version: 0.5 }], lastRefusals: [] }],
		[{ windows: [{ ...window, refusals: -1 }], lastRefusals: [] }],
		[{ windows: [{ ...window, endsAtMs: 9e15 }], lastRefusals: [] }],
		[{ windows: [{ ...window, posted: 5 }], lastRefusals: [] }],
		[{ windows: [], lastRefusals: [], chainHeads: {} }],
		[{ windows: [], lastRefusals: [], chainHeads: [null] }],
		[{ windows: [], lastRefusals: [], chainHeads: [{ ...head, chunkSeq: 7 }] }],
		[{ windows: [], lastRefusals: [], chainHeads: [{ ...head, chunkSeq: "-7" }] }],
		[{ windows: [], lastRefusals: [], chainHeads: [{ ...head, hash: "0a" }] }],
		[{ windows: [], lastRefusals: [], chainHeads: Array(65).fill(head) }],
	])("%j is none", (report) => expect(isReport(report)).toBe(false));
});
