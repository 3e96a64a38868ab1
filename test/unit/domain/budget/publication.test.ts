import { describe, expect, test } from "vitest";
import { type AcceptedTotals, type PublishedWindow, planPublications } from "#domain/budget/publication.ts";

function window(overrides: Partial<PublishedWindow> = {}): PublishedWindow {
	return {
		windowId: "1",
		limitAmount: 1000n,
		lines: [800n, 1000n],
		approved: 0n,
		granted: 0n,
		posted: 0n,
		version: 0,
		refusals: 0,
		observedRefusals: 0,
		...overrides,
	};
}

function accepted(atMs: number, ...windows: PublishedWindow[]): AcceptedTotals {
	return { atMs, windows: new Map(windows.map((entry) => [entry.windowId, entry])), freezeSeq: 0 };
}

function plan(now: PublishedWindow, known: AcceptedTotals | undefined, nowMs: number): boolean {
	const map = new Map(known === undefined ? [] : [["demo", known]]);
	return planPublications({ teams: [{ teamId: "demo", windows: [now], freezeSeq: 0 }], accepted: map, nowMs }).length === 1;
}

describe("a team is told", () => {
	test("what it never heard", () => expect(plan(window(), undefined, 0)).toBe(true));
	test("nothing while nothing changed, for ever", () => expect(plan(window(), accepted(0, window()), 3_600_000)).toBe(false));
	test("a move above 1 % of the limit, spent or granted", () => {
		expect(plan(window({ posted: 11n, version: 1 }), accepted(0, window()), 1_000)).toBe(true);
		expect(plan(window({ granted: 11n, version: 1 }), accepted(0, window()), 1_000)).toBe(true);
		expect(plan(window({ posted: 10n, version: 1 }), accepted(0, window()), 1_000)).toBe(false);
	});
	test("a crossing, however small the step", () =>
		expect(plan(window({ posted: 800n, version: 2 }), accepted(0, window({ posted: 799n, version: 1 })), 1_000)).toBe(true));
	test("never twice within a second, not even a crossing", () => expect(plan(window({ posted: 1000n, version: 2 }), accepted(0, window()), 999)).toBe(false));
	test("anything unsaid after 30 s", () => expect(plan(window({ posted: 1n, version: 1 }), accepted(0, window()), 30_000)).toBe(true));
	test("a crossing of any line, between the first and the last too", () => {
		const lines = [500n, 800n, 900n, 1000n];
		const told = (from: bigint, to: bigint) => plan(window({ lines, posted: to, version: 2 }), accepted(0, window({ lines, posted: from, version: 1 })), 1_000);
		expect([told(499n, 500n), told(899n, 900n), told(500n, 501n)]).toEqual([true, true, false]);
	});
	test("an approval, though nothing moved", () => expect(plan(window({ approved: 900n }), accepted(0, window()), 1_000)).toBe(true));
	test("what an observed budget would have refused", () => expect(plan(window({ observedRefusals: 1 }), accepted(0, window()), 1_000)).toBe(true));
	test("the first refusal at another stop, before whoever has only waited longest", () => {
		const stops = (refusedAtStop: string) => window({ refusals: 1_000, refusedAtStop });
		expect(plan(stops("1000"), accepted(0, stops("1000")), 1_000)).toBe(false);
		expect(plan(stops("1200"), accepted(0, stops("1000")), 1_000)).toBe(true);
	});
	test("new refusals", () => expect(plan(window({ refusals: 2 }), accepted(0, window({ refusals: 1 })), 1_000)).toBe(true));
	test("a freeze that a person put into PostgreSQL, though nothing moved", () => {
		const teams = [{ teamId: "demo", windows: [window()], freezeSeq: 1 }];
		const known = new Map([["demo", accepted(0, window())]]);
		expect(planPublications({ teams, accepted: known, nowMs: 1_000 })).toEqual([{ teamId: "demo", isCrossing: true }]);
	});
});

test("of crossings the one seen first goes first, whenever its team was told last", () => {
	const teams = ["seen-late", "seen-early", "seen-now"].map((teamId) => ({ teamId, freezeSeq: 0, windows: [window({ posted: 900n, version: 1 })] }));
	const known = new Map([
		["seen-late", accepted(1_000, window())],
		["seen-early", accepted(5_000, window())],
		["seen-now", accepted(500, window())],
	]);
	const seenAtMs = new Map([
		["seen-late", 9_000],
		["seen-early", 8_000],
	]);
	expect(planPublications({ teams, accepted: known, seenAtMs, nowMs: 10_000 }).map(({ teamId }) => teamId)).toEqual(["seen-early", "seen-late", "seen-now"]);
});

test("crossings go first, then whoever has waited longest", () => {
	const teams = ["moved-late", "moved-early", "crossed"].map((teamId) => ({
		teamId,
		freezeSeq: 0,
		windows: [window(teamId === "crossed" ? { posted: 900n, version: 1 } : { posted: 500n, version: 1 })],
	}));
	const known = new Map([
		["moved-late", accepted(5_000, window())],
		["moved-early", accepted(1_000, window())],
		["crossed", accepted(8_000, window())],
	]);
	expect(planPublications({ teams, accepted: known, nowMs: 10_000 })).toEqual([
		{ teamId: "crossed", isCrossing: true },
		{ teamId: "moved-early", isCrossing: false },
		{ teamId: "moved-late", isCrossing: false },
	]);
});
