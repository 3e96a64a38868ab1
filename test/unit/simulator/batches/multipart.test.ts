import fc from "fast-check";
import { expect, test } from "vitest";
import { boundaryOf, readMultipart } from "../../../../simulator/batches/multipart.ts";

type Part = { readonly name: string; readonly filename: string | undefined; readonly bytes: Buffer };

const BOUNDARY = "----boundary7";

function bodyOf(parts: readonly Part[]): Buffer {
	const pieces = parts.flatMap(({ name, filename, bytes }) => [
		Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? "" : `; filename="${filename}"`}\r\n`),
		Buffer.from(filename === undefined ? "\r\n" : "Content-Type: application/octet-stream\r\n\r\n"),
		bytes,
		Buffer.from("\r\n"),
	]);
	return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

async function* cutAt(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
	const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((left, right) => left - right);
	for (const [index, start] of places.entries()) yield bytes.subarray(start, places[index + 1] ?? bytes.length);
}

async function read(source: AsyncIterable<Buffer>): Promise<Part[]> {
	const parts: { name: string; filename: string | undefined; pieces: Buffer[] }[] = [];
	for await (const event of readMultipart(source, BOUNDARY)) {
		if (event.kind === "part") parts.push({ name: event.name, filename: event.filename, pieces: [] });
		else parts.at(-1)?.pieces.push(event.bytes);
	}
	return parts.map(({ name, filename, pieces }) => ({ name, filename, bytes: Buffer.concat(pieces) }));
}

/** Bytes that look like a boundary and are none. */
const content = fc.oneof(
	fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
	fc.array(fc.constantFrom("\r\n", "--", "\r\n--", `\r\n--${BOUNDARY.slice(0, -1)}`, "x", "\n"), { maxLength: 12 }).map((texts) => Buffer.from(texts.join(""))),
);
const part = fc.record({
	name: fc.constantFrom("purpose", "file", "expires_after[seconds]"),
	filename: fc.constantFrom(undefined, "items.jsonl"),
	bytes: content,
});

test("parts come out as they went in, wherever the network cuts", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(5_000), { maxLength: 40 }), async (parts, cuts) => {
			const safe = parts.filter(({ bytes }) => !bytes.includes(`--${BOUNDARY}`));
			expect(await read(cutAt(bodyOf(safe), cuts))).toEqual(safe);
		}),
	);
});

test("a body that ends early is an error, wherever it ends", async () => {
	const body = bodyOf([{ name: "file", filename: "a.jsonl", bytes: Buffer.from("{}\n") }]);
	const closed = body.lastIndexOf("--") + 2;
	for (let end = 0; end < closed; end += 1) await expect(read(cutAt(body.subarray(0, end), []))).rejects.toThrow("before its closing boundary");
	expect(await read(cutAt(body.subarray(0, closed), []))).toHaveLength(1);
});

test("boundaries are read plain and quoted; another type is an error", () => {
	expect(boundaryOf("multipart/form-data; boundary=abc")).toBe("abc");
	expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"')).toBe("a b");
	expect(() => boundaryOf("application/json")).toThrow("expected multipart/form-data");
	expect(() => boundaryOf(undefined)).toThrow("expected multipart/form-data");
});

test("a name with quotes is read as it was meant", async () => {
	const file = { name: "file", filename: "a%22b.jsonl", bytes: Buffer.from("x") };
	expect((await read(cutAt(bodyOf([file]), [])))[0]?.filename).toBe('a"b.jsonl');
});
