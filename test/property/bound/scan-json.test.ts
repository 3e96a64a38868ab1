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
	/"(type|content|output|tools|mode|audio|file|source|file_id|file_url|image_url|input_audio|max_uses|budget_tokens|include_usage|edits|id|citations|enabled|comparison_response_id|previous_message_id|__proto__|constructor|prototype)"/i;

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

/** Objects as lists of members, so that a key can stand twice. */
type Tree = string | readonly Tree[] | { readonly members: readonly (readonly [key: string, value: Tree])[] };

const isObjectTree = (tree: Tree): tree is Extract<Tree, { members: unknown }> => typeof tree === "object" && "members" in tree;
const GUARDED = ["type", "content", "source"];
const OPAQUE = ["input", "parameters", "input_schema", "schema", "metadata", "arguments"];

const trees = fc.letrec<{ tree: Tree }>((tie) => ({
	tree: fc.oneof(
		{ depthSize: "medium", maxDepth: 5 },
		fc.constantFrom("x", "type"),
		fc.array(tie("tree"), { maxLength: 3 }),
		fc
			.array(fc.tuple(fc.constantFrom(...GUARDED, ...OPAQUE, "Type", "CONTENT", "Input", "role"), tie("tree")), { maxLength: 4 })
			.map((members) => ({ members })),
	),
})).tree;

function write(tree: Tree): string {
	if (typeof tree === "string") return JSON.stringify(tree);
	if (!isObjectTree(tree)) return `[${tree.map(write).join(" , ")}]`;
	return `{${tree.members.map(([key, value]) => `${JSON.stringify(key)} : ${write(value)}`).join(",")}}`;
}

/** The rule, written the slow way: a guarded key stands twice in an object that is not the caller's own data. */
function isAmbiguous(tree: Tree): boolean {
	if (typeof tree === "string") return false;
	if (!isObjectTree(tree)) return tree.some(isAmbiguous);
	const guarded = tree.members.map(([key]) => key.toLowerCase()).filter((key) => GUARDED.includes(key));
	return new Set(guarded).size < guarded.length || tree.members.some(([key, value]) => !OPAQUE.includes(key.toLowerCase()) && isAmbiguous(value));
}

it("refuses a key that a bound rests on and that stands twice, except inside the caller's own data", () => {
	let refused = 0;
	fc.assert(
		fc.property(trees, fc.constantFrom("messages", "input", "metadata"), (tree, field) => {
			const isRefused = scanJson(Buffer.from(`{"model":"m","${field}":${write(tree)}}`)).kind === "refused";
			refused += isRefused ? 1 : 0;
			expect(isRefused).toBe(field !== "metadata" && isAmbiguous(tree));
		}),
		{ numRuns: 5_000 },
	);
	expect(refused).toBeGreaterThan(100);
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
