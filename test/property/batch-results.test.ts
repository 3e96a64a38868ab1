import fc from "fast-check";
import { expect, test } from "vitest";
import { membersOf } from "#activities/batches/providers/json-text.ts";
import { asRequests } from "#activities/batches/providers/part-source.ts";
import { readResults } from "#activities/batches/providers/results-reader.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";

/** Cuts bytes into pieces of these sizes, over and over. */
async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
	let at = 0;
	for (let piece = 0; at < bytes.length; piece += 1) {
		const size = sizes[piece % sizes.length] ?? 1;
		yield bytes.subarray(at, at + size);
		at += size;
	}
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
const spacing = fc.constantFrom("", " ", "\t", "  ");
const json = fc.json({ maxDepth: 3 });

test("members of an object are the text of their values, whatever stands around them", () => {
	fc.assert(
		fc.property(fc.uniqueArray(fc.tuple(fc.string(), json), { selector: ([name]) => name, maxLength: 6 }), spacing, (members, space) => {
			const text = `${space}{${members.map(([name, value]) => `${space}${JSON.stringify(name)}${space}:${space}${value}${space}`).join(",")}}${space}`;
			JSON.parse(text);
			expect([...membersOf(text)]).toEqual(members);
		}),
	);
});

test("results are the same however they arrive, and each body is the text that was written", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(json, { maxLength: 8 }), sizes, fc.boolean(), async (bodies, cuts, endsWithLineFeed) => {
			const lines = bodies.map((body, n) => `{"custom_id":"i${n}","response":{"body":${body},"status_code":200},"error":null}`);
			const bytes = Buffer.from(lines.join("\n") + (endsWithLineFeed && lines.length > 0 ? "\n" : ""));
			const read: ResultLine[] = [];
			for await (const line of readResults(inPieces(bytes, cuts), { protocol: "openai", file: "f" })) read.push(line);
			expect(read).toEqual(
				bodies.map((body, n) => ({ kind: "item", customId: `i${n}`, result: { kind: "succeeded", httpStatus: 200, requestId: null, body } })),
			);
		}),
	);
});

test("whatever a provider writes is told line by line: no text ends the reading", async () => {
	await fc.assert(
		fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), sizes, fc.constantFrom("openai" as const, "anthropic" as const), async (bytes, cuts, protocol) => {
			const last = Buffer.from(
				protocol === "openai" ? `\n{"custom_id":"last","error":{"code":"batch_expired"}}` : `\n{"custom_id":"last","result":{"type":"expired"}}`,
			);
			const read: ResultLine[] = [];
			for await (const line of readResults(inPieces(Buffer.concat([bytes, last]), cuts), { protocol, file: "f" })) read.push(line);
			expect(read.at(-1)).toEqual({ kind: "item", customId: "last", result: { kind: "expired" } });
		}),
	);
});

test("lines become the requests of one body, however they are cut", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(fc.record({ custom_id: fc.string(), params: fc.jsonValue() }), { maxLength: 8 }), sizes, async (requests, cuts) => {
			const lines = requests.map((request) => `${JSON.stringify(request)}\n`).join("");
			const body: Uint8Array[] = [];
			for await (const piece of asRequests(inPieces(Buffer.from(lines), cuts))) body.push(piece);
			expect(Buffer.concat(body).toString()).toBe(`{"requests":[${lines.trimEnd().replaceAll("\n", ",")}]}`);
		}),
	);
});
