import { describe, expect, test } from "vitest";
import {
	COLLECT_AGE_MS,
	type CollectedItem,
	type CollectorConditions,
	decideFlush,
	EMPTY_TALLY,
	fillWaitMs,
	latestStartMs,
	orderByPrefix,
	QUIET_MIN_MS,
	takeWithinTokens,
	tallyItem,
	tallyOf,
} from "#domain/batching/collect.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = 1_800_000_000_000;

const LIMITS = { itemsMax: 100, bytesMax: 10_000, embeddingInputsMax: undefined, enqueuedTokensMax: 5_000, itemOverheadBytes: 10 };
const CONDITIONS: CollectorConditions = {
	nowMs: START_MS + MINUTE_MS,
	limits: LIMITS,
	batchesLeft: 5,
	enqueuedTokens: 0,
	quantileMs: 2 * HOUR_MS,
	realTimeP99Ms: MINUTE_MS,
	marginMs: 5 * MINUTE_MS,
};
const item = (of: Partial<CollectedItem> = {}): CollectedItem => ({ arrivedAtMs: START_MS, deadlineMs: null, bytes: 40, boundInputTokens: 10, ...of });
/** So many items, a minute apart from the start on. */
const steady = (count: number, of: Partial<CollectedItem> = {}) =>
	tallyOf(
		Array.from({ length: count }, (_, index) => item({ arrivedAtMs: START_MS + index * MINUTE_MS, ...of })),
		LIMITS,
	);
const together = (count: number, of: Partial<CollectedItem> = {}) =>
	tallyOf(
		Array.from({ length: count }, () => item(of)),
		LIMITS,
	);

describe("a collector waits", () => {
	test("for anything, while it is empty", () => {
		expect(decideFlush(EMPTY_TALLY, CONDITIONS)).toEqual({ kind: "wait", reason: "empty", untilMs: null });
	});

	test("for others, until its first item is 15 minutes old", () => {
		expect(decideFlush(together(1), CONDITIONS)).toEqual({ kind: "wait", reason: "filling", untilMs: START_MS + COLLECT_AGE_MS });
		expect(decideFlush(together(1), { ...CONDITIONS, nowMs: START_MS + COLLECT_AGE_MS })).toMatchObject({ kind: "flush", reason: "age" });
		expect(decideFlush(together(1), { ...CONDITIONS, ageMaxMs: MINUTE_MS })).toMatchObject({ kind: "flush", reason: "age" });
	});

	test("and is asked again at the first time at which anything is due", () => {
		const deadlineMs = START_MS + 2 * HOUR_MS + 10 * MINUTE_MS;
		expect(decideFlush(together(1, { deadlineMs }), CONDITIONS)).toEqual({ kind: "wait", reason: "filling", untilMs: START_MS + 4 * MINUTE_MS });
		expect(decideFlush(steady(3), { ...CONDITIONS, nowMs: START_MS + 3 * MINUTE_MS })).toEqual({
			kind: "wait",
			reason: "filling",
			untilMs: START_MS + 5 * MINUTE_MS,
		});
	});
});

describe("a collector sends what it has", () => {
	test.each([
		["nine tenths of the items that a batch takes", steady(90, { arrivedAtMs: START_MS }), "count"],
		["nine tenths of its bytes", together(2, { bytes: 4_490 }), "bytes"],
		["all tokens that may be enqueued", together(2, { boundInputTokens: 2_500 }), "enqueued_tokens"],
	])("at %s", (_, tally, reason) => {
		const nowMs = START_MS + 1;
		expect(decideFlush(tally, { ...CONDITIONS, nowMs })).toEqual({ kind: "flush", reason, inputTokensMax: 5_000 });
	});

	test("not at one less", () => {
		const nowMs = START_MS + 1;
		for (const tally of [together(89), together(2, { bytes: 4_489 }), together(2, { boundInputTokens: 2_499 })])
			expect(decideFlush(tally, { ...CONDITIONS, nowMs })).toMatchObject({ kind: "wait", reason: "filling" });
	});

	test("at nine tenths of the inputs of embeddings, where these are limited", () => {
		const conditions = { ...CONDITIONS, nowMs: START_MS + 1, limits: { ...LIMITS, embeddingInputsMax: 100 } };
		expect(decideFlush(together(2, { embeddingInputs: 45 }), conditions)).toMatchObject({ kind: "flush", reason: "embedding_inputs" });
		expect(decideFlush(together(2, { embeddingInputs: 44 }), conditions)).toMatchObject({ kind: "wait" });
	});

	test("when the earliest deadline leaves no more than a batch needs", () => {
		const deadlineMs = START_MS + 2 * HOUR_MS + 10 * MINUTE_MS;
		expect(latestStartMs(deadlineMs, CONDITIONS)).toBe(START_MS + 4 * MINUTE_MS);
		const tally = tallyOf([item(), item({ deadlineMs }), item({ deadlineMs: deadlineMs + HOUR_MS })], LIMITS);
		expect(decideFlush(tally, { ...CONDITIONS, nowMs: START_MS + 4 * MINUTE_MS, marginMs: 5 * MINUTE_MS })).toMatchObject({ kind: "flush" });
		expect(decideFlush(together(1, { deadlineMs }), { ...CONDITIONS, nowMs: START_MS + 4 * MINUTE_MS })).toMatchObject({ reason: "latest_start" });
	});

	test("when nothing came for three times the mean gap, and half a minute at least", () => {
		const at = (tally: Parameters<typeof decideFlush>[0], nowMs: number) => decideFlush(tally, { ...CONDITIONS, nowMs });
		expect(at(steady(3), START_MS + 5 * MINUTE_MS)).toMatchObject({ kind: "flush", reason: "quiet" });
		expect(at(steady(3), START_MS + 5 * MINUTE_MS - 1)).toMatchObject({ kind: "wait" });
		expect(at(together(3), START_MS + QUIET_MIN_MS)).toMatchObject({ kind: "flush", reason: "quiet" });
		expect(at(together(3), START_MS + QUIET_MIN_MS - 1)).toMatchObject({ kind: "wait" });
	});

	test("unless the provider takes no batch, or no prompt of it", () => {
		const due = { ...CONDITIONS, nowMs: START_MS + HOUR_MS };
		expect(decideFlush(together(2), { ...due, batchesLeft: 0 })).toEqual({ kind: "wait", reason: "no_batches_left", untilMs: null });
		expect(decideFlush(together(2), { ...due, enqueuedTokens: 4_991 })).toEqual({ kind: "wait", reason: "no_tokens_left", untilMs: null });
		expect(decideFlush(together(2), { ...due, enqueuedTokens: 4_990 })).toMatchObject({ kind: "flush", inputTokensMax: 10 });
		expect(decideFlush(together(2), { ...due, enqueuedTokens: 9_000 })).toMatchObject({ kind: "wait", reason: "no_tokens_left" });
	});

	test("in any amount where the provider sets no limit of tokens", () => {
		const conditions = { ...CONDITIONS, limits: { ...LIMITS, enqueuedTokensMax: undefined }, nowMs: START_MS + HOUR_MS };
		expect(decideFlush(together(2, { boundInputTokens: 1e12 }), conditions)).toMatchObject({ inputTokensMax: Number.POSITIVE_INFINITY });
	});
});

test("the wait to be expected is what is left of the first item's 15 minutes", () => {
	expect(fillWaitMs(EMPTY_TALLY, { nowMs: START_MS })).toBe(COLLECT_AGE_MS);
	expect(fillWaitMs(together(1), { nowMs: START_MS + 4 * MINUTE_MS })).toBe(11 * MINUTE_MS);
	expect(fillWaitMs(together(1), { nowMs: START_MS + HOUR_MS })).toBe(0);
	expect(fillWaitMs(together(1), { nowMs: START_MS - HOUR_MS })).toBe(COLLECT_AGE_MS);
});

test("sums hold whatever order items come in", () => {
	const items = [
		item({ arrivedAtMs: START_MS + 5, deadlineMs: 9, boundInputTokens: 3 }),
		item({ deadlineMs: 7 }),
		item({ arrivedAtMs: START_MS + 9, embeddingInputs: 4 }),
	];
	expect(tallyOf(items, LIMITS)).toEqual({
		items: 3,
		bytes: 150,
		embeddingInputs: 6,
		inputTokens: 23,
		leastInputTokens: 3,
		firstArrivedAtMs: START_MS,
		lastArrivedAtMs: START_MS + 9,
		earliestDeadlineMs: 7,
	});
	expect(tallyOf([...items].reverse(), LIMITS)).toEqual(tallyOf(items, LIMITS));
	expect(tallyItem(EMPTY_TALLY, item(), LIMITS)).toEqual(tallyOf([item()], LIMITS));
});

test("what the provider has no room for stays, smaller prompts behind it go", () => {
	const items = [10, 50, 20, 30].map((boundInputTokens) => item({ boundInputTokens }));
	const { taken, left } = takeWithinTokens(items, 60);
	expect([taken, left].map((some) => some.map(({ boundInputTokens }) => boundInputTokens))).toEqual([
		[10, 50],
		[20, 30],
	]);
	expect(takeWithinTokens(items, 30).taken.map(({ boundInputTokens }) => boundInputTokens)).toEqual([10, 20]);
});

describe("prompts that begin alike", () => {
	const of = (n: number, key?: string, tokens = 100) => ({ n, prefix: key === undefined ? null : { key, tokens } });

	test("stand together, the longest beginnings first, each led by its first", () => {
		const { ordered, leaders } = orderByPrefix([of(1), of(2, "short", 50), of(3, "long", 500), of(4, "single", 900), of(5, "short", 50), of(6, "long", 500)]);
		expect(ordered.map(({ n }) => n)).toEqual([3, 6, 2, 5, 1, 4]);
		expect(leaders.map(({ n }) => n)).toEqual([3, 2]);
	});

	test("of equally long beginnings the one that more share comes first", () => {
		expect(orderByPrefix([of(1, "a"), of(2, "a"), of(3, "b"), of(4, "b"), of(5, "b")]).ordered.map(({ n }) => n)).toEqual([3, 4, 5, 1, 2]);
	});

	test("where nothing is shared the order stays", () => {
		const items = [of(1), of(2, "a"), of(3, "b")];
		expect(orderByPrefix(items)).toEqual({ ordered: items, leaders: [] });
	});
});
