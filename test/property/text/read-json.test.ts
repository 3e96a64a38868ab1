import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import { readJson } from "#domain/text/read-json.ts";

/** JSON as text is written: every key with the escapes it is given. */
type Tree = null | boolean | number | string | readonly Tree[] | { readonly members: readonly (readonly [key: Key, value: Tree])[] };
/** Units of a key, each plain (where JSON allows it), in its short escape (where there is one) or in four digits. */
type Key = readonly { readonly unit: string; readonly form: "plain" | "short" | "digits" }[];

const SHORT: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t" };

// Few and telling units: those of which keys in escapes are made too, so that one key begins as another is written.
const units = fc.oneof(
	fc.constantFrom("\\", "n", "u", "0", "6", "e", "\n", '"', "/", "a", ":", "{", "é", "\u2028", "\ud83d", "\u0000"),
	fc.string({ unit: "binary" }),
);
const keys: fc.Arbitrary<Key> = fc.oneof(
	{ weight: 9, arbitrary: fc.array(fc.record({ unit: units, form: fc.constantFrom("plain", "plain", "short", "digits") }), { maxLength: 4 }) },
	{ weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "1", "n").map((name) => [{ unit: name, form: "plain" } as const]) },
);
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
	tree: fc.oneof(
		{ depthSize: "medium", maxDepth: 4 },
		fc.oneof(fc.constantFrom(null, true, false, -0, 1e300, 0.5, -12), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string({ unit: "binary" })),
		fc.array(tie("tree"), { maxLength: 3 }),
		fc.array(fc.tuple(keys, tie("tree")), { maxLength: 4 }).map((members) => ({ members })),
	),
})).tree;
const bodies = fc.array(fc.tuple(keys, trees), { minLength: 1, maxLength: 4 }).map((members): Tree => ({ members }));

function writeKey(key: Key): string {
	return `"${key.flatMap(({ unit, form }) => unit.split("").map((each) => writeUnit(each, form))).join("")}"`;
}

function writeUnit(unit: string, form: Key[number]["form"]): string {
	const short = SHORT[unit];
	if (short !== undefined && (form === "short" || (form === "plain" && unit !== "/"))) return `\\${short}`;
	const isPlain = form === "plain" && unit >= " " && short !== "\\";
	return isPlain || (form === "short" && unit >= " ") ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function write(tree: Tree, nameOf: (key: Key) => string): string {
	if (typeof tree === "object" && tree !== null) {
		if ("members" in tree) return `{ ${tree.members.map(([key, value]) => `${nameOf(key)} :${write(value, nameOf)}`).join(",")}\n}`;
		return `[${tree.map((item) => write(item, nameOf)).join(" ,\t")}]`;
	}
	return Object.is(tree, -0) ? "-0" : JSON.stringify(tree);
}

/** A key that is as long as this one and begins as this one is written: what the runtime's parser takes it for. */
function writeLure(key: Key): string {
	const length = key.reduce((sum, { unit }) => sum + unit.length, 0);
	return JSON.stringify(writeKey(key).slice(1, length + 1));
}

/** What a text says, read the plain way: one pattern a token. For valid JSON alone. */
function parseSlowly(text: string): unknown {
	const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/gs)].map(([token]) => token);
	let at = 0;
	const value = (): unknown => {
		const token = tokens[at++] ?? "";
		if (token === "[") return list("]", value);
		if (token === "{") return fromMembers(list("}", member));
		if (token.startsWith('"')) return unquote(token);
		if (token === "null") return null;
		return token === "true" || token === "false" ? token === "true" : Number(token);
	};
	const member = (): [string, unknown] => {
		const name = unquote(tokens[at] ?? "");
		at += 2;
		return [name, value()];
	};
	function list<Item>(end: string, read: () => Item): Item[] {
		const items: Item[] = [];
		while (tokens[at] !== end) {
			if (tokens[at] === ",") at += 1;
			items.push(read());
		}
		at += 1;
		return items;
	}
	return value();
}

/** `Object.fromEntries` defines, so that `__proto__` is a key like any other; of a doubled one the last counts. */
const fromMembers = (members: [string, unknown][]): unknown => Object.fromEntries(members);

function unquote(token: string): string {
	const unescaped: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
	return token
		.slice(1, -1)
		.replace(/\\(?:u(.{4})|(.))/gs, (_all, digits?: string, plain = "") =>
			digits === undefined ? (unescaped[plain] ?? plain) : String.fromCharCode(parseInt(digits, 16)),
		);
}

it("reads what is written, whatever was parsed before", () => {
	fc.assert(
		fc.property(bodies, fc.array(bodies, { maxLength: 2 }), (body, earlier) => {
			for (const other of earlier) JSON.parse(write(other, writeKey));
			JSON.parse(write(body, writeLure));
			const text = write(body, writeKey);
			const [read, meant] = [readJson(text), parseSlowly(text)];
			// The order of keys too, and what JSON.stringify does not write: -0.
			expect(JSON.stringify(read)).toBe(JSON.stringify(meant));
			expect(isDeepStrictEqual(read, meant)).toBe(true);
		}),
		{ numRuns: 2_000 },
	);
});

it("takes for JSON what the runtime's parser takes for it, and nothing else", () => {
	fc.assert(
		fc.property(bodies, fc.nat(), fc.constantFrom("", '"', "\\", "{", "}", "[", "]", ":", ",", "1", "-", ".", "\n", "x", " "), (body, place, put) => {
			const whole = write(body, writeKey);
			const at = place % whole.length;
			const text = whole.slice(0, at) + put + whole.slice(at + 1);
			expect(isRefusedBy(readJson, text)).toBe(isRefusedBy(JSON.parse, text));
		}),
		{ numRuns: 2_000 },
	);
});

function isRefusedBy(parse: (text: string) => unknown, text: string): boolean {
	try {
		parse(text);
		return false;
	} catch (error) {
		if (error instanceof SyntaxError) return true;
		throw error;
	}
}
