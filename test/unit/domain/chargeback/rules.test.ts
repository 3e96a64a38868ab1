import { describe, expect, test } from "vitest";
import { type ChargebackRules, checkRules, DEFAULT_RULES, type SharedPool } from "#domain/chargeback/rules.ts";

const pool = (of: Partial<SharedPool>): SharedPool => ({ name: "platform", of: { team: "platform" }, split: "even", among: null, shares: {}, ...of });
const problems = (of: Partial<ChargebackRules>) => checkRules({ ...DEFAULT_RULES, ...of }).map(({ field, problem }) => `${field} ${problem}`);

describe("rules that make no sense", () => {
	test.each<[string, Partial<ChargebackRules>, string]>([
		["an unknown zone", { timeZone: "Mars/Olympus" }, "timeZone must be the IANA name"],
		["a zone between the hours", { timeZone: "Asia/Kolkata" }, "timeZone must be whole hours from UTC"],
		["a zone between the hours in summer alone", { timeZone: "Australia/Lord_Howe" }, "timeZone must be whole hours from UTC"],
		["a pool named twice", { pools: [pool({}), pool({})] }, 'pools names "platform" twice'],
		["a pool of everything", { pools: [pool({ of: {} })] }, "pools.0.of must name at least one of team"],
		["a pool that has the name of what nobody stands for", { pools: [pool({ name: "unattributed" })] }, 'pools "unattributed" is the name'],
		[
			"fixed shares that are not the whole",
			{ pools: [pool({ split: "fixed", shares: { a: 6_000, b: 3_999 } })] },
			"pools.0.shares must be 10000 basis points together, not 9999",
		],
		["fixed shares among others", { pools: [pool({ split: "fixed", shares: { a: 10_000 }, among: ["b"] })] }, 'pools.0.among is not of split "fixed"'],
		["shares of an even split", { unattributed: { split: "even", among: null, shares: { a: 1 } } }, 'unattributed.shares are of split "fixed" alone'],
		["a split among nobody", { pools: [pool({ among: [] })] }, "pools.0.among must name at least one team"],
		["a margin of nobody", { margins: { "@unknown": 5 } }, 'body names "@unknown", which is no team'],
	])("%s", (_name, rules, problem) => {
		expect(problems(rules)).toEqual([expect.stringContaining(problem)]);
	});

	test.each(["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"])("%s is a calendar that can be served", (timeZone) => {
		expect(problems({ timeZone })).toEqual([]);
	});
});
