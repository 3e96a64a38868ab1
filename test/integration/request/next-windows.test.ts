import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { insertBudget, insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

let database: TestDatabase;
let gateway: TestGateway | undefined;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterEach(() => gateway?.close());

afterAll(() => database.close());

const one = <Row extends Record<string, unknown>>(sql: string, values: unknown[] = []) =>
	withClient(database.url, async (client) => (await client.query<Row>(sql, values)).rows[0]);

/** A team of two budgets whose windows end within seconds. */
async function createTeam(teamId: string, secondsLeft: number): Promise<string> {
	return withClient(database.url, async (client) => {
		await insertTeam(client, teamId);
		for (const windowKind of ["day", "hour"]) {
			const budgetId = await insertBudget(client, { teamId, limit: 1_000_000n, windowKind });
			await client.query("SELECT tollgate.open_window($1)", [budgetId]);
		}
		await client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + $1 * interval '1 second' WHERE ends_at > clock_timestamp()", [
			secondsLeft,
		]);
		return insertKey(client, teamId);
	});
}

const BOUNDARY_PASSED =
	"SELECT max(ends_at) FILTER (WHERE NOT is_ahead) < clock_timestamp() - interval '50 milliseconds' AS passed FROM tollgate.budget_window";
const AHEAD = "SELECT count(*)::int AS leases FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id WHERE w.is_ahead AND l.granted > 0";
const UNRETURNED = "SELECT count(*)::int AS leases FROM tollgate.lease WHERE window_id = ANY ($1::bigint[]) AND granted - returned - posted > 0";

/** Makes one call and answers the windows it was reserved in and what it cost in round trips. */
async function openCaller(name: string, secret: string) {
	gateway = await startTestGateway(database.url, name);
	const { authority, records } = gateway;
	const key = await authority.resolveKey(secret);
	if (key.kind === "refused") throw new Error(key.message);
	return async () => {
		const before = authority.counters.sqlRoundTripsBeforeSend;
		const admission = await authority.admit(testCall(key.key, testBound(100n)));
		if (admission.kind === "refused") throw new Error(admission.refusal.message);
		const { attemptId } = admission.attempt;
		const record = records.findLast((one) => "windows" in one && one.attemptId === attemptId);
		admission.attempt.release("test");
		const windowIds = record && "windows" in record ? record.windows.map(({ id }) => id) : [];
		return { windowIds, roundTrips: authority.counters.sqlRoundTripsBeforeSend - before };
	};
}

it("the first call after a boundary costs no round trip, and counts in the new windows", async () => {
	const call = await openCaller("g1", await createTeam("night", 2));
	const first = await call();
	await until("leases in the next windows", async () => (await one<{ leases: number }>(AHEAD))?.leases === 2);
	expect((await call()).windowIds).toEqual(first.windowIds);
	await until("the boundary", async () => (await one<{ passed: boolean }>(BOUNDARY_PASSED))?.passed === true);

	const next = await call();
	expect(next.roundTrips).toBe(0);
	expect(next.windowIds.length).toBe(2);
	expect(next.windowIds.filter((windowId) => first.windowIds.includes(windowId))).toEqual([]);
	await until("the old leases to go back", async () => (await one<{ leases: number }>(UNRETURNED, [first.windowIds]))?.leases === 0);
	expect(gateway?.alerts).toEqual([]);
});

it("calls go on across a boundary without a pause, first in the old windows, then in the new ones", async () => {
	const call = await openCaller("g2", await createTeam("shift", 2));
	const seen: string[] = [];
	while (new Set(seen).size < 2 || seen.at(-1) !== seen.at(-2_000)) {
		const batch = await Promise.all(Array.from({ length: 200 }, call));
		seen.push(...batch.map(({ windowIds }) => windowIds.join()));
		await nextTurn(); // calls in memory never let go of the event loop by themselves
	}
	const order = seen.filter((windows, index) => windows !== seen[index - 1]);
	expect(order.length).toBe(new Set(order).size); // never back into a window that was left
	expect(gateway?.alerts).toEqual([]);
});
