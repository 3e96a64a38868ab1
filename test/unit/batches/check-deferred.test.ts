import { expect, test } from "vitest";
import { type SeenDeferred, seenOf } from "#test/batches/check/deferred-caller.ts";
import { type DeferredItem, deferredOrder, drawItems } from "#test/batches/check/deferred-order.ts";
import { type DeferredBooks, type DeferredRow, judgeDeferred } from "#test/batches/check/judge-deferred.ts";
import { type AcceptedItem, type DeferredRun, readAgain } from "#test/batches/check/run-deferred.ts";
import { createRandom } from "#test/faults/random.ts";

/** What `npm run check:batch` takes for broken of items handed in alone, and what not. */

const ORDER = deferredOrder.parse({ protocol: "openai", items: 3 });
const USAGE = { prompt_tokens: 5, completion_tokens: 7 };

const ITEM: DeferredItem = {
	...{ name: "team-1", hasIdempotencyKey: true, key: 0, model: "gpt-4o", feature: null, user: null, text: "question", fate: "answered" },
	...{ deadlineSeconds: 20, isBatchOnly: false, atMs: 0, cancelAfterMs: null, isRepeated: false, webhook: null },
};

const SEEN: SeenDeferred = {
	...{ id: "deferred_1", status: "succeeded", lane: "batch", deadlineMs: 30_000, answeredAtMs: 20_000, isLate: false, heldNanoUsd: "0", costNanoUsd: "7" },
	answer: { statusCode: 200, id: "chatcmpl-first", usage: USAGE, isError: false },
	webhook: null,
	digest: "d1",
};
const ERROR = { statusCode: 400, id: null, usage: undefined, isError: true };
const FAILED: Partial<SeenDeferred> = { status: "failed", answer: ERROR, costNanoUsd: null };
const ROW = {
	...{ id: "deferred_1", team_id: "team", lane: "batch", may_go_real_time: true, accepted_at_ms: 10_000, deadline_ms: 30_000, answered_at_ms: 20_000 },
	...{ part_lane: "batch", written_at_ms: 11_000, sent_at_ms: 12_000 },
};
const ENTRY = { attempt_id: "batch7-1-1", request_id: "deferred_1", outcome: "settled", is_double: false, cost_nano_usd: "7" };
const LINE = { attemptId: "batch7-1-1", providerRequestId: "req_first", usage: USAGE };

type Given = {
	readonly item?: Partial<DeferredItem>;
	readonly seen?: Partial<SeenDeferred>;
	readonly run?: Partial<DeferredRun>;
	readonly accepted?: Partial<AcceptedItem>;
	readonly row?: Partial<DeferredRow>;
	readonly books?: Partial<DeferredBooks>;
};

function booksOf({ item = {}, seen = {}, run = {}, accepted = {}, row = {}, books = {} }: Given = {}): DeferredBooks {
	const one: AcceptedItem = { item: { ...ITEM, ...item }, ids: ["deferred_1"], seen: { ...SEEN, ...seen }, ...accepted };
	const read = (): Promise<SeenDeferred> => Promise.resolve(one.seen);
	const whole: DeferredRun = { order: ORDER, teamId: "team", accepted: [one], refused: [], unheard: [], lostAnswers: 0, read, ...run };
	return { runs: [whole], rows: [{ ...ROW, ...row }], entries: [ENTRY], logged: [LINE], outages: [], ...books };
}

const judge = (given?: Given) => judgeDeferred(booksOf(given), () => undefined);
const nothingBilled = { entries: [], logged: [] };
const DOUBLE = { ...ENTRY, attempt_id: "batch7-1-2", is_double: true };

test("an item that was answered once and billed once: nothing is said, and it is counted", () => {
	expect(judge()).toEqual({ accepted: 1, refused: 0, repeated: 0, succeeded: 1, failed: 0, expired: 0, cancelled: 0, realTime: 0, batch: 1, late: 0 });
	expect(judge({ accepted: { ids: ["deferred_1", "deferred_1"] }, run: { refused: [ITEM] } })).toMatchObject({ repeated: 1, refused: 1 });
});

test.each<[string, Given, RegExp]>([
	[
		"one key that makes two items",
		{ accepted: { ids: ["deferred_1", "deferred_2"] } },
		/handed in twice with one Idempotency-Key, and is deferred_1 and deferred_2/,
	],
	[
		"an item that nobody was told of",
		{ run: { unheard: [{ ...SEEN, id: "deferred_2" }] } },
		/1 items that nobody was told of, deferred_2 one of them, and 0 answers/,
	],
	["an item in the books alone", { books: { rows: [ROW, { ...ROW, id: "deferred_2" }] } }, /deferred_2 is in the books, and neither/],
	["an item that goes on", { seen: { status: "running", answer: null } }, /is running: it has not ended/],
	["money that stays held", { seen: { heldNanoUsd: "5" } }, /it holds 5/],
	["an end without a time", { seen: { answeredAtMs: null } }, /nobody says when it was answered/],
	["a lane that was forbidden", { item: { isBatchOnly: true }, seen: { lane: "real_time" } }, /real time, which its caller forbade/],
	["a cancellation by nobody", { seen: { status: "cancelled", answer: null, costNanoUsd: null }, books: nothingBilled }, /nobody cancelled it/],
	["a success without an answer", { seen: { answer: null } }, /it has no answer/],
	["a success that is an error", { seen: { answer: ERROR } }, /of status 400, or an error/],
	["an answer that was never billed", { books: nothingBilled }, /never billed its answer chatcmpl-first/],
	["the answer to another item", { books: { entries: [{ ...ENTRY, request_id: "deferred_2" }] } }, /is that of batch7-1-1, which is no try of it/],
	["another usage than was billed", { books: { logged: [{ ...LINE, usage: { ...USAGE, completion_tokens: 8 } }] } }, /says another usage/],
	["a failure without its error", { item: { fate: "failed" }, seen: { ...FAILED, answer: null }, books: nothingBilled }, /it has no answer/],
	["a failure that is an answer", { item: { fate: "failed" }, seen: { ...FAILED, answer: SEEN.answer }, books: nothingBilled }, /its answer is no error/],
	["a failure of what the provider answers", { seen: FAILED, books: nothingBilled }, /the provider answers it, and nothing was lost/],
	[
		"an expiry of what may go in real time",
		{ seen: { ...FAILED, status: "expired" }, books: nothingBilled },
		/it may go in real time, and the provider answers it/,
	],
])("the end: %s is broken", (_what, given, complaint) => {
	expect(() => judge(given)).toThrow(complaint);
});

test.each<[string, Given, RegExp]>([
	["an answer booked twice", { books: { entries: [ENTRY, { ...DOUBLE, is_double: false }] } }, /2 of its tries were booked for its answer/],
	["an answer booked as a duplicate alone", { books: { entries: [{ ...ENTRY, is_double: true }] } }, /0 of its tries were booked/],
	["a billed try of a failure", { item: { fate: "failed" }, seen: { ...FAILED, costNanoUsd: "7" } }, /batch7-1-1 was billed, and its answer not given/],
	[
		"a charge without knowing why",
		{ seen: { costNanoUsd: "14" }, books: { entries: [ENTRY, { ...DOUBLE, outcome: "unresolved" }] } },
		/batch7-1-2 was charged unknown/,
	],
	["a cost that leaves a duplicate out", { books: { entries: [ENTRY, DOUBLE] } }, /says that it cost 7, and its entries 14/],
	["a cost of nothing", { seen: { costNanoUsd: null } }, /says that it cost nothing, and its entries 7/],
])("money: %s is broken", (_what, given, complaint) => {
	expect(() => judge(given)).toThrow(complaint);
});

const LATE = { answeredAtMs: 31_000, isLate: true };

test.each<[string, Given, RegExp]>([
	["a late item that is not said to be", { seen: { answeredAtMs: 31_000 } }, /is said to be in time, 1000 ms after/],
	["an item said to be late that is not", { seen: { isLate: true } }, /is said to be late, -10000 ms after/],
	[
		"a late item that nothing explains",
		{ seen: LATE, row: { answered_at_ms: 31_000 } },
		/1000 ms late: lane batch, sent -18000 ms after its deadline, and nothing says why/,
	],
])("lateness: %s is broken", (_what, given, complaint) => {
	expect(() => judge(given)).toThrow(complaint);
});

test.each<[string, Given, RegExp]>([
	["its caller forbade the other lane", { row: { answered_at_ms: 31_000, may_go_real_time: false } }, /forbade real time/],
	["no time was left", { row: { answered_at_ms: 31_000, accepted_at_ms: 29_000 } }, /1000 ms were left/],
	[
		"a process was killed",
		{ row: { answered_at_ms: 31_000 }, books: { outages: [{ component: "worker", fromMs: 15_000, untilMs: 16_000 }] } },
		/worker was killed/,
	],
	["there was no money", { row: { answered_at_ms: 31_000 }, run: { refused: [ITEM] } }, /no money/],
	["the call in time took longer", { row: { answered_at_ms: 31_000, part_lane: "real_time", sent_at_ms: 20_000 } }, /made in time took longer/],
])("lateness is told with its reason: %s", (_what, given, reason) => {
	const told: string[] = [];
	const { row, books, run } = given;
	expect(judgeDeferred(booksOf({ seen: LATE, ...(row && { row }), ...(books && { books }), ...(run && { run }) }), (line) => told.push(line)).late).toBe(1);
	expect(told).toEqual([expect.stringMatching(reason)]);
});

test.each<[string, Given]>([
	["what the provider fails fails", { item: { fate: "failed" }, seen: FAILED, books: nothingBilled }],
	["what may not go in real time expires", { seen: { ...FAILED, status: "expired" }, row: { may_go_real_time: false }, books: nothingBilled }],
	[
		"what is cancelled has no answer",
		{ item: { cancelAfterMs: 5 }, seen: { ...FAILED, status: "cancelled", answer: null, answeredAtMs: null }, books: nothingBilled },
	],
	["a second try that was billed too is a duplicate", { seen: { costNanoUsd: "14" }, books: { entries: [ENTRY, DOUBLE] } }],
	[
		"what a killed worker had sent may be charged unknown",
		{
			seen: { costNanoUsd: "14" },
			books: { entries: [ENTRY, { ...DOUBLE, outcome: "unresolved" }], outages: [{ component: "worker", fromMs: 15_000, untilMs: 16_000 }] },
		},
	],
	["an item whose acceptance nobody heard of is one all the same", { run: { accepted: [], unheard: [SEEN], lostAnswers: 1 } }],
])("%s", (_what, given) => {
	expect(judge(given).accepted).toBe(1);
});

test("what has ended stays as it was, but for what it cost", async () => {
	const [run] = booksOf().runs;
	if (run === undefined) throw new Error("no run");
	const again = await readAgain({ ...run, read: () => Promise.resolve({ ...SEEN, costNanoUsd: "14" }) });
	expect(again.accepted[0]?.seen.costNanoUsd).toBe("14");
	for (const changed of [{ status: "failed" }, { digest: "d2" }, { answeredAtMs: 20_001 }])
		await expect(readAgain({ ...run, read: () => Promise.resolve({ ...SEEN, ...changed }) })).rejects.toThrow(/deferred_1 was .* afterwards it is/);
});

test("a record is read off the wire", () => {
	const answer = { status_code: 200, body: { id: "chatcmpl-a", usage: USAGE } };
	const wire = {
		...{ id: "deferred_1", object: "deferred", status: "succeeded", lane: "batch", deadline: "1970-01-01T00:00:30Z", answered_at: "1970-01-01T00:00:20Z" },
		...{ is_late: false, held_nano_usd: "0", cost_nano_usd: "7", webhook: null, answer },
	};
	const seen = seenOf(JSON.stringify(wire));
	expect(seen).toEqual({ ...SEEN, answer: { ...SEEN.answer, id: "chatcmpl-a" }, digest: seen.digest });
	expect(seenOf(JSON.stringify({ ...wire, cost_nano_usd: "8" })).digest).toBe(seen.digest);
	expect(seenOf(JSON.stringify({ ...wire, answer: { ...answer, status_code: 201 } })).digest).not.toBe(seen.digest);
});

test("items are drawn as their order says, the same for the same seed", () => {
	const order = deferredOrder.parse({
		...{ protocol: "anthropic", items: 400, keys: 3, features: 2, users: 2, failedShare: 0.2, stuckShare: 0.1, withheldShare: 0.1 },
		...{
			deadlineShare: 0.5,
			deadlineMostMs: 86_400_000,
			batchOnlyShare: 0.2,
			cancelledShare: 0.1,
			repeatedShare: 0.1,
			unnamedShare: 0.1,
			webhook: 0.5,
			refusedWebhookShare: 0.3,
		},
	});
	const items = drawItems(order, "team", createRandom(3));
	expect(drawItems(order, "team", createRandom(3))).toEqual(items);
	expect(new Set(items.map(({ name }) => name)).size).toBe(400);
	expect(items.map(({ atMs }) => atMs)).toEqual(items.map(({ atMs }) => atMs).toSorted((one, other) => one - other));
	for (const field of ["key", "model", "feature", "user", "fate", "isBatchOnly", "isRepeated", "hasIdempotencyKey"] as const)
		expect(new Set(items.map((item) => item[field])).size, field).toBeGreaterThan(1);
	const deadlines = items.flatMap(({ deadlineSeconds }) => deadlineSeconds ?? []);
	expect([Math.min(...deadlines) >= 1, Math.max(...deadlines) <= 48, deadlines.length > 150, deadlines.length < 250]).toEqual([true, true, true, true]);
	const without = drawItems({ ...order, webhook: 0 }, "team", createRandom(3));
	expect(without.map((item) => ({ ...item, webhook: undefined }))).toEqual(items.map((item) => ({ ...item, webhook: undefined })));
	expect(new Set(items.map(({ webhook }) => webhook))).toEqual(new Set([null, "team-takes", "team-refuses"]));
	expect(items.filter(({ fate, isBatchOnly }) => fate === "stuck" && !isBatchOnly)).toEqual([]);
});
