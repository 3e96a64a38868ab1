import { expect, test } from "vitest";
import { createEngineDecider, type EngineDeciderOptions } from "#activities/decisions/engine-decider.ts";
import { type CallFacts, type Decider, type Decision, emptyDecisionCounters } from "#activities/decisions/port.ts";
import type { ToldRefusal } from "#activities/decisions/told-decisions.ts";
import { callFacts } from "#test/support/call-facts.ts";

const ALLOWED: Decision = { kind: "allowed" };
const DENIED: Decision = { kind: "denied", reasons: ["no"] };
const UNDECIDED: Decision = { kind: "undecided", problem: "away" };

function setUp(decide: (facts: CallFacts) => Decision | Promise<Decision>, changes: Partial<EngineDeciderOptions> = {}) {
	const asked: CallFacts[] = [];
	const told: ToldRefusal[] = [];
	const clock = { nowMs: 0 };
	const counters = emptyDecisionCounters();
	const engine: Decider = {
		isAsked: true,
		decide(facts) {
			asked.push(facts);
			return decide(facts);
		},
		close: () => Promise.resolve(),
	};
	const options = {
		cacheMs: 5_000,
		bounds: "rounded",
		counters,
		onRefusal: (refusal: ToldRefusal) => void told.push(refusal),
		nowMs: () => clock.nowMs,
	} as const;
	return { decider: createEngineDecider(engine, { ...options, ...changes }), asked, told, clock, counters };
}

test.each([[ALLOWED], [DENIED]])("%j is used again for the same facts until its time is over", async (decision) => {
	const { decider, asked, clock, counters } = setUp(() => Promise.resolve(decision));
	expect(await decider.decide(callFacts())).toEqual(decision);
	clock.nowMs = 4_999;
	expect(await decider.decide(callFacts())).toEqual(decision);
	expect(asked).toHaveLength(1);
	clock.nowMs = 5_000;
	expect(await decider.decide(callFacts())).toEqual(decision);
	expect(asked).toHaveLength(2);
	expect(counters).toMatchObject({ [decision.kind]: 3, remembered: 1 });
});

test("its time counts from asking, however long the engine takes", async () => {
	const { decider, asked, clock } = setUp(async () => {
		clock.nowMs += 4_000;
		return ALLOWED;
	});
	await decider.decide(callFacts());
	clock.nowMs = 5_000;
	await decider.decide(callFacts());
	expect(asked).toHaveLength(2);
});

const DIFFERENCES: readonly Partial<CallFacts>[] = [
	{ team: "research" },
	{ feature: "summaries" },
	{ user: "ada" },
	{ environment: null },
	{ keyId: "key2" },
	{ endpoint: "responses" },
	{ protocol: "anthropic" },
	{ modelAsked: "slow" },
	{ provider: "azure" },
	{ model: "gpt-4o" },
	{ boundNanoUsd: "2000000" },
	{ boundTokens: "90000" },
	{ isStream: true },
	{ hasTools: true },
	{ claimed: { user: "eve" } },
];

test.each(DIFFERENCES)("a decision is not that of a call with %j", async (difference) => {
	const { decider, asked } = setUp((facts) => (facts === asked[0] ? ALLOWED : DENIED));
	await decider.decide(callFacts());
	expect(await decider.decide(callFacts(difference))).toEqual(DENIED);
	expect(asked).toHaveLength(2);
});

test("every fact is among those that tell calls apart", () => {
	expect(DIFFERENCES.map((difference) => Object.keys(difference)[0]).sort()).toEqual(Object.keys(callFacts()).sort());
});

test("what could not be decided is asked again", async () => {
	const answers = [UNDECIDED, ALLOWED];
	const { decider, asked } = setUp(() => answers.shift() ?? UNDECIDED);
	expect(await decider.decide(callFacts())).toEqual(UNDECIDED);
	expect(await decider.decide(callFacts())).toEqual(ALLOWED);
	expect(asked).toHaveLength(2);
});

test("with a memory of 0 ms every call asks", async () => {
	const { decider, asked, counters } = setUp(() => Promise.resolve(ALLOWED), { cacheMs: 0 });
	await Promise.all([decider.decide(callFacts()), decider.decide(callFacts())]);
	await decider.decide(callFacts());
	expect(asked).toHaveLength(3);
	expect(counters).toMatchObject({ allowed: 3, remembered: 0 });
});

test("questions that are alike and asked at once are one", async () => {
	const { promise, resolve } = Promise.withResolvers<Decision>();
	const { decider, asked, counters } = setUp(() => promise);
	const calls = [decider.decide(callFacts()), decider.decide(callFacts()), decider.decide(callFacts({ team: "research" }))];
	expect(asked).toHaveLength(2);
	resolve(UNDECIDED);
	expect(await Promise.all(calls.map((call) => Promise.resolve(call)))).toEqual([UNDECIDED, UNDECIDED, UNDECIDED]);
	expect(counters).toMatchObject({ undecided: 3, remembered: 1 });
	void decider.decide(callFacts());
	expect(asked).toHaveLength(3);
});

test("the oldest of too many decisions gives way", async () => {
	const { decider, asked } = setUp(() => ALLOWED);
	for (let index = 0; index <= 4_096; index += 1) await decider.decide(callFacts({ keyId: `key${index}` }));
	await decider.decide(callFacts({ keyId: "key1" }));
	expect(asked).toHaveLength(4_097);
	await decider.decide(callFacts({ keyId: "key0" }));
	expect(asked).toHaveLength(4_098);
});

test.each([
	["0", "0"],
	["1", "1"],
	["2", "2"],
	["3", "4"],
	["268435456", "268435456"],
	["268435457", "536870912"],
	["999999999999999999", "1152921504606846976"],
])("a bound of %s is shown as %s, and as it is where exact bounds are asked for", async (bound, rounded) => {
	const { decider, asked } = setUp(() => ALLOWED);
	await decider.decide(callFacts({ boundNanoUsd: bound, boundTokens: bound }));
	expect(asked[0]).toMatchObject({ boundNanoUsd: rounded, boundTokens: rounded });
	const exact = setUp(() => ALLOWED, { bounds: "exact" });
	await exact.decider.decide(callFacts({ boundNanoUsd: bound, boundTokens: bound }));
	expect(exact.asked[0]).toMatchObject({ boundNanoUsd: bound, boundTokens: bound });
});

test("refusals are told once a second of each kind, with the number of those in between", async () => {
	const answers = new Map<string, Decision>([
		["denied", DENIED],
		["undecided", UNDECIDED],
	]);
	const { decider, told, clock } = setUp(({ team }) => answers.get(team) ?? ALLOWED, { cacheMs: 0 });
	for (const team of ["denied", "denied", "denied", "undecided", "allowed"]) await decider.decide(callFacts({ team }));
	expect(told.map(({ decision, untold }) => [decision.kind, untold])).toEqual([
		["denied", 0],
		["undecided", 0],
	]);
	clock.nowMs = 1_000;
	await decider.decide(callFacts({ team: "denied" }));
	expect(told.slice(2)).toEqual([{ decision: DENIED, facts: expect.objectContaining({ team: "denied" }), untold: 2 }]);
});
