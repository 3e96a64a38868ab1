import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endAlerts, watchCondition, watchOverruns } from "#activities/alerts/sources.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import type { WatchedCondition } from "#domain/alerts/kinds.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** What gateways meet becomes alerts, from the rows it leaves in PostgreSQL. */
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

const alertRows = (): Promise<AlertRow[]> =>
	ledger.sql<AlertRow>(
		`SELECT kind, team_id, subject, severity, detail, CASE WHEN NOT is_firing THEN 'end' WHEN resolved_at IS NULL THEN 'fires' ELSE 'ended' END AS state
		 FROM tollgate.alert ORDER BY seq`,
	);
const states = async (): Promise<string[]> => (await alertRows()).map(({ kind, state }) => `${kind} ${state}`);
const watch = (kind: WatchedCondition): Promise<number> => watchCondition(connection, kind);

async function heartbeat(epoch = 1n): Promise<boolean> {
	const authority = createPostgresAuthority({ url: ledger.database.url, gatewayId: "g1", epoch });
	try {
		return "isFenced" in (await authority.heartbeat({ returns: [], answeredClaim: 0n, seenRevision: 0n, flushedRequest: 0n }));
	} finally {
		await authority.close();
	}
}

/** Lets so much time pass for what gateways were noted for. */
const pass = (interval: string) => ledger.sql("UPDATE tollgate.gateway_notice SET last_at = last_at - $1::interval", [interval]);

describe("a budget whose calls cost more than was reserved", () => {
	const OVERRUN = { kind: "budget.overrun", team_id: "demo", subject: "team||nano_usd|lifetime", severity: "critical" };

	beforeEach(() => ledger.settle({ n: 1, reserved: 100n, cost: 250n }));

	test("is one alert, which ends when a person clears it; a further overrun is another", async () => {
		expect([await watchOverruns(connection), await watchOverruns(connection)]).toEqual([1, 0]);
		expect(await alertRows()).toMatchObject([{ ...OVERRUN, state: "fires", detail: { amount: "150", action: "overrun", windowId: ledger.windowId } }]);
		await ledger.settle({ n: 2, reserved: 100n, cost: 110n });
		expect(await watchOverruns(connection)).toBe(0);
		await ledger.sql("UPDATE tollgate.budget_window SET overrun_cleared = (SELECT sum(overrun) FROM tollgate.lease)");
		expect([await watchOverruns(connection), await watchOverruns(connection)]).toEqual([1, 0]);
		expect((await alertRows()).at(-1)).toMatchObject({ kind: "budget.withdrawn", severity: "info", detail: { reason: "cleared" } });
		await ledger.settle({ n: 3, reserved: 100n, cost: 101n });
		expect(await watchOverruns(connection)).toBe(1);
		expect(await states()).toEqual(["budget.overrun ended", "budget.withdrawn end", "budget.overrun fires"]);
	});

	test("is told of as a warning where it only observes", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET is_observed = true");
		await watchOverruns(connection);
		expect(await alertRows()).toMatchObject([{ ...OVERRUN, severity: "warning", detail: { mode: "observe" } }]);
	});

	test("is over with its window, and is not told of again", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET starts_at = now() - interval '1 hour', ends_at = now() + interval '1 hour'");
		await watchOverruns(connection);
		await ledger.sql("UPDATE tollgate.budget_window SET ends_at = now() - interval '1 second'");
		await ledger.sql("UPDATE tollgate.alert SET ends_at = now()");
		expect([await watchOverruns(connection), await endAlerts(connection), await watchOverruns(connection)]).toEqual([0, 1, 0]);
		expect((await alertRows()).at(-1)).toMatchObject({ kind: "budget.withdrawn", detail: { reason: "over" } });
	});

	test("whose late calls are booked after its window is told of all the same", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET starts_at = now() - interval '1 hour', ends_at = now() - interval '1 second'");
		expect([await watchOverruns(connection), await endAlerts(connection), await watchOverruns(connection)]).toEqual([1, 1, 0]);
	});

	test("is over when it is gone", async () => {
		await watchOverruns(connection);
		await ledger.sql("UPDATE tollgate.budget SET deleted_at = now()");
		expect([await watchOverruns(connection), await endAlerts(connection), await watchOverruns(connection)]).toEqual([0, 1, 0]);
		expect((await alertRows()).at(-1)?.detail["reason"]).toBe("gone");
	});
});

describe("a process that was fenced", () => {
	test("says so with its heartbeat: one alert for its identity, however often two fight over it, over after a quiet hour", async () => {
		expect([await heartbeat(1n), await watch("gateway.fenced")]).toEqual([false, 0]);
		await ledger.register();
		expect([await heartbeat(1n), await watch("gateway.fenced"), await watch("gateway.fenced")]).toEqual([true, 1, 0]);
		expect(await alertRows()).toMatchObject([{ kind: "gateway.fenced", team_id: "@organization", subject: "g1", severity: "error", detail: { epoch: "1" } }]);
		await pass("59 minutes");
		await ledger.register();
		expect([await heartbeat(2n), await watch("gateway.fenced")]).toEqual([true, 0]);
		await pass("59 minutes");
		expect(await watch("gateway.fenced")).toBe(0);
		await pass("2 minutes");
		expect([await watch("gateway.fenced"), await watch("gateway.fenced")]).toEqual([1, 0]);
		expect(await states()).toEqual(["gateway.fenced ended", "gateway.fenced end"]);
		await heartbeat(1n);
		expect(await watch("gateway.fenced")).toBe(1);
	});

	test("is none when it closed its epoch itself and a heartbeat was under way", async () => {
		await ledger.drain();
		expect([await heartbeat(1n), await watch("gateway.fenced")]).toEqual([true, 0]);
	});

	test("of an epoch that a restored database never knew is told of as well", async () => {
		expect([await heartbeat(7n), await watch("gateway.fenced")]).toEqual([true, 1]);
	});
});

test("commits that PostgreSQL lost are one alert, when gateways present what they were granted, with whose money it was", async () => {
	await ledger.grant(300n);
	expect(await watch("authority.lost_commits")).toBe(0);
	for (const epoch of [1, 2]) {
		if (epoch === 2) await ledger.register();
		await ledger.sql("SELECT tollgate.present_leases('g1', $1, ARRAY[$2::bigint], ARRAY[500::bigint], ARRAY[0::bigint])", [epoch, ledger.windowId]);
		expect(await watch("authority.lost_commits")).toBe(epoch === 1 ? 1 : 0);
	}
	expect(await alertRows()).toMatchObject([
		{
			kind: "authority.lost_commits",
			team_id: "@organization",
			subject: "",
			severity: "critical",
			detail: { gateways: "g1/1", windows: 1, accounts: "team/demo" },
		},
	]);
	await pass("61 minutes");
	expect([await watch("authority.lost_commits"), await watch("authority.lost_commits")]).toEqual([1, 0]);
});

test("rows that the ledger set aside are one alert per gateway epoch, and say what is not booked", async () => {
	const setAside = (...keys: string[]) =>
		ledger.sql("SELECT tollgate.settle_chunk('g1', 1, '[]', '[]', $1)", [JSON.stringify(keys.map((key) => ({ attempt_id: key, problem: "no", row: {} })))]);
	await ledger.settle({ n: 1 });
	expect(await watch("ledger.quarantine")).toBe(0);
	await setAside(ledger.attemptId(1), ledger.attemptId(2));
	expect([await watch("ledger.quarantine"), await watch("ledger.quarantine")]).toEqual([1, 0]);
	expect(await alertRows()).toMatchObject([{ subject: "g1/1", severity: "error", detail: { rows: 2, notBooked: 1, problem: "no" } }]);
	await setAside(ledger.attemptId(3));
	await ledger.sql("UPDATE tollgate.quarantine SET at = at - interval '25 hours' WHERE attempt_id <> $1", [ledger.attemptId(3)]);
	expect(await watch("ledger.quarantine")).toBe(0);
	await ledger.sql("UPDATE tollgate.quarantine SET at = at - interval '25 hours'");
	expect(await watch("ledger.quarantine")).toBe(1);
	expect(await states()).toEqual(["ledger.quarantine ended", "ledger.quarantine end"]);
});

test("answers that no price fits are one alert per price line, over after a day without", async () => {
	await ledger.settle({ n: 1 }, { n: 2, outcome: "unresolved" });
	expect(await watch("price.mismatch")).toBe(0);
	await ledger.sql("UPDATE tollgate.attempt SET reason = 'answered model is not in the price book', answered_model = 'gpt-new' WHERE attempt_id = $1", [
		ledger.attemptId(1),
	]);
	expect([await watch("price.mismatch"), await watch("price.mismatch")]).toEqual([1, 0]);
	expect(await alertRows()).toMatchObject([
		{ kind: "price.mismatch", subject: "openai/gpt-test", severity: "warning", detail: { calls: 1, answeredModel: "gpt-new", costNanoUsd: "200" } },
	]);
	await ledger.sql("UPDATE tollgate.attempt SET at = at - interval '25 hours' WHERE reason IS NOT NULL");
	expect([await watch("price.mismatch"), await watch("price.mismatch")]).toEqual([1, 0]);
});

describe("a gateway that fell silent while it holds money", () => {
	const silentFor = (interval: string) => ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = now() - $1::interval", [interval]);

	beforeEach(() => ledger.passTime("0 seconds"));

	test("is told of after a minute, with what it holds and of whom", async () => {
		await silentFor("10 minutes");
		expect(await watch("gateway.silent")).toBe(0); // it holds nothing
		await ledger.grant(300n);
		await silentFor("59 seconds");
		expect(await watch("gateway.silent")).toBe(0);
		await silentFor("62 seconds");
		expect([await watch("gateway.silent"), await watch("gateway.silent")]).toEqual([1, 0]);
		expect(await alertRows()).toMatchObject([
			{ team_id: "@organization", subject: "g1", severity: "error", state: "fires", detail: { epochs: "1", amountNanoUsd: "300", accounts: "team/demo" } },
		]);
	});

	test("that comes and goes is one alert, over when it was not silent for a quarter of an hour", async () => {
		await ledger.grant(300n);
		await silentFor("62 seconds");
		expect(await watch("gateway.silent")).toBe(1);
		for (let times = 0; times < 3; times++) {
			await silentFor("0 seconds");
			await pass("14 minutes");
			expect(await watch("gateway.silent")).toBe(0);
			await silentFor("62 seconds");
			expect(await watch("gateway.silent")).toBe(0);
		}
		await ledger.drain();
		await pass("16 minutes");
		expect([await watch("gateway.silent"), await watch("gateway.silent")]).toEqual([1, 0]);
		expect(await states()).toEqual(["gateway.silent ended", "gateway.silent end"]);
	});
});

test("two workers that see the same at the same time make one alert", async () => {
	await ledger.settle({ n: 1, reserved: 100n, cost: 250n });
	await ledger.register();
	await heartbeat(1n);
	const other = new pg.Client({ connectionString: ledger.database.url });
	await other.connect();
	const beside = new Connection({ url: ledger.database.url, applicationName: "test beside" });
	try {
		await other.query("BEGIN");
		await other.query("SELECT tollgate.watch_overruns(), tollgate.watch_conditions('gateway.fenced')");
		// Both have looked before the other's alerts are to be seen.
		const waiting = Promise.all([watchOverruns(connection), watchCondition(beside, "gateway.fenced")]);
		const WAITING =
			"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
		await expect.poll(async () => (await ledger.sql(WAITING)).length).toBe(2);
		await other.query("COMMIT");
		expect(await waiting).toEqual([0, 0]);
		expect(await states()).toEqual(["budget.overrun fires", "gateway.fenced fires"]);
	} finally {
		await beside.close();
		await other.end();
	}
});
