import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";

/** GET /admin/v1/audit: what it recommends of calls that are in the books, and what it says to questions that make no sense. */

let administration: TestAdministration;
const DAY_MS = 86_400_000;
const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const dayAgo = (days: number): string => new Date(today - days * DAY_MS).toISOString().slice(0, 10);

beforeAll(async () => {
	administration = await openTestAdministration();
	const { pool } = administration;
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search'), ('research')");
	await pool.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('g1', 1, 1, 640, '', '')");
	// Each day for 5 days: 40 labels and 20 calls of tools of one feature at a dear model, 40 labels of another at one that has no cheaper, 28 without a kind.
	await pool.query(
		`WITH calls AS (
			SELECT row_number() OVER () AS n, at, team_id, feature, model, kind
			FROM generate_series(1, 5) d CROSS JOIN LATERAL (SELECT $1::date::timestamp AT TIME ZONE 'UTC' - d * interval '1 day' + interval '10 hours' AS at) t
			CROSS JOIN (VALUES ('search', 'tagging', 'gpt-4.1', 'classification', 40), ('search', 'tagging', 'gpt-4.1', 'tools', 20), ('research', '<b>', 'gpt-4.1-nano', 'classification', 40), ('search', NULL, 'gpt-4.1', NULL, 28))
			  v (team_id, feature, model, kind, calls)
			CROSS JOIN LATERAL generate_series(1, v.calls) c
		), attempts AS (
			INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, feature, provider, deployment, protocol, endpoint, model, priced_model,
				priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, cached_input_tokens, output_tokens, window_ids, task_kind)
			SELECT 'a' || n, at, at, 'r', 'g1', 1, team_id, 'key_1', feature, 'openai', 'openai', 'openai', 'chat.completions', model, model,
				'{standard}', 'settled', 2080000, 1, 2080000, 1, 1, at, 1000, 0, 10, '{}', kind FROM calls
		)
		INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
		SELECT 'a' || n, at, 'charge', 'a' || n, 'g1', 1, 1, 'team/' || team_id, 'provider/openai', 2080000, 1 FROM calls`,
		[dayAgo(0)],
	);
	for (const file of readSeedFiles(path.join(import.meta.dirname, "../../../config/prices"))) await loadPriceFile(pool, file, "seed", "test");
});
afterAll(() => administration.close());

async function ask(query: string) {
	const answer = await administration.app.inject({ url: `/admin/v1/audit?${query}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	return { status: answer.statusCode, type: answer.headers["content-type"], text: answer.body };
}
const json = async (query: string) => JSON.parse((await ask(query)).text) as { uses: Record<string, unknown>[]; monthlySavingNanoUsd: string };

describe("the audit", () => {
	test("recommends a cheaper model for the simple calls of a feature, and says what they are", async () => {
		const { uses, monthlySavingNanoUsd } = await json(`from=${dayAgo(5)}`);
		expect(uses[0]).toMatchObject({
			...{ teamId: "search", feature: "tagging", model: "gpt-4.1", calls: 300, simpleCalls: 200 },
			kinds: [
				{ taskKind: "classification", isSimple: true, calls: 200, inputTokens: "200000", outputTokens: "2000", costNanoUsd: "416000000" },
				{ taskKind: "tools", isSimple: false, calls: 100 },
			],
			cheaper: {
				...{ model: "gpt-4.1-mini", chosenBy: "table", costNanoUsd: "416000000", cheaperNanoUsd: "83200000", savedNanoUsd: "332800000" },
				...{ monthly: { expectedNanoUsd: "1996800000" }, retryShareMax: 0.8, isRecommended: true },
			},
		});
		expect(monthlySavingNanoUsd).toBe("1996800000");
	});

	test("names what has no cheaper model, and recommends nothing where no call is known to be simple", async () => {
		const { uses } = await json(`from=${dayAgo(5)}`);
		const nano = uses.find(({ model }) => model === "gpt-4.1-nano");
		expect([nano?.["simpleCalls"], nano?.["cheaper"]]).toEqual([200, undefined]);
		expect(uses.find(({ feature }) => feature === null)).toMatchObject({
			calls: 140,
			simpleCalls: 0,
			kinds: [{ taskKind: null }],
			cheaper: { isRecommended: false },
		});
	});

	test("takes degrade lines of budgets before its own table, and what the question names before both", async () => {
		const { pool } = administration;
		await pool.query(`INSERT INTO tollgate.budget (team_id, dimension, window_kind, limit_amount, thresholds)
			VALUES ('search', 'team', 'day', 1000, '[{"action": "degrade", "at": {"basisPoints": 9000}, "degradeTo": {"gpt-4.1": "gpt-4.1-nano"}}]')`);
		const chosen = async (query = "") => (await json(`from=${dayAgo(5)}&teamId=search&feature=tagging${query}`)).uses.map(({ cheaper }) => cheaper);
		expect(await chosen()).toMatchObject([{ model: "gpt-4.1-nano", chosenBy: "policy", cheaperNanoUsd: "20800000" }]);
		expect(await chosen("&cheaper=gpt-4.1%3Dgpt-4.1-mini")).toMatchObject([{ model: "gpt-4.1-mini", chosenBy: "asked" }]);
		// One that is not priced is none.
		expect(await chosen("&cheaper=gpt-4.1%3Dno-such-model")).toMatchObject([{ model: "gpt-4.1-nano", chosenBy: "policy" }]);
		await pool.query("DELETE FROM tollgate.budget");
	});

	test("is CSV where that is asked for", async () => {
		const { type, text } = await ask(`from=${dayAgo(5)}&teamId=search&feature=tagging&format=csv`);
		expect(type).toContain("text/csv");
		expect(text).toContain("search,tagging,openai,gpt-4.1,300,200,gpt-4.1-mini,table,416000000,83200000,332800000,1996800000");
	});

	test.each([
		["from=tomorrow", "from"],
		[`from=${dayAgo(1)}&to=${dayAgo(3)}`, "from"],
		[`from=${dayAgo(1)}&to=${dayAgo(1)}`, "from"],
		[`to=${dayAgo(-1)}`, "to"],
		["from=2016-11-01", "from"],
		["from=2026-02-30", "from"],
		["cheaper=gpt-4.1", "cheaper"],
		["by=team", ""],
	])("says what is wrong with %s", async (query, field) => {
		const { status, text } = await ask(query);
		expect([status, (JSON.parse(text) as { error: { code: string } }).error.code]).toEqual([422, "admin.invalid"]);
		expect(text).toContain(field);
	});

	test("is in the reports of the organisation and of the team", async () => {
		const headers = { authorization: `Bearer ${administration.adminKey}` };
		for (const of of [{}, { teamId: "search" }]) {
			const made = await administration.app.inject({ method: "POST", url: "/admin/v1/reports", headers, payload: { kind: "daily", ...of } });
			const { id } = JSON.parse(made.body) as { id: string };
			const page = await administration.app.inject({ url: `/admin/v1/reports/${id}?format=markdown`, headers });
			expect(page.body).toContain("Dear models for simple work");
			expect(page.body).toMatch(/tagging .*gpt-4\\?\.1 .*gpt-4\\?\.1\\?-mini/);
		}
	});

	test("knows no other teams", async () => {
		expect((await ask("teamId=elsewhere")).status).toBe(404);
	});
});
