import { createHash } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { OpeningBalances } from "#activities/governance/opening-balances.ts";
import { TotalsPublisher } from "#activities/governance/totals-publisher.ts";
import { TEAMS_REFUSED_SINCE, TotalsSource } from "#activities/governance/totals-source.ts";
import { REFUSALS_COUNTED_MAX } from "#domain/budget/publication.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { DAILY_BUDGET as daily } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let client: pg.Client;
let connections: Connection[] = [];

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
});

beforeEach(async () => {
	await Promise.all(connections.map((connection) => connection.close()));
	connections = [];
	await client.query(
		"TRUNCATE tollgate.team, tollgate.budget, tollgate.budget_window, tollgate.window_event, tollgate.lease, tollgate.team_governance, tollgate.totals_told, tollgate.refusal, tollgate.chunk, tollgate.gateway_epoch CASCADE",
	);
});

afterAll(async () => {
	await Promise.all(connections.map((connection) => connection.close()));
	await client?.end();
	await database?.close();
});

function connect(): Connection {
	const connection = new Connection({ url: database.url, applicationName: "test" });
	connections.push(connection);
	return connection;
}

function newPublisher() {
	const told: { teamId: string; report: TotalsReport; atMs: number }[] = [];
	const changes: string[] = [];
	const world = { nowMs: 0, isTemporalAway: false };
	const publisher = new TotalsPublisher({
		source: new TotalsSource(connect()),
		openingBalances: new OpeningBalances(connect(), () => world.nowMs),
		sink: {
			async reportTotals(teamId, report) {
				if (world.isTemporalAway) throw new CostControlError("governance.unreachable", "away");
				told.push({ teamId, report, atMs: world.nowMs });
			},
		},
		observer: {
			reachabilityChanged: (isReachable) => changes.push(isReachable ? "reachable" : "unreachable"),
			roleChanged: (isPublisher) => changes.push(isPublisher ? "publisher" : "standby"),
			failed: (error) => {
				throw error;
			},
		},
		now: () => world.nowMs,
		async wait(ms) {
			world.nowMs += ms;
		},
	});
	const cycle = async (afterMs: number): Promise<string[]> => {
		const before = told.length;
		world.nowMs += afterMs;
		await publisher.cycle();
		return told.slice(before).map(({ teamId }) => teamId);
	};
	return { cycle, told, changes, world };
}

async function newTeam(teamId: string): Promise<string> {
	await client.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
	await createPostgresBudgetStore(connect()).writeBudgets({ teamId, revision: 1, requestedBy: "ann", set: [daily], remove: [] });
	const { rows } = await client.query<{ id: string }>(
		"SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1",
		[teamId],
	);
	return rows[0]!.id;
}

async function post(windowId: string, posted: number, gatewayId = "g1"): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, version) VALUES ($1, 1, $2, $3, $3, 1)
		 ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = excluded.granted, posted = excluded.posted, version = l.version + 1`,
		[gatewayId, windowId, posted],
	);
}

async function refuse(windowId: string | null, teamId: string, refusalId: string, code = "budget.exceeded"): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.refusal (refusal_id, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, window_id) VALUES ($1, now(), $1, 'g1', 1, $2, 'k', $4, $3)`,
		[refusalId, teamId, windowId, code],
	);
}

describe("what is told", () => {
	test("totals are the sum of a window's leases, their version the sum of the counters", async () => {
		const windowId = await newTeam("alpha");
		await post(windowId, 100, "g1");
		await post(windowId, 200, "g1");
		await post(windowId, 50, "g2");
		const { cycle, told } = newPublisher();
		expect(await cycle(0)).toEqual(["alpha"]);
		expect(told[0]?.report.windows).toMatchObject([{ key: "team||nano_usd|day", posted: "250", version: 3, leases: 0 }]);
	});

	test("the heads of the chains that hold what is told come with it, those of others do not", async () => {
		const windowId = await newTeam("alpha");
		await post(windowId, 100, "g1");
		for (const [gateway, seq] of [
			["g1", 1],
			["g1", 2],
			["g2", 1],
		] as const)
			await client.query(
				"INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ($1, 1, $2::bigint, 1, sha256('before'), sha256(($1 || $2)::bytea))",
				[gateway, String(seq)],
			);
		await client.query("INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode) VALUES ('g1', 1, 'b', 'off'), ('g2', 1, 'b', 'off')");
		const { cycle, told } = newPublisher();
		await cycle(0);
		const hash = createHash("sha256").update("g12").digest("hex");
		expect(told[0]?.report.chainHeads).toEqual([{ gatewayId: "g1", epoch: "1", chunkSeq: "2", hash }]);
	});

	test("each team of many is told its own totals and heads, also where some have none", async () => {
		await client.query("INSERT INTO tollgate.gateway_epoch (gateway_id, epoch, boot_id, fsync_mode) VALUES ('g1', 1, 'b', 'off'), ('g2', 1, 'b', 'off')");
		await client.query(
			"INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) SELECT g, 1, 1, 1, sha256('before'), sha256('now') FROM unnest(ARRAY['g1', 'g2']) g",
		);
		const gatewayOf = (n: number): string | undefined => [undefined, "g1", "g2"][n % 3];
		for (let n = 0; n < 30; n++) {
			const windowId = await newTeam(`team-${n}`);
			const gatewayId = gatewayOf(n);
			if (gatewayId !== undefined) await post(windowId, 100 + n, gatewayId);
		}
		const { cycle, told } = newPublisher();
		await cycle(0);
		expect(told).toHaveLength(30);
		for (const { teamId, report } of told) {
			const n = Number(teamId.slice("team-".length));
			const gatewayId = gatewayOf(n);
			expect(report.windows.map(({ posted }) => posted)).toEqual([gatewayId === undefined ? "0" : String(100 + n)]);
			expect(report.chainHeads?.map((head) => head.gatewayId)).toEqual(gatewayId === undefined ? [] : [gatewayId]);
		}
	});

	test("a move of more than 1 % is told after a second, a smaller one after 30 s, nothing when nothing moved", async () => {
		const windowId = await newTeam("alpha");
		const { cycle } = newPublisher();
		expect(await cycle(0)).toEqual(["alpha"]);
		await post(windowId, 11);
		expect(await cycle(999)).toEqual([]);
		expect(await cycle(1)).toEqual(["alpha"]);
		await post(windowId, 12);
		expect(await cycle(29_000)).toEqual([]);
		expect(await cycle(1_000)).toEqual(["alpha"]);
		expect(await cycle(60_000)).toEqual([]);
	});

	test("refusals ride along, absolute, with the last of them by request", async () => {
		const windowId = await newTeam("alpha");
		const { cycle, told } = newPublisher();
		await cycle(0);
		for (const id of ["r1", "r2", "r3"]) await refuse(windowId, "alpha", id);
		expect(await cycle(1_000)).toEqual(["alpha"]);
		expect(told.at(-1)?.report.windows[0]?.refusals).toBe(3);
		expect(told.at(-1)?.report.lastRefusals.map(({ requestId, code }) => [requestId, code])).toEqual([
			["r1", "budget.exceeded"],
			["r2", "budget.exceeded"],
			["r3", "budget.exceeded"],
		]);
		expect(await cycle(1_000)).toEqual([]);
	});

	test("refusals come with the stop in force at the newest of them, whatever holds by now", async () => {
		const windowId = await newTeam("alpha");
		const { cycle, told } = newPublisher();
		await refuse(windowId, "alpha", "r1");
		await client.query("UPDATE tollgate.refusal SET window_seq = (SELECT event_seq FROM tollgate.budget_window WHERE id = $1)", [windowId]);
		await createPostgresBudgetStore(connect()).writeBudgets({
			teamId: "alpha",
			revision: 2,
			requestedBy: "ann",
			set: [{ ...daily, limitAmount: "2000" }],
			remove: [],
		});
		await cycle(0);
		expect(told.at(-1)?.report.windows[0]).toMatchObject({ refusals: 1, refusedAtStop: "1000" });
		await refuse(windowId, "alpha", "r2");
		await client.query("UPDATE tollgate.refusal SET window_seq = (SELECT event_seq FROM tollgate.budget_window WHERE id = $1) WHERE refusal_id = 'r2'", [
			windowId,
		]);
		await cycle(1_000);
		expect(told.at(-1)?.report.windows[0]).toMatchObject({ refusals: 2, refusedAtStop: "2000" });
	});

	test("what limits beside money refuse is no refusal of a budget, and no reason to count or tell", async () => {
		const windowId = await newTeam("alpha");
		const { cycle, told } = newPublisher();
		await cycle(0);
		await refuse(windowId, "alpha", "refused");
		await cycle(1_000);
		for (const id of ["l1", "l2"]) await refuse(null, "alpha", id, "limit.requests");
		expect(await cycle(60_000)).toEqual([]);
		expect(told.at(-1)?.report.windows[0]?.refusals).toBe(1);
		const [newest] = (await client.query(TEAMS_REFUSED_SINCE, [86_400])).rows;
		expect(newest.at).toEqual((await client.query("SELECT at FROM tollgate.refusal WHERE refusal_id = 'refused'")).rows[0].at);
	});

	test("what observed budgets let pass is counted apart, of the organisation too, and is none of the last refusals", async () => {
		const windowId = await newTeam("alpha");
		const store = createPostgresBudgetStore(connect());
		const organization: BudgetDefinition = { ...daily, dimension: "organization", mode: "observe" };
		await store.writeBudgets({ teamId: "@organization", revision: 1, requestedBy: "ann", set: [organization], remove: [] });
		const { rows } = await client.query<{ id: string }>(
			"SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id IS NULL",
		);
		const { cycle, told } = newPublisher();
		await cycle(0);
		await refuse(windowId, "alpha", "refused");
		for (const id of ["o1", "o2"]) await refuse(rows[0]!.id, "alpha", id);
		await client.query("UPDATE tollgate.refusal SET is_observed = true WHERE refusal_id LIKE 'o_'");
		expect((await cycle(1_000)).sort()).toEqual(["@organization", "alpha"]);
		const counts = told.slice(-2).flatMap(({ report }) => report.windows.map(({ key, refusals, observedRefusals }) => [key, refusals, observedRefusals]));
		expect(counts.sort()).toEqual([
			["organization||nano_usd|day", 0, 2],
			["team||nano_usd|day", 1, 0],
		]);
		expect(told.flatMap(({ report }) => report.lastRefusals.map(({ requestId }) => requestId))).toEqual(["refused"]);
	});

	test("thousands of refusals of one window hide none of another, and a count stops at its cap", async () => {
		const windowId = await newTeam("alpha");
		const bob: BudgetDefinition = { ...daily, dimension: "user", dimensionValue: "bob" };
		await createPostgresBudgetStore(connect()).writeBudgets({ teamId: "alpha", revision: 2, requestedBy: "ann", set: [bob], remove: [] });
		const { rows } = await client.query<{ id: string }>(
			"SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.dimension_value = 'bob'",
		);
		await client.query(
			`INSERT INTO tollgate.refusal (refusal_id, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, window_id)
			 SELECT 'many-' || n, now(), 'r', 'g1', 1, 'alpha', 'k', 'budget.exceeded', $1 FROM generate_series(1, 10000) n`,
			[windowId],
		);
		for (const id of ["b1", "b2"]) await refuse(rows[0]!.id, "alpha", id);
		const { cycle, told } = newPublisher();
		await cycle(0);
		const counts = told[0]?.report.windows.map(({ key, refusals }) => [key, refusals]);
		expect(counts).toEqual(
			expect.arrayContaining([
				["team||nano_usd|day", REFUSALS_COUNTED_MAX],
				["user|bob|nano_usd|day", 2],
			]),
		);
		await client.query("ANALYZE tollgate.refusal");
		const plan = await client.query<{ "QUERY PLAN": string }>(
			"EXPLAIN SELECT 1 FROM tollgate.refusal r WHERE r.window_id = 42 AND r.code IN ('budget.exceeded', 'budget.overrun', 'budget.needs_approval') AND NOT r.is_observed",
		);
		expect(plan.rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain("refusal_window");
	});

	test("a freeze that a person put into PostgreSQL is told, though nothing moved", async () => {
		await newTeam("alpha");
		const { cycle, told } = newPublisher();
		await cycle(0);
		await client.query("SELECT tollgate.freeze_now('alpha', true, 'runaway', 'ann')");
		expect(await cycle(1_000)).toEqual(["alpha"]);
		expect(told.at(-1)?.report.freeze).toEqual({ isFrozen: true, reason: "runaway", seq: 1 });
		expect(await cycle(1_000)).toEqual([]);
	});

	test("crossings go first, at once; what moved follows, no more than 50 in a second and behind what crosses meanwhile", async () => {
		const windows = new Map<string, string>();
		for (let index = 0; index < 70; index++) windows.set(`team-${index}`, await newTeam(`team-${index}`));
		for (let index = 60; index < 70; index++) await post(windows.get(`team-${index}`)!, 900);
		const { cycle, told } = newPublisher();
		const first = await cycle(0);
		expect(new Set(first.slice(0, 10))).toEqual(new Set(Array.from({ length: 10 }, (_, index) => `team-${60 + index}`)));
		// What moved leaves ten places of a second to what crosses meanwhile.
		expect(first).toHaveLength(40);
		const untold = [...windows.keys()].find((teamId) => !first.includes(teamId)) ?? "";
		await post(windows.get(untold)!, 900);
		expect((await cycle(0))[0]).toBe(untold);
		while (told.length < 70) await cycle(1);
		told.forEach(({ atMs }, index) => {
			if (index >= 50) expect(atMs - told[index - 50]!.atMs).toBeGreaterThan(1_000);
		});
	});
});

describe("outages", () => {
	test("with Temporal away nothing is lost: one signal with the present totals catches up", async () => {
		const windowId = await newTeam("alpha");
		const { cycle, told, changes, world } = newPublisher();
		await cycle(0);
		world.isTemporalAway = true;
		for (const posted of [300, 850, 1000]) {
			await post(windowId, posted);
			expect(await cycle(1_000)).toEqual([]);
		}
		world.isTemporalAway = false;
		expect(await cycle(1_000)).toEqual(["alpha"]);
		expect(told.at(-1)?.report.windows[0]).toMatchObject({ posted: "1000", version: 3 });
		expect(changes).toEqual(["publisher", "unreachable", "reachable"]);
	});

	test("a window that ended hours before Temporal came back is told with its last totals, also by a publisher that has just started", async () => {
		const windowId = await newTeam("alpha");
		const { cycle, world } = newPublisher();
		await cycle(0);
		world.isTemporalAway = true;
		await post(windowId, 900);
		expect(await cycle(1_000)).toEqual([]);
		await client.query("UPDATE tollgate.totals_told SET told_at = told_at - interval '6 hours'");
		await client.query(
			"UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 day', ends_at = clock_timestamp() - interval '5 hours' WHERE id = $1",
			[windowId],
		);
		await client.query("SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objid = 718204010");
		const later = newPublisher();
		await expect.poll(() => later.cycle(0)).toEqual(["alpha"]);
		expect(later.told.at(-1)?.report.windows).toMatchObject([{ key: "team||nano_usd|day", posted: "900" }]);

		await client.query("UPDATE tollgate.totals_told SET told_at = clock_timestamp()");
		expect(await later.cycle(60_000)).toEqual([]);
	});

	test("of two publishers one speaks, and the other takes over when its session is gone", async () => {
		await newTeam("alpha");
		const first = newPublisher();
		const second = newPublisher();
		expect(await first.cycle(0)).toEqual(["alpha"]);
		expect(await second.cycle(0)).toEqual([]);
		const holders =
			"FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objid = 718204010 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
		const endHolder = async (): Promise<void> => {
			await client.query(`SELECT pg_terminate_backend(l.pid) ${holders}`);
			await expect.poll(async () => (await client.query(`SELECT 1 ${holders}`)).rowCount).toBe(0); // a backend ends in its own time
		};
		await endHolder();
		expect(await second.cycle(1_000)).toEqual(["alpha"]);
		expect(await first.cycle(5_000)).toEqual([]);
		expect(first.changes.at(-1)).toBe("standby");
		await endHolder();
		// Nothing moved: what was told before the role was lost may not be what was told last.
		expect(await first.cycle(1_000)).toEqual(["alpha"]);
	});
});
