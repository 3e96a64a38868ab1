import fc from "fast-check";
import { expect, test } from "vitest";
import { type CollectedItem, type CollectorConditions, decideFlush, orderByPrefix, takeWithinTokens, tallyOf } from "#domain/batching/collect.ts";
import { splitIntoParts } from "#domain/batching/split-parts.ts";

const START_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const LIMITS = { itemsMax: 30, bytesMax: 2_000, embeddingInputsMax: undefined, enqueuedTokensMax: 500, itemOverheadBytes: 10 };

/** What a lane lets through: no item is larger than a batch may be. */
const item: fc.Arbitrary<CollectedItem & { readonly prefix: { key: string; tokens: number } | null }> = fc.record({
	arrivedAtMs: fc.integer({ min: START_MS, max: START_MS + HOUR_MS }),
	deadlineMs: fc.option(fc.integer({ min: START_MS, max: START_MS + 48 * HOUR_MS }), { nil: null }),
	bytes: fc.nat(500),
	boundInputTokens: fc.nat(100),
	prefix: fc.option(fc.record({ key: fc.constantFrom("a", "b", "c", "d"), tokens: fc.constantFrom(100, 200) }), { nil: null }),
});
const items = fc.array(item, { minLength: 1, maxLength: 40 });
const conditions: fc.Arbitrary<CollectorConditions> = fc.record({
	nowMs: fc.integer({ min: START_MS + HOUR_MS, max: START_MS + 2 * HOUR_MS }),
	limits: fc.constant(LIMITS),
	batchesLeft: fc.integer({ min: 0, max: 3 }),
	enqueuedTokens: fc.nat(700),
	quantileMs: fc.nat(24 * HOUR_MS),
	realTimeP99Ms: fc.nat(600_000),
	marginMs: fc.nat(600_000),
	ageMaxMs: fc.integer({ min: 60_000, max: 3 * HOUR_MS }),
});

test("a flush sends something, within every limit, and one that waits is asked again no earlier than now", () => {
	fc.assert(
		fc.property(items, conditions, (collected, given) => {
			const decision = decideFlush(tallyOf(collected, LIMITS), given);
			if (decision.kind === "wait") {
				if (decision.reason === "filling") expect(decision.untilMs).toBeGreaterThan(given.nowMs);
				else expect(decision.untilMs).toBeNull();
				return;
			}
			expect(given.batchesLeft).toBeGreaterThan(0);
			const { taken, left } = takeWithinTokens(orderByPrefix(collected).ordered, decision.inputTokensMax);
			expect(taken.length).toBeGreaterThan(0);
			expect([...taken, ...left].sort(byArrival)).toEqual([...collected].sort(byArrival));
			expect(taken.reduce((sum, one) => sum + one.boundInputTokens, 0) + given.enqueuedTokens).toBeLessThanOrEqual(LIMITS.enqueuedTokensMax);
			expect(splitIntoParts(taken, LIMITS).tooLarge).toEqual([]);
		}),
		{ numRuns: 500 },
	);
});

test("a collector that nothing more comes to sends what it has when it said it would", () => {
	fc.assert(
		fc.property(items, conditions, (collected, given) => {
			const free = { ...given, batchesLeft: 1, enqueuedTokens: 0 };
			const tally = tallyOf(collected, LIMITS);
			const decision = decideFlush(tally, free);
			if (decision.kind === "flush") return;
			expect(decideFlush(tally, { ...free, nowMs: decision.untilMs! })).toMatchObject({ kind: "flush" });
			expect(decideFlush(tally, { ...free, nowMs: decision.untilMs! - 1 })).toMatchObject({ kind: "wait" });
		}),
		{ numRuns: 500 },
	);
});

test("grouping loses none and doubles none; items that begin alike stand side by side, each group led by one of its own", () => {
	fc.assert(
		fc.property(items, (collected) => {
			const keyed = collected.map((one, n) => ({ n, prefix: one.prefix === null ? null : { key: one.prefix.key, tokens: one.prefix.key.length * 100 } }));
			const { ordered, leaders } = orderByPrefix(keyed);
			expect(ordered.map(({ n }) => n).sort((left, right) => left - right)).toEqual(keyed.map(({ n }) => n));
			const shared = ordered.filter(({ prefix }) => prefix !== null && keyed.filter((one) => one.prefix?.key === prefix.key).length > 1);
			expect(ordered.slice(0, shared.length)).toEqual(shared);
			const starts = shared.filter(({ prefix }, at) => shared[at - 1]?.prefix?.key !== prefix?.key);
			expect(starts).toEqual(leaders);
			expect(new Set(leaders.map(({ prefix }) => prefix?.key)).size).toBe(leaders.length);
		}),
	);
});

function byArrival(left: CollectedItem, right: CollectedItem): number {
	return (
		left.arrivedAtMs - right.arrivedAtMs ||
		left.boundInputTokens - right.boundInputTokens ||
		left.bytes - right.bytes ||
		JSON.stringify(left).localeCompare(JSON.stringify(right))
	);
}
