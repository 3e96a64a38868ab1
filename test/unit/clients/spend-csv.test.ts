import { expect, test } from "vitest";
import { spendToCsv } from "#clients/spend-csv.ts";

const FIGURES = { calls: 2, inputTokens: "10", outputTokens: "5", costNanoUsd: "1500000000", unresolvedNanoUsd: "0" };

test("a line of names, period and dimensions in the order asked for, amounts in both units", () => {
	const report = {
		by: ["model" as const, "user" as const],
		per: "day" as const,
		rows: [
			{ groups: { model: "gpt-4o", user: "u-1" }, userName: "Ann", startsAt: "2026-11-01T00:00:00Z", ...FIGURES },
			{ groups: { model: null, user: null }, startsAt: "2026-11-02T00:00:00Z", ...FIGURES, costNanoUsd: "-1" },
		],
		totalNanoUsd: "1499999999",
		isComplete: true,
	};
	expect(spendToCsv(report).split("\n")).toEqual([
		"startsAt,model,user,userName,calls,inputTokens,outputTokens,costNanoUsd,costUsd,unresolvedNanoUsd",
		"2026-11-01T00:00:00Z,gpt-4o,u-1,Ann,2,10,5,1500000000,1.50,0",
		"2026-11-02T00:00:00Z,,,,2,10,5,-1,-0.000000001,0",
		"",
	]);
});

test("names with commas, quotes and line breaks stay one field, and no name is taken for a formula", () => {
	const names = ['a,"b"', "two\nlines", '=HYPERLINK("http://x")', "-1", "@sum", "<b>bold</b>"];
	const rows = names.map((feature) => ({ groups: { feature }, ...FIGURES }));
	const csv = spendToCsv({ by: ["feature"], per: null, rows, totalNanoUsd: "0", isComplete: true });
	expect(csv).toContain('"a,""b""",2');
	expect(csv).toContain('"two\nlines",2');
	expect(csv).toContain(`"'=HYPERLINK(""http://x"")",2`);
	expect(csv).toContain("\n'-1,2");
	expect(csv).toContain("\n'@sum,2");
	expect(csv).toContain("\n<b>bold</b>,2");
});
