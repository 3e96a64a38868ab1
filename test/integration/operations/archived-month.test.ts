import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainRequest } from "#activities/administration/explain.ts";
import { archiveMonth, proveArchive } from "#activities/ledger/archive.ts";
import { findArchived } from "#activities/ledger/archive-file.ts";
import { readSpend, type SpendQuestion, type SpendRow } from "#activities/spend/read-spend.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { SPEND_DIMENSIONS } from "#domain/spend/dimensions.ts";
import { openPastMonth } from "#test/support/past-month.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** A past month leaves the database for a file, and every chain is still proven (docs/operations.md). */

const COMMAND_LINE = path.join(import.meta.dirname, "../../../clients/command-line/main.ts");

let ledger: TestLedger;
let month: string;
let file: string;

/** Calls of the month before this one: settled ones in two chunks, one whose cost nobody knows in a third; then one of this month. */
beforeEach(async () => {
	ledger = await TestLedger.open();
	file = path.join(ledger.folder, "month.jsonl");
	const past = await openPastMonth(ledger);
	month = past.month;
	await ledger.settle({ n: 1 }, { n: 2 });
	await ledger.settle({ n: 3, outcome: "unresolved", reserved: 500n });
	await ledger.settle({ n: 4 });
	await ledger.passTime(past.back);
	await ledger.settle({ n: 5 });
	await ledger.sql("SELECT tollgate.anchor_chains()");
});
afterEach(() => ledger.close());

const archive = () => archiveMonth({ databaseUrl: ledger.database.url, month, file, adminName: "ada" });
async function judge(providerLogPath?: string) {
	await ledger.fallSilent();
	return verifyLedger({ databaseUrl: ledger.database.url, providerLogPath });
}
const kindsAndRows = async () => (await judge()).findings.map(({ kind, row }) => `${kind} ${row}`);

describe("archiving a month", () => {
	test("takes its settled calls out, keeps what later entries refer to, and verify holds, with the provider's log too", async () => {
		expect((await judge()).findings).toEqual([]);
		const content = await archive();
		expect(content).toMatchObject({ month, chunks: 2, entries: 3 });
		expect(await ledger.sql("SELECT entry_key FROM tollgate.entry ORDER BY 1")).toEqual([{ entry_key: "g1-1-3" }, { entry_key: "g1-1-5" }]);
		expect(await ledger.sql("SELECT to_regclass($1) AS gone", [`tollgate.attempt_${month.replace("-", "_")}`])).toEqual([{ gone: null }]);

		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 });
		const { report, findings, notes } = await judge(log);
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, entries: 2, unresolved: 1, lost: 0 });
		expect(notes.join()).toContain(`Month ${month} is archived: 3 entries in 2 chunks`);
		expect(await proveArchive(ledger.database.url, file)).toEqual(content);
		expect(await ledger.sql("SELECT subject, admin_name, detail ->> 'action' AS action FROM tollgate.change WHERE kind = 'ledger'")).toEqual([
			{ subject: month, admin_name: "ada", action: "archived" },
		]);
	});

	test("leaves the ledger one that goes on: calls are settled, an unknown cost is resolved, and nothing archived is booked again", async () => {
		await archive();
		await ledger.settle({ n: 6 });
		await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-3', 200, 150, 'test', 'ada')");
		await ledger.settleLate({ n: 1 });
		await ledger.settleLate({ n: 4 });
		const { report, findings } = await judge();
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, unresolved: 0, entries: 4 });
	});

	test("is in the totals of days, also where nobody had counted them before", async () => {
		await archive();
		while ((await ledger.sql<{ counted: number }>("SELECT tollgate.count_spend(1) AS counted"))[0]?.counted !== 0);
		const totals = await ledger.sql("SELECT to_char(day, 'YYYY-MM') = $1 AS is_past, amount_nano_usd::text AS amount FROM tollgate.spend_day ORDER BY day", [
			month,
		]);
		expect(totals).toEqual([
			{ is_past: true, amount: "1100" },
			{ is_past: false, amount: "200" },
		]);
	});

	test("changes nothing for a month that is not over, is none, or is archived already, and a file that exists is not touched", async () => {
		writeFileSync(file, "mine");
		await expect(archive()).rejects.toMatchObject({ code: "EEXIST" });
		expect(readFileSync(file, "utf8")).toBe("mine");
		file = `${file}.2`;
		const current = new Date(Date.now()).toISOString().slice(0, 7);
		await expect(archiveMonth({ databaseUrl: ledger.database.url, month: current, file, adminName: "ada" })).rejects.toThrow("is not over");
		await expect(archiveMonth({ databaseUrl: ledger.database.url, month: "2026-13", file, adminName: "ada" })).rejects.toThrow("is no month");
		expect(existsSync(file)).toBe(false);
		await archive();
		file = `${file}.3`;
		await expect(archive()).rejects.toThrow("archived already");
		expect(await kindsAndRows()).toEqual([]);
	});

	test("takes out nothing when the file is not what the ledger holds", async () => {
		const wrong = "SELECT tollgate.archive_month(($1 || '-01')::date, 2, 3, sha256('another'), '/f', sha256('file'), 'ada')";
		await expect(ledger.sql(wrong, [month])).rejects.toThrow("is not what the ledger holds");
		expect(await ledger.sql("SELECT count(*)::int AS entries FROM tollgate.entry")).toEqual([{ entries: 5 }]);
		expect(await kindsAndRows()).toEqual([]);
	});

	test("refuses a chunk that its hash does not prove", async () => {
		await ledger.sql("UPDATE tollgate.entry SET amount_nano_usd = 1 WHERE entry_key = 'g1-1-4'");
		await expect(archive()).rejects.toThrow("chunk g1/1/3 is not what its hash was taken of");
		expect(existsSync(file)).toBe(false);
		expect(await ledger.sql("SELECT FROM tollgate.chunk WHERE archived_month IS NOT NULL")).toEqual([]);
	});
});

describe("after that, verify finds", () => {
	beforeEach(async () => void (await archive()));

	test.each([
		["a hash of the archived part that was changed", "UPDATE tollgate.chunk SET hash = sha256('x') WHERE chunk_seq = 3", "chain chunk g1/1/4"],
		["an archived chunk that is gone", "DELETE FROM tollgate.chunk WHERE chunk_seq = 3", "chain chunk g1/1/4"],
		[
			"rows that were deleted and called archived",
			"WITH gone AS (DELETE FROM tollgate.entry WHERE entry_key = 'g1-1-5') UPDATE tollgate.chunk SET archived_month = (SELECT month FROM tollgate.archived_month) WHERE chunk_seq = 4",
			"entry entry g1-1-5",
		],
		[
			"a key that was called archived to hide a deleted row",
			"UPDATE tollgate.entry_key SET archived_month = (SELECT month FROM tollgate.archived_month) WHERE entry_key = 'g1-1-5'",
			"entry entry g1-1-5",
		],
		["a key of an archived row that is booked again", "UPDATE tollgate.entry_key SET archived_month = NULL WHERE entry_key = 'g1-1-1'", "entry entry g1-1-1"],
		["a total of the archived part that is gone", "DELETE FROM tollgate.archived_spend", "counter archived month"],
		["a booking of the archived part that was changed", "UPDATE tollgate.archived_booking SET amount = amount - 1", "counter lease g1/1 window"],
	])("%s", async (_name, statement, expected) => {
		await ledger.sql(statement);
		expect((await kindsAndRows()).filter((found) => found.startsWith(expected))).not.toEqual([]);
	});

	test("chunks that were marked beside those of the archive", async () => {
		await ledger.sql("UPDATE tollgate.chunk SET archived_month = (SELECT month FROM tollgate.archived_month) WHERE chunk_seq = 4");
		expect(await kindsAndRows()).toEqual(expect.arrayContaining(["chain chunk g1/1/4", `chain archived month ${month}`]));
	});
});

test("by the command line: archived, proven, and an error in one line with exit code 1", async () => {
	const run = (...words: string[]) =>
		new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
			const env = { PATH: process.env["PATH"], TOLLGATE_HOME: ledger.folder, DATABASE_URL: ledger.database.url, USER: "ada" };
			const child = execFile(process.execPath, [COMMAND_LINE, "ledger", ...words, "--json"], { env }, (_error, stdout, stderr) =>
				resolve({ code: child.exitCode, stdout, stderr }),
			);
		});
	const archived = await run("archive", "--month", month, "--to", file);
	expect([archived.code, archived.stderr]).toEqual([0, ""]);
	expect(JSON.parse(archived.stdout)).toMatchObject({ month, file, chunks: 2, entries: 3 });
	expect((await run("prove", file)).code).toBe(0);
	const explained = await run("explain", file, "r1");
	expect(JSON.parse(explained.stdout)).toMatchObject({ month, file, rows: [{ attempt: { attempt_id: "g1-1-1" } }] });
	expect(await run("explain", file, "r3")).toMatchObject({ code: 1, stderr: `tollgate ledger: ${file} holds no request r3; it holds ${month}\n` });
	const again = await run("archive", "--month", month, "--to", `${file}.2`);
	expect(again).toMatchObject({ code: 1, stdout: "" });
	expect(again.stderr).toMatch(/^tollgate ledger: .*archived already\n$/);
	expect(await ledger.sql("SELECT archived_by FROM tollgate.archived_month")).toEqual([{ archived_by: "ada" }]);
});

test("a file in which one figure was changed, or that ends early, or is another ledger's, proves nothing", async () => {
	await archive();
	const whole = readFileSync(file, "utf8");
	const prove = async (text: string): Promise<string> => {
		writeFileSync(file, text);
		return proveArchive(ledger.database.url, file).then(
			() => "proven",
			(error: Error) => error.message,
		);
	};
	expect(await prove(whole)).toBe("proven");
	expect(await prove(whole.replace(",200,", ",201,"))).toContain("are not what its hash was taken of");
	expect(await prove(whole.split("\n").slice(0, -2).join("\n"))).toBe("the file is not whole");
	expect(await prove(whole.split("\n").toSpliced(1, 1).join("\n"))).toContain("the file says it holds 2 chunks and holds 1");
	await ledger.sql("UPDATE tollgate.archived_month SET digest = sha256('another')");
	expect(await prove(whole)).toContain("not the one that this ledger was archived to");
});

describe("a call of an archived month", () => {
	const explain = (id: string) => explainRequest(ledger.client, id);

	test("is named by explain with the month and the file, where its attempt id is asked for", async () => {
		await archive();
		await expect(explain("g1-1-1")).rejects.toMatchObject({
			code: "admin.not_found",
			message: `Attempt g1-1-1 is archived with ${month}: npx tollgate ledger explain ${file} g1-1-1`,
		});
	});

	test("asked for by its request id: explain says which months are outside of the database, and how to look there", async () => {
		await expect(explain("r1000")).rejects.toMatchObject({ message: expect.not.stringContaining("archived") });
		await archive();
		await expect(explain("r1")).rejects.toMatchObject({ message: expect.stringContaining(`Archived: ${month}: npx tollgate ledger explain ${file} r1`) });
	});

	test("may be one of several attempts of its request: explain shows what is there and says where the rest may be", async () => {
		await ledger.sql("UPDATE tollgate.attempt SET request_id = 'r1', input_tokens = NULL WHERE attempt_id IN ('g1-1-1', 'g1-1-3', 'g1-1-5')"); // nothing to price
		await ledger.sql("UPDATE tollgate.attempt SET request_id = 'r5' WHERE attempt_id = 'g1-1-5'");
		await ledger.passTime("0 seconds"); // sealed anew
		expect((await explain("r1")).archivedMonths).toEqual([]);
		await archive();
		const { attempts, archivedMonths } = await explain("r1");
		expect([attempts.map(({ attemptId }) => attemptId), archivedMonths]).toEqual([["g1-1-3"], [{ month, file }]]);
		expect((await explain("r5")).archivedMonths).toEqual([]);
	});

	test("is read out of the file, by request or attempt, and only where the file proves itself", async () => {
		await archive();
		expect(await findArchived(file, "r2")).toMatchObject({
			month,
			rows: [{ entry: { entry_key: "g1-1-2", amount_nano_usd: 200 }, attempt: { model: "gpt-test" } }],
		});
		expect((await findArchived(file, "g1-1-4")).rows).toHaveLength(1);
		expect((await findArchived(file, "g1-1-5")).rows).toEqual([]);
		writeFileSync(file, readFileSync(file, "utf8").replace(",200,", ",201,"));
		await expect(findArchived(file, "r2")).rejects.toThrow("are not what its hash was taken of");
	});
});

describe("what was spent in an archived month", () => {
	const from = new Date(Date.now() - 400 * 86_400_000).toISOString().slice(0, 10);

	test("stands in spend as before, by every dimension, and by day and team", async () => {
		const questions: Record<string, SpendQuestion> = {
			...Object.fromEntries(SPEND_DIMENSIONS.map((by) => [by, { by: [by], from }])),
			untilThisMonth: { by: ["team"], from, to: `${new Date(Date.now()).toISOString().slice(0, 7)}-01` },
			byDay: { by: ["team"], per: "day", from },
			ofAnother: { by: ["team"], from, only: { team: "other" } },
			ofThisMonth: { by: ["team"] },
		};
		const ask = async () => {
			const answers: Record<string, readonly SpendRow[]> = {};
			for (const [name, question] of Object.entries(questions)) answers[name] = (await readSpend(ledger.client, question)).rows;
			return answers;
		};
		await ledger.sql("UPDATE tollgate.attempt SET user_id = 'u' || (right(attempt_id, 1)::int % 2), feature = CASE attempt_id WHEN 'g1-1-4' THEN 'chat' END");
		await ledger.passTime("0 seconds"); // sealed anew
		const before = await ask();
		await archive();
		expect(await ask()).toEqual(before);
		const figures = { calls: 5, inputTokens: "500", outputTokens: "250", costNanoUsd: "1300", unresolvedNanoUsd: "500" };
		expect(before["team"]).toEqual([{ groups: { team: "demo" }, ...figures }]);
		expect([before["user"]?.length, before["byDay"]?.length]).toEqual([2, 2]);
	});

	test("is known by hours as before, and verify finds a sum that was changed", async () => {
		await archive();
		const total = async (start: string, end: string) => {
			const { rows } = await readSpend(ledger.client, { by: ["team"], from: `${month}-${start}:00:00Z`, to: `${month}-${end}:00:00Z` });
			return rows.map(({ costNanoUsd }) => costNanoUsd);
		};
		expect([await total("01T05", "11T00"), await total("11T00", "11T01"), await total("11T01", "28T23")]).toEqual([[], ["1100"], []]);
		expect(await kindsAndRows()).toEqual([]);
		await ledger.sql(
			"UPDATE tollgate.spend_detail_hour SET amount_nano_usd = amount_nano_usd + 1 WHERE starts_at < date_trunc('month', clock_timestamp(), 'UTC')",
		);
		expect((await kindsAndRows()).map((found) => found.slice(0, 50))).toContain(`counter spend_detail_hour ${month}-11T00:00Z (team/demo`.slice(0, 50));
	});

	test("counts in the opening balance of a new budget as if it were still there, and once where it was reserved", async () => {
		await ledger.sql("UPDATE tollgate.attempt SET feature = 'chat' WHERE attempt_id = 'g1-1-4'");
		await ledger.passTime("0 seconds"); // sealed anew
		const definitions = [
			{ dimension: "team", dimensionValue: "", unit: "tokens", windowKind: "lifetime" },
			{ dimension: "feature", dimensionValue: "chat", unit: "nano_usd", windowKind: "lifetime" },
			{ dimension: "model", dimensionValue: "gpt-test", unit: "nano_usd", windowKind: "month" },
			{ dimension: "provider", dimensionValue: "openai", unit: "nano_usd", windowKind: "lifetime" },
			{ dimension: "user", dimensionValue: "nobody", unit: "nano_usd", windowKind: "lifetime" },
		];
		const openings = async (revision: number) => {
			const found: string[] = [];
			for (const definition of definitions) {
				const budget = {
					...definition,
					timeZone: "UTC",
					limitAmount: String(1_000_000 + revision),
					weekStart: 1,
					fiscalYearStart: 1,
					mode: "enforce",
					thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }],
				};
				const [made] = await ledger.sql<{ id: string }>("SELECT tollgate.write_budget('demo', $1, 'ada', $2) AS id", [revision, budget]);
				const [window] = await ledger.sql<{ granted: string }>("SELECT granted FROM tollgate.budget_window WHERE budget_id = $1", [made?.id]);
				found.push(window?.granted ?? "none");
				expect(await ledger.sql("SELECT tollgate.remove_budget('demo', $1, 'ada', $2) AS done", [revision + 1, definition])).toEqual([{ done: true }]);
			}
			return found;
		};
		const before = await openings(2);
		expect(before).toEqual(["750", "200", "200", "1300", "0"]);
		await archive();
		expect(await openings(4)).toEqual(before);
		expect(await ledger.sql("SELECT tollgate.booked_outside($1) AS outside", [ledger.windowId])).toEqual([{ outside: "0" }]);
		expect((await judge()).findings).toEqual([]);
	});
});
