import { describe, expect, test } from "vitest";
import type { BudgetDefinition, BudgetThreshold } from "#domain/budget/scope.ts";
import { checkBudgetsTogether, MAX_BUDGETS_PER_TEAM, selectorKey } from "#domain/budget/scope.ts";
import { hasRoomForChange, reviseEffect, WAITING_ANNOUNCEMENTS_MAX, WAITING_CHANGES_MAX } from "#domain/budget/team-budget-outbox.ts";
import { definitionsOf, nextWindowEndMs, reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import {
	type BudgetEffect,
	type CarriedState,
	CHAIN_HEADS_MAX,
	type ChainHead,
	emptyTeamBudget,
	type HeldFreeze,
	stateWord,
	type TeamBudgetState,
	usedPercent,
	type WindowReport,
} from "#domain/budget/team-budget-state.ts";
import { carriedState, initialState } from "#workflows/team-budget/state.ts";

const HOUR_MS = 3_600_000;
const day: BudgetDefinition = {
	dimension: "team",
	dimensionValue: "",
	unit: "nano_usd",
	windowKind: "day",
	timeZone: "UTC",
	limitAmount: "1000",
	weekStart: 1,
	fiscalYearStart: 1,
	mode: "enforce",
	thresholds: [{ action: "notify", at: { basisPoints: 8000 } }],
};
const omitThresholds = ({ thresholds: _, ...rest }: BudgetDefinition): Omit<BudgetDefinition, "thresholds"> => rest;
const user = (dimensionValue: string): BudgetDefinition => ({ ...day, dimension: "user", dimensionValue });

function loaded(budgets: readonly BudgetDefinition[] = [], windows: readonly WindowReport[] = []): TeamBudgetState {
	return reduceTeamBudget(emptyTeamBudget("demo"), { kind: "loaded", revision: 0, isFrozen: false, budgets, windows }).state;
}

function play(state: TeamBudgetState, ...events: TeamBudgetEvent[]): { state: TeamBudgetState; effects: BudgetEffect[] } {
	const effects: BudgetEffect[] = [];
	let current = state;
	for (const event of events) {
		const reduced = reduceTeamBudget(current, event);
		current = reduced.state;
		effects.push(...reduced.effects);
	}
	return { state: current, effects };
}

const policy = (set: readonly BudgetDefinition[], overrides: Partial<Extract<TeamBudgetEvent, { kind: "policyApplied" }>> = {}): TeamBudgetEvent => ({
	kind: "policyApplied",
	mode: "patch",
	set,
	removeKeys: [],
	requestedBy: "ann",
	...overrides,
});

function totals(posted: string, version: number, overrides: Partial<WindowReport> = {}): TeamBudgetEvent {
	const window: WindowReport = {
		key: selectorKey(day),
		startsAtMs: 0,
		endsAtMs: 24 * HOUR_MS,
		granted: posted,
		posted,
		overrun: "0",
		leases: 1,
		refusals: 0,
		version,
		...overrides,
	};
	return { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } };
}

const windowOf = (definition: BudgetDefinition): WindowReport => ({
	key: selectorKey(definition),
	startsAtMs: 0,
	endsAtMs: 24 * HOUR_MS,
	granted: "1000",
	posted: "1000",
	overrun: "0",
	leases: 1,
	refusals: 0,
	version: 1,
});

const announced = (effects: readonly BudgetEffect[]): string[] => effects.flatMap((effect) => (effect.kind === "announce" ? [effect.event] : []));

describe("policy", () => {
	test("a change raises the revision by one and writes only what differs", () => {
		const { state, effects } = play(loaded([day]), policy([day, user("ann")]));
		expect(state.revision).toBe(1);
		expect(effects).toEqual([{ id: 1, kind: "writeBudgets", revision: 1, requestedBy: "ann", setKeys: [selectorKey(user("ann"))], removeKeys: [] }]);
		expect(definitionsOf(state, [selectorKey(user("ann"))])).toEqual([user("ann")]);
	});

	test("asking for what is in force changes nothing", () => {
		const { state, effects } = play(loaded([day]), policy([day]));
		expect([state.revision, effects]).toEqual([0, []]);
	});

	test("setting a budget that has overrun again is a change, because only a write clears it; one that is not named stays stopped", () => {
		const overrun = loaded([day, user("ann")], [{ ...windowOf(day), overrun: "700" }]);
		expect(play(overrun, policy([day])).effects).toMatchObject([{ kind: "writeBudgets", revision: 1, setKeys: [selectorKey(day)] }]);
		expect(play(overrun, policy([user("ann")])).effects).toEqual([]);
	});

	test("asked to clear overruns that no report told of yet, what is named is written", () => {
		expect(play(loaded([day, user("ann")]), policy([day], { clearsOverruns: true })).effects).toMatchObject([{ setKeys: [selectorKey(day)] }]);
	});

	test("replace ends what is not named, patch ends only what is", () => {
		const both = loaded([day, user("ann")]);
		expect(play(both, policy([day], { mode: "replace" })).state.budgets.map(({ key }) => key)).toEqual([selectorKey(day)]);
		expect(play(both, policy([], { removeKeys: [selectorKey(day), "unknown"] })).effects).toMatchObject([{ removeKeys: [selectorKey(day)] }]);
	});

	test("a raised limit withdraws a standing warning at once, without a new total", () => {
		const { effects } = play(loaded([day]), totals("900", 1), policy([{ ...day, limitAmount: "5000" }]));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.warn.withdrawn"]);
	});

	test("a fence that stood higher moves the change to the next free revision", () => {
		const { state } = play(loaded([day]), policy([{ ...day, limitAmount: "5" }]));
		const revised = reviseEffect(state, 1, 40);
		expect([revised.revision, revised.outbox[0]]).toEqual([41, expect.objectContaining({ id: 1, revision: 41 })]);
	});

	test("an effect that is done leaves the outbox and tells what PostgreSQL holds", () => {
		const { state } = play(loaded(), policy([day]), { kind: "effectDone", id: 1, heldRevision: 1 });
		expect([state.outbox, state.heldRevision]).toEqual([[], 1]);
	});
});

describe("a change that PostgreSQL refuses for what it says", () => {
	const refused: TeamBudgetEvent = { kind: "effectRefused", id: 1, problem: "invalid byte \u0000 sequence" };
	const reread = (budgets: readonly BudgetDefinition[], overrides: Partial<Extract<TeamBudgetEvent, { kind: "loaded" | "reread" }>> = {}): TeamBudgetEvent => ({
		kind: "reread",
		revision: 4,
		isFrozen: false,
		budgets,
		windows: [],
		...overrides,
	});

	test("leaves the outbox to those behind it, is announced and shown, and is not asked for twice", () => {
		const { state } = play(loaded([day]), policy([user("bad")]), policy([{ ...day, limitAmount: "2000" }]), refused);
		expect(state.outbox).toEqual([
			expect.objectContaining({ id: 2, kind: "writeBudgets", setKeys: [selectorKey(day)] }),
			{ id: 3, kind: "announceRefusal", revision: 1, requestedBy: "ann", problem: "invalid byte ? sequence" },
		]);
		expect([state.mustReread, state.refusedChange?.revision]).toEqual([true, 1]);
		expect(play(state, { ...refused, id: 99 }).state).toEqual(state);
	});

	test("what PostgreSQL holds is read again, except where a change still waits", () => {
		const { state } = play(loaded([day, user("ann")]), totals("900", 4), policy([{ ...day, limitAmount: "5" }]), { ...refused, id: 2 }, policy([user("bob")]), {
			kind: "policyApplied",
			mode: "patch",
			set: [],
			removeKeys: [selectorKey(user("ann"))],
			requestedBy: "ann",
		});
		const after = play(state, reread([day, user("ann")])).state;
		expect(after.budgets.map(({ definition }) => definition)).toEqual([day, user("bob")]);
		expect(after.budgets[0]?.window).toMatchObject({ posted: "900" });
		expect([after.mustReread, after.revision, after.heldRevision]).toEqual([false, 4, 4]);
		// Asked for again, it is a change again.
		expect(play(after, policy([{ ...day, limitAmount: "5" }])).effects).toHaveLength(1);
	});

	test("a refused freeze is none", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "x", requestedBy: "ann" };
		expect(stateWord(play(loaded([day]), freeze, refused, reread([day])).state)).toBe("ok");
	});

	test("a refused announcement is given up and counted", () => {
		const { state } = play(loaded([day]), totals("900", 1), refused);
		expect([state.outbox, state.announcementsLost, state.mustReread]).toEqual([[], 1, false]);
	});
});

describe("the outbox is bounded", () => {
	test(`more than ${WAITING_CHANGES_MAX} changes, or 500 budgets in them, do not wait`, () => {
		const changes = (count: number) =>
			play(loaded([day]), ...Array.from({ length: count }, (_, index) => policy([{ ...day, limitAmount: String(5_000 + index) }]))).state;
		expect([WAITING_CHANGES_MAX - 1, WAITING_CHANGES_MAX].map((count) => hasRoomForChange(changes(count)))).toEqual([true, false]);
		const wide = (count: number) => play(loaded(), ...Array.from({ length: count }, (_, round) => policy(fullest(`${round}`), { mode: "replace" }))).state;
		expect([5, 6].map((count) => hasRoomForChange(wide(count - 1)))).toEqual([true, false]);
	});

	test(`beyond ${WAITING_ANNOUNCEMENTS_MAX} the oldest announcements are given up and counted; changes never are`, () => {
		const windows = Array.from({ length: 600 }, (_, index) => totals("1000", 1, { startsAtMs: index * HOUR_MS, endsAtMs: (index + 1) * HOUR_MS }));
		const { state } = play(loaded([day]), policy([user("ann")]), ...windows);
		expect(state.outbox).toHaveLength(WAITING_ANNOUNCEMENTS_MAX + 1);
		expect(state.announcementsLost).toBe(1_200 - WAITING_ANNOUNCEMENTS_MAX);
		expect(state.outbox[0]).toMatchObject({ kind: "writeBudgets" });
		expect(state.outbox.at(-1)).toMatchObject({ windowStartsAtMs: 599 * HOUR_MS });
	});
});

describe("freeze", () => {
	test("is a revision of its own, is shown, and repeating it changes nothing", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "runaway", requestedBy: "ann" };
		const { state, effects } = play(loaded([day]), freeze, freeze);
		expect(effects).toEqual([{ id: 1, kind: "setFrozen", revision: 1, requestedBy: "ann", isFrozen: true, reason: "runaway", knownSeq: 0 }]);
		expect([stateWord(state), state.freezeReason]).toEqual(["frozen", "runaway"]);
	});
});

describe("a freeze that a person put into PostgreSQL", () => {
	const frozenAt = (seq: number) => ({ isFrozen: true, reason: "runaway", seq });
	const told = (freeze: HeldFreeze): TeamBudgetEvent => ({ kind: "totalsReported", report: { windows: [], lastRefusals: [], freeze } });
	const command = (isFrozen: boolean, heldSeq: number): TeamBudgetEvent => ({
		kind: "freezeChanged",
		isFrozen,
		reason: "by command",
		requestedBy: "ann",
		heldSeq,
	});

	test("is taken up from the command or from the totals without a write, and the older of two readings changes nothing", () => {
		for (const news of [told(frozenAt(4)), { ...command(true, 4), reason: "runaway" }]) {
			const { state, effects } = play(loaded([day]), news, told({ isFrozen: false, reason: null, seq: 3 }));
			expect([effects, stateWord(state), state.freezeReason, state.freezeSeq]).toEqual([[], "frozen", "runaway", 4]);
			expect(stateWord(play(state, told({ isFrozen: false, reason: null, seq: 5 })).state)).toBe("ok");
		}
	});

	test("unfreezing through the workflow says which decision it knew of", () => {
		const { effects } = play(loaded([day]), told(frozenAt(4)), { kind: "freezeChanged", isFrozen: false, reason: "", requestedBy: "ann" });
		expect(effects).toMatchObject([{ kind: "setFrozen", isFrozen: false, knownSeq: 4 }]);
	});

	test("what the workflow wrote meanwhile is answered with what holds", () => {
		const unfreeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: false, reason: "", requestedBy: "ann" };
		const { state } = play(loaded([day]), told(frozenAt(4)), unfreeze, { kind: "effectDone", id: 1, heldRevision: 1, freeze: frozenAt(5) });
		expect([stateWord(state), state.freezeSeq, state.outbox]).toEqual(["frozen", 5, []]);
	});

	test("makes an unwritten freeze of before outdated; totals do not", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "", requestedBy: "ann" };
		expect(play(loaded([day]), freeze, told({ isFrozen: false, reason: null, seq: 2 })).state).toMatchObject({
			isFrozen: true,
			outbox: [{ kind: "setFrozen" }],
		});
		expect(play(loaded([day]), freeze, command(false, 2)).state).toMatchObject({ isFrozen: false, freezeSeq: 2, outbox: [] });
	});

	test("is known to a workflow that begins", () => {
		const event: TeamBudgetEvent = { kind: "loaded", revision: 3, isFrozen: true, freezeReason: "runaway", freezeSeq: 7, budgets: [day], windows: [] };
		expect(play(emptyTeamBudget("demo"), event).state).toMatchObject({ isFrozen: true, freezeReason: "runaway", freezeSeq: 7 });
	});
});

describe("totals", () => {
	test("a doubled, late or lost report does no harm", () => {
		const { state, effects } = play(loaded([day]), totals("100", 1), totals("850", 9), totals("850", 9), totals("500", 5));
		expect(state.budgets[0]?.window).toMatchObject({ posted: "850", version: 9 });
		expect(announced(effects)).toEqual(["threshold.warn.fired"]);
	});

	test("the previous window is still accepted, an older one is not", () => {
		const next = { startsAtMs: 24 * HOUR_MS, endsAtMs: 48 * HOUR_MS };
		const { state, effects } = play(
			loaded([day]),
			totals("700", 3),
			totals("10", 1, next),
			totals("900", 4),
			totals("5", 99, { startsAtMs: -24 * HOUR_MS, endsAtMs: 0 }),
		);
		expect(state.budgets[0]?.window).toMatchObject({ posted: "10", startsAtMs: 24 * HOUR_MS });
		expect(state.budgets[0]?.previous).toMatchObject({ posted: "900", startsAtMs: 0 });
		expect(effects).toMatchObject([{ event: "threshold.warn.fired", windowStartsAtMs: 0 }]);
	});

	test("a report of an unknown budget is left aside", () => {
		const before = loaded([day]);
		expect(play(before, totals("1", 1, { key: "user|nobody|nano_usd|day" })).state).toEqual(before);
	});

	test("an approval is told, withdraws its line, and stands for the rest of the window", () => {
		const waiting: BudgetDefinition = { ...day, thresholds: [{ action: "needApproval", at: { basisPoints: 9000 } }] };
		const { state, effects } = play(loaded([waiting]), totals("900", 1), totals("900", 1, { approved: "950" }), totals("920", 2));
		expect(announced(effects)).toEqual(["threshold.needApproval.fired", "threshold.needApproval.withdrawn"]);
		expect(state.budgets[0]?.window).toMatchObject({ approved: "950", posted: "920" });
		expect(stateWord(play(loaded([waiting]), totals("900", 1)).state)).toBe("awaiting approval");
	});

	test("totals that come after a raise do not stop the window for what was refused before it", () => {
		const raised: BudgetDefinition = { ...day, limitAmount: (BigInt(day.limitAmount) * 2n).toString() };
		const spent = ((BigInt(day.limitAmount) * 9n) / 5n).toString();
		const late = play(loaded([raised]), totals(spent, 1, { refusals: 2, refusedAtStop: day.limitAmount }), totals(spent, 2, { refusals: 2 }));
		expect(announced(late.effects)).not.toContain("threshold.stop.fired");
		const anew = play(late.state, totals(spent, 2, { refusals: 3, refusedAtStop: raised.limitAmount }));
		expect(announced(anew.effects)).toEqual(["threshold.stop.fired"]);
	});

	test("an observed budget tells its lines, and a team that has no other is never stopped", () => {
		const { state, effects } = play(loaded([{ ...day, mode: "observe" }]), totals("5000", 1, { observedRefusals: 4 }));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.stop.fired"]);
		expect(state.budgets[0]?.window).toMatchObject({ refusals: 0, observedRefusals: 4 });
		expect(stateWord(state)).toBe("warned");
	});

	test("a definition that says the same in another order is no change; every other word is", () => {
		const degrade: BudgetDefinition = { ...day, thresholds: [{ action: "degrade", at: { basisPoints: 9000 }, degradeTo: { a: "b", c: "d" } }] };
		const turned = { thresholds: [{ degradeTo: { c: "d", a: "b" }, at: { basisPoints: 9000 }, action: "degrade" }] as const, ...omitThresholds(degrade) };
		expect(play(loaded([degrade]), policy([turned])).effects).toEqual([]);
		const changes: Partial<BudgetDefinition>[] = [
			{ mode: "observe" },
			{ weekStart: 2 },
			{ fiscalYearStart: 4 },
			{ thresholds: [] },
			{ timeZone: "Asia/Tokyo" },
		];
		for (const change of changes) expect(play(loaded([degrade]), policy([{ ...degrade, ...change }])).effects).toMatchObject([{ kind: "writeBudgets" }]);
	});

	test("each window fires its own warning", () => {
		const { effects } = play(loaded([day]), totals("900", 1), totals("900", 1, { startsAtMs: 24 * HOUR_MS, endsAtMs: 48 * HOUR_MS }));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.warn.fired"]);
	});
});

describe("time", () => {
	test("a window that ended gives way to an empty one; a report of PostgreSQL's own bounds goes over it", () => {
		const { state } = play(loaded([day]), totals("900", 4), { kind: "timePassed", nowMs: 25 * HOUR_MS });
		expect(state.budgets[0]).toMatchObject({ window: { startsAtMs: 24 * HOUR_MS, posted: "0" }, previous: { posted: "900" } });
		expect(nextWindowEndMs(state)).toBe(48 * HOUR_MS);
		expect(stateWord(state)).toBe("ok");
	});

	test("a clock that goes back changes nothing", () => {
		const before = play(loaded([day]), totals("900", 4), { kind: "timePassed", nowMs: 25 * HOUR_MS }).state;
		expect(play(before, { kind: "timePassed", nowMs: 3 * HOUR_MS }).state).toEqual(before);
	});

	test("an hour after its end a closed window is forgotten, and its late reports with it", () => {
		const { state, effects } = play(
			loaded([day]),
			totals("700", 4),
			{ kind: "timePassed", nowMs: 24 * HOUR_MS + 1 },
			{ kind: "timePassed", nowMs: 25 * HOUR_MS + 1 },
		);
		expect(state.budgets[0]?.previous).toBeNull();
		expect(effects).toEqual([]);
	});

	test("a lifetime budget needs no timer", () => {
		const lifetime: BudgetDefinition = { ...day, windowKind: "lifetime" };
		const { state } = play(loaded([lifetime]), totals("1", 1, { key: selectorKey(lifetime), endsAtMs: null }));
		expect(nextWindowEndMs(state)).toBeNull();
	});
});

/** As many budgets as a team can have, with the longest names there are: `letter` takes one, two or three bytes. */
function fullest(prefix: string, letter = "x"): BudgetDefinition[] {
	return Array.from({ length: MAX_BUDGETS_PER_TEAM }, (_, index) => ({
		...user(`${prefix}-${index}-`.padEnd(128, letter)),
		limitAmount: "1000000000000000000",
		timeZone: "America/Argentina/Buenos_Aires",
	}));
}

function withTwoWindows(budgets: readonly BudgetDefinition[], posted: string): TeamBudgetState {
	const events = budgets.flatMap((budget) =>
		[0, 1].map((dayIndex) =>
			totals(posted, 99_999, {
				key: selectorKey(budget),
				startsAtMs: 1_763_856_000_000 + dayIndex * 24 * HOUR_MS,
				endsAtMs: 1_763_856_000_000 + (dayIndex + 1) * 24 * HOUR_MS,
			}),
		),
	);
	return play(loaded(budgets), ...events).state;
}

describe("the state that continue-as-new carries", () => {
	const bytes = (state: TeamBudgetState): number => Buffer.byteLength(JSON.stringify(carriedState(state)));

	test("100 budgets with names of ordinary length stay below 64 KiB", () => {
		const budgets = Array.from({ length: MAX_BUDGETS_PER_TEAM }, (_, index) => user(`person-${String(index).padStart(3, "0")}@example.com`));
		const state = { ...play(withTwoWindows(budgets, "123456789012"), { kind: "timePassed", nowMs: 1_763_856_000_000 + 26 * HOUR_MS }).state, outbox: [] };
		expect(state.budgets[0]?.window?.posted).toBe("123456789012");
		expect(bytes(state)).toBeLessThan(64 * 1024);
	});

	test("the fullest state there can be, with a full outbox, stays below 1.5 MiB", () => {
		const lines = Array.from({ length: 8 }, (_, index): BudgetThreshold => ({ action: "needApproval", at: { basisPoints: 1000 + index } }));
		const definitions = fullest("a", "한").map((budget) => ({ ...budget, thresholds: lines }));
		expect(checkBudgetsTogether(definitions, "demo", "set").map(({ problem }) => problem)).not.toContainEqual(expect.stringContaining("thresholds"));
		const { state } = play(withTwoWindows(definitions, "9".repeat(30)), ...Array.from({ length: 6 }, (_, round) => anotherDay(definitions, round)).flat());
		expect(state.outbox.filter(({ kind }) => kind === "announce")).toHaveLength(WAITING_ANNOUNCEMENTS_MAX);
		const waiting = Array.from({ length: 5 }, (_, round) => policy(fullest(`w${round}`, "한"), { mode: "replace", requestedBy: "한".repeat(100) }));
		const full = play(state, ...waiting).state;
		expect(hasRoomForChange(full)).toBe(false);
		expect(bytes(full)).toBeLessThan(1.5 * 1024 * 1024);
	});

	test("is read back whole", () => {
		const state = withTwoWindows([day, user("ann")], "900");
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: carriedState(state) })).toEqual(state);
	});

	test("of an older release is taken up with first values for what it did not have", () => {
		const { mustReread: _, refusedChange: __, announcementsLost: ___, freezeSeq: ____, ...old } = loaded([day]);
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: old as TeamBudgetState })).toEqual(loaded([day]));
	});

	test("of a release without thresholds keeps its budgets, its totals and what has fired: nothing is told twice", () => {
		const { weekStart: _, fiscalYearStart: __, mode: ___, thresholds: ____, ...rest } = day;
		const definition = { ...rest, stopAmount: "900", warnBasisPoints: 5000 };
		const thresholds = { warn: { highestFiredAmount: "600", isStanding: true }, stop: { highestFiredAmount: null, isStanding: false } };
		const amounts = { granted: "850", posted: "850", overrun: "0", leases: 1, refusals: 0, version: 7 };
		const window = { startsAtMs: 0, endsAtMs: 24 * HOUR_MS, ...amounts, thresholds };
		const older = { ...emptyTeamBudget("demo"), schemaVersion: 1, isLoaded: true, budgets: [{ definition, window, previous: null }] };
		const state = initialState({ teamId: "demo", hasSearchAttributes: false, state: older as unknown as CarriedState });
		expect(state.schemaVersion).toBe(2);
		expect(state.budgets[0]).toMatchObject({
			definition: {
				...{ limitAmount: "1000", mode: "enforce", weekStart: 1, fiscalYearStart: 1 },
				thresholds: [
					{ action: "notify", at: { basisPoints: 5000 } },
					{ action: "stop", at: { amount: "900" } },
				],
			},
			window: { posted: "850", approved: "0", observedRefusals: 0, thresholds: [{ action: "notify", amount: "600", isStanding: true }] },
		});
		const { effects } = play(state, totals("850", 8), totals("900", 9));
		expect(announced(effects)).toEqual(["threshold.stop.fired"]);
		expect(() => initialState({ teamId: "demo", hasSearchAttributes: false, state: { ...older, schemaVersion: 3 } as unknown as CarriedState })).toThrow(
			/version 3/,
		);
	});
});

/** Every budget gets another window, over its limit. */
function anotherDay(definitions: readonly BudgetDefinition[], round: number): TeamBudgetEvent[] {
	const startsAtMs = 1_763_856_000_000 + (round + 2) * 24 * HOUR_MS;
	return definitions.map((budget) => totals("9".repeat(30), 1, { key: selectorKey(budget), startsAtMs, endsAtMs: startsAtMs + 24 * HOUR_MS }));
}

describe("heads of the ledger's chains", () => {
	const head = (gatewayId: string, chunkSeq: string, hash = chunkSeq): ChainHead => ({ gatewayId, epoch: "1", chunkSeq, hash });
	const told = (...chainHeads: ChainHead[]): TeamBudgetEvent => ({ kind: "totalsReported", report: { windows: [], lastRefusals: [], chainHeads } });

	test("the longest ever told is remembered: neither a reordered report nor a chain that grew again hides what was cut", () => {
		const { state } = play(loaded(), told(head("g1", "9"), head("g2", "1")), told(head("g1", "10")), told(head("g1", "9")), told(head("g1", "10", "other")));
		expect(state.chainHeads).toEqual([head("g2", "1"), head("g1", "10")]);
		expect(play(state, totals("1", 1)).state.chainHeads).toEqual(state.chainHeads);
	});

	test("of too many chains those that changed last stay", () => {
		const many = Array.from({ length: CHAIN_HEADS_MAX }, (_, index) => head(`g${index}`, "1"));
		const { state } = play(loaded(), told(...many), told(head("g0", "2")), told(head("new", "1")));
		expect(state.chainHeads).toHaveLength(CHAIN_HEADS_MAX);
		expect(state.chainHeads.slice(-2)).toEqual([head("g0", "2"), head("new", "1")]);
		expect(state.chainHeads.some(({ gatewayId }) => gatewayId === "g1")).toBe(false);
	});

	test("a state carried over by a release that knew none begins with none", () => {
		const { chainHeads: _, ...older } = carriedState(loaded([day]));
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: older as typeof older & { chainHeads: [] } }).chainHeads).toEqual([]);
	});
});

test.each([
	["nothing spent", [day], totals("0", 1), 0],
	["whole tens, rounded down", [day], totals("899", 1), 80],
	["more than the limit", [day], totals("1234", 1), 120],
	["far more than a tiny limit", [{ ...day, limitAmount: "1" }], totals("999999999", 1), 1_000],
	["a limit of nothing", [{ ...day, limitAmount: "0" }], totals("0", 1), 100],
	["an observed budget", [{ ...day, mode: "observe" as const }], totals("999", 1), 0],
	["a budget without a window yet, and none at all", [user("ann")], totals("900", 1), 0],
])("how much a team has used: %s", (_, budgets, report, used) => {
	expect(usedPercent(play(loaded(budgets), report).state)).toBe(used);
});
