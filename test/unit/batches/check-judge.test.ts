import { expect, test } from "vitest";
import { type Booked, judgeBooked, judgeDelivered } from "#test/batches/check/judge-items.ts";
import type { Run } from "#test/batches/check/run.ts";

/** What `npm run check:batch` takes for broken, and what not. */

const ORDER = { protocol: "openai", items: 3, plan: {}, failedShare: 0, doubledShare: 0, limitNanoUsd: "1", resubmit: false, relane: false } as const;
const LINES = [
	{ customId: "t_0-1", as: "succeeded" },
	{ customId: "t_0-2", as: "succeeded" },
	{ customId: "t_0-3", as: "errored" },
] as const;
type Given = {
	readonly lines?: Run["returned"][number]["lines"];
	readonly counts?: { succeeded: number; others: number };
	readonly plan?: Record<string, unknown>;
	readonly rules?: Partial<Pick<Run["order"], "resubmit" | "relane" | "cancelAfterMs">>;
};

function run({ lines = LINES, counts = { succeeded: 2, others: 1 }, plan = {}, rules = {} }: Given = {}): Run {
	const batch = { batchId: "batch_a", hasEnded: true, hasFailed: false, counts, fileIds: [], hasResults: true };
	return { order: { ...ORDER, plan, ...rules }, teamId: "t", handedIn: new Map([["t_0-", 3]]), refusals: 0, returned: [{ batch, lines }] };
}

const entry = (n: number, outcome = "settled") => ({ attempt_id: `batch7-1-${n}`, outcome, service_tier: "batch", is_double: false, entries: "1" });
const line = (n: number, serviceTier = "batch") => ({ attemptId: `batch7-1-${n}`, serviceTier });
const called = (n: number) => ({ ...entry(n), service_tier: "default" });
const booked = (changes: Partial<Booked> = {}): Booked => ({
	batches: [{ id: "batch_a", number: "7", team_id: "t", items: 3 }],
	runs: [run()],
	entries: [entry(1), entry(2)],
	logged: [line(1), line(2)],
	outages: [],
	...changes,
});

test("each item once, each billed item booked once: nothing is said", () => {
	expect(judgeDelivered(run())).toBe(3);
	judgeBooked(booked());
});

test.each([
	["an item that came twice", { lines: [...LINES, LINES[0]] }, /came twice/],
	["an item that did not come", { lines: LINES.slice(0, 2) }, /2 of 3 items came back; not t_0-3/],
	["an item that nobody handed in", { lines: [{ customId: "other-1", as: "succeeded" as const }] }, /nobody handed in other-1/],
	["nothing at all", { lines: [] }, /nobody handed in what came back: nothing/],
	["a record that counts otherwise", { counts: { succeeded: 3, others: 0 } }, /its record says 3 and 0 others/],
])("delivered: %s is broken", (_what, given: Given, complaint) => {
	expect(() => judgeDelivered(run(given))).toThrow(complaint);
});

test.each<[string, Partial<Booked>, RegExp]>([
	["an item billed twice", { logged: [line(1), line(1), line(2)] }, /billed batch7-1-1 more than once/],
	["a billed item without an entry", { entries: [entry(1)] }, /billed and not booked: batch7-1-2/],
	["an entry of nothing", { entries: [entry(1), entry(2), entry(3)] }, /batch7-1-3 was booked, and the provider never billed it/],
	["two entries of one item", { entries: [entry(1), { ...entry(2), entries: "2" }] }, /batch7-1-2 was booked 2 times/],
	["an answer that nobody billed", { entries: [entry(1)], logged: [line(1)] }, /items 2 have an answer that nobody billed/],
	["a billed item without an answer", { entries: [entry(1), entry(2), entry(3)], logged: [line(1), line(2), line(3)] }, /items 3 were billed/],
	["a charge without knowing why", { entries: [entry(1), entry(2), entry(3, "unresolved")] }, /batch7-1-3 were charged unknown/],
	["a batch that its caller does not see", { runs: [] }, /its caller's list does not have it/],
])("booked: %s is broken", (_what, changes, complaint) => {
	expect(() => judgeBooked(booked(changes))).toThrow(complaint);
});

test("what a provider keeps to itself may be charged unknown; a second try of an item is one of it", () => {
	const withheld = run({ plan: { missingShare: 0.5 } });
	judgeBooked(booked({ runs: [withheld], entries: [entry(1), entry(2), entry(3, "unresolved")] }));
	judgeBooked(booked({ entries: [entry(4), entry(2)], logged: [line(4), line(2)] }));
});

const relaned = { resubmit: false, relane: true };
const killed = [{ component: "worker", fromMs: 1, untilMs: 2 }];
const expired = (more: Given = {}) => run({ lines: [LINES[0], LINES[1], { customId: "t_0-3", as: "expired" }], ...more });

test("what went in real time is counted; a call that a kill cut may be charged unknown, and one that was cancelled has no time for it", () => {
	const inRealTime = { entries: [entry(1), called(5)], logged: [line(1), line(5, "default")] };
	expect(judgeBooked(booked({ runs: [run({ rules: relaned })], ...inRealTime }))).toBe(1);
	const cut = { entries: [entry(1), entry(2), entry(6, "unresolved")], logged: [line(1), line(2), line(6, "default")] };
	expect(judgeBooked(booked({ runs: [run({ rules: relaned })], ...cut, outages: killed }))).toBe(1);
	expect(judgeBooked(booked({ runs: [expired({ rules: { ...relaned, cancelAfterMs: 5 } })] }))).toBe(0);
});

test.each<[string, Run, Partial<Booked>, RegExp]>([
	[
		"a call that its key forbids",
		run(),
		{ entries: [entry(1), called(5)], logged: [line(1), line(5, "default")] },
		/batch7-1-5 went in real time, which its key forbids/,
	],
	[
		...(["a call before any batch", run({ rules: relaned })] as const),
		...([{ entries: [entry(1), called(2)], logged: [line(1), line(2, "default")] }, /batch7-1-2 went in real time, which its key lets no first try/] as const),
	],
	[
		...(["a call at the price of a batch", run({ rules: relaned })] as const),
		...([{ entries: [entry(1), entry(5)], logged: [line(1), line(5, "default")] }, /batch7-1-5 went in real time, and was booked at the tier batch/] as const),
	],
	["an item that expired though it may be called", expired({ rules: relaned }), {}, /t_0-3 expired, and its key lets it go in real time \(1\)/],
	[
		...(["a cut call that nothing explains", run({ rules: relaned })] as const),
		...([{ entries: [entry(1), entry(2), entry(6, "unresolved")] }, /batch7-1-6 were charged unknown/] as const),
	],
	[
		...(["a first try charged unknown", run({ rules: relaned })] as const),
		...([{ entries: [entry(1), entry(2), entry(3, "unresolved")], outages: killed }, /batch7-1-3 were charged unknown/] as const),
	],
	[
		...(["two answers of one item", run({ rules: relaned })] as const),
		...([{ entries: [entry(1), entry(2), called(5)], logged: [line(1), line(2), line(5, "default")] }, /batch7-1-2,batch7-1-5 were both booked/] as const),
	],
])("rules of a key: %s is broken", (_what, given, changes, complaint) => {
	expect(() => judgeBooked(booked({ runs: [given], ...changes }))).toThrow(complaint);
});
