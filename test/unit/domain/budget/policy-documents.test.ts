import { describe, expect, test } from "vitest";
import { nextRevision } from "#domain/budget/policy-revision.ts";
import { type PublishedWindow, planPublications } from "#domain/budget/publication.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { reviseEffect } from "#domain/budget/team-budget-outbox.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { initialState } from "#workflows/team-budget/state.ts";
import { isTotalsReport } from "#workflows/team-budget/validation.ts";

/** How a team's workflow takes up what a policy document wrote to PostgreSQL without it. */
const budget = (limitAmount: string, windowKind: BudgetDefinition["windowKind"] = "day"): BudgetDefinition => ({
	...DAILY_BUDGET,
	windowKind,
	limitAmount,
	thresholds: [],
});

const held = (kind: "loaded" | "reread", revision: number, budgets: readonly BudgetDefinition[], documentRevision = 0): TeamBudgetEvent => ({
	kind,
	revision,
	isFrozen: false,
	budgets,
	windows: [],
	documentRevision,
});
const set = (definition: BudgetDefinition): TeamBudgetEvent => ({
	kind: "policyApplied",
	mode: "patch",
	set: [definition],
	removeKeys: [],
	requestedBy: "ann",
});
const told = (documentRevision: number): TeamBudgetEvent => ({ kind: "totalsReported", report: { windows: [], lastRefusals: [], documentRevision } });
const play = (state: TeamBudgetState, ...events: TeamBudgetEvent[]): TeamBudgetState =>
	events.reduce((current, event) => reduceTeamBudget(current, event).state, state);
const limits = (state: TeamBudgetState) => Object.fromEntries(state.budgets.map(({ definition }) => [definition.windowKind, definition.limitAmount]));

describe("a workflow that is told of a document it does not know", () => {
	const before = play(emptyTeamBudget("demo"), held("loaded", 4, [budget("100")]));

	test("reads PostgreSQL's rows again, once, and goes on from the document's revision", () => {
		const news = play(before, told(1_000));
		expect([news.mustReread, news.revision, limits(news)]).toEqual([true, 4, { day: "100" }]);
		const taken = play(news, held("reread", 1_000, [budget("50"), budget("9", "month")], 1_000));
		expect(taken).toMatchObject({ mustReread: false, revision: 1_000, heldRevision: 1_000, documentRevision: 1_000 });
		expect(limits(taken)).toEqual({ day: "50", month: "9" });
		expect(play(taken, told(1_000)).mustReread).toBe(false);
		expect(play(taken, set(budget("60"))).outbox).toMatchObject([{ kind: "writeBudgets", revision: 1_001 }]);
	});

	test("forgets budgets that the document ended", () => {
		expect(limits(play(before, told(1_000), held("reread", 1_000, [], 1_000)))).toEqual({});
	});

	test("keeps a change of its own that still waits, and sends it under a later revision", () => {
		const waiting = play(before, set(budget("70")), set(budget("5", "month")), told(1_000));
		const [first] = waiting.outbox;
		const revised = reviseEffect(waiting, first?.id ?? 0, 1_000);
		expect(revised.outbox.map((effect) => "revision" in effect && effect.revision)).toEqual([1_001, 6]);
		expect(limits(play(revised, held("reread", 1_000, [budget("50"), budget("1", "hour")], 1_000)))).toEqual({ day: "70", month: "5", hour: "1" });
	});

	test("knows the document it loaded with, and one that an older report does not name", () => {
		const fresh = play(emptyTeamBudget("demo"), held("loaded", 2_000, [budget("100")], 2_000));
		expect(play(fresh, told(2_000), told(1_000), { kind: "totalsReported", report: { windows: [], lastRefusals: [] } }).mustReread).toBe(false);
		const { documentRevision: _, ...older } = fresh;
		const carried = initialState({ teamId: "demo", hasSearchAttributes: false, state: older as never });
		expect([carried.documentRevision, play(carried, told(2_000)).mustReread]).toEqual([0, true]);
	});
});

test("no change of a workflow has the number of a document", () => {
	expect([0, 998, 999, 1_000, 1_999].map(nextRevision)).toEqual([1, 999, 1_001, 1_001, 2_001]);
	const full = play(emptyTeamBudget("demo"), held("loaded", 999, []));
	expect(play(full, set(budget("1"))).outbox).toMatchObject([{ revision: 1_001 }]);
	expect(play(full, { kind: "freezeChanged", isFrozen: true, reason: "", requestedBy: "ann" }).outbox).toMatchObject([{ revision: 1_001 }]);
	const waiting = play(emptyTeamBudget("demo"), held("loaded", 5, []), set(budget("1")));
	expect(reviseEffect(waiting, waiting.outbox[0]?.id ?? 0, 999).revision).toBe(1_001);
});

test("a report with a document's revision that is none is no report", () => {
	const report = { windows: [], lastRefusals: [] };
	expect([undefined, 0, 1_000, -1, 1.5, "1000"].map((documentRevision) => isTotalsReport({ ...report, documentRevision } as never))).toEqual([
		true,
		true,
		true,
		false,
		false,
		false,
	]);
});

describe("who is told first", () => {
	const window = (posted: bigint, overrides: Partial<PublishedWindow> = {}): PublishedWindow => ({
		windowId: "1",
		limitAmount: 100n,
		lines: [100n],
		approved: 0n,
		granted: posted,
		posted,
		version: Number(posted),
		refusals: 0,
		observedRefusals: 0,
		...overrides,
	});
	const known = (posted: bigint) => ({ atMs: 0, windows: new Map([["1", window(posted)]]), freezeSeq: 0 });

	test("a crossing before a document, a document before a total that moved, and a team without budgets as well", () => {
		const teams = [
			{ teamId: "moved", windows: [window(50n)], freezeSeq: 0 },
			{ teamId: "ended", windows: [], freezeSeq: 0, hasUntoldPolicy: true },
			{ teamId: "quiet", windows: [window(10n)], freezeSeq: 0 },
			{ teamId: "changed", windows: [window(10n)], freezeSeq: 0, hasUntoldPolicy: true },
			{ teamId: "crossed", windows: [window(100n)], freezeSeq: 0 },
		];
		const accepted = new Map(["moved", "quiet", "changed", "crossed"].map((teamId) => [teamId, known(10n)]));
		const plan = (nowMs: number) => planPublications({ teams, accepted, nowMs }).map(({ teamId }) => teamId);
		expect(plan(5_000)).toEqual(["crossed", "ended", "changed", "moved"]);
		expect(plan(500)).toEqual(["ended"]);
	});
});
