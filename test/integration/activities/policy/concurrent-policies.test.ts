import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { applyPolicy, policyContext, readCurrentPolicy } from "#test/support/policy.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

/** Policies beside everything else that changes the same rows: grants, idle money that goes back, freezes, raises that end, budgets and keys set one by one. */
const TEAMS = ["a", "b", "c", "d"];
const ROUNDS = 40;
/** Two who wait for each other are told so at once, long before anybody gives up a lock. */
const FINDS_DEADLOCKS = "-c deadlock_timeout=20ms -c lock_timeout=30s";
/** A stale basis is what a basis is for. */
const STALE = "TG409";

let database: TestDatabase;
let connections: TestPool;
let epoch: bigint;

beforeAll(async () => {
	database = await createTestDatabase();
	connections = openTestPool(database.url, 8);
	const teams = TEAMS.map(
		(id) =>
			`  ${id}:\n    budgets:\n      - { window: month, limitUsd: 100 }\n      - { window: day, limitUsd: 50 }\n      - { window: hour, tokens: 900000 }\n`,
	).join("");
	await applyPolicy(
		policyContext(connections.pool),
		`version: 1\norganization:\n  overcommit: true\n  budgets:\n    - { window: month, limitUsd: 1000 }\nteams:\n${teams}`,
	);
	epoch = await withClient((client) => registerGateway(client, "g"));
	for (const team of TEAMS)
		await query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, sha256($2), '', $3, 'test')", [
			`key_${team}`,
			Buffer.from(team),
			team,
		]);
});

afterAll(async () => {
	await connections.close();
	await database.close();
});

async function withClient<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
	const client = new pg.Client({ connectionString: database.url, options: FINDS_DEADLOCKS });
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

async function query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
	return connections.pool.query(text, values);
}

/** Runs a step ROUNDS times on a connection of its own, again where somebody was faster. */
function play(step: (client: pg.Client, round: number) => Promise<unknown>): Promise<void> {
	return withClient(async (client) => {
		for (let round = 0; round < ROUNDS; ) {
			try {
				await step(client, round);
				round++;
			} catch (error) {
				if ((error as { code?: string }).code !== STALE) throw error;
			}
		}
	});
}

function withLimits(policy: Policy, limitUsd: number): Policy {
	const change = (budget: BudgetDefinition, share: number) => ({ ...budget, limitAmount: String((BigInt(limitUsd) * 1_000_000_000n) / BigInt(share)) });
	const teams = Object.entries(policy.teams).map(([id, team]): [string, { budgets: BudgetDefinition[] }] => [
		id,
		{ budgets: team.budgets.map((budget, index) => change(budget, index + 1)) },
	]);
	return mergePolicy(
		policy,
		{ organization: { budgets: policy.organization.budgets.map((budget) => change(budget, 1)) }, teams: Object.fromEntries(teams) },
		{ isPruning: false },
	);
}

/** As `apply` does, without the file: what holds, changed, on the basis it was read at. */
async function applyLimits(client: pg.Client, limitUsd: number): Promise<void> {
	const { policy, basis } = await readCurrentPolicy(client);
	await client.query("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '')", [basis, JSON.stringify(withLimits(policy, limitUsd))]);
}

/** The next revision of the team's workflow, as its activity writes it. */
async function setBudget(client: pg.Client, team: string, limitUsd: number): Promise<void> {
	const { rows } = await client.query("SELECT revision + 1 AS next FROM tollgate.team_governance WHERE team_id = $1", [team]);
	const { policy } = await readCurrentPolicy(client);
	const [budget] = policy.teams[team]?.budgets ?? [];
	await client.query("SELECT tollgate.apply_policy($1, $2, 'bob', $3, '[]')", [
		team,
		rows[0].next,
		JSON.stringify([{ ...budget, limitAmount: `${limitUsd}000000000` }]),
	]);
}

async function grantAndReturn(client: pg.Client, team: string): Promise<void> {
	const { rows } = await client.query(
		"SELECT array_agg(id ORDER BY id) AS ids FROM tollgate.budget WHERE (team_id = $1 OR team_id IS NULL) AND deleted_at IS NULL",
		[team],
	);
	const budgets = rows[0].ids as string[];
	const zeros = budgets.map(() => "0");
	const grant = await client.query(
		"SELECT tollgate.grant_lease('g', $1, $2::bigint[], $3::bigint[], $3::bigint[], $3::bigint[], $3::bigint[], $4::bigint[], false, true) AS reply",
		[epoch.toString(), budgets, zeros, budgets.map(() => "1000")],
	);
	const items = grant.rows[0].reply.items as { windowId: string; leaseGranted: string }[];
	await client.query("SELECT tollgate.heartbeat('g', $1, $2::bigint[], $3::bigint[], 0, 0, 0)", [
		epoch.toString(),
		items.map(({ windowId }) => windowId),
		items.map(({ leaseGranted }) => leaseGranted),
	]);
}

/** The raises of a team's windows are over, and the worker notices. */
async function endRaises(client: pg.Client, team: string): Promise<void> {
	await client.query(
		`WITH due AS (
			SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id
			WHERE b.team_id = $1 AND b.deleted_at IS NULL AND w.ends_at > clock_timestamp() ORDER BY w.id FOR NO KEY UPDATE OF w)
		 UPDATE tollgate.budget_window w SET raised_until = clock_timestamp() FROM due WHERE w.id = due.id`,
		[team],
	);
	await client.query("SELECT tollgate.lower_due_windows()");
}

const SET_KEY = `
	WITH changed AS (UPDATE tollgate.virtual_key SET feature = $2 WHERE id = $1 RETURNING id)
	SELECT tollgate.record_change('key', id, 'bob', '{}') FROM changed`;

test("no two of them wait for each other, every one comes through, and the books are in order", async () => {
	const players = [
		play((client, round) => applyLimits(client, 100 + round)),
		play((client, round) => applyLimits(client, 200 + round)),
		play((client, round) => setBudget(client, TEAMS[round % 4] ?? "a", 300 + round)),
		play((client, round) => setBudget(client, TEAMS[(round + 2) % 4] ?? "a", 400 + round)),
		play((client, round) => client.query("SELECT tollgate.freeze_now($1, $2, 'test', 'bob')", [TEAMS[round % 4], round % 8 < 4])),
		play((client, round) => client.query(SET_KEY, [`key_${TEAMS[round % 4]}`, `f${round}`])),
		play((client, round) => endRaises(client, TEAMS[round % 4] ?? "a")),
		...TEAMS.map((team) => play((client) => grantAndReturn(client, team))),
	];
	const ended = await Promise.allSettled(players);
	expect(ended.flatMap((player) => (player.status === "rejected" ? [String(player.reason)] : []))).toEqual([]);
	const { report, findings } = await verifyLedger({ databaseUrl: database.url });
	expect(findings).toEqual([]);
	expect(report.ok).toBe(true);
	const { rows } = await query(`
		SELECT b.id FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id
		WHERE b.deleted_at IS NULL AND w.ends_at > clock_timestamp() AND NOT w.is_ahead AND (w.limit_amount <> b.limit_amount OR w.revision <> b.revision)`);
	expect(rows).toEqual([]);
}, 120_000);
