import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";
import { addDailySums } from "#test/support/daily-sums.ts";

/** Forecasts and anomalies as an operator asks for them. Features have names as hostile people choose them. */
let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, run, runJson } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));
const dayAgo = (days: number): string => new Date(Math.floor(Date.now() / 86_400_000 - days) * 86_400_000).toISOString().slice(0, 10);
const DEAR_DAYS_AGO = 5;
const HTML = '<img src=x onerror="alert(1)">, "hi"';
const FORMULA = "=1+1";

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	await run("team create search --limit 10000 --window month");
	await run("team create quiet --unlimited");
	await addDailySums(administration.pool, 90, [
		{ teamId: "search", model: "large", feature: HTML, keyId: "key_1", dearDaysAgo: DEAR_DAYS_AGO },
		{ teamId: "search", model: "small", feature: FORMULA, keyId: "key_2" },
	]);
});
afterAll(() => close());

function recordsOf(text: string | undefined): Record<string, string>[] {
	return parse(text ?? "", { columns: true });
}

const dollarsAndCents = (nanoUsd: unknown): string => `${((Number(nanoUsd) + 5_000_000 - ((Number(nanoUsd) + 5_000_000) % 10_000_000)) / 1e9).toFixed(2)} USD`;

describe("forecast", () => {
	test("shows a team's month beside its budget, with the figures of the JSON", async () => {
		const { rows, ...rest } = await runJson("forecast");
		expect(rest).toEqual({ by: "team", leftOut: 0, isComplete: true });
		expect(rows).toMatchObject([{ teamId: "search", month: dayAgo(0).slice(0, 7), budget: { amountNanoUsd: "10000000000000" } }]);
		const [row] = rows;
		expect(await run("forecast")).toBe(0);
		const [heads, line, ...more] = (output[0] ?? "").split("\n").map((text) => text.split(/ {2,}/));
		expect(heads).toEqual(["TEAM", "MONTH", "SPENT", "EXPECTED", "80 % FROM", "TO", "BUDGET", "ABOVE IT", "CROSSED", "EARLY", "NOTE"]);
		expect(line).toEqual([
			...["search", `${row.month} (${row.daysOver}/${row.daysOfMonth})`],
			...[row.knownNanoUsd, row.expectedNanoUsd, row.low80NanoUsd, row.high80NanoUsd].map(dollarsAndCents),
			...["10000.00 USD", `${(row.budget.aboveBasisPoints / 100).toFixed(0)} %`, row.budget.crossedOn ?? "-", row.budget.crossedEarlyOn ?? "-"],
			expect.stringMatching(/^(-|recent change)$/),
		]);
		expect(more).toEqual([]);
	});

	test("a month that is over is what it cost", async () => {
		const month = dayAgo(40).slice(0, 7);
		expect((await runJson(`forecast --month ${month}`)).rows).toMatchObject([{ month, method: "known" }]);
		expect((await runJson(`forecast --as-of ${dayAgo(40)}`)).rows).toMatchObject([{ month, method: "model" }]);
	});

	test("names of features stand as they are in the table and in JSON, and as no formula in CSV", async () => {
		const names = (await runJson("forecast --by feature --team search")).rows.map(({ feature }: { feature: string }) => feature);
		expect(names).toEqual([HTML, FORMULA]);
		expect((await runJson(["forecast", "--by", "feature", "--feature", HTML])).rows).toMatchObject([{ feature: HTML }]);
		expect(await run("forecast --by feature --team search")).toBe(0);
		expect(output[0]).toContain(`search  ${HTML}  `);
		expect(await run("forecast --by feature --team search --csv")).toBe(0);
		expect(recordsOf(output[0]).map(({ feature }) => feature)).toEqual([HTML, `'${FORMULA}`]);
	});

	test("in CSV amounts are exact, and those of the JSON", async () => {
		const [row] = (await runJson("forecast")).rows;
		expect(await run("forecast --csv")).toBe(0);
		const [record, ...more] = recordsOf(output[0]);
		expect(more).toEqual([]);
		for (const name of ["knownNanoUsd", "expectedNanoUsd", "low80NanoUsd", "high80NanoUsd", "low95NanoUsd", "high95NanoUsd"])
			expect([name, record?.[name]]).toEqual([name, row[name]]);
		expect(record).toMatchObject({ teamId: "search", timeZone: "UTC", month: row.month, budgetNanoUsd: "10000000000000", method: "model" });
	});

	test("of a team that spent nothing there is none", async () => {
		expect(await run("forecast --team quiet")).toBe(0);
		expect(output).toEqual(["(none)"]);
	});
});

describe("anomalies", () => {
	test("show the day, what it cost, and what moved", async () => {
		const { rows } = await runJson("anomalies");
		expect(rows).toMatchObject([
			{ teamId: "search", day: dayAgo(DEAR_DAYS_AGO), kind: "spike", cause: { groups: { feature: HTML, model: "large", key: "key_1" } } },
		]);
		const [{ day, since, spentNanoUsd, expectedNanoUsd, cause }] = rows;
		expect(await run("anomalies")).toBe(0);
		const [heads, line, ...more] = (output[0] ?? "").split("\n").map((text) => text.split(/ {2,}/));
		expect(heads).toEqual(["DAY", "TEAM", "KIND", "SINCE", "SPENT", "EXPECTED", "MOVED", "BY", "MOSTLY"]);
		expect(line).toEqual([
			...[day, "search", "spike", since, dollarsAndCents(spentNanoUsd), dollarsAndCents(expectedNanoUsd)],
			...[`feature ${HTML}, model large, key key_1`, dollarsAndCents(cause.excessNanoUsd), "more calls"],
		]);
		expect(more).toEqual([]);
	});

	test("are of the span asked for, its end left out", async () => {
		expect(await run(`anomalies --from ${dayAgo(DEAR_DAYS_AGO)} --to ${dayAgo(DEAR_DAYS_AGO)}`)).toBe(0);
		expect(output).toEqual(["(none)"]);
		expect((await runJson(`anomalies --from ${dayAgo(DEAR_DAYS_AGO)} --to ${dayAgo(DEAR_DAYS_AGO - 1)}`)).rows).toHaveLength(1);
	});

	test("come as CSV, whose movements add up to the excess", async () => {
		expect(await run("anomalies --by feature --csv")).toBe(0);
		const [record, ...more] = recordsOf(output[0]);
		expect(more).toEqual([]);
		expect(record).toMatchObject({ feature: HTML, day: dayAgo(DEAR_DAYS_AGO), kind: "spike", cause_feature: HTML, cause_model: "large", largest: "volume" });
		const movements = ["volume", "mix", "tokensPerCall", "price"].map((name) => BigInt(record?.[`${name}NanoUsd`] ?? "none"));
		expect(movements.reduce((sum, part) => sum + part, 0n).toString()).toBe(record?.["causeExcessNanoUsd"]);
	});
});

test.each([
	["forecast --month 2999-01", 2, /--month: is more than 2 months ahead/],
	["forecast --month 2999-01 --team quiet", 2, /--month: is more than 2 months ahead/],
	["forecast --month 2016-11", 2, /--month: is more than 12 months ago/],
	["forecast --as-of 2016-11-01 --team quiet", 2, /--as-of: is more than 12 months ago/],
	["forecast --as-of 2999-01-01", 2, /--as-of: is not over yet/],
	["forecast --as-of 2026-02-30", 2, /--as-of: "2026-02-30" is no day/],
	["forecast --month 2026-13", 2, /like 2026-11/],
	["forecast --by model", 2, /team, feature/],
	["forecast --feature chat", 2, /--feature: is of by=feature alone/],
	["forecast --team nobody", 1, /There is no team nobody/],
	[`anomalies --from ${dayAgo(1)} --to ${dayAgo(2)}`, 2, /--to: is before from/],
	["anomalies --from 2016-11-01", 2, /--from: is more than 366 days ago/],
	["anomalies --from 2016-11-01 --team quiet", 2, /--from: is more than 366 days ago/],
	["anomalies --to 2016-11-01", 2, /--to: is more than 336 days ago/],
	["anomalies --from yesterday", 2, /like 2026-11-01/],
	["anomalies --by key", 2, /team, feature/],
	["anomalies --feature chat", 2, /--feature: is of by=feature alone/],
	["anomalies --team nobody", 1, /There is no team nobody/],
	["anomalies --colour red", 2, /--colour/],
] as const)("%s is refused", async (words, exitCode, message) => {
	expect(await run(words)).toBe(exitCode);
	expect(errors.join("\n")).toMatch(message);
	expect(output).toEqual([]);
});

test("a team whose name is HTML is not found, and its name is said as it is", async () => {
	expect(await run(["anomalies", "--team", "<b>nobody</b>"])).toBe(1);
	expect(errors.join("\n")).toContain("There is no team <b>nobody</b>");
});
