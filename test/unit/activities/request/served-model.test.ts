import { expect, test } from "vitest";
import { asDegraded, degradedRecord } from "#activities/request/served-model.ts";
import { servedAsAsked } from "#domain/budget/degrade.ts";

const BEYOND = { budgetId: "7", place: 1, windowId: "9", seq: "3", lineAmount: 500n, granted: 450n, idle: 30n, need: 81n };
const budgetWith = (degradeTo: Readonly<Record<string, string>>) =>
	({
		budgetId: "7",
		teamId: "t",
		dimension: "team",
		dimensionValue: "",
		unit: "nano_usd",
		windowKind: "day",
		degrade: [{ at: { amount: "500" }, degradeTo }],
	}) as const;

function degrade(degradeTo: Readonly<Record<string, string>>) {
	const admission = asDegraded([budgetWith(degradeTo)], BEYOND, { model: "dear" });
	return admission.kind === "refused" ? admission.servedAs : undefined;
}

test("a call that a line degraded is kept with the alias asked for and the line's numbers as text", () => {
	expect(degradedRecord(degrade({ dear: "cheap" }))).toEqual({
		askedModel: "dear",
		by: { budgetId: "7", place: 1, windowId: "9", windowSeq: "3", lineAmount: "500", granted: "450", idle: "30", need: "81" },
	});
});

test("a call that is served as asked has nothing to keep", () => {
	expect(degradedRecord(undefined)).toBeUndefined();
	expect(degradedRecord(servedAsAsked("dear"))).toBeUndefined();
	expect(degradedRecord(degrade({ other: "cheap" }))).toBeUndefined();
});
