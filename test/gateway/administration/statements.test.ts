import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { MonthLedger } from "#test/support/chargeback.ts";

/** /admin/v1/statements and /admin/v1/chargeback-rules over drafts in PostgreSQL; workflows of months are away. */

let administration: TestAdministration;
let ledger: MonthLedger;

beforeAll(async () => {
	administration = await openTestAdministration();
	ledger = MonthLedger.over(administration.databaseUrl, administration.pool);
	await ledger.teams("ads", "core");
	await ledger.book([
		{ at: "2026-09-05T12:00Z", account: "team/ads", cost: 600n, feature: "=1+1", user: "<b>ann</b>" },
		{ at: "2026-09-05T12:00Z", account: "team/core", cost: 100n },
	]);
	await ledger.closeMonth("2026-09");
});
afterAll(() => administration.close());

async function ask(method: "GET" | "POST" | "PUT", path: string, body?: object) {
	const headers = { authorization: `Bearer ${administration.adminKey}` };
	const answer = await administration.app.inject({ method, url: `/admin/v1${path}`, headers, ...(body !== undefined && { payload: body }) });
	return { status: answer.statusCode, type: answer.headers["content-type"], text: answer.body };
}
const json = async (method: "GET" | "POST" | "PUT", path: string, body?: object) => JSON.parse((await ask(method, path, body)).text) as Record<string, unknown>;

describe("a closed month", () => {
	test("is listed and read with its statements", async () => {
		const month = { month: "2026-09", state: "closed", teams: 2, costNanoUsd: "700", marginNanoUsd: "0", chargeNanoUsd: "700", draft: 1, decidedBy: null };
		expect(await json("GET", "/statements")).toMatchObject({ months: [month] });
		expect(await json("GET", "/statements/2026-09")).toMatchObject({
			month,
			statements: [
				{ teamId: "ads", calls: "1", inputTokens: "10", outputTokens: "5", costNanoUsd: "600", chargeNanoUsd: "600" },
				{ teamId: "core", costNanoUsd: "100" },
			],
		});
	});

	test("has lines, page by page and as CSV that no spreadsheet runs", async () => {
		expect(await json("GET", "/statements/2026-09/lines?limit=1")).toMatchObject({
			lines: [{ teamId: "ads", line: 1, kind: "usage", feature: "=1+1", user: "<b>ann</b>" }],
		});
		expect(await json("GET", "/statements/2026-09/lines?limit=1&afterTeam=ads&afterLine=1")).toMatchObject({ lines: [{ teamId: "core", feature: null }] });
		const { type, text } = await ask("GET", "/statements/2026-09/lines?format=csv&teamId=ads");
		expect(type).toBe("text/csv; charset=utf-8");
		expect(text.split("\n")).toEqual([
			"month,team,line,kind,feature,user,model,provider,ofMonth,pool,calls,inputTokens,outputTokens,amountNanoUsd,amountUsd",
			"2026-09,ads,1,usage,'=1+1,<b>ann</b>,gpt-test,openai,,,1,10,5,600,0.0000006",
			"",
		]);
	});

	test("is not closed, approved or rejected again", async () => {
		for (const [path, body] of [
			["close", {}],
			["approve", { reason: "again" }],
			["reject", { reason: "no" }],
		] as const) {
			const { status, text } = await ask("POST", `/statements/2026-09/${path}`, body);
			expect([status, text]).toEqual([409, expect.stringContaining("month 2026-09 is closed since")]);
		}
	});
});

test.each([
	["GET", "/statements/2026-13", undefined, 422, '"2026-13\\" is no month'],
	["GET", "/statements/2026-02", undefined, 404, "Month 2026-02 has no statements"],
	["GET", "/statements/2026-09?teamId=moon", undefined, 404, "moon"],
	["GET", "/statements/2026-09/lines?limit=0", undefined, 422, "limit"],
	["POST", "/statements/2098-01/close", {}, 422, "2098-01 is not over: it can be closed from 2098-02-01T01:00:00.000Z on"],
	["POST", "/statements/2026-08/close", {}, 503, "months cannot be closed here"],
	["POST", "/statements/2026-09/approve", {}, 422, "reason"],
	["PUT", "/chargeback-rules", { pools: [{ name: "x", of: { team: "moon" }, split: "even" }] }, 404, 'There is no team \\"moon\\"'],
	["PUT", "/chargeback-rules", { pools: [{ name: "x", of: { planet: "moon" }, split: "even" }] }, 422, "pools.0.of"],
	[
		"PUT",
		"/chargeback-rules",
		{ pools: [{ name: "x", of: { team: "ads" }, split: "fixed", shares: { core: 5 } }] },
		422,
		"must be 10000 basis points together, not 5",
	],
	["PUT", "/chargeback-rules", { timeZone: "Asia/Kolkata" }, 422, "whole hours from UTC"],
	["PUT", "/chargeback-rules", { margin: 3 }, 422, "margin"],
] as const)("%s %s %j is %i", async (method, path, body, status, words) => {
	const answer = await ask(method, path, body);
	expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(words.replaceAll('\\\\"', '\\"'))]);
	expect(administration.unexpected).toEqual([]);
});

test("rules are set as a whole, by whom, and a closed month keeps what it was closed by", async () => {
	expect(await json("GET", "/chargeback-rules")).toMatchObject({ revision: "0", setBy: null, rules: { timeZone: "UTC", approval: "required", pools: [] } });
	const pools = [{ name: "platform", of: { team: "core" }, split: "even", among: ["ads"] }];
	expect(await json("PUT", "/chargeback-rules", { pools, approval: "none", marginBasisPoints: 100 })).toMatchObject({
		revision: "1",
		setBy: "ada",
		rules: { approval: "none", pools: [{ name: "platform", shares: {} }], marginBasisPoints: 100, unattributed: { split: "proportional" } },
	});
	expect(await json("GET", "/statements/2026-09")).toMatchObject({ month: { rulesRevision: "0", marginNanoUsd: "0" } });
});
