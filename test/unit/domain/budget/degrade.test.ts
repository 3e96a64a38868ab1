import { describe, expect, test } from "vitest";
import { type DegradeLine, degradedBy, lineAhead, type Serving, servedAsAsked } from "#domain/budget/degrade.ts";

const LINES: readonly DegradeLine[] = [
	{ at: { basisPoints: 8000 }, degradeTo: { dear: "middle" } },
	{ at: { basisPoints: 9000 }, degradeTo: { middle: "cheap" } },
	{ at: { basisPoints: 9500 }, degradeTo: { dear: "free", other: "cheap" } },
];

/** Aliases that serve the call as spend passes one line after the other. */
function path(asked: string, lines = LINES): string[] {
	let serving: Serving = servedAsAsked(asked);
	const served = [asked];
	for (let ahead = lineAhead(lines, "1", serving); ahead !== undefined; ahead = lineAhead(lines, "1", serving)) {
		serving = degradedBy(lines, { budgetId: "1", place: ahead.place }, serving);
		served.push(serving.served);
	}
	return served;
}

describe("lines that degrade", () => {
	test("lead from alias to alias; what the highest says of the alias asked for holds", () => {
		expect(path("dear")).toEqual(["dear", "middle", "cheap", "free"]);
		expect(path("middle")).toEqual(["middle", "cheap"]);
		expect(path("other")).toEqual(["other", "cheap"]);
	});

	test("do not touch a model that they do not name, not even one that every object has", () => {
		for (const alias of ["unnamed", "constructor", "__proto__", "toString"]) expect(path(alias)).toEqual([alias]);
	});

	test("the table of one line may lead on", () => {
		expect(path("a", [{ at: { basisPoints: 1 }, degradeTo: { b: "c", a: "b" } }])).toEqual(["a", "c"]);
	});

	test("a circle that was written past every check ends all the same", () => {
		expect(path("a", [{ at: { basisPoints: 1 }, degradeTo: { a: "b", b: "a" } }])).toHaveLength(2);
	});

	test("each budget has its own place", () => {
		const beyondFirst = degradedBy(LINES, { budgetId: "1", place: 1 }, servedAsAsked("dear"));
		expect(lineAhead(LINES, "1", beyondFirst)?.place).toBe(2);
		expect(lineAhead(LINES, "2", beyondFirst)?.place).toBe(1);
	});
});
