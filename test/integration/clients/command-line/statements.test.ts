import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MonthLedger } from "#test/support/chargeback.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

let home: string;
let folder: string;
let close: () => Promise<void>;
const { output, errors, run } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	const opened = await openCommandLineHome();
	({ home, close } = opened);
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-statements-"));
	const { databaseUrl, pool } = opened.administration;
	const ledger = MonthLedger.over(databaseUrl, pool);
	await ledger.teams("ads", "core");
	await ledger.rules({ pools: [{ name: "platform", of: { team: "core" }, split: "even", among: null, shares: {} }], marginBasisPoints: 1_000 });
	const [key = ""] = await ledger.book([
		{ at: "2026-08-05T12:00Z", account: "team/ads", cost: 5_000n, isUnresolved: true },
		{ at: "2026-09-05T12:00Z", account: "team/ads", cost: 600n, feature: "chat", user: "ann" },
		{ at: "2026-09-06T12:00Z", account: "team/core", cost: 100n },
	]);
	await ledger.adjust(key, "2026-09-07T12:00Z", -50n);
	await ledger.closeMonth("2026-09");
});
afterAll(async () => {
	await close();
	await rm(folder, { recursive: true });
});
const fileOf = (name: string) => path.join(folder, name);

describe("statements", () => {
	test("are listed, shown by team and line, and exported", async () => {
		expect(await run("statement list")).toBe(0);
		expect(output[0]).toMatch(/2026-09 +closed +2 +0.00000065 USD +0.000000065 USD +0.000000715 USD/);
		expect(await run("statement show 2026-09 --team ads")).toBe(0);
		expect(output[0]).toMatch(/usage +chat +ann +gpt-test/);
		expect(output[0]).toMatch(/adjustment .*2026-08 .*-0.00000005 USD/);
		expect(output[0]).toMatch(/share .*platform .*0.0000001 USD/);
		expect(await run(`statement export 2026-09 --file ${fileOf("september.csv")}`)).toBe(0);
		const lines = (await readFile(fileOf("september.csv"), "utf8")).trim().split("\n");
		expect(lines.map((line) => line.split(",").slice(1, 4).join(" "))).toEqual([
			...["team line kind", "ads 1 usage", "ads 2 adjustment", "ads 3 share", "ads 4 margin", "core 1 usage", "core 2 pooled"],
		]);
		expect(await run("statement export 2026-09 --team core --format json")).toBe(0);
		expect(output.join("\n").split("\n")).toHaveLength(2);
	});

	test.each([
		["statement show 2026-9", 2, '"2026-9" is no month like 2026-10'],
		["statement show 2026-02", 1, "Month 2026-02 has no statements"],
		["statement export 2026-02 --file none.csv", 1, "Month 2026-02 has no statements"],
		["statement close 2026-09", 1, "month 2026-09 is closed since"],
		["statement close 2098-01", 2, "2098-01 is not over"],
		["statement approve 2026-09", 2, "--reason"],
		["statement rules --file nothing.yaml", 2, "nothing.yaml does not exist"],
	])("%s says what is wrong", async (line, code, words) => {
		expect(await run(line)).toBe(code);
		expect(errors.join("\n")).toContain(words);
	});

	test("rules are set from a file and shown", async () => {
		await writeFile(fileOf("rules.yaml"), "approval: none\npools:\n  - name: platform\n    of: { team: core }\n    split: fixed\n    shares: { ads: 10000 }\n");
		expect(await run(`statement rules --file ${fileOf("rules.yaml")}`)).toBe(0);
		expect(await run("statement rules")).toBe(0);
		expect(output[0]).toMatch(/^Revision 2, set by .*[\s\S]*"approval": "none"/);
	});
});

describe("FOCUS", () => {
	test.each(["csv", "parquet"])("a file in %s is exported and valid", async (format) => {
		expect(await run(`focus export --from 2026-09-01 --to 2026-10-01 --file ${fileOf(`september.${format}`)}`)).toBe(0);
		expect(output[0]).toContain(`3 rows of 30 days`);
		expect(await run(`focus validate ${fileOf(`september.${format}`)}`)).toBe(0);
		expect(output[0]).toContain("3 rows, as FOCUS 1.2 asks");
	});

	test("a file with a missing column and a wrong value is told so, with column and row", async () => {
		const text = (await readFile(fileOf("september.csv"), "utf8")).replace("ListCost", "x_ListCost").replace(",USD,", ",dollars,");
		await writeFile(fileOf("wrong.csv"), text);
		expect(await run(`focus validate ${fileOf("wrong.csv")}`)).toBe(1);
		expect(output[0]).toMatch(/2 problems\n[\s\S]*- +ListCost +is mandatory and missing\n1 +BillingCurrency +is "dollars"/);
	});

	test.each([
		["focus validate nothing.csv", 2, "ENOENT"],
		["focus export --from 2026-10-01 --to 2026-09-01 --file x.csv", 2, "--to must be after --from"],
		["focus export --from 2026-02-30 --to 2026-09-01 --file x.csv", 2, "--from"],
		["focus export --from 2016-01-01 --to 2026-09-01 --file x.csv", 2, "ask for 400 at most"],
	])("%s says what is wrong", async (line, code, words) => {
		expect(await run(line)).toBe(code);
		expect(errors.join("\n")).toContain(words);
	});
});
