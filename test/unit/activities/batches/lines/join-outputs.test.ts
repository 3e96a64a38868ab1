import { describe, expect, test } from "vitest";
import { ItemEndings } from "#activities/batches/lines/item-endings.ts";
import { joinOutputs, type OutputsToJoin } from "#activities/batches/lines/join-outputs.ts";
import { type KeptResult, readResultLines, writeResultLine } from "#activities/batches/lines/result-lines.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import { inPieces, textOf } from "#test/support/batch-lines.ts";

const ITEMS = 5;
const EXPIRED: ItemResult = { kind: "expired" };
const CANCELLED: ItemResult = { kind: "cancelled" };
const answer = (text: string): ItemResult => ({ kind: "succeeded", httpStatus: 200, requestId: null, body: JSON.stringify({ text }) });
const failure: ItemResult = { kind: "errored", httpStatus: 400, requestId: null, body: '{"error":{"message":"no"}}' };

function item(n: number, result: ItemResult, tryNumber = 1): ResultLine {
	return { kind: "item", customId: attemptIdOf({ batchNumber: "3", items: ITEMS, n, tryNumber }), result };
}

function outputs(parts: readonly (readonly ResultLine[])[], changes: Partial<OutputsToJoin> = {}): OutputsToJoin {
	return {
		batchId: "batch_abc",
		batchNumber: "3",
		items: ITEMS,
		form: "openai",
		openParts: parts.map(
			(lines) =>
				async function* () {
					yield* lines;
				},
		),
		customIds: ["a", "b", "c", "d", "e"],
		isEnding: () => true,
		absent: () => undefined,
		...changes,
	};
}

type Line = {
	id: string;
	custom_id: string;
	response: { status_code: number; body: { text?: string } } | null;
	error: { code: string } | null;
	result: { type: string };
};

async function linesOf(source: AsyncIterable<Uint8Array>): Promise<Line[]> {
	return (await textOf(source))
		.split("\n")
		.slice(0, -1)
		.map((line) => JSON.parse(line) as Line);
}

describe("outputs of a batch", () => {
	test("bring every item once, under the caller's custom id, in two files for OpenAI", async () => {
		const joined = await joinOutputs(
			outputs([
				[item(3, failure), item(1, answer("one"))],
				[item(5, EXPIRED), item(2, answer("two")), item(4, CANCELLED)],
			]),
		);
		expect(joined.counts).toEqual({ open: 0, succeeded: 2, errored: 1, expired: 1, cancelled: 1 });
		expect((await linesOf(joined.write("output"))).map(({ id, custom_id, response }) => [id, custom_id, response?.body.text])).toEqual([
			["batch_req_abc_1", "a", "one"],
			["batch_req_abc_2", "b", "two"],
		]);
		expect((await linesOf(joined.write("errors"))).map(({ custom_id, response, error }) => [custom_id, response?.status_code, error?.code])).toEqual([
			["c", 400, undefined],
			["e", undefined, "batch_expired"],
			["d", undefined, "batch_cancelled"],
		]);
	});

	test("are one file for Anthropic", async () => {
		const joined = await joinOutputs(
			outputs([[item(2, CANCELLED), item(1, answer("one"))]], { form: "anthropic", absent: (n) => (n === 3 ? "lost" : undefined) }),
		);
		expect((await linesOf(joined.write("results"))).map(({ custom_id, result }) => [custom_id, result.type])).toEqual([
			["b", "canceled"],
			["a", "succeeded"],
			["c", "errored"],
		]);
		expect(joined.counts).toEqual({ open: 2, succeeded: 1, errored: 1, expired: 0, cancelled: 1 });
	});

	test("take the result of an item that is furthest on, and of equals the first, whatever the order", async () => {
		const joined = await joinOutputs(
			outputs([
				[item(1, EXPIRED), item(1, EXPIRED), item(2, answer("first")), item(3, CANCELLED), item(4, failure)],
				[item(1, answer("late"), 2), item(2, answer("second"), 2), item(2, failure, 3), item(3, EXPIRED, 2), item(4, CANCELLED, 2)],
			]),
		);
		expect((await linesOf(joined.write("output"))).map(({ custom_id, response }) => [custom_id, response?.body.text])).toEqual([
			["b", "first"],
			["a", "late"],
		]);
		expect((await linesOf(joined.write("errors"))).map(({ custom_id, error }) => [custom_id, error?.code])).toEqual([
			["d", undefined],
			["c", "batch_expired"],
		]);
	});

	test("are what the rows of the items say, and nothing else that came of them", async () => {
		const endings = new ItemEndings(ITEMS);
		endings.note({ n: 1, tryNumber: 1, outcome: "errored" });
		endings.note({ n: 2, tryNumber: 2, outcome: "succeeded" });
		endings.note({ n: 3, tryNumber: 1, outcome: "cancelled" });
		endings.note({ n: 4, tryNumber: 1, outcome: "errored" });
		const parts = [
			[item(1, answer("late")), item(2, answer("older")), item(3, answer("after it was given up")), item(4, failure), item(4, failure, 2)],
			[item(2, answer("its own"), 2), item(5, answer("of an item without an outcome"))],
		];
		const joined = await joinOutputs(outputs(parts, { isEnding: (result) => endings.isEnding(result), absent: (n) => endings.absent(n) }));
		expect(joined.counts).toEqual({ open: 1, succeeded: 1, errored: 2, expired: 0, cancelled: 1 });
		expect((await linesOf(joined.write("output"))).map(({ custom_id, response }) => [custom_id, response?.body.text])).toEqual([["b", "its own"]]);
		expect((await linesOf(joined.write("errors"))).map(({ custom_id, response, error }) => [custom_id, response?.status_code ?? error?.code])).toEqual([
			["d", 400],
			["a", "batch_result_lost"],
			["c", "batch_cancelled"],
		]);
	});

	test("say how an item ended that no result came of, and leave out one that has not", async () => {
		const ends = ["expired", "cancelled", "lost", undefined] as const;
		const joined = await joinOutputs(outputs([[item(1, answer("one"))]], { absent: (n) => ends[n - 2] }));
		expect(joined.counts).toEqual({ open: 1, succeeded: 1, errored: 1, expired: 1, cancelled: 1 });
		expect((await linesOf(joined.write("errors"))).map(({ custom_id, error }) => [custom_id, error?.code])).toEqual([
			["b", "batch_expired"],
			["c", "batch_cancelled"],
			["d", "batch_result_lost"],
		]);
	});

	test("count lines that are no item's, and may be written again", async () => {
		const strange: ResultLine[] = [
			{ kind: "unreadable", line: 1, problem: "cut", start: "{" },
			{ kind: "item", customId: "batch4-1-1", result: EXPIRED },
			{ kind: "item", customId: "theirs", result: EXPIRED },
		];
		const joined = await joinOutputs(outputs([[...strange, item(1, answer("one"))]]));
		expect(joined.strangeLines).toBe(3);
		const first = await textOf(joined.write("output"));
		expect([first.length > 0, await textOf(joined.write("output"))]).toEqual([true, first]);
		expect(await textOf(joined.write("errors"))).toBe("");
	});
});

describe("kept results", () => {
	test("come back as they were", async () => {
		const kept: KeptResult[] = [answer('x"\n\u2028é'), failure, EXPIRED, CANCELLED, { ...answer("y"), requestId: "req_1" } as ItemResult].map(
			(result, index) => ({
				customId: `batch3-1-${index + 1}`,
				result,
			}),
		);
		const stored = Buffer.concat(kept.map(writeResultLine));
		const lines: ResultLine[] = [];
		for await (const line of readResultLines(inPieces(stored), { lineBytesMax: 1_000 })) lines.push(line);
		expect(lines).toEqual(kept.map((one) => ({ kind: "item", ...one })));
	});

	test.each([
		["no JSON", "x"],
		["no object", "null"],
		["no custom id", '{"kind":"expired"}'],
		["another kind", '{"customId":"a","kind":"open"}'],
		["an answer without a body", '{"customId":"a","kind":"succeeded","httpStatus":200}'],
		["a line that is too long", "x".repeat(2_000)],
	])("are unreadable where they are not ours: %s", async (_name, text) => {
		const lines: ResultLine[] = [];
		for await (const line of readResultLines(inPieces(text), { lineBytesMax: 1_000 })) lines.push(line);
		expect(lines).toEqual([{ kind: "unreadable", line: 1, problem: expect.any(String), start: expect.any(String) }]);
	});
});
