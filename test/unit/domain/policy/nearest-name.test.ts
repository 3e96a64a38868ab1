import { expect, test } from "vitest";
import { createSuggest, nearestName } from "#domain/policy/nearest-name.ts";

const FIELDS = ["limitUsd", "window", "mode", "model", "thresholds"];

test.each([
	["limitusd", "limitUsd"],
	["limtUsd", "limitUsd"],
	["widnow", "window"],
	["moddel", "model"],
	["treshold", "thresholds"],
])("%s was meant as %s", (written, meant) => {
	expect(nearestName(written, FIELDS)).toBe(meant);
});

test("what is like nothing, or very long, was meant as nothing", () => {
	for (const written of ["", "colour", "x".repeat(41)]) expect(nearestName(written, FIELDS)).toBeUndefined();
});

test("after a hundred unknown names nothing more is suggested", () => {
	const suggest = createSuggest();
	for (let name = 0; name < 100; name += 1) expect(suggest("moddel", FIELDS)).toBe("; did you mean model?");
	expect(suggest("moddel", FIELDS)).toBe("");
});
