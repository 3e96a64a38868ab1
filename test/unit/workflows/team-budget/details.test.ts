import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState, type TotalsReport } from "#domain/budget/team-budget-state.ts";
import { renderDetails } from "#workflows/team-budget/details.ts";
import { isTotalsReport } from "#workflows/team-budget/validation.ts";

const BYTES_MAX = 20_000;
const HOSTILE = '"한]|`*<b>\\\n\u0000\u0007\u202e\u2028\ud800';

function budget(index: number, letter: string): BudgetDefinition {
	return {
		dimension: "environment",
		dimensionValue: `${index}${letter.repeat(128)}`.slice(0, 128),
		unit: "tokens",
		windowKind: "lifetime",
		timeZone: "UTC",
		limitAmount: "1000000000000000000",
		weekStart: 1,
		fiscalYearStart: 1,
		mode: "enforce",
		thresholds: [{ action: "notify", at: { basisPoints: 1 } }],
	};
}

function play(state: TeamBudgetState, ...events: TeamBudgetEvent[]): TeamBudgetState {
	return events.reduce((current, event) => reduceTeamBudget(current, event).state, state);
}

function fullest(letter: string, count: number): TeamBudgetState {
	const budgets = Array.from({ length: count }, (_, index) => budget(index, letter));
	const amounts = { granted: "9".repeat(30), posted: "9".repeat(30), overrun: "1", leases: 9e15, refusals: 9e15, version: 1 };
	const windows = budgets.map((definition) => ({ ...amounts, key: selectorKey(definition), startsAtMs: 0, endsAtMs: 8.64e15 }));
	const note = { atMs: 8.64e15, key: "k", code: letter.repeat(512), requestId: letter.repeat(512) };
	return play(
		emptyTeamBudget("a".repeat(63)),
		{ kind: "loaded", revision: 1, isFrozen: false, budgets, windows },
		{ kind: "freezeChanged", isFrozen: true, reason: letter.repeat(200), requestedBy: letter.repeat(100) },
		{ kind: "effectRefused", id: 1_000_000, problem: letter.repeat(300) },
		{ kind: "totalsReported", report: { windows: [], lastRefusals: Array(9).fill(note) } },
	);
}

const bytesOf = (text: string): number => Buffer.byteLength(JSON.stringify(text));

describe("what the Temporal UI shows", () => {
	test.each([
		["x", 60],
		["한", 60],
		['"', 60],
		["🙂", 100],
		[HOSTILE, 100],
	])("with names, persons and reasons full of %j and %i budgets stays within 20,000 bytes", (letter, count) => {
		const full = fullest(letter, count);
		const refusedChange = { revision: 9e15, requestedBy: letter.repeat(100), problem: letter.repeat(200) };
		const details = renderDetails({ ...full, refusedChange, announcementsLost: 9e15 });
		expect(bytesOf(details)).toBeLessThanOrEqual(BYTES_MAX);
		const shown = details.split("\n").filter((line) => line.startsWith("| environment")).length;
		expect(shown).toBeGreaterThan(20);
		const hidden = /(\d+) more budgets/.exec(details);
		expect(Number(hidden?.[1] ?? 0)).toBe(count - shown);
		expect(details).toContain("Policy revision");
	});

	test("text of people cannot become Markdown, break a line or turn the direction of reading", () => {
		const frozen = play(emptyTeamBudget("demo"), { kind: "freezeChanged", isFrozen: true, reason: HOSTILE, requestedBy: "ann" });
		const line = renderDetails(frozen)
			.split("\n")
			.find((text) => text.startsWith("**Frozen:**"));
		expect(line).toMatch(/^\*\*Frozen:\*\* "한[ b/]*$/);
	});

	test("the lines that spend has reached stand beside the state, and what an observed budget would have refused as such", () => {
		const day: BudgetDefinition = {
			...budget(0, "x"),
			unit: "nano_usd",
			limitAmount: "1000000000",
			thresholds: [{ action: "notify", at: { basisPoints: 8000 } }],
		};
		const window = {
			key: selectorKey(day),
			startsAtMs: 0,
			endsAtMs: null,
			granted: "1",
			posted: "1000000000",
			overrun: "0",
			leases: 0,
			refusals: 2,
			version: 1,
		};
		const shown = (mode: BudgetDefinition["mode"]) =>
			renderDetails(
				play(emptyTeamBudget("demo"), {
					...{ kind: "loaded", revision: 1, isFrozen: false, budgets: [{ ...day, mode }] },
					windows: [{ ...window, observedRefusals: 7 }],
				}),
			);
		expect(shown("enforce")).toMatch(/\| 2 \| \*\*stopped\*\*: notify 0\.80? USD, stop 1(\.00)? USD \|/);
		expect(shown("observe")).toMatch(/\| would: 7 \| warned, observed: notify/);
	});

	test("60 budgets of ordinary names are all shown", () => {
		const budgets = Array.from({ length: 60 }, (_, index) => ({ ...budget(0, "x"), dimensionValue: `person-${index}@example.com` }));
		const details = renderDetails(play(emptyTeamBudget("demo"), { kind: "loaded", revision: 1, isFrozen: false, budgets, windows: [] }));
		expect(details).not.toContain("more budgets");
	});
});

/** Anything JSON at all, with a good chance of being nearly right. */
const anyReport = fc.record({
	windows: fc.array(
		fc.oneof(
			fc.jsonValue(),
			fc.record({
				key: fc.constantFrom(selectorKey(budget(0, "x")), "other"),
				startsAtMs: fc.oneof(fc.integer(), fc.double()),
				endsAtMs: fc.oneof(fc.constant(null), fc.integer(), fc.double()),
				granted: fc.stringMatching(/^[0-9]{1,31}$/),
				posted: fc.stringMatching(/^[0-9]{1,31}$/),
				overrun: fc.constantFrom("0", "7", "-1"),
				leases: fc.oneof(fc.nat(), fc.jsonValue()),
				refusals: fc.nat(),
				version: fc.nat(),
			}),
		),
		{ maxLength: 3 },
	),
	lastRefusals: fc.array(
		fc.oneof(
			fc.jsonValue(),
			fc.record({ atMs: fc.double(), key: fc.string(), code: fc.string({ unit: "binary" }), requestId: fc.string({ unit: "binary" }) }),
			fc.record({ atMs: fc.integer(), key: fc.string(), code: fc.string({ unit: "binary" }), requestId: fc.string({ unit: "binary" }) }),
		),
		{ maxLength: 3 },
	),
});

test("whatever signal arrives, what is taken for a report can be decided on and shown: no signal stops a team's workflow", () => {
	const state = fullest("x", 1);
	fc.assert(
		fc.property(fc.oneof(fc.jsonValue(), anyReport), (report) => {
			if (!isTotalsReport(report as TotalsReport)) return;
			const after = play(state, { kind: "totalsReported", report: report as TotalsReport }, { kind: "timePassed", nowMs: 1_763_856_000_000 });
			expect(bytesOf(renderDetails(after))).toBeLessThanOrEqual(BYTES_MAX);
		}),
		{ numRuns: 2_000 },
	);
});
