import fc from "fast-check";
import { expect, it } from "vitest";
import { scanJson } from "#domain/bound/scan-json.ts";

/** JSON as different encoders write it: spaces, escapes of every kind, in keys too. */
function encode(value: unknown, style: { readonly indent: number; readonly isAscii: boolean }): string {
	const text = JSON.stringify(value, undefined, style.indent);
	if (!style.isAscii) return text;
	return text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const styles = fc.record({ indent: fc.integer({ min: 0, max: 3 }), isAscii: fc.boolean() });
const objects = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 6, stringUnit: "binary" }), { maxKeys: 8 });
const isGuarded =
	/"(type|content|output|tools|mode|audio|file|source|file_id|file_url|image_url|input_audio|max_uses|budget_tokens|include_usage|__proto__|constructor|prototype)"/i;

it("finds the members JSON.parse finds, each with the value at its range", () => {
	fc.assert(
		fc.property(objects, styles, (object, style) => {
			const text = encode(object, style);
			fc.pre(!isGuarded.test(text));
			const bytes = Buffer.from(text);
			const result = scanJson(bytes);
			if (result.kind !== "scanned") throw new Error(result.problem.message);
			const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>;
			const found = Object.fromEntries(
				result.scan.members.map((member) => [member.key, JSON.parse(bytes.toString("utf8", member.valueStart, member.valueEnd)) as unknown]),
			);
			expect(new Set(result.scan.members.map((member) => member.key))).toEqual(new Set(Object.keys(parsed)));
			expect(found).toEqual(parsed);
		}),
		{ numRuns: 3_000 },
	);
});

it("never counts less than the decoded text of all strings", () => {
	fc.assert(
		fc.property(objects, styles, (object, style) => {
			const text = encode(object, style);
			fc.pre(!isGuarded.test(text));
			const bytes = Buffer.from(text);
			const result = scanJson(bytes);
			if (result.kind !== "scanned") throw new Error(result.problem.message);
			expect(bytes.length - result.scan.unicodeEscapeSavingBytes).toBeGreaterThanOrEqual(stringBytes(JSON.parse(bytes.toString())));
		}),
		{ numRuns: 3_000 },
	);
});

it("ends on any bytes, and refuses whatever JSON.parse reads as no object", () => {
	const alphabet = fc.constantFrom(...'{}[]",:\\u0019aef \n', "type", "__proto__", "null", "﻿");
	fc.assert(
		fc.property(fc.array(alphabet, { maxLength: 60 }), (pieces) => {
			const text = pieces.join("");
			const { kind } = scanJson(Buffer.from(text));
			if (kind === "scanned") expect(text.trimStart().startsWith("{")).toBe(true);
		}),
		{ numRuns: 5_000 },
	);
});

function stringBytes(value: unknown): number {
	if (typeof value === "string") return Buffer.byteLength(value);
	if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + stringBytes(item), 0);
	if (typeof value !== "object" || value === null) return 0;
	return Object.entries(value).reduce((sum, [key, item]) => sum + Buffer.byteLength(key) + stringBytes(item), 0);
}
