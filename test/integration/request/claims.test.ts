import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Authority } from "#activities/authority/port.ts";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { insertBudget, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { until } from "#test/support/until.ts";

/** Who is asked for idle money before a call is refused, when several calls, budgets and teams ask at once. */
let database: TestDatabase;
let gateways: TestGateway[] = [];
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterEach(async () => {
	await Promise.all(gateways.map((gateway) => gateway.close()));
	gateways = [];
});

afterAll(() => database.close());

type Team = { readonly teamId: string; readonly budgetId: string; readonly secret: string };

async function addKey(teamId: string, user: string | null = null): Promise<string> {
	const secret = `tg-${randomBytes(32).toString("base64url")}`;
	await withClient(database.url, (client) =>
		client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, user_id, created_by) VALUES ($1, $2, '', $3, $4, 'test')", [
			`key_${randomBytes(8).toString("hex")}`,
			createHash("sha256").update(secret).digest(),
			teamId,
			user,
		]),
	);
	return secret;
}

async function createTeam(limit: bigint, admissionWaitMs: number): Promise<Team> {
	const teamId = `team${++number}`;
	const budgetId = await withClient(database.url, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs });
		return insertBudget(client, { teamId, limit });
	});
	return { teamId, budgetId, secret: await addKey(teamId) };
}

async function start(through?: (authority: Authority) => Authority): Promise<TestGateway> {
	const gateway = await startTestGateway(database.url, `g${++number}`, through);
	gateways.push(gateway);
	return gateway;
}

async function call({ authority }: TestGateway, secret: string, need: bigint): Promise<Admission> {
	const key = await authority.resolveKey(secret);
	if (key.kind === "refused") throw new Error(key.message);
	return authority.admit(testCall(key.key, testBound(need)));
}

async function admitted(admission: Promise<Admission>): Promise<Attempt> {
	const decided = await admission;
	return decided.kind === "admitted" ? decided.attempt : expect.fail(decided.refusal.message);
}

const codeOf = async (admission: Promise<Admission>): Promise<string> => {
	const decided = await admission;
	return decided.kind === "refused" ? decided.refusal.code : decided.kind;
};

/** Locks the windows of the teams while `work` is done. */
const whileLocked = (teams: readonly Team[], work: () => Promise<void>): Promise<void> =>
	withClient(database.url, async (client) => {
		const budgetIds = teams.map(({ budgetId }) => budgetId);
		for (const budgetId of budgetIds) await client.query("SELECT tollgate.open_window($1)", [budgetId]);
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.budget_window WHERE budget_id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE", [budgetIds]);
		await work();
		await client.query("COMMIT");
	});

it("a call whose money was taken from memory while its grant was under way is not refused before others are asked", async () => {
	const team = await createTeam(1_000n, 0);
	const [holder, asker] = [await start(), await start()];
	(await admitted(call(holder, team.secret, 400n))).release("test");
	(await admitted(call(asker, team.secret, 100n))).release("test");
	let large: Promise<Admission> | undefined;
	await whileLocked([team], async () => {
		const before = asker.authority.counters.grants;
		large = call(asker, team.secret, 400n);
		await until("the grant under way", () => asker.authority.counters.grants > before);
		await admitted(call(asker, team.secret, 180n));
	});
	await admitted(large ?? expect.fail("no call"));
	expect(asker.refusals).toEqual([]);
});

it.each([0, 1_000])("two calls of one team that are short in different budgets do not undo each other's claims (wait %i)", async (waitMs) => {
	const team = await createTeam(1_000_000n, waitMs);
	const users = ["ann", "ben"];
	const secrets = await Promise.all(users.map((user) => addKey(team.teamId, user)));
	await withClient(database.url, async (client) => {
		for (const value of users) await insertBudget(client, { teamId: team.teamId, dimension: "user", value, limit: 1_000n });
	});
	const holder = await start();
	const slowly = (authority: Authority): Authority => ({
		...authority,
		grant: async (request) => {
			await new Promise((resolve) => setTimeout(resolve, 8));
			return authority.grant(request);
		},
	});
	const asker = await start(slowly);
	for (const secret of secrets) await admitted(call(holder, secret, 900n));
	const codes = await Promise.all(
		secrets.map(async (secret, index) => {
			if (index > 0) await until("the first ask", () => asker.authority.counters.grants > 0);
			return codeOf(call(asker, secret, 500n));
		}),
	);
	expect(codes).toEqual(["budget.exceeded", "budget.exceeded"]);
	expect(holder.authority.counters.recallsAnswered).toBeGreaterThan(0);
});

it("teams whose rows are locked do not hold up another team", async () => {
	const [first, other, second] = [await createTeam(1_000n, 10_000), await createTeam(1_000n, 0), await createTeam(1_000n, 10_000)];
	const gateway = await start();
	for (const { secret } of [first, other, second]) await gateway.authority.resolveKey(secret);
	const held: Promise<Admission>[] = [];
	await whileLocked([first, second], async () => {
		for (const { secret } of [first, second]) held.push(call(gateway, secret, 10n));
		await until("asking for the locked teams", () => gateway.authority.counters.grants > 0);
		// The lock is given back only after this answer.
		await admitted(call(gateway, other.secret, 10n));
	});
	for (const each of held) await admitted(each);
});

it("a team without a budget of its own is refused with budget.none also where the organisation has one", async () => {
	const teamId = `bare${++number}`;
	await withClient(database.url, async (client) => {
		await insertTeam(client, teamId);
		await insertBudget(client, { teamId, dimension: "organization", limit: 1_000_000n, windowKind: "week" });
	});
	const secret = await addKey(teamId);
	expect(await codeOf(call(await start(), secret, 1n))).toBe("budget.none");
});
