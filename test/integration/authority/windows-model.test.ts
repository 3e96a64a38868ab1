import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WINDOW_KINDS } from "#domain/budget/scope.ts";
import { type BudgetWindow, calendarWindow, type WindowRule, windowInForce } from "#domain/budget/window.ts";
import { insertBudget } from "#test/support/authority-rows.ts";
import { type Random, randomFrom } from "#test/support/model-histories.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { AWKWARD_ZONES as ZONES } from "#test/support/time-zones.ts";

/** PostgreSQL's windows against domain/budget/window.ts: what the authority books in and what the workflow announces is one thing. */
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2020, 0, 1);
const LAST_MS = Date.UTC(2036, 0, 1);

let database: TestDatabase;
let connections: TestPool;
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	connections = openTestPool(database.url, 16);
	await connections.pool.query("INSERT INTO tollgate.team (id) VALUES ('demo')");
});

afterAll(async () => {
	await connections.close();
	await database.close();
});

type Case = WindowRule & { readonly atMs: number };
type BoundsRow = { readonly starts_at_ms: string | null; readonly ends_at_ms: string | null };

/** null where PostgreSQL says infinity. */
async function boundsInPostgres(cases: readonly Case[]): Promise<BudgetWindow[]> {
	const { rows } = await connections.pool.query<BoundsRow>(
		`SELECT CASE WHEN isfinite(b.starts_at) THEN (extract(epoch FROM b.starts_at) * 1000)::bigint END AS starts_at_ms,
		        CASE WHEN isfinite(b.ends_at) THEN (extract(epoch FROM b.ends_at) * 1000)::bigint END AS ends_at_ms
		 FROM unnest($1::text[], $2::text[], $3::bigint[], $4::integer[], $5::integer[]) WITH ORDINALITY AS c (kind, zone, at_ms, week_start, fiscal_year_start, n)
		 CROSS JOIN LATERAL tollgate.window_bounds(c.kind, c.zone, to_timestamp(c.at_ms / 1000.0), c.week_start, c.fiscal_year_start) b ORDER BY c.n`,
		[
			cases.map((one) => one.windowKind),
			cases.map((one) => one.timeZone),
			cases.map((one) => one.atMs.toString()),
			cases.map(({ weekStart = 1 }) => weekStart),
			cases.map(({ fiscalYearStart = 1 }) => fiscalYearStart),
		],
	);
	return rows.map(parseBounds);
}

function parseBounds({ starts_at_ms, ends_at_ms }: BoundsRow): BudgetWindow {
	return { startsAtMs: Number(starts_at_ms ?? 0), endsAtMs: ends_at_ms === null ? null : Number(ends_at_ms) };
}

const pick = <Item>(items: readonly Item[], random: Random): Item => items[random(items.length)]!;
const randomRule = (random: Random): WindowRule => ({
	windowKind: pick(WINDOW_KINDS, random),
	timeZone: pick(ZONES, random),
	weekStart: 1 + random(7),
	fiscalYearStart: 1 + random(12),
});
const randomInstant = (random: Random) => FIRST_MS + random((LAST_MS - FIRST_MS) / HOUR_MS) * HOUR_MS + random(HOUR_MS);
const describeCase = ({ windowKind, timeZone, atMs, weekStart, fiscalYearStart }: Case) =>
	`${windowKind} (${weekStart}, ${fiscalYearStart}) in ${timeZone} at ${new Date(atMs).toISOString()}`;

async function expectAgreement(cases: readonly Case[]): Promise<void> {
	const actual = await boundsInPostgres(cases);
	const problems = cases.flatMap((one, index) => {
		const expected = calendarWindow(one, one.atMs);
		const found = actual[index]!;
		if (found.startsAtMs === expected.startsAtMs && found.endsAtMs === expected.endsAtMs) return [];
		return [`${describeCase(one)}: PostgreSQL says ${JSON.stringify(found)}, the model ${JSON.stringify(expected)}`];
	});
	expect(problems.slice(0, 10)).toEqual([]);
}

describe("window_bounds", () => {
	it("agrees with the model at 20,000 random instants", async () => {
		const random = randomFrom(1);
		await expectAgreement(Array.from({ length: 20_000 }, () => ({ ...randomRule(random), atMs: randomInstant(random) })));
	});

	it("agrees around every change of daylight saving, at both ends of the windows it falls in", async () => {
		const cases: Case[] = [];
		for (const timeZone of ZONES) {
			for (const changeMs of offsetChanges(timeZone)) {
				for (const windowKind of ["hour", "day", "week", "month"] as const) {
					const window = calendarWindow({ windowKind, timeZone }, changeMs);
					const around = [
						changeMs - HOUR_MS,
						changeMs - 1,
						changeMs,
						changeMs + HOUR_MS / 2,
						changeMs + HOUR_MS,
						window.startsAtMs - 1,
						window.startsAtMs,
						window.endsAtMs! - 1,
						window.endsAtMs!,
					];
					for (const atMs of around) cases.push({ windowKind, timeZone, atMs });
				}
			}
		}
		expect(cases.length).toBeGreaterThan(5_000);
		await expectAgreement(cases);
	});

	it("agrees at the ends of months and quarters, leap years included", async () => {
		const cases: Case[] = [];
		for (const timeZone of ZONES) {
			for (let atMs = FIRST_MS; atMs < LAST_MS; ) {
				const month = calendarWindow({ windowKind: "month", timeZone }, atMs);
				for (const windowKind of ["day", "week", "month", "quarter"] as const)
					for (const edge of [month.endsAtMs! - 1, month.endsAtMs!]) cases.push({ windowKind, timeZone, atMs: edge });
				for (const fiscalYearStart of [2, 3, 12])
					for (const edge of [month.endsAtMs! - 1, month.endsAtMs!]) cases.push({ windowKind: "quarter", timeZone, atMs: edge, fiscalYearStart });
				atMs = month.endsAtMs!;
			}
		}
		await expectAgreement(cases);
	});
});

/** Instants at which the local clock of a zone jumps, found by bisection between days. */
function offsetChanges(timeZone: string): number[] {
	const format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
	const offset = (atMs: number) => format.formatToParts(atMs).find(({ type }) => type === "timeZoneName")?.value;
	const changes: number[] = [];
	for (let dayMs = FIRST_MS; dayMs < LAST_MS; dayMs += DAY_MS) {
		if (offset(dayMs) === offset(dayMs + DAY_MS)) continue;
		let before = dayMs;
		let after = dayMs + DAY_MS;
		while (after - before > 1) {
			const middle = Math.floor((before + after) / 2);
			if (offset(middle) === offset(dayMs)) before = middle;
			else after = middle;
		}
		changes.push(after);
	}
	return changes;
}

describe("open_window", () => {
	/** A budget whose last window ended at `endedMs`; its rule says another zone, week or fiscal year by now. */
	async function budgetWithEndedWindow(client: pg.PoolClient, rule: WindowRule, previous: { startsAtMs: number; endsAtMs: number }): Promise<string> {
		const value = `${rule.timeZone} ${previous.endsAtMs} ${++number}`;
		const budgetId = await insertBudget(client, { teamId: "demo", dimension: "user", value, limit: 1n, ...rule });
		await client.query(
			"INSERT INTO tollgate.budget_window (budget_id, starts_at, ends_at, limit_amount, stop_amount) VALUES ($1, to_timestamp($2 / 1000.0), to_timestamp($3 / 1000.0), 1, 1)",
			[budgetId, previous.startsAtMs, previous.endsAtMs],
		);
		return budgetId;
	}

	async function openWindow(client: pg.PoolClient, budgetId: string): Promise<{ window: BudgetWindow; beforeMs: number; afterMs: number }> {
		const clock = async () => Number((await client.query<{ ms: string }>("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms")).rows[0]?.ms);
		const beforeMs = await clock();
		const { rows: opened } = await client.query<{ id: string }>("SELECT tollgate.open_window($1)::text AS id", [budgetId]);
		const { rows } = await client.query<BoundsRow>(
			"SELECT (extract(epoch FROM starts_at) * 1000)::bigint AS starts_at_ms, (extract(epoch FROM ends_at) * 1000)::bigint AS ends_at_ms FROM tollgate.budget_window WHERE id = $1",
			[opened[0]?.id],
		);
		return { window: parseBounds(rows[0]!), beforeMs, afterMs: await clock() };
	}

	it("gives the model's window after a change of time zone, week start or fiscal year: one reset, never two", async () => {
		const random = randomFrom(2);
		const client = await connections.pool.connect();
		try {
			for (let count = 0; count < 150; count++) {
				const rule: WindowRule = { ...randomRule(random), windowKind: pick(["hour", "day", "week", "month", "quarter"] as const, random) };
				const earlier = calendarWindow({ ...randomRule(random), windowKind: rule.windowKind }, Date.now() - random(3) * DAY_MS);
				// A window that has ended: one that is still open is brought to its end a moment ago.
				const endsAtMs = Math.min(earlier.endsAtMs!, Date.now() - 1 - random(30 * HOUR_MS));
				const previous = { startsAtMs: Math.min(earlier.startsAtMs, endsAtMs - 1), endsAtMs };
				const budgetId = await budgetWithEndedWindow(client, rule, previous);
				const { window, beforeMs, afterMs } = await openWindow(client, budgetId);
				// A boundary may pass while this runs: either side of it is right then.
				const expected = [beforeMs, afterMs].map((atMs) => windowInForce(rule, previous, atMs));
				expect(expected, `${rule.windowKind} in ${rule.timeZone} after a window that ended ${new Date(endsAtMs).toISOString()}`).toContainEqual(window);
			}
		} finally {
			client.release();
		}
	});

	it("opens exactly one window when 16 connections come to a due one at once", async () => {
		for (let round = 0; round < 10; round++) {
			const client = await connections.pool.connect();
			const budgetId = await budgetWithEndedWindow(
				client,
				{ windowKind: "day", timeZone: "UTC" },
				{ startsAtMs: FIRST_MS + round, endsAtMs: FIRST_MS + DAY_MS + round },
			);
			client.release();
			const opened = await Promise.all(
				Array.from({ length: 16 }, () => connections.pool.query<{ id: string }>("SELECT tollgate.open_window($1)::text AS id", [budgetId])),
			);
			expect(new Set(opened.map(({ rows }) => rows[0]?.id)).size).toBe(1);
			const { rows } = await connections.pool.query(
				"SELECT count(*)::int AS windows, (SELECT count(*)::int FROM tollgate.window_event e JOIN tollgate.budget_window w ON w.id = e.window_id WHERE w.budget_id = $1) AS events FROM tollgate.budget_window WHERE budget_id = $1",
				[budgetId],
			);
			expect(rows[0]).toEqual({ windows: 2, events: 1 });
		}
	});
});
