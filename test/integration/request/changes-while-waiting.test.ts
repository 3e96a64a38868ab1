import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { insertBudget, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

/** What comes into force while a call waits for money holds for that call too (money-path §3: within 1 s). */
let database: TestDatabase;
let gateway: TestGateway;
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterEach(() => gateway.close());

afterAll(() => database.close());

type Team = { readonly teamId: string; readonly keyId: string; readonly secret: string };

async function createTeam(limit: bigint): Promise<Team> {
	const teamId = `team${++number}`;
	const team = { teamId, keyId: `key_${teamId}`, secret: `tg-${randomBytes(32).toString("base64url")}` };
	await withClient(database.url, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs: 30_000 });
		await client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, $2, '', $3, 'test')", [
			team.keyId,
			createHash("sha256").update(team.secret).digest(),
			teamId,
		]);
		await insertBudget(client, { teamId, limit });
	});
	gateway = await startTestGateway(database.url, `g${number}`);
	return team;
}

async function call(team: Team, need: bigint): Promise<Admission> {
	const key = await gateway.authority.resolveKey(team.secret);
	if (key.kind === "refused") throw new Error(key.message);
	return gateway.authority.admit(testCall(key.key, testBound(need)));
}

/** The team spends 900 of its money and does not give it back; the next call waits. */
async function callAndWait(team: Team): Promise<{ readonly open: Attempt; readonly waiting: Promise<Admission> }> {
	const first = await call(team, 900n);
	const open = first.kind === "admitted" ? first.attempt : expect.fail(first.refusal.message);
	const before = gateway.authority.counters.grants;
	const waiting = call(team, 500n);
	await until("a call that waits", () => gateway.authority.counters.grants > before + 1);
	return { open, waiting };
}

const inForce = () =>
	until("the change in force", () =>
		withClient(database.url, async (client) => {
			const { rows } = await client.query<{ n: string }>("SELECT tollgate.gateways_behind((SELECT max(revision) FROM tollgate.change))::text AS n");
			return rows[0]?.n === "0";
		}),
	);

const budgetOfKey = ({ keyId }: Team) => ({ dimension: "key", dimensionValue: keyId, unit: "nano_usd", windowKind: "day" });

const writeBudget = (team: Team, limitAmount: string) =>
	withClient(database.url, (client) =>
		client.query("SELECT tollgate.write_budget($1, 1, 'test', $2)", [
			team.teamId,
			{
				...DAILY_BUDGET,
				...budgetOfKey(team),
				limitAmount,
			},
		]),
	);

it("a revoked key", async () => {
	const team = await createTeam(1_000n);
	const { open, waiting } = await callAndWait(team);
	await withClient(database.url, (client) =>
		client.query("WITH changed AS (UPDATE tollgate.virtual_key SET revoked_at = now() WHERE id = $1) SELECT tollgate.record_change('key', $1, 'test', '{}')", [
			team.keyId,
		]),
	);
	await inForce();
	open.release("test");
	expect(await waiting).toMatchObject({ kind: "refused", refusal: { code: "key.revoked" } });
});

it("a key that changed and is in force goes on waiting", async () => {
	const team = await createTeam(1_000n);
	const { open, waiting } = await callAndWait(team);
	await withClient(database.url, (client) => client.query("SELECT tollgate.record_change('key', $1, 'test', '{}')", [team.keyId]));
	await inForce();
	open.release("test");
	expect(await waiting).toMatchObject({ kind: "admitted" });
});

it("a new budget", async () => {
	const team = await createTeam(1_000n);
	const { open, waiting } = await callAndWait(team);
	await writeBudget(team, "1");
	await inForce();
	open.release("test");
	expect(await waiting).toMatchObject({ kind: "refused", refusal: { code: "budget.exceeded", budget: `team ${team.teamId}, key ${team.keyId}, per day` } });
});

it("a budget that is gone", async () => {
	const team = await createTeam(1_000_000n);
	await writeBudget(team, "1000");
	await inForce();
	const { waiting } = await callAndWait(team);
	await withClient(database.url, (client) => client.query("SELECT tollgate.remove_budget($1, 2, 'test', $2)", [team.teamId, budgetOfKey(team)]));
	expect(await waiting).toMatchObject({ kind: "admitted" });
});

it("a team whose last budget is gone", async () => {
	const team = await createTeam(1_000n);
	const { waiting } = await callAndWait(team);
	const selector = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" };
	await withClient(database.url, (client) => client.query("SELECT tollgate.remove_budget($1, 1, 'test', $2)", [team.teamId, selector]));
	expect(await waiting).toMatchObject({ kind: "refused", refusal: { code: "budget.none" } });
});
