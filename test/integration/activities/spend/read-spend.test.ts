import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countSpend } from "#activities/spend/count-spend.ts";
import { readSpend, type SpendQuestion } from "#activities/spend/read-spend.ts";
import { SPEND_DIMENSIONS, SPEND_PERIODS, type SpendDimension } from "#domain/spend/dimensions.ts";
import { HOUR_MS } from "#domain/spend/spans.ts";
import { createRandom, type Random } from "#test/faults/random.ts";
import { openPastMonth } from "#test/support/past-month.ts";
import { bookAtRandom, spendOfEntries } from "#test/support/spend.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** What is asked of the sums of spend is answered as the entries would answer it. */

let ledger: TestLedger;
let months: readonly [past: string, present: string];

/** Random calls, spread over the last month and this one by the hour. */
beforeAll(async () => {
	ledger = await TestLedger.open();
	const { month } = await openPastMonth(ledger);
	months = [month, new Date(Date.now()).toISOString().slice(0, 7)];
	await bookAtRandom(ledger, createRandom(7), 200);
	// Each call moves by some hours, its corrections half as far; then everything is counted anew.
	await ledger.sql(`
		WITH moved AS (
			SELECT a.attempt_id, (abs(hashtext(a.attempt_id)) % 1000) * interval '1 hour' AS by FROM tollgate.attempt a
		), entries AS (
			UPDATE tollgate.entry e SET at = greatest(e.at - CASE WHEN e.kind = 'adjustment' THEN m.by / 2 ELSE m.by END, date_trunc('month', clock_timestamp(), 'UTC') - interval '1 month')
			FROM moved m WHERE m.attempt_id = e.attempt_id
		)
		UPDATE tollgate.attempt a SET at = greatest(a.at - m.by, date_trunc('month', clock_timestamp(), 'UTC') - interval '1 month') FROM moved m WHERE m.attempt_id = a.attempt_id`);
	for (const table of ["counted", "looked", "resolved", "slice", "hour", "utc_day", "user_day", "utc_month", "detail_hour", "detail_month", "task_day", "day"])
		await ledger.sql(`DELETE FROM tollgate.spend_${table}`);
	await countSpend(ledger.client);
});
afterAll(() => ledger.close());

function drawQuestion({ integer, pick }: Random): SpendQuestion {
	const by = Array.from({ length: integer(0, 3) }, () => pick(SPEND_DIMENSIONS)).filter((name, index, all) => all.indexOf(name) === index);
	const only: Partial<Record<SpendDimension, string>> = pick([
		{},
		{},
		{ model: "gpt-test" },
		{ user: "ann" },
		{ run: "run-2", feature: "chat" },
		{ team: "demo", user: "bob" },
		{ user: "nobody" },
	]);
	const [fromHour, toHour] = [drawHour(), drawHour()].sort((left, right) => left - right);
	const to = integer(0, 3) === 0 ? undefined : toIso(toHour);
	return { by, per: pick([undefined, undefined, ...SPEND_PERIODS]), from: toIso(fromHour), to, only };

	/** Hours since 1970 of this month and the last, some of them midnights or the month's first. */
	function drawHour(): number {
		const [first, now] = [Date.parse(`${months[0]}-01T00:00Z`), Date.now()].map((ms) => Math.floor(ms / HOUR_MS)) as [number, number];
		const hour = integer(first, now);
		return pick([hour, hour, hour - (hour % 24), Date.parse(`${pick(months)}-01T00:00Z`) / HOUR_MS]);
	}
}

const toIso = (hour = 0): string => new Date(hour * HOUR_MS).toISOString();

test.each([1, 2, 3])("any question is answered as by the entries themselves (seed %i)", async (seed) => {
	const random = createRandom(seed);
	for (let count = 0; count < 100; count++) {
		const question = drawQuestion(random);
		const { rows, isComplete } = await readSpend(ledger.client, question);
		expect([rows, isComplete], JSON.stringify(question)).toEqual([await spendOfEntries(ledger, question), true]);
	}
});

test("without a time it is this month's", async () => {
	expect((await readSpend(ledger.client, { by: ["team"] })).rows).toEqual(await spendOfEntries(ledger, { by: ["team"], from: `${months[1]}-01` }));
});

describe("a question that makes no sense is refused by its field", () => {
	test.each([
		[{ from: "yesterday" }, "from", "is no time like"],
		[{ to: "2026-11-01T12:30:00Z" }, "to", "is not on the hour"],
		[{ from: "2026-11-02", to: "2026-11-01" }, "to", "is before from"],
		[{ from: "2016-11-02", to: "2026-11-01" }, "from", "more than 1830 days before to"],
		[{ from: "2016-11-02" }, "from", "more than 1830 days before now"],
	])("%o", async (times, field, problem) => {
		await expect(readSpend(ledger.client, { by: ["model"], ...times })).rejects.toMatchObject({
			code: "admin.invalid",
			details: { field },
			message: expect.stringContaining(problem),
		});
	});

	test("one that would be answered by more than ten thousand rows", async () => {
		await ledger.sql(`INSERT INTO tollgate.spend_detail_hour SELECT date_trunc('hour', clock_timestamp()), s.id, 'user-' || n, 0, 0, 1, 1, 1, 1, 0
			FROM (SELECT min(id) AS id FROM tollgate.spend_slice WHERE dimension = '') s, generate_series(1, 10001) n`);
		const from = new Date(Date.now() - 7_200_000).toISOString().replace(/:.*/, ":00:00Z");
		await expect(readSpend(ledger.client, { by: ["user"], per: "hour", from })).rejects.toMatchObject({ code: "admin.invalid", details: { field: "per" } });
		await ledger.sql("DELETE FROM tollgate.spend_detail_hour WHERE user_id LIKE 'user-%'");
	});
});
