import { describe, expect, it } from "vitest";
import { formatAmount, formatBudgetName, howToAsk } from "#domain/budget/refusal-text.ts";
import { exitCodeOfPasted, pastedWords } from "#test/support/pasted-command.ts";

const rule = (more: object) =>
	({ teamId: "search", dimension: "team", dimensionValue: "", windowKind: "day", unit: "nano_usd", ...more }) as Parameters<typeof formatBudgetName>[0];
const organization = rule({ teamId: null, dimension: "organization", windowKind: "month" });
const command = (text: string): string => text.slice(text.lastIndexOf("npx tollgate"));

it("names a budget as a person would, and gives the command that raises it", () => {
	expect(formatBudgetName(rule({}))).toBe("team search, per day");
	expect(formatBudgetName(rule({ dimension: "user", dimensionValue: "ann", unit: "tokens" }))).toBe("team search, user ann, per day, tokens");
	expect(formatBudgetName(rule({ teamId: null, dimension: "organization", windowKind: "lifetime" }))).toBe("organisation, lifetime");
	expect(howToAsk("search", rule({ dimension: "user", dimensionValue: "ann" }))).toContain(
		"budget increase request --team search --user ann --window day --amount USD --reason WHY",
	);
	expect(howToAsk("search", organization)).toContain("budget increase request --organization --window month --amount USD --reason WHY");
	expect(howToAsk("search", rule({ windowKind: "lifetime" }))).toContain("--window lifetime --amount USD --until DATE --reason WHY");
	expect(howToAsk("search", undefined)).toContain("budget set --team search --limit USD --window day");
});

it("names the ceiling of an agent run by the run, and says how it is raised", () => {
	const ceiling = (unit: string, name: string | undefined = "r-7") => rule({ dimension: "run", dimensionValue: "4711", name, windowKind: "lifetime", unit });
	expect(formatBudgetName(ceiling("nano_usd"))).toBe("run r-7, lifetime");
	expect(formatBudgetName(ceiling("steps"))).toBe("run r-7, lifetime, steps");
	expect(formatBudgetName(ceiling("output_tokens"))).toBe("run r-7, lifetime, output tokens");
	expect(formatBudgetName({ ...ceiling("steps"), name: undefined })).toBe("run 4711, lifetime, steps");
	const raise = (unit: string) => command(howToAsk("search", ceiling(unit)));
	expect(raise("nano_usd")).toBe("npx tollgate run raise r-7 --usd USD --reason WHY");
	expect(raise("steps")).toBe("npx tollgate run raise r-7 --steps STEPS --reason WHY");
	expect(raise("input_tokens")).toBe("npx tollgate run raise r-7 --input-tokens TOKENS --reason WHY");
	expect(raise("output_tokens")).toBe("npx tollgate run raise r-7 --output-tokens TOKENS --reason WHY");
	expect(command(howToAsk("search", ceiling("steps"), "budget.overrun"))).toBe(raise("steps"));
	expect(howToAsk("search", ceiling("steps"), "budget.frozen")).toContain("npx tollgate team unfreeze search");
});

it("says amounts in their unit", () => {
	expect([formatAmount("nano_usd", 1_500_000_000n), formatAmount("tokens", 20n), formatAmount("input_tokens", 20n)]).toEqual([
		"1.50 USD",
		"20 tokens",
		"20 input tokens",
	]);
	expect([formatAmount("steps", 0n), formatAmount("steps", 1n), formatAmount("steps", 2n)]).toEqual(["0 steps", "1 step", "2 steps"]);
});

describe("the command to ask with", () => {
	it("fits the reason: unfreeze what is frozen, set again what is overrun, tokens for a budget in tokens", () => {
		expect(howToAsk("search", rule({}), "budget.frozen")).toContain("npx tollgate team unfreeze search");
		expect(howToAsk("search", organization, "budget.frozen")).toContain("npx tollgate team unfreeze @organization");
		expect(howToAsk("search", rule({}), "budget.overrun")).toMatch(/set it again.*budget set --team search --limit USD --window day/);
		expect(howToAsk("search", rule({ unit: "tokens" }))).toContain("request --team search --unit tokens --window day --amount TOKENS");
		expect(howToAsk("search", undefined, "budget.none")).toContain("budget set --team search --limit USD --window day");
		expect(howToAsk("search", rule({}), "budget.needs_approval")).toBe(
			"Ask an approver, who finds what waits with: npx tollgate budget increase list --team search. If that was rejected or has expired, ask for it again: npx tollgate budget increase request --team search --window day --beyond-line --reason WHY",
		);
		expect(howToAsk("search", undefined, "budget.too_many_windows")).toContain("budget show --team search");
	});

	it("is one that the command line understands, whatever the reason", async () => {
		const ceilings = ["nano_usd", "input_tokens", "output_tokens", "steps"].map((unit) =>
			rule({ dimension: "run", dimensionValue: "4711", name: "r-7", windowKind: "lifetime", unit }),
		);
		const rules = [rule({}), organization, undefined, rule({ dimension: "key", dimensionValue: "key_1", unit: "tokens" }), ...ceilings];
		for (const code of ["budget.exceeded", "budget.none", "budget.frozen", "budget.overrun", "budget.needs_approval", "budget.too_many_windows"] as const)
			for (const refusedBy of rules) expect(await exitCodeOfPasted(command(howToAsk("search", refusedBy, code)))).toBe(3);
	});

	it.each(["Ann Lee; touch x", "$(id)", "a'b", "`id`", "--team", "a\nb"])("carries the name %j as one word and never as a command", (user) => {
		const words = pastedWords(command(howToAsk("search", rule({ dimension: "user", dimensionValue: user }))));
		expect(words.slice(words.indexOf("--user") + 1, words.indexOf("--window"))).toEqual([user]);
	});
});
