import { Writable } from "node:stream";
import fc from "fast-check";
import type { buildConnector } from "undici";
import { describe, expect, test } from "vitest";
import { inOnePiece, ONE_PIECE_BYTES_MAX, writeInOnePiece } from "#activities/providers/one-piece-writes.ts";

type Piece = string | Buffer;
type Written = { readonly kind: "one" | "apart"; readonly bytes: Buffer };
type Part = { readonly chunk: Piece; readonly encoding: BufferEncoding };

const bytesOf = (chunk: Piece, encoding: BufferEncoding) => (typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);

/** A stream, and what it is given to write, apart or as one. */
function watched(): { readonly stream: Writable; readonly written: Written[] } {
	const written: Written[] = [];
	const stream = new Writable({
		decodeStrings: false,
		write(chunk: Piece, encoding, done) {
			written.push({ kind: "one", bytes: bytesOf(chunk, encoding) });
			done();
		},
		writev(chunks, done) {
			written.push({ kind: "apart", bytes: Buffer.concat(chunks.map(({ chunk, encoding }) => bytesOf(chunk as Piece, encoding))) });
			done();
		},
	});
	return { stream, written };
}

/** Corked, as undici writes a head and a body. */
async function write(stream: Writable, parts: readonly Part[]): Promise<void> {
	stream.cork();
	for (const { chunk, encoding } of parts) stream.write(chunk, encoding);
	stream.uncork();
	await new Promise<void>((resolve) => stream.end(resolve));
}

async function writeCorked(parts: readonly Part[]): Promise<Written[]> {
	const { stream, written } = watched();
	writeInOnePiece(stream);
	await write(stream, parts);
	return written;
}

const BODY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

test("head and body leave as one piece, byte for byte", async () => {
	const parts = [
		{ chunk: "POST / HTTP/1.1\r\n\r\n", encoding: "latin1" },
		{ chunk: BODY, encoding: "utf8" },
	] as const;
	expect(await writeCorked(parts)).toEqual([{ kind: "one", bytes: Buffer.concat([Buffer.from("POST / HTTP/1.1\r\n\r\n"), BODY]) }]);
});

test("what is longer, and a text that is not latin1, leave as they would", async () => {
	const long = Buffer.alloc(ONE_PIECE_BYTES_MAX);
	const head = { chunk: "h", encoding: "latin1" } as const;
	expect(await writeCorked([head, { chunk: long.subarray(1), encoding: "utf8" }])).toMatchObject([{ kind: "one" }]);
	expect(await writeCorked([head, { chunk: long, encoding: "utf8" }])).toEqual([{ kind: "apart", bytes: Buffer.concat([Buffer.from("h"), long]) }]);
	expect(await writeCorked([{ chunk: "x".repeat(ONE_PIECE_BYTES_MAX), encoding: "latin1" }, head])).toMatchObject([{ kind: "apart" }]);
	expect(await writeCorked([head, { chunk: "€", encoding: "utf8" }])).toEqual([{ kind: "apart", bytes: Buffer.from("h€") }]);
});

describe("a connector", () => {
	type Result = readonly [Error, null] | readonly [null, Writable];
	/** undici names no socket where it failed. */
	const connectWith = (...result: Result | readonly [Error]): Promise<Result> =>
		new Promise((resolve) => {
			const connect = ((_options, callback) => callback(...(result as Parameters<typeof callback>))) as buildConnector.connector;
			inOnePiece(connect)({ hostname: "127.0.0.1", protocol: "http:", port: "80" }, (...told) => resolve(told as unknown as Result));
		});

	test("hands on connections that write so", async () => {
		const { stream, written } = watched();
		expect(await connectWith(null, stream)).toEqual([null, stream]);
		await write(stream, [
			{ chunk: "head", encoding: "latin1" },
			{ chunk: Buffer.from("body"), encoding: "utf8" },
		]);
		expect(written).toEqual([{ kind: "one", bytes: Buffer.from("headbody") }]);
	});

	test("tells a failure as it was told", async () => {
		const failure = new Error("refused");
		expect(await connectWith(failure, null)).toEqual([failure, null]);
		expect(await connectWith(failure)).toEqual([failure]);
	});
});

test("whatever is written together, its bytes arrive in order", async () => {
	const part = fc.oneof(
		fc.record({ chunk: fc.string({ unit: "binary" }), encoding: fc.constantFrom<BufferEncoding>("latin1", "utf8") }),
		fc.record({ chunk: fc.nat(9_000).map((length) => Buffer.alloc(length, length)), encoding: fc.constant<BufferEncoding>("utf8") }),
	);
	await fc.assert(
		fc.asyncProperty(fc.array(part, { minLength: 2, maxLength: 5 }), async (parts) => {
			const written = Buffer.concat((await writeCorked(parts)).map(({ bytes }) => bytes));
			expect(written.equals(Buffer.concat(parts.map(({ chunk, encoding }) => bytesOf(chunk, encoding))))).toBe(true);
		}),
	);
});
