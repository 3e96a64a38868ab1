import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endAlerts, watchRefusals, watchUnresolvedCharges } from "#activities/alerts/sources.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { insertBudget, insertTeam } from "#test/support/authority-rows.ts";
import { COST_NANO_USD, TestLedger } from "#test/support/test-ledger.ts";

/** What alerts are made of: announcements of the workflows, windows, the ledger, refusals. */
let ledger: TestLedger;
let connection: Connection;

beforeEach(async () => {
	ledger = await TestLedger.open();
	connection = new Connection({ url: ledger.database.url, applicationName: "test" });
});
afterEach(async () => {
	await connection.close();
	await ledger.close();
});

type AlertRow = { kind: string; team_id: string; subject: string; severity: string; state: string; detail: Record<string, unknown> };

async function alertRows(): Promise<AlertRow[]> {
	return ledger.sql<AlertRow>(
		`SELECT kind, team_id, subject, severity, detail, CASE WHEN NOT is_firing THEN 'end or notice' WHEN resolved_at IS NULL THEN 'fires' ELSE 'ended' END AS state
		 FROM tollgate.alert ORDER BY seq`,
	);
}

const kinds = async (): Promise<string[]> => (await alertRows()).map(({ kind, state }) => `${kind} ${state}`);

describe("an announcement of a team's workflow", () => {
	const KEY = "team||nano_usd|day";
	let startsAtMs: number;
	let endsAtMs: number;

	beforeEach(async () => {
		await insertTeam(ledger.client, "search");
		const budgetId = await insertBudget(ledger.client, { teamId: "search", limit: 1_000n });
		await ledger.sql("SELECT tollgate.open_window($1)", [budgetId]);
		const [window] = await ledger.sql<{ starts: string; ends: string }>(
			"SELECT extract(epoch FROM starts_at) * 1000 AS starts, extract(epoch FROM ends_at) * 1000 AS ends FROM tollgate.budget_window WHERE budget_id = $1",
			[budgetId],
		);
		[startsAtMs, endsAtMs] = [Number(window?.starts), Number(window?.ends)];
	});

	const announce = (event: string, amount: string, more: Readonly<Record<string, string | number>> = {}) =>
		createPostgresBudgetStore(connection).recordEvent({
			eventKey: `search|${KEY}|${startsAtMs}|${event}|${amount}`,
			teamId: "search",
			event,
			detail: { budget: KEY, windowStartsAtMs: startsAtMs, amount, posted: "900", limitAmount: "1000", ...more },
		});

	test("makes its alert in the same statement and once, with the end of the window", async () => {
		expect([await announce("threshold.warn.fired", "800"), await announce("threshold.warn.fired", "800")]).toEqual([true, false]);
		await announce("threshold.stop.fired", "1000");
		expect(await alertRows()).toMatchObject([
			{ kind: "budget.threshold", team_id: "search", subject: KEY, severity: "warning", state: "fires", detail: { action: "warn", endsAtMs, amount: "800" } },
			{ kind: "budget.stopped", subject: KEY, severity: "critical", state: "fires", detail: { action: "stop" } },
		]);
	});

	test("of a budget that only observes says so, and is no emergency", async () => {
		await ledger.sql("ALTER TABLE tollgate.budget ADD COLUMN IF NOT EXISTS mode text");
		await ledger.sql("UPDATE tollgate.budget SET mode = 'observe' WHERE team_id = 'search'");
		await announce("threshold.stop.fired", "1000");
		expect(await alertRows()).toMatchObject([{ kind: "budget.stopped", severity: "warning", detail: { mode: "observe", endsAtMs } }]);
	});

	test("that withdraws a line ends the alert of that line alone; the same line may fire again at another amount", async () => {
		await announce("threshold.warn.fired", "800");
		await announce("threshold.stop.fired", "1000");
		await announce("threshold.stop.withdrawn", "2000");
		expect(await kinds()).toEqual(["budget.threshold fires", "budget.stopped ended", "budget.withdrawn end or notice"]);
		await announce("threshold.stop.fired", "2000");
		expect((await kinds()).at(-1)).toBe("budget.stopped fires");
	});

	test("of several lines with one action ends the one at its amount, and none where it is at none", async () => {
		await announce("threshold.warn.fired", "500");
		await announce("threshold.warn.fired", "800");
		await announce("threshold.warn.withdrawn", "500");
		const states = async () => (await alertRows()).filter(({ kind }) => kind === "budget.threshold").map(({ detail, state }) => [detail["amount"], state]);
		expect(await states()).toEqual([
			["500", "ended"],
			["800", "fires"],
		]);
		await announce("threshold.warn.fired", "600");
		await announce("threshold.warn.withdrawn", "750");
		expect((await states()).map(([, state]) => state)).toEqual(["ended", "fires", "fires"]);
	});

	test("that nothing fires for is an end all the same, and ends nothing", async () => {
		await announce("threshold.warn.fired", "800");
		await announce("threshold.stop.withdrawn", "2000");
		expect(await kinds()).toEqual(["budget.threshold fires", "budget.withdrawn end or notice"]);
	});

	test("of a refused change, and of an increase that is asked for, decided and over", async () => {
		const store = createPostgresBudgetStore(connection);
		const event = (name: string, increase: string) =>
			store.recordEvent({ eventKey: `${name} ${increase}`, teamId: "search", event: name, detail: { budget: KEY, increase, askedAmount: "50" } });
		await store.recordEvent({ eventKey: "r", teamId: "search", event: "change.refused", detail: { problem: "no" } });
		await event("increase.requested", "1");
		await event("increase.requested", "2");
		await event("increase.decided", "1");
		await event("increase.ended", "1");
		expect(await kinds()).toEqual([
			"change.refused end or notice",
			"increase.requested ended",
			"increase.requested fires",
			"increase.decided end or notice",
			"increase.ended end or notice",
		]);
	});

	test("of a line that asks for itself says the limit of its window", async () => {
		const detail = { budget: KEY, increase: "1", kind: "line", askedAmount: "900", untilMs: endsAtMs };
		await createPostgresBudgetStore(connection).recordEvent({ eventKey: "l", teamId: "search", event: "increase.requested", detail });
		expect(await alertRows()).toMatchObject([{ kind: "increase.requested", detail: { ...detail, limitAmount: "1000" } }]);
	});

	test("of a kind that nobody is told of makes no alert", async () => {
		await createPostgresBudgetStore(connection).recordEvent({ eventKey: "x", teamId: "search", event: "window.opened", detail: {} });
		expect(await alertRows()).toEqual([]);
	});

	test("is over with its window, or when its budget is gone", async () => {
		await announce("threshold.warn.fired", "800");
		await announce("threshold.stop.fired", "1000");
		expect(await endAlerts(connection)).toBe(0);
		await ledger.sql("UPDATE tollgate.alert SET ends_at = clock_timestamp() WHERE kind = 'budget.threshold'");
		expect(await endAlerts(connection)).toBe(1);
		await ledger.sql("UPDATE tollgate.budget SET deleted_at = clock_timestamp() WHERE team_id = 'search'");
		expect([await endAlerts(connection), await endAlerts(connection)]).toEqual([1, 0]);
		const rows = await alertRows();
		expect(rows.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
			"budget.threshold ended",
			"budget.stopped ended",
			"budget.withdrawn end or notice",
			"budget.withdrawn end or notice",
		]);
		expect(rows.slice(2).map(({ detail }) => detail["reason"])).toEqual(["over", "gone"]);
	});
});

test("a window that is over for many teams at once is over for all of them", async () => {
	await ledger.sql(
		`SELECT tollgate.raise_alert('k' || n, 't' || n, '', 'spend.above_expected', 'warning', true, '{"endsAtMs": 1000}') FROM generate_series(1, 250) AS n`,
	);
	expect([await endAlerts(connection), await endAlerts(connection)]).toEqual([250, 0]);
});

describe("charges whose end nobody knows", () => {
	test("are one alert per gateway epoch with their amount, which ends when all are resolved; later ones are another", async () => {
		await ledger.settle({ n: 1, outcome: "unresolved" }, { n: 2, outcome: "unresolved" }, { n: 3 });
		expect([await watchUnresolvedCharges(connection), await watchUnresolvedCharges(connection)]).toEqual([1, 0]);
		const [alert] = await alertRows();
		expect(alert).toMatchObject({
			kind: "charges.unresolved",
			team_id: "@organization",
			subject: "g1/1",
			state: "fires",
			detail: { charges: 2, amountNanoUsd: (2n * COST_NANO_USD).toString(), accounts: "team/demo" },
		});
		for (const n of [1, 2]) {
			expect(await watchUnresolvedCharges(connection)).toBe(0);
			await ledger.sql("SELECT tollgate.adjust_attempt($1, 0, 0, 'test', 'ada')", [ledger.attemptId(n)]);
		}
		expect(await watchUnresolvedCharges(connection)).toBe(1);
		expect(await kinds()).toEqual(["charges.unresolved ended", "charges.unresolved end or notice"]);
		await ledger.settle({ n: 4, outcome: "unresolved" });
		expect(await watchUnresolvedCharges(connection)).toBe(1);
		expect((await kinds()).at(-1)).toBe("charges.unresolved fires");
	});

	test("of a gateway that never came back end when somebody resolves them, or when its calls were settled after all", async () => {
		await ledger.grant(3n * COST_NANO_USD);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'gateway_lost')");
		expect(await watchUnresolvedCharges(connection)).toBe(1);
		expect((await alertRows())[0]?.detail).toMatchObject({ charges: 1, amountNanoUsd: (3n * COST_NANO_USD).toString() });
		await ledger.settleLate({ n: 1 }, { n: 2 });
		expect(await watchUnresolvedCharges(connection)).toBe(0);
		await ledger.settleLate({ n: 3 });
		expect(await watchUnresolvedCharges(connection)).toBe(1);
		expect(await kinds()).toEqual(["charges.unresolved ended", "charges.unresolved end or notice"]);
	});

	test("that a person resolved at an amount of his own are over", async () => {
		await ledger.grant(1_000n);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'gateway_lost')");
		await watchUnresolvedCharges(connection);
		await ledger.sql("SELECT tollgate.reduce_lump('lump/g1/1/demo', 400, 'lease resolve', 'ada')");
		expect(await watchUnresolvedCharges(connection)).toBe(1);
	});
});

describe("refusals", () => {
	const refuse = (teamId: string, count: number, ago: string, code = "budget.exceeded") =>
		ledger.sql(
			`INSERT INTO tollgate.refusal (refusal_id, at, refused_at, request_id, gateway_id, epoch, team_id, key_id, code)
			 SELECT gen_random_uuid()::text, clock_timestamp() - $3::interval, clock_timestamp(), 'r', 'g1', 1, $1, 'k', $4 FROM generate_series(1, $2::int)`,
			[teamId, count, ago, code],
		);

	test("in a burst are one alert, however long it lasts, and one end after a quiet quarter of an hour", async () => {
		await refuse("demo", 49, "30 seconds");
		expect(await watchRefusals(connection)).toBe(0);
		await refuse("demo", 1, "10 seconds");
		expect([await watchRefusals(connection), await watchRefusals(connection)]).toEqual([1, 0]);
		expect(await alertRows()).toMatchObject([
			{ kind: "refusals.burst", team_id: "demo", severity: "warning", state: "fires", detail: { refusals: 50, usualPerHour: 0 } },
		]);
		await ledger.sql("UPDATE tollgate.refusal SET at = at - interval '14 minutes'");
		expect(await watchRefusals(connection)).toBe(0);
		await ledger.sql("UPDATE tollgate.refusal SET at = at - interval '1 minute'");
		expect(await watchRefusals(connection)).toBe(1);
		expect(await kinds()).toEqual(["refusals.burst ended", "refusals.burst end or notice"]);
		await refuse("demo", 60, "1 second");
		expect(await watchRefusals(connection)).toBe(1);
		expect((await kinds()).at(-1)).toBe("refusals.burst fires");
	});

	test("are a burst whatever refused them, budgets and limits together", async () => {
		await refuse("demo", 20, "20 seconds");
		await refuse("demo", 29, "20 seconds", "limit.requests");
		expect(await watchRefusals(connection)).toBe(0);
		await refuse("demo", 1, "10 seconds", "limit.cap");
		expect(await watchRefusals(connection)).toBe(1);
	});

	test("that a team always has are no burst", async () => {
		for (let hour = 1; hour <= 20; hour++) await refuse("demo", 30, `${hour} hours`);
		await refuse("demo", 149, "20 seconds");
		expect(await watchRefusals(connection)).toBe(0);
		await refuse("demo", 1, "10 seconds");
		expect(await watchRefusals(connection)).toBe(1);
		expect((await alertRows())[0]?.detail).toEqual({ refusals: 150, usualPerHour: 30 });
	});

	test("of one team are no other's", async () => {
		await refuse("a", 40, "10 seconds");
		await refuse("b", 40, "10 seconds");
		expect(await watchRefusals(connection)).toBe(0);
	});
});
