import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findMonth, listLines, listStatements } from "#activities/chargeback/read-statements.ts";
import { CloseMonthClient } from "#clients/close-month-client.ts";
import { MonthLedger } from "#test/support/chargeback.ts";
import type { HeldStatement } from "#test/support/held-statements.ts";
import { RoleProcesses } from "#test/support/role-process.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { closeMonthWorkflowId } from "#workflows/close-month/messages.ts";

/**
 * A worker that closes months is killed, three times, with every month at another point of its close. Each month is closed once in the end, and its
 * statements are the ledger's.
 */
let temporal: TestTemporal;
let ledger: MonthLedger;
let roles: RoleProcesses;
let months: CloseMonthClient;

const step = (at: HeldStatement["at"], statement: string, month: string): HeldStatement => ({
	at,
	statement: `tollgate.${statement}(`,
	value: `"${month}-01"`,
});
/** While it is drafted and told of; of the last one nothing is held, it waits for a person. */
const DRAFTING: readonly HeldStatement[] = [
	step("after", "begin_statement_draft", "2026-01"),
	step("after", "write_statements", "2026-02"),
	step("before", "charge_statements", "2026-03"),
	step("after", "charge_statements", "2026-04"),
	step("before", "finish_statement_draft", "2026-05"),
	step("after", "finish_statement_draft", "2026-06"),
	step("after", "ask_statement_approval", "2026-07"),
];
const WAITING = "2026-08";
const MONTHS = [1, 2, 3, 4, 5, 6, 7, 8].map((month) => `2026-0${month}`);
/** While it is closed. */
const CLOSING: readonly HeldStatement[] = [step("before", "decide_statement_month", "2026-01"), step("after", "decide_statement_month", "2026-02")];
const LOCKED = "2026-03";

beforeAll(async () => {
	[temporal, ledger, roles] = await Promise.all([startTestTemporal(), MonthLedger.open(), RoleProcesses.open()]);
	months = new CloseMonthClient({ connection: temporal.connection, client: temporal.client });
	// More teams than are stated at once.
	const teams = Array.from({ length: 60 }, (_, team) => `team-${String(team).padStart(2, "0")}`);
	await ledger.teams(...teams);
	for (const [index, month] of MONTHS.entries())
		await ledger.book(
			teams.map((team, place) => ({
				...{ at: `${month}-${String((place % 27) + 1).padStart(2, "0")}T12:00Z`, account: `team/${team}`, cost: BigInt(1_000_003 * (index + 1) + place) },
				...{ feature: place % 3 === 0 ? null : "chat", user: place % 2 === 0 ? "ann" : "bob" },
			})),
		);
	await ledger.book(MONTHS.map((month) => ({ at: `${month}-09T12:00Z`, account: "team/@unknown", cost: 101n })));
	await ledger.rules({
		...{ approval: "required", remindAfterHours: 1_000, margins: { "team-07": 250 } },
		...{
			pools: [{ name: "shared", of: { team: "team-00" }, split: "proportional", among: null, shares: {} }],
			unattributed: { split: "even", among: null, shares: {} },
		},
	});
}, 120_000);
afterAll(async () => {
	await roles?.close();
	await temporal?.close();
	await ledger?.close();
});

const start = (held: readonly HeldStatement[] = []) => roles.start({ role: "chargeback", databaseUrl: ledger.url, temporalAddress: temporal.address, held });
const stepOf = async (month: string) => (await months.status(month)).step;
const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => (await ledger.pool.query<Row>(text, values)).rows;

async function stated(month: string) {
	const statements = await listStatements(ledger.pool, { month, limit: 1_000 });
	const lines = await listLines(ledger.pool, { month, limit: 1_000 });
	return { statements, lines };
}

test("each month is closed once, and is the ledger's, wherever its worker was killed", async () => {
	const drafting = await start(DRAFTING);
	await Promise.all(MONTHS.map((month) => months.close(month, "ada")));
	await drafting.holdsAll();
	await until("the last month to wait", async () => (await stepOf(WAITING)) === "waiting");
	await drafting.kill();
	// What was not whole is not shown.
	for (const month of MONTHS.slice(0, 5)) {
		expect(await findMonth(ledger.pool, month)).toMatchObject({ state: "drafting" });
		expect(await stated(month)).toEqual({ statements: [], lines: [] });
	}

	const closing = await start(CLOSING);
	for (const month of MONTHS) await until(`${month} to wait`, async () => (await stepOf(month)) === "waiting", 90_000);
	const locker = new pg.Client({ connectionString: ledger.url });
	await locker.connect();
	await locker.query("BEGIN");
	await locker.query("SELECT FROM tollgate.statement_month WHERE month = $1 FOR UPDATE", [`${LOCKED}-01`]);
	for (const month of MONTHS.slice(0, 3)) await months.approve(month, { by: "bob", reason: `as ${month} was` });
	await closing.holdsAll();
	const isLocked = async () =>
		(await sql("SELECT FROM pg_stat_activity WHERE application_name = 'tollgate-worker-chargeback' AND wait_event_type = 'Lock'")).length === 1;
	await until("the statement that closes to be under way", isLocked);
	await closing.kill();
	const afterKill = await findMonth(ledger.pool, "2026-02");
	expect(afterKill).toMatchObject({ state: "closed", draft: 1, decidedBy: "bob" });
	expect(await findMonth(ledger.pool, "2026-01")).toMatchObject({ state: "drafted" });
	await locker.query("COMMIT");
	await locker.end();

	await start();
	for (const month of MONTHS.slice(3)) await months.approve(month, { by: "bob", reason: `as ${month} was` });
	for (const month of MONTHS) {
		expect(await temporal.client.workflow.getHandle(closeMonthWorkflowId(month)).result()).toEqual({ month, outcome: "closed", draft: 1 });
		const closed = await findMonth(ledger.pool, month);
		const spent = (await ledger.spent(`${month}-01`, `${MONTHS[MONTHS.indexOf(month) + 1] ?? "2026-09"}-01`)).toString();
		expect(closed).toMatchObject({
			state: "closed",
			draft: 1,
			teams: 61,
			costNanoUsd: spent,
			askedBy: "ada",
			decidedBy: "bob",
			decisionReason: `as ${month} was`,
		});
		const { statements, lines } = await stated(month);
		const sum = (amounts: readonly string[]) => amounts.reduce((total, amount) => total + BigInt(amount), 0n);
		const margin = BigInt(closed?.marginNanoUsd ?? 0);
		expect(margin).toBeGreaterThan(0n);
		expect(sum(statements.map(({ costNanoUsd }) => costNanoUsd)).toString()).toBe(spent);
		expect(sum(lines.map(({ amountNanoUsd }) => amountNanoUsd))).toBe(BigInt(spent) + margin);
		const drafts = await sql("SELECT draft, whole_at IS NOT NULL AS whole FROM tollgate.statement_draft WHERE month = $1", [`${month}-01`]);
		expect(drafts).toEqual([{ draft: 1, whole: true }]);
		const changes = await sql("SELECT detail ->> 'action' AS action FROM tollgate.change WHERE kind = 'statement' AND subject = $1", [month]);
		expect(changes).toEqual([{ action: "closed" }]);
		const told = await sql("SELECT is_firing AS firing FROM tollgate.alert WHERE subject = $1 ORDER BY seq", [`month/${month}`]);
		expect(told).toEqual([{ firing: true }, { firing: false }]);
	}
	expect(await findMonth(ledger.pool, "2026-02")).toEqual(afterKill);
}, 300_000);
