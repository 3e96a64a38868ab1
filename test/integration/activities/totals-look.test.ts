import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createPostgresBudgetStore, NO_REFUSALS } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { TotalsLook } from "#activities/governance/totals-look.ts";
import { TotalsSource } from "#activities/governance/totals-source.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createRandom } from "../../faults/random.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";

const TEAMS = ["alpha", "beta", "gamma", "delta", "epsilon"];
const refusalsOf = () => NO_REFUSALS;

let database: TestDatabase;
let client: pg.Client;
let connection: Connection;
let source: TotalsSource;
let reads: (number | "all")[];
let look: TotalsLook;

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	connection = new Connection({ url: database.url, applicationName: "test" });
	source = new TotalsSource(connection);
});

afterAll(async () => {
	await connection?.close();
	await client?.end();
	await database?.close();
});

beforeEach(async () => {
	await client.query(
		"TRUNCATE tollgate.team, tollgate.budget, tollgate.budget_window, tollgate.window_event, tollgate.lease, tollgate.team_governance, tollgate.policy_told CASCADE",
	);
	for (const teamId of TEAMS) {
		await client.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
		await createPostgresBudgetStore(connection).writeBudgets({ teamId, revision: 1, requestedBy: "ann", set: [DAILY_BUDGET], remove: [] });
	}
	await client.query(
		"INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted, posted, version) SELECT 'g1', 1, id, 100, 0, 1 FROM tollgate.budget_window",
	);
	reads = [];
	look = new TotalsLook(lookSource(), refusalsOf);
});

const WINDOW_OF = "(SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1 ORDER BY w.id LIMIT 1)";
const SPEND = `UPDATE tollgate.lease SET granted = granted + 1, posted = posted + 1, version = version + 1 WHERE window_id = ${WINDOW_OF}`;

async function seen(): Promise<unknown[]> {
	return (await look.look(0)).toSorted((left, right) => left.teamId.localeCompare(right.teamId));
}

async function there(): Promise<unknown[]> {
	const teams = await source.readTeams(null, { untold: await source.readUntoldPolicies(), refusalsOf });
	return teams.toSorted((left, right) => left.teamId.localeCompare(right.teamId));
}

/** Whatever changes what a team is told. */
const CHANGES: readonly string[] = [
	SPEND,
	`INSERT INTO tollgate.lease AS l (gateway_id, epoch, window_id, granted, posted, version) SELECT 'g2', 1, w, 5, 1, 1 FROM ${WINDOW_OF} AS x (w) WHERE w IS NOT NULL
	 ON CONFLICT (gateway_id, epoch, window_id) DO UPDATE SET granted = l.granted + 1, version = l.version + 1`,
	`UPDATE tollgate.budget_window SET limit_amount = limit_amount + 1, granted = granted + 1 WHERE id = ${WINDOW_OF}`,
	`UPDATE tollgate.budget_window SET ends_at = greatest(starts_at + interval '1 second', clock_timestamp()) WHERE id = ${WINDOW_OF}`,
	"UPDATE tollgate.budget SET thresholds = '[]' WHERE team_id = $1",
	"UPDATE tollgate.budget SET deleted_at = CASE WHEN deleted_at IS NULL THEN clock_timestamp() END WHERE team_id = $1",
	"UPDATE tollgate.team_governance SET is_frozen = NOT is_frozen, freeze_seq = freeze_seq + 1 WHERE team_id = $1",
	"UPDATE tollgate.team_governance SET document_revision = document_revision + 1 WHERE team_id = $1",
	`INSERT INTO tollgate.policy_told (team_id, revision) SELECT team_id, document_revision FROM tollgate.team_governance WHERE team_id = $1
	 ON CONFLICT (team_id) DO UPDATE SET revision = excluded.revision`,
];

test("looking at what moved sees what reading everything sees, whatever moves", async () => {
	const random = createRandom(20_261_126);
	expect(await seen()).toEqual(await there());
	for (let round = 0; round < 150; round++) {
		const changes = Array.from({ length: random.integer(1, 3) }, () => random.integer(0, CHANGES.length - 1));
		for (const change of changes) await client.query(CHANGES[change] ?? "", [TEAMS[random.integer(0, TEAMS.length - 1)]]);
		expect(await seen(), `round ${round}, changes ${changes}`).toEqual(await there());
	}
	expect(reads.filter((read) => read === "all")).toHaveLength(1);
});

test("only teams that moved are read, and none where none has", async () => {
	await seen();
	// A transaction under way anywhere in the cluster makes looks read more than they need.
	await until("a look that reads one team, and one that reads none", async () => {
		await client.query(SPEND, ["beta"]);
		reads = [];
		await seen();
		await seen();
		return reads.length === 1 && reads[0] === 1;
	});
});

test("a transaction that was under way during a look is seen when it commits, however many have come and gone meanwhile", async () => {
	const slow = new pg.Client({ connectionString: database.url });
	await slow.connect();
	await seen();
	await slow.query("BEGIN");
	await slow.query(SPEND, ["alpha"]);
	for (const teamId of ["beta", "gamma", "delta"]) {
		await client.query(SPEND, [teamId]);
		await seen();
	}
	await slow.query("COMMIT");
	await slow.end();
	expect(await seen()).toEqual(await there());
});

test("what only the clock shows is seen within half a minute, a few teams a look, and a team that nothing showed as well", async () => {
	const [hidden = ""] = TEAMS;
	const blind = new TotalsLook({ ...lookSource(), movedSince: async () => [] }, refusalsOf);
	await client.query("UPDATE tollgate.budget SET deleted_at = clock_timestamp() WHERE team_id = $1", [hidden]);
	expect(await blind.look(0)).toHaveLength(TEAMS.length - 1);
	await client.query("UPDATE tollgate.budget SET deleted_at = NULL WHERE team_id = $1", [hidden]);
	for (const teamId of TEAMS) await client.query(SPEND, [teamId]);
	reads = [];
	let last: readonly unknown[] = [];
	for (let atMs = 5_000; atMs <= 30_000; atMs += 5_000) last = await blind.look(atMs);
	// The organisation has its turn too.
	expect(reads).toEqual([1, 1, 1, 1, 1, 1]);
	expect(new Set(last)).toEqual(new Set(await there()));
	reads = [];
	await blind.look(60_000);
	expect(reads).toEqual([TEAMS.length + 1]);
});

test("after a look that failed everything is read", async () => {
	const failures = [new Error("away")];
	const broken = new TotalsLook(
		{
			...lookSource(),
			async movedSince(horizon) {
				const failure = failures.pop();
				if (failure !== undefined) throw failure;
				return source.movedSince(horizon);
			},
		},
		refusalsOf,
	);
	await broken.look(0);
	await expect(broken.look(1)).rejects.toThrow("away");
	reads = [];
	expect(await broken.look(2)).toHaveLength(TEAMS.length);
	expect(reads).toEqual(["all"]);
});

function lookSource() {
	return {
		readHorizon: () => source.readHorizon(),
		movedSince: (horizon: string) => source.movedSince(horizon),
		readUntoldPolicies: () => source.readUntoldPolicies(),
		teamIds: () => source.teamIds(),
		readTeams(teamIds: readonly string[] | null, beside: Parameters<TotalsSource["readTeams"]>[1]) {
			reads.push(teamIds === null ? "all" : teamIds.length);
			return source.readTeams(teamIds, beside);
		},
	};
}
