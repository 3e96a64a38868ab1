import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

/** Reports as an operator asks for them. Something was booked the day before yesterday, of a model with a hostile name. */
let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, run } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));
const dayAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
const DATE = dayAgo(2);
const MODEL = "<script>alert(1)</script>";

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	await run("team create search --unlimited");
	await run("team create idle --unlimited");
	const { pool } = administration;
	await pool.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('g1', 1, 1, 1, '', '')");
	await pool.query(
		`WITH attempts AS (
			INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, provider, deployment, protocol, endpoint, model, priced_model,
				priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, output_tokens, window_ids)
			VALUES ('a1', $1, now(), 'req_1', 'g1', 1, 'search', 'key_1', 'openai', 'openai', 'openai', 'chat.completions', $2, $2, '{standard}', 'settled', 1500000001, 1, 1500000001, 1, 1, now(), 10, 5, '{}')
		)
		INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
		VALUES ('a1', $1, 'charge', 'a1', 'g1', 1, 1, 'team/search', 'provider/openai', 1500000001, 1)`,
		[`${DATE}T10:30:00Z`, MODEL],
	);
});
afterAll(() => close());

test("a day is reported as Markdown, and given back as it is when it is asked for again", async () => {
	expect(await run(`report daily --date ${DATE}`)).toBe(0);
	expect(output[0]).toContain("# Daily report: the organisation");
	expect(output[0]).toContain("- Spent: **$1.50**");
	expect(output[0]).not.toContain(MODEL);
	expect(errors).toEqual([`Written: daily-${DATE}, edition 1.`]);
	expect(await run(`report daily --date ${DATE}`)).toBe(0);
	expect(errors.join()).toMatch(new RegExp(`^It was written before: daily-${DATE}, edition 1, .* --again writes it anew\\.$`));
	expect(await run(`report daily --date ${DATE} --again`)).toBe(0);
	expect(errors.join()).toMatch(/^Nothing has changed since edition 1/);
});

test("as a page and as data it goes to a file", async () => {
	const [page, data] = ["page.html", "data.json"].map((name) => path.join(home, name));
	expect(await run(`report daily --date ${DATE} --team search --format html --out ${page}`)).toBe(0);
	const html = await readFile(page ?? "", "utf8");
	expect(html).toContain("<h1>Daily report: team search</h1>");
	expect(html).toContain('title="1.500000001 USD">$1.50<');
	expect(html).not.toContain(MODEL);
	expect(await run(`report show daily-${DATE}-search --format json --out ${data}`)).toBe(0);
	expect(JSON.parse(await readFile(data ?? "", "utf8"))).toMatchObject({
		id: `daily-${DATE}-search`,
		spentNanoUsd: "1500000001",
		report: { kind: "daily", teamId: "search" },
	});
	expect(await run(`report show daily-${DATE}-search --out /nowhere/at/all`)).toBe(2);
	expect(errors.join()).toContain("--out: /nowhere/at/all cannot be written");
});

test("those that were written are listed", async () => {
	expect(await run("report list --kind daily")).toBe(0);
	expect(output[0]).toMatch(new RegExp(`daily-${DATE} +the organisation +1\\.500000001 USD +1 .*\\n.*daily-${DATE}-search +search`));
	expect(await run(`report list --team search --before ${DATE}`)).toBe(0);
	expect(output).toEqual(["(none)"]);
	expect(await run("report list --organization --json")).toBe(0);
	expect(JSON.parse(output[0] ?? "")).toEqual([expect.objectContaining({ id: `daily-${DATE}`, teamId: null })]);
});

test("it is told once", async () => {
	expect(await run(`report daily --date ${DATE} --team search --tell`)).toBe(0);
	expect(errors.join("\n")).toContain("Channels are told of it.");
	expect(await run(`report daily --date ${DATE} --team search --tell`)).toBe(0);
	expect(errors.join("\n")).toContain("Channels were told of it before.");
	expect(await run("alerts list --team search")).toBe(0);
	expect(output[0]).toContain("Daily report: team search");
});

test.each([
	[`report daily --date ${dayAgo(0)}`, 2, /--date: the day .* is not finished in UTC/],
	["report daily --date 2999-01-01", 2, /--date: 2999-01-01 is in the future/],
	["report monthly --date november", 2, /--date: "november" is no day like 2026-11-26/],
	[`report daily --date ${dayAgo(30)}`, 2, /--date: the day .* is before the first booking/],
	["report daily --date 2001-01-01", 2, /--date: 2001-01-01 is more than ten years ago/],
	[`report daily --date ${DATE} --team idle`, 2, /--team: nothing was booked for team idle yet/],
	[`report daily --date ${DATE} --team nobody`, 1, /There is no team nobody/],
	["report show daily-2020-01-01", 1, /There is no report daily-2020-01-01\. Write it with: npx tollgate report daily --date 2020-01-01/],
	["report show yesterday", 2, /none like daily-2026-11-26/],
	["report list --before soon", 2, /--before/],
	["report daily --format pdf", 2, /html, markdown, json/],
] as const)("%s is refused", async (words, exitCode, message) => {
	expect(await run(words)).toBe(exitCode);
	expect(errors.join("\n")).toMatch(message);
});

test("the API answers pages, Markdown and data, and needs a key", async () => {
	const ask = (format: string) =>
		administration.app.inject({ url: `/admin/v1/reports/daily-${DATE}?format=${format}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	expect((await ask("html")).headers["content-type"]).toBe("text/html; charset=utf-8");
	expect((await ask("markdown")).headers["content-type"]).toBe("text/markdown; charset=utf-8");
	expect((await ask("json")).json()).toMatchObject({ id: `daily-${DATE}`, report: { sections: expect.any(Array) } });
	expect((await administration.app.inject({ url: `/admin/v1/reports/daily-${DATE}` })).statusCode).toBe(401);
});
