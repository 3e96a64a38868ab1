import { expect, test } from "vitest";
import { decideAnswerOutcome } from "#activities/request/decide-outcome.ts";

test.each([
	[200, "settle"],
	[201, "settle"],
	[299, "settle"],
	[300, "charge"],
	[307, "charge"],
	[400, "release"],
	[402, "release"],
	[408, "charge"],
	[429, "release"],
	[499, "release"],
	[500, "release"],
	[501, "charge"],
	[502, "release"],
	[503, "release"],
	[504, "charge"],
	[529, "release"],
	[599, "charge"],
] as const)("a complete answer of status %i: %s", (status, outcome) => {
	expect(decideAnswerOutcome(status, [])).toBe(outcome);
});

test("a status the provider bills is charged, a 2xx never by the table", () => {
	expect(decideAnswerOutcome(400, [400, 500])).toBe("charge");
	expect(decideAnswerOutcome(500, [400, 500])).toBe("charge");
	expect(decideAnswerOutcome(200, [200])).toBe("settle");
});
