import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";

/** GET /admin/v1/spend, and what it says to questions that make no sense. */

let administration: TestAdministration;

beforeAll(async () => {
	administration = await openTestAdministration();
	const { pool } = administration;
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search'), ('research')");
	await pool.query("INSERT INTO tollgate.user_name (user_id, name, named_by) VALUES ('u-1', 'Ann', 'ada')");
	await pool.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('g1', 1, 1, 3, '', '')");
	await pool.query(`
		WITH calls (attempt_id, team_id, model, user_id, cost) AS (
			VALUES ('a1', 'search', 'gpt-4o', 'u-1', 300), ('a2', 'search', '=1+1', NULL, 20), ('a3', 'research', '<script>', 'u-2', 1)
		), attempts AS (
			INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, user_id, provider, deployment, protocol, endpoint, model, priced_model,
				priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, output_tokens, window_ids)
			SELECT attempt_id, '2026-11-02T10:30:00Z', now(), 'r', 'g1', 1, team_id, 'key_1', user_id, 'openai', 'openai', 'openai', 'chat.completions', model, model,
				'{standard}', 'settled', cost, 1, cost, 1, 1, now(), 10, 5, '{}' FROM calls
		)
		INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
		SELECT attempt_id, '2026-11-02T10:30:00Z', 'charge', attempt_id, 'g1', 1, 1, 'team/' || team_id, 'provider/openai', cost, 1 FROM calls`);
});
afterAll(() => administration.close());

async function ask(query: string) {
	const answer = await administration.app.inject({ url: `/admin/v1/spend?${query}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	return { status: answer.statusCode, type: answer.headers["content-type"], text: answer.body };
}

const json = async (query: string) => JSON.parse((await ask(query)).text) as Record<string, unknown>;

const MONTH = "from=2026-11-01&to=2026-12-01";

describe("spend", () => {
	test("is by team unless asked otherwise", async () => {
		expect(await json(MONTH)).toEqual({
			by: ["team"],
			per: null,
			rows: [
				{ groups: { team: "search" }, calls: 2, inputTokens: "20", outputTokens: "10", costNanoUsd: "320", unresolvedNanoUsd: "0" },
				{ groups: { team: "research" }, calls: 1, inputTokens: "10", outputTokens: "5", costNanoUsd: "1", unresolvedNanoUsd: "0" },
			],
			totalNanoUsd: "321",
			isComplete: true,
		});
	});

	test("goes by several dimensions and a period, narrowed, with the names of users", async () => {
		expect(await json(`${MONTH}&by=model,user&per=hour&teamId=search`)).toMatchObject({
			by: ["model", "user"],
			per: "hour",
			rows: [
				{ groups: { model: "gpt-4o", user: "u-1" }, userName: "Ann", startsAt: "2026-11-02T10:00:00Z", costNanoUsd: "300" },
				{ groups: { model: "=1+1", user: null }, startsAt: "2026-11-02T10:00:00Z", costNanoUsd: "20" },
			],
		});
		expect(await json(`${MONTH}&per=week`)).toMatchObject({ by: [], rows: [{ groups: {}, startsAt: "2026-11-02T00:00:00Z", costNanoUsd: "321" }] });
		expect(await json(`${MONTH}&userId=u-2&model=%3Cscript%3E`)).toMatchObject({ rows: [{ groups: { team: "research" } }], totalNanoUsd: "1" });
	});

	test("comes as CSV", async () => {
		const { status, type, text } = await ask(`${MONTH}&by=model&teamId=search&format=csv`);
		expect([status, type]).toEqual([200, "text/csv; charset=utf-8"]);
		expect(text.split("\n")).toEqual([
			"model,calls,inputTokens,outputTokens,costNanoUsd,costUsd,unresolvedNanoUsd",
			"gpt-4o,1,10,5,300,0.0000003,0",
			"'=1+1,1,10,5,20,0.00000002,0",
			"",
		]);
	});
});

test.each([
	["by=colour", 422, "by", '"colour" is none of team, feature'],
	["by=team,team", 422, "by", "names a dimension twice"],
	["by=team,user,model,key,run", 422, "by", "names more than 4 dimensions"],
	["by=", 422, "by", '"" is none of'],
	["per=year", 422, "per", ""],
	["format=xml", 422, "format", ""],
	["from=2026-11-02T10:30:00Z", 422, "from", "is not on the hour"],
	["from=2026-12-01&to=2026-11-01", 422, "to", "is before from"],
	["from=2016-11-01&to=2026-11-01", 422, "from", "five years"],
	["teamId=nobody", 404, null, "nobody"],
	["colour=red", 422, "colour", ""],
	["userId=", 422, "userId", ""],
])("%s is refused, naming the field", async (query, status, field, message) => {
	const answer = await ask(query);
	const { error } = JSON.parse(answer.text) as { error: { field: string | null; message: string } };
	expect([answer.status, error.field]).toEqual([status, field]);
	expect(error.message).toContain(message);
});

test.each([
	[{ from: "2026-11-02" }, 503, null, "no Temporal"],
	[{ from: "2026-11-02", to: "2026-11-01" }, 422, "to", "is before 2026-11-02"],
	[{ from: "2016-11-02", to: "2026-11-02" }, 422, "to", "at most 400 days"],
	[{ from: "2199-01-01" }, 422, "to", "has not begun"],
	[{ from: "2026-02-30" }, 422, "from", ""],
	[{}, 422, "from", ""],
	[{ from: "2026-11-02", colour: "red" }, 422, "colour", ""],
])("sums of %j are not made anew here", async (days, status, field, message) => {
	const headers = { authorization: `Bearer ${administration.adminKey}` };
	const answer = await administration.app.inject({ method: "POST", url: "/admin/v1/spend/recounts", headers, payload: days });
	const { error } = JSON.parse(answer.body) as { error: { field: string | null; message: string } };
	expect([answer.statusCode, error.field]).toEqual([status, field]);
	expect(error.message).toContain(message);
});
