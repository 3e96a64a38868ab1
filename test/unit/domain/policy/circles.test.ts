import { expect, test } from "vitest";
import { findCircles, renderCircle } from "#domain/policy/circles.ts";

function circles(edges: Readonly<Record<string, readonly string[]>>): readonly (readonly string[])[] {
	return findCircles(Object.keys(edges), (name) => edges[name] ?? []);
}

test("a circle is found once, with the way around; a way that ends is none", () => {
	expect(circles({ a: ["b"], b: ["c"], c: ["a"] })).toEqual([["a", "b", "c", "a"]]);
	expect(circles({ a: ["a"] })).toEqual([["a", "a"]]);
	expect(circles({ a: ["b", "c"], b: ["c"], c: [] })).toEqual([]);
	expect(circles({ x: ["a"], a: ["b"], b: ["a"] })).toEqual([["a", "b", "a"]]);
});

test("two circles that share a name are two", () => {
	expect(circles({ a: ["b", "c"], b: ["a"], c: ["a"] })).toEqual([
		["a", "b", "a"],
		["a", "c", "a"],
	]);
});

test("a chain of a hundred thousand names is walked once, and no more than ten circles are told", () => {
	const names = Array.from({ length: 100_000 }, (_, index) => String(index));
	expect(findCircles(names, (name) => [String((Number(name) + 1) % names.length), String(Math.max(0, Number(name) - 1))])).toHaveLength(10);
});

test("a long circle is shown by its beginning", () => {
	expect(renderCircle(["a", "b", "a"])).toBe("a → b → a");
	expect(renderCircle([..."abcdefghijklm", "a"])).toBe("a → b → c → d → e → f → g → … → a");
});
