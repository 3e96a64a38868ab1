import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Authority } from "#activities/authority/port.ts";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { insertBudget, insertKey, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";
import { identify, openRequestStand, type RequestStand, type RequestTeam } from "#test/support/request-stand.ts";
import { until } from "#test/support/until.ts";

/** Who is asked for idle money before a call is refused, when several calls, budgets and teams ask at once. */
let stand: RequestStand;

beforeAll(async () => {
	stand = await openRequestStand();
});

afterEach(() => stand.closeGateways());

afterAll(() => stand.close());

const addKey = (teamId: string, userId: string | null = null): Promise<string> =>
	withClient(stand.databaseUrl, (client) => insertKey(client, teamId, { id: stand.newName("key_"), userId }));

async function call(gateway: TestGateway, secret: string, need: bigint): Promise<Admission> {
	return gateway.authority.admit(testCall(await identify(gateway, secret), testBound(need)));
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
const whileLocked = (teams: readonly RequestTeam[], work: () => Promise<void>): Promise<void> =>
	withClient(stand.databaseUrl, async (client) => {
		const budgetIds = teams.map(({ budgetId }) => budgetId);
		for (const budgetId of budgetIds) await client.query("SELECT tollgate.open_window($1)", [budgetId]);
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.budget_window WHERE budget_id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE", [budgetIds]);
		await work();
		await client.query("COMMIT");
	});

it("a call whose money was taken from memory while its grant was under way is not refused before others are asked", async () => {
	const team = await stand.team(1_000n, { admissionWaitMs: 0 });
	const [holder, asker] = [await stand.start(), await stand.start()];
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
	const team = await stand.team(1_000_000n, { admissionWaitMs: waitMs });
	const users = ["ann", "ben"];
	const secrets = await Promise.all(users.map((user) => addKey(team.teamId, user)));
	await withClient(stand.databaseUrl, async (client) => {
		for (const value of users) await insertBudget(client, { teamId: team.teamId, dimension: "user", value, limit: 1_000n });
	});
	const holder = await stand.start();
	const slowly = (authority: Authority): Authority => ({
		...authority,
		grant: async (request) => {
			await new Promise((resolve) => setTimeout(resolve, 8));
			return authority.grant(request);
		},
	});
	const asker = await stand.start(slowly);
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
	const [first, other, second] = [
		await stand.team(1_000n, { admissionWaitMs: 10_000 }),
		await stand.team(1_000n, { admissionWaitMs: 0 }),
		await stand.team(1_000n, { admissionWaitMs: 10_000 }),
	];
	const gateway = await stand.start();
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
	const teamId = stand.newName("bare");
	await withClient(stand.databaseUrl, async (client) => {
		await insertTeam(client, teamId);
		await insertBudget(client, { teamId, dimension: "organization", limit: 1_000_000n, windowKind: "week" });
	});
	const secret = await addKey(teamId);
	expect(await codeOf(call(await stand.start(), secret, 1n))).toBe("budget.none");
});
