import { expect, test } from "vitest";
import { describeMeasured, limitName, readLimitName } from "#domain/limits/limit-name.ts";

test.each([
	[{ measure: "requests", dimension: "user", limit: 60 }, undefined, "requests; dimension=user; limit=60"],
	[{ measure: "requests", dimension: "key", limit: 1 }, "throttle", "requests; dimension=key; limit=1; throttle"],
	[{ measure: "cost_nano_usd", dimension: "feature", limit: 250_000_000n }, "cap", "cost_nano_usd; dimension=feature; limit=250000000; cap"],
] as const)("%o is read back from its name", (limit, mark, name) => {
	expect(limitName(limit, mark)).toBe(name);
	expect(readLimitName(name)).toEqual({ ...limit, limit: BigInt(limit.limit), mark });
});

test.each(["", "requests", "requests; dimension=user; limit=-1", "toString; dimension=user; limit=1", "requests; dimension=user; limit=1; other"])(
	"%o is no name of a limit",
	(name) => expect(readLimitName(name)).toBeUndefined(),
);

test("amounts are said in the unit of the measure", () => {
	expect(describeMeasured("in_flight", 4n)).toBe("4 calls at a time");
	expect(describeMeasured("cost_nano_usd", 250_000_000n)).toBe("0.25 USD per call");
});
