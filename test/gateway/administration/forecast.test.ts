import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readOutlook } from "#activities/reports/read-outlook.ts";
import { periodOfDay } from "#domain/reports/report-period.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { addDailySums } from "#test/support/daily-sums.ts";

/** GET /admin/v1/forecast and /admin/v1/anomalies over sums that stand in PostgreSQL. */

let administration: TestAdministration;

/** Of every day: two features of one team, of which chat cost four times as much on `DEAR_DAYS_AGO`, by one key and one model. */
const DEAR_DAYS_AGO = 5;

beforeAll(async () => {
	administration = await openTestAdministration();
	const { pool } = administration;
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search'), ('quiet')");
	await addDailySums(pool, 90, [
		{ teamId: "search", model: "large", feature: "chat", keyId: "key_1", dearDaysAgo: DEAR_DAYS_AGO },
		{ teamId: "search", model: "small", feature: "", keyId: "key_2" },
	]);
	await administration.app.inject({
		method: "PUT",
		url: "/admin/v1/budgets",
		headers: { authorization: `Bearer ${administration.adminKey}` },
		payload: { teamId: "search", dimension: "team", windowKind: "month", limitUsd: "10000" },
	});
});
afterAll(() => administration.close());

async function ask(path: string) {
	const answer = await administration.app.inject({ url: `/admin/v1/${path}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	return { status: answer.statusCode, type: answer.headers["content-type"], text: answer.body };
}

const json = async (path: string) => JSON.parse((await ask(path)).text) as { rows: Record<string, unknown>[] } & Record<string, unknown>;
const dayAgo = (days: number): string => new Date(Math.floor(Date.now() / 86_400_000 - days) * 86_400_000).toISOString().slice(0, 10);

describe("forecast", () => {
	test("is of the running month of every team that spends, beside its budget", async () => {
		const { rows, ...rest } = await json("forecast");
		expect(rest).toEqual({ by: "team", leftOut: 0, isComplete: true });
		expect(rows).toMatchObject([
			{ teamId: "search", timeZone: "UTC", month: dayAgo(0).slice(0, 7), budget: { amountNanoUsd: "10000000000000", aboveBasisPoints: 0, crossedOn: null } },
		]);
		const daily = Number(rows[0]?.["expectedNanoUsd"]) / 1e9 / Number(rows[0]?.["daysOfMonth"]);
		expect(daily).toBeGreaterThan(190);
		expect(daily).toBeLessThan(235);
	});

	test("is of features, of one of them, of what is attributed to none", async () => {
		expect((await json("forecast?by=feature")).rows.map(({ feature }) => feature)).toEqual(["chat", null]);
		expect((await json("forecast?by=feature&teamId=search&feature=chat")).rows).toMatchObject([{ feature: "chat", budget: null }]);
		expect((await json("forecast?by=feature&feature=")).rows).toMatchObject([{ feature: null }]);
		expect((await json("forecast?teamId=quiet")).rows).toEqual([]);
	});

	test("of a month that is over is what it cost; as of a day before, what it was forecast", async () => {
		const month = dayAgo(40).slice(0, 7);
		const [over] = (await json(`forecast?month=${month}`)).rows;
		expect(over).toMatchObject({ method: "known", month });
		expect(over?.["expectedNanoUsd"]).toBe(over?.["knownNanoUsd"]);
		const [then] = (await json(`forecast?asOf=${dayAgo(40)}`)).rows;
		expect(then).toMatchObject({ method: "model", month, daysOver: Number(dayAgo(40).slice(8)) - 1 });
	});

	test("comes as CSV", async () => {
		const { status, type, text } = await ask("forecast?format=csv");
		expect([status, type]).toEqual([200, "text/csv; charset=utf-8"]);
		expect(text.split("\n")[0]).toMatch(/^teamId,timeZone,month,daysOver,daysOfMonth,method,confidence,isRecentChange,knownNanoUsd,expectedNanoUsd,/);
		expect(text.split("\n")[1]).toMatch(/^search,UTC,/);
	});
});

describe("anomalies", () => {
	test("name the day, and which feature, model and key it was", async () => {
		const groups = { feature: "chat", model: "large", key: "key_1" };
		const { rows } = await json("anomalies");
		expect(rows).toMatchObject([
			{ teamId: "search", day: dayAgo(DEAR_DAYS_AGO), kind: "spike", since: dayAgo(DEAR_DAYS_AGO), cause: { groups, largest: "volume" } },
		]);
		expect((await json("anomalies?by=feature")).rows).toMatchObject([{ feature: "chat", day: dayAgo(DEAR_DAYS_AGO), cause: { groups } }]);
	});

	test("are of the span asked for", async () => {
		expect((await json(`anomalies?from=${dayAgo(DEAR_DAYS_AGO - 1)}`)).rows).toEqual([]);
		expect((await json(`anomalies?to=${dayAgo(DEAR_DAYS_AGO)}`)).rows).toEqual([]);
	});

	test("are in the report of their day, once", async () => {
		const day = Math.floor(Date.now() / 86_400_000) - DEAR_DAYS_AGO;
		for (const teamId of [null, "search"]) {
			const { anomalies } = await readOutlook({ database: administration.pool }, { period: periodOfDay("daily", day, "UTC"), teamId });
			expect(anomalies).toMatchObject([{ teamId: "search", day: dayAgo(DEAR_DAYS_AGO), cause: "feature chat, model large, key key_1", movement: "volume" }]);
		}
	});

	test("come as CSV, each with its cause", async () => {
		const { text } = await ask("anomalies?by=feature&format=csv");
		expect(text.split("\n")[1]).toMatch(/^search,chat,UTC,.*,spike,.*,chat,large,key_1,.*,volume$/);
	});
});

test.each([
	["forecast?month=2026-13", 422, "month"],
	["forecast?month=2031-01", 422, "month"],
	["forecast?month=2019-01", 422, "month"],
	["forecast?asOf=2026-02-30", 422, "asOf"],
	["forecast?asOf=2126-01-01", 422, "asOf"],
	["forecast?by=model", 422, "by"],
	["forecast?feature=chat", 422, "feature"],
	["forecast?teamId=nobody", 404, undefined],
	["anomalies?from=2026-11-02&to=2026-11-01", 422, "to"],
	["anomalies?from=2016-11-02", 422, "from"],
	["anomalies?from=yesterday", 422, "from"],
	["anomalies?colour=red", 422, undefined],
	["anomalies?teamId=nobody", 404, undefined],
])("%s is answered with %i, naming %s", async (path, status, field) => {
	const answer = await ask(path);
	expect(answer.status).toBe(status);
	if (field !== undefined) expect(answer.text).toContain(field);
});
