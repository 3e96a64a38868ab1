import { describe, expect, test } from "vitest";
import { LineSplitter, RequestSplitter, readLines } from "#activities/batches/lines/read-lines.ts";
import { inPieces } from "#test/support/batch-lines.ts";

/** "1 abc", "2 empty" */
async function told(bytes: string | Buffer, { lineBytesMax = 100, pieceBytes = 1_000 } = {}): Promise<string[]> {
	const lines: string[] = [];
	for await (const read of readLines(inPieces(bytes, pieceBytes), { lineBytesMax }))
		lines.push(`${read.line} ${read.kind === "line" ? read.bytes : read.kind}`);
	return lines;
}

describe("lines", () => {
	test.each([
		["LF", "a\nbc\n", ["1 a", "2 bc"]],
		["CRLF", "a\r\nbc\r\n", ["1 a", "2 bc"]],
		["a last line without an end", "a\nbc", ["1 a", "2 bc"]],
		["a last line that is cut within its end", "a\r", ["1 a"]],
		["empty lines", "\n\r\na\n\n", ["1 empty", "2 empty", "3 a", "4 empty"]],
		["a carriage return within a line", "a\rb\n", ["1 a\rb"]],
		["nothing", "", []],
	])("end with %s, however they arrive", async (_name, text, expected) => {
		expect(await told(text)).toEqual(expected);
		expect(await told(text, { pieceBytes: 1 })).toEqual(expected);
	});

	test("above the limit are told by number, and the next ones are read", async () => {
		const text = "12345\n123456\r\n12345\r\n1234567\n";
		for (const pieceBytes of [1, 3, 1_000])
			expect(await told(text, { lineBytesMax: 5, pieceBytes })).toEqual(["1 12345", "2 too_long", "3 12345", "4 too_long"]);
	});

	test("that are no UTF-8 are told, a character that is cut in two pieces is not", async () => {
		const bytes = Buffer.concat([Buffer.from("é\n"), Buffer.of(0x61, 0xe9), Buffer.from("\né")]);
		for (const pieceBytes of [1, 1_000]) expect(await told(bytes, { pieceBytes })).toEqual(["1 é", "2 not_utf8", "3 é"]);
	});

	test("hold nothing of a line that is too long", () => {
		const splitter = new LineSplitter({ lineBytesMax: 1_000 });
		const piece = Buffer.alloc(65_536, "x");
		const before = process.memoryUsage().arrayBuffers;
		for (let count = 0; count < 2_000; count += 1) expect([...splitter.push(piece)]).toEqual([]);
		expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
		expect([...splitter.push(Buffer.from("\nab")), ...splitter.end()]).toEqual([
			{ kind: "too_long", line: 1 },
			{ kind: "line", line: 2, bytes: Buffer.from("ab") },
		]);
	});

	test("of an array that is no Buffer are read as well", () => {
		const backing = new TextEncoder().encode("xa\nbx");
		const splitter = new LineSplitter({ lineBytesMax: 10 });
		expect([...splitter.push(backing.subarray(1, 4)), ...splitter.end()].map((read) => (read.kind === "line" ? `${read.bytes}` : read.kind))).toEqual([
			"a",
			"b",
		]);
	});
});

test("requests of a list are told like lines, bytes that are no UTF-8 among them", () => {
	const splitter = new RequestSplitter({ lineBytesMax: 12 });
	const body = Buffer.concat([Buffer.from('{"requests":[{\n},{"a":"'), Buffer.of(0xe9), Buffer.from('"},{"a":"0123456789"},7]}')]);
	expect([...splitter.push(body), ...splitter.end()]).toEqual([
		{ kind: "line", line: 1, bytes: Buffer.from("{ }") },
		{ kind: "not_utf8", line: 2 },
		{ kind: "too_long", line: 3 },
		{ kind: "malformed", line: 4, field: null, message: "must be an object" },
	]);
});
