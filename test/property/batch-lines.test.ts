import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinOutputs } from "#activities/batches/lines/join-outputs.ts";
import { LineSplitter, type ReadLine, RequestSplitter } from "#activities/batches/lines/read-lines.ts";
import { writeLines } from "#activities/batches/lines/write-lines.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import { bodyOfLine, checkLine } from "#domain/batching/check-line.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import { cuts, slicings } from "#test/fuzz/bytes.ts";
import { inPieces, textOf } from "#test/support/batch-lines.ts";

const LIMITS = { lineBytesMax: 10_000 };
/** Neither watched by the scanner of bodies nor a field that a batch refuses. */
const word = fc.string({ unit: fc.constantFrom(...'abé"\\\u2028 ᚠ\n'), maxLength: 6 });
/**
 * Without backslashes, which values have. The parser that the cut is held to reads them wrongly: after an object with the key "\\" V8 13.6 takes
 * a key "\n" at the same place for it, since it compares the text of one with what the other stands for.
 */
const name = word.map((text) => text.replaceAll("\\", "a"));
const value = fc.oneof(
	fc.constantFrom<unknown>(1.5, -0, 1e21, null, true, "\u00e9\ud83d\ude00\n", '}]"{', [], {}),
	fc.dictionary(name, fc.array(word, { maxLength: 2 }), { maxKeys: 2 }),
	word,
);
const body = fc.dictionary(name, value, { maxKeys: 4 }).map((more) => ({ ...more, model: "m", messages: [], max_tokens: 5 }));

/** JSON as different hands write it, on one line or on several. */
function written(given: unknown, { indent, isAscii }: { readonly indent: number; readonly isAscii: boolean }): string {
	const text = JSON.stringify(given, undefined, indent);
	return isAscii ? text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`) : text;
}

const style = fc.record({ indent: fc.nat(2), isAscii: fc.boolean() });

function read(reader: { push(chunk: Uint8Array): Iterable<ReadLine>; end(): Iterable<ReadLine> }, chunks: readonly Buffer[]): ReadLine[] {
	return [...chunks.flatMap((chunk) => [...reader.push(chunk)]), ...reader.end()];
}

describe("lines", () => {
	it("are the same however the bytes are cut", () => {
		const bytes = fc
			.array(fc.constantFrom("\n", "\r\n", "\r", "ab", "é", "\ud83d\ude00", "x".repeat(12)), { maxLength: 30 })
			.map((pieces) => Buffer.from(pieces.join("")));
		fc.assert(
			fc.property(bytes, cuts, (whole, at) => {
				const found = slicings(whole, at).map((chunks) => read(new LineSplitter({ lineBytesMax: 16 }), chunks));
				expect(found[1]).toEqual(found[0]);
				expect(found[2]).toEqual(found[0]);
				expect(found[0]?.map(({ line }) => line)).toEqual(found[0]?.map((_, index) => index + 1));
			}),
			{ numRuns: 1_000 },
		);
	});

	it("carry a body in and out byte for byte", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.tuple(body, fc.boolean()), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 50 }), async (bodies, pieceBytes) => {
				const bodyTexts = bodies.map(([given, isAscii]) => written(given, { indent: 0, isAscii }).replaceAll(',"', ' ,\t"'));
				const file = bodyTexts.map((text, index) => `{"url":"/v1/chat/completions", "body": ${text} ,"method":"POST","custom_id":"${index}"}\r\n`).join("");
				for (const line of read(new LineSplitter(LIMITS), [Buffer.from(file)])) {
					if (line.kind !== "line") throw new Error(line.kind);
					const checked = checkLine(line.bytes, "openai");
					expect(checked.kind === "valid" && checked.request.body.toString()).toBe(bodyTexts[line.line - 1]);
				}
				const tries = bodies.map((_, index) => ({ n: index + 1, tryNumber: 1 }));
				const part = {
					protocol: "openai",
					endpoint: "chat.completions",
					batchNumber: "1",
					items: bodies.length,
					deploymentModel: "m",
					tries,
					...LIMITS,
				} as const;
				const sent = await textOf(writeLines(inPieces(file, pieceBytes), part));
				const bodiesSent = sent
					.split("\n")
					.slice(0, -1)
					.map((line) => bodyOfLine(Buffer.from(line))?.toString());
				expect(bodiesSent).toEqual(bodyTexts);
			}),
			{ numRuns: 500 },
		);
	});
});

describe("the list of a message batch", () => {
	it("is cut into the requests that a parser finds in it, however it is laid out and cut", () => {
		const requests = fc.array(
			body.map((params) => ({ custom_id: "a", params })),
			{ maxLength: 4 },
		);
		fc.assert(
			fc.property(requests, style, cuts, (list, layout, at) => {
				const text = written({ requests: list }, layout);
				for (const chunks of slicings(Buffer.from(text), at)) {
					const lines = read(new RequestSplitter(LIMITS), chunks);
					const found = lines.map((line) => (line.kind === "line" ? line.bytes.toString() : line.kind));
					expect(found.map((line) => JSON.parse(line) as unknown)).toEqual(JSON.parse(JSON.stringify(list)));
					expect(found.every((line) => !line.includes("\n") && text.replaceAll("\n", " ").includes(line))).toBe(true);
				}
			}),
			{ numRuns: 500 },
		);
	});
});

it("outputs bring every item that has a result once, whatever the parts say and in whatever order", async () => {
	const ITEMS = 6;
	const result = fc.constantFrom<ItemResult>(
		{ kind: "succeeded", httpStatus: 200, requestId: null, body: '{"a":1}' },
		{ kind: "errored", httpStatus: 400, requestId: null, body: '{"error":{}}' },
		{ kind: "expired" },
		{ kind: "cancelled" },
	);
	const line = fc
		.record({ n: fc.integer({ min: 1, max: ITEMS }), tryNumber: fc.integer({ min: 1, max: 3 }), result })
		.map(({ n, tryNumber, result: of }): ResultLine => ({ kind: "item", customId: attemptIdOf({ batchNumber: "1", items: ITEMS, n, tryNumber }), result: of }));
	const customIds = Array.from({ length: ITEMS }, (_, index) => `item-${index + 1}`);
	await fc.assert(
		fc.asyncProperty(fc.array(fc.array(line, { maxLength: 8 }), { maxLength: 3 }), fc.constantFrom("expired" as const, undefined), async (parts, absent) => {
			const openParts = parts.map(
				(lines) =>
					async function* () {
						yield* lines;
					},
			);
			const joined = await joinOutputs({
				batchId: "batch_x",
				batchNumber: "1",
				items: ITEMS,
				form: "openai",
				openParts,
				customIds,
				isEnding: () => true,
				absent: () => absent,
			});
			const [output, errors] = [await textOf(joined.write("output")), await textOf(joined.write("errors"))].map((text) => text.split("\n").slice(0, -1));
			const ids = [...(output ?? []), ...(errors ?? [])].map((text) => (JSON.parse(text) as { custom_id: string }).custom_id);
			const { open, succeeded, ...others } = joined.counts;
			expect(new Set(ids).size).toBe(ids.length);
			expect([ids.length, output?.length, open]).toEqual([ITEMS - open, succeeded, absent === undefined ? ITEMS - ids.length : 0]);
			expect(errors?.length).toBe(others.errored + others.expired + others.cancelled);
		}),
		{ numRuns: 500 },
	);
});
