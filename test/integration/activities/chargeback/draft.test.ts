import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ChargebackRules, DEFAULT_RULES, type SharedPool } from "#domain/chargeback/rules.ts";
import { createRandom } from "#test/faults/random.ts";
import { MonthLedger } from "#test/support/chargeback.ts";

/** Statements in PostgreSQL (migrations/0034): what they come to, and what may not happen to them. */

let ledger: MonthLedger;
beforeEach(async () => {
	ledger = await MonthLedger.open();
	await ledger.teams("ads", "books", "core", "idle");
});
afterEach(() => ledger.close());

const EVEN = { split: "even", among: null, shares: {} } as const;
const CORE: SharedPool = { name: "platform", of: { team: "core" }, split: "proportional", among: null, shares: {} };
const sum = (amounts: readonly (string | null | undefined)[]): bigint => amounts.reduce((total, amount) => total + BigInt(amount ?? 0), 0n);

const RULES: readonly Partial<ChargebackRules>[] = [
	{},
	{ pools: [CORE, { ...EVEN, name: "evaluation", of: { feature: "eval" }, among: ["ads", "idle"] }], marginBasisPoints: 333, margins: { books: -1_250 } },
	{ timeZone: "Pacific/Auckland", unattributed: { split: "fixed", among: null, shares: { ads: 3_333, idle: 6_667 } } },
	{ timeZone: "America/Los_Angeles", unattributed: EVEN, pools: [CORE] },
];

test.each([1, 2, 3, 4])("statements of a random ledger are the ledger, whatever the rules and the calendar (seed %i)", async (seed) => {
	await ledger.bookAtRandom(createRandom(seed), 80);
	const rules = { ...DEFAULT_RULES, ...RULES[seed % RULES.length] };
	await ledger.rules(rules);
	const bounds = {
		UTC: ["2026-09-01T00:00Z", "2026-10-01T00:00Z", "2026-11-01T00:00Z"],
		"Pacific/Auckland": ["2026-08-31T12:00Z", "2026-09-30T11:00Z", "2026-10-31T11:00Z"],
	};
	const [september = "", october = "", november = ""] = bounds[rules.timeZone as keyof typeof bounds] ?? [
		"2026-09-01T07:00Z",
		"2026-10-01T07:00Z",
		"2026-11-01T07:00Z",
	];
	for (const [month, from, to] of [
		["2026-09", september, october],
		["2026-10", october, november],
	] as const) {
		await ledger.closeMonth(month);
		const statements = await ledger.statements(month);
		expect(sum(statements.map(({ cost }) => cost))).toBe(await ledger.spent(from, to));
		for (const { teamId, cost, margin } of statements)
			expect(sum((await ledger.lines(month, teamId)).map(({ amount }) => amount)), teamId).toBe(BigInt(cost) + BigInt(margin));
	}
});

test("what is booked later for an earlier month is an adjustment in the month it was booked in, and the earlier one stays as it was", async () => {
	const [key = ""] = await ledger.book([{ at: "2026-09-20T12:00Z", account: "team/ads", cost: 900n, feature: "chat", isUnresolved: true }]);
	await ledger.closeMonth("2026-09");
	await ledger.book([{ at: "2026-10-02T12:00Z", account: "team/ads", cost: 100n, feature: "chat" }]);
	await ledger.adjust(key, "2026-10-03T12:00Z", -300n);
	await ledger.closeMonth("2026-10");
	expect(await ledger.statements("2026-09")).toEqual([{ teamId: "ads", cost: "900", margin: "0" }]);
	expect(await ledger.lines("2026-10", "ads")).toEqual([
		expect.objectContaining({ kind: "usage", feature: "chat", ofMonth: null, amount: "100" }),
		expect.objectContaining({ kind: "adjustment", feature: "chat", ofMonth: "2026-09", amount: "-300" }),
	]);
});

test("a correction within the month is of its usage", async () => {
	const [key = ""] = await ledger.book([{ at: "2026-10-20T12:00Z", account: "team/ads", cost: 900n, isUnresolved: true }]);
	await ledger.adjust(key, "2026-10-21T12:00Z", -300n);
	await ledger.draft("2026-10");
	expect(await ledger.lines("2026-10", "ads")).toEqual([expect.objectContaining({ kind: "usage", amount: "600" })]);
});

describe("a draft", () => {
	const SPEND = [
		{ at: "2026-10-05T12:00Z", account: "team/ads", cost: 600n, user: "ann" },
		{ at: "2026-10-05T12:00Z", account: "team/books", cost: 300n, feature: "chat" },
		{ at: "2026-10-05T12:00Z", account: "team/core", cost: 100n },
	] as const;

	test("cut after any statement and begun again comes to the same", async () => {
		await ledger.book(SPEND);
		await ledger.rules({ pools: [{ ...CORE, split: "even" }], unattributed: EVEN });
		await ledger.book([{ at: "2026-10-06T12:00Z", account: "team/@unknown", cost: 101n }]);
		await ledger.rules({ pools: [{ ...CORE, split: "even", among: ["ads", "books", "idle"] }], unattributed: EVEN, marginBasisPoints: 50 });
		await ledger.draft("2026-10", "whole");
		const whole = [await ledger.statements("2026-10"), await ledger.lines("2026-10", "ads"), await ledger.lines("2026-10", "idle")];
		for (let cutAfter = 1; cutAfter <= 12; cutAfter++) {
			let left = cutAfter;
			const cut = {
				query: (text: string, values?: unknown[]) => (left-- > 0 ? ledger.pool.query(text, values) : Promise.reject(new Error("killed"))),
			} as typeof ledger.pool;
			const run = `cut-${cutAfter}`;
			const steps = ledger.activities(cut);
			const killed = (async () => {
				const begun = await steps.beginMonthDraft({ month: "2026-10", run, by: "ada" });
				const of = { month: "2026-10", draft: begun.outcome === "begun" ? begun.draft : 0 };
				for (const step of [steps.writeMonthDraft, steps.shareMonthDraft, steps.finishMonthDraft]) await step(of);
			})();
			await killed.catch((error: Error) => expect(error.message).toBe("killed"));
			expect(await ledger.statements("2026-10")).toEqual(whole[0]);
			await ledger.draft("2026-10", run);
			expect([await ledger.statements("2026-10"), await ledger.lines("2026-10", "ads"), await ledger.lines("2026-10", "idle")]).toEqual(whole);
		}
	});

	test("is not shown where it is not what the ledger has", async () => {
		await ledger.book(SPEND);
		const steps = ledger.activities();
		const begun = await steps.beginMonthDraft({ month: "2026-10", run: "r", by: "ada" });
		const of = { month: "2026-10", draft: begun.outcome === "begun" ? begun.draft : 0 };
		await steps.writeMonthDraft(of);
		await steps.shareMonthDraft(of);
		await ledger.pool.query("UPDATE tollgate.statement SET cost_nano_usd = cost_nano_usd - 1 WHERE team_id = 'ads'");
		await expect(steps.finishMonthDraft(of)).rejects.toMatchObject({ nonRetryable: true, message: expect.stringContaining("come to 999 nano-USD") });
		expect(await ledger.statements("2026-10")).toEqual([]);
	});

	test("of a month that is not over is refused, and nothing is left of it", async () => {
		const month = new Date().toISOString().slice(0, 7);
		expect(await ledger.activities().beginMonthDraft({ month, run: "r", by: "ada" })).toMatchObject({ outcome: "unfinished" });
		expect((await ledger.pool.query("SELECT FROM tollgate.statement_month")).rows).toEqual([]);
	});
});

describe("a closed month", () => {
	beforeEach(async () => {
		await ledger.book([{ at: "2026-10-05T12:00Z", account: "team/ads", cost: 600n }]);
		await ledger.closeMonth("2026-10");
	});

	test.each([
		"UPDATE tollgate.statement_month SET state = 'drafted', closed_at = NULL",
		"DELETE FROM tollgate.statement_month",
		"UPDATE tollgate.statement_draft SET cost_nano_usd = 0",
		"UPDATE tollgate.statement SET cost_nano_usd = 0",
		"DELETE FROM tollgate.statement",
		"INSERT INTO tollgate.statement SELECT month, draft, 'books', 0, 0, 0, 0, 0, 0, 0, 0 FROM tollgate.statement",
		"UPDATE tollgate.statement_line SET amount_nano_usd = 0",
		"UPDATE tollgate.statement_line SET draft = 7",
		"DELETE FROM tollgate.statement_line",
		"INSERT INTO tollgate.statement_line SELECT month, draft, team_id, 9, kind, feature, user_id, model, provider, of_month, pool, calls, input_tokens, output_tokens, 1 FROM tollgate.statement_line",
		"TRUNCATE tollgate.statement_line",
		"TRUNCATE tollgate.statement",
	])("never changes: %s", async (statement) => {
		await expect(ledger.pool.query(statement)).rejects.toMatchObject({ code: "23001" });
		expect(await ledger.statements("2026-10")).toEqual([{ teamId: "ads", cost: "600", margin: "0" }]);
	});

	test("closed again is closed once", async () => {
		const steps = ledger.activities();
		expect(await steps.decideMonth({ month: "2026-10", draft: 1, isClosed: true, by: "bob", reason: "again" })).toEqual({ outcome: "already" });
		expect(await steps.decideMonth({ month: "2026-10", draft: 1, isClosed: false, by: "bob", reason: "no" })).toEqual({ outcome: "superseded" });
		expect(await steps.beginMonthDraft({ month: "2026-10", run: "other", by: "bob" })).toEqual({ outcome: "closed" });
		const { rows } = await ledger.pool.query("SELECT decided_by FROM tollgate.statement_month");
		expect(rows).toEqual([{ decided_by: null }]);
	});

	test("does not overlap the next one where the calendar was changed in between", async () => {
		await ledger.rules({ timeZone: "Pacific/Auckland" });
		await ledger.book([
			{ at: "2026-10-31T12:00Z", account: "team/ads", cost: 40n },
			{ at: "2026-11-01T00:00Z", account: "team/ads", cost: 2n },
		]);
		const { rows } = await ledger.pool.query<{ begun: { outcome: string } }>(
			"SELECT tollgate.begin_statement_draft('2026-11-01', 'r', 'ada', '2026-10-31T11:00Z', '2026-11-02T00:00Z', 1, '{}') AS begun",
		);
		expect(rows[0]?.begun.outcome).toBe("begun");
		expect((await ledger.pool.query("SELECT starts_at FROM tollgate.statement_draft WHERE month = '2026-11-01'")).rows).toEqual([
			{ starts_at: new Date("2026-11-01T00:00Z") },
		]);
	});
});

test("the month before, and those that were left out since the first, are to be closed", async () => {
	const listed = async (atMs: number) => ledger.activities().listMonthsToClose({ atMs });
	expect(await listed(Date.UTC(2026, 10, 1, 2))).toEqual(["2026-10"]);
	await ledger.closeMonth("2026-07");
	expect(await listed(Date.UTC(2026, 10, 1, 2))).toEqual(["2026-08", "2026-09", "2026-10"]);
	await ledger.draft("2026-10");
	expect(await listed(Date.UTC(2026, 10, 1, 2))).toEqual(["2026-08", "2026-09"]);
});
