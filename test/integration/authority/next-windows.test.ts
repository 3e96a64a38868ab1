import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AheadReply, Authority } from "#activities/authority/port.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { insertBudget, insertTeam, registerGateway, withClient } from "#test/support/authority-rows.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let client: pg.Client;
let connection: Promise<unknown>;
let release: () => void;
const opened: Authority[] = [];
let number = 0;
let team: string;

beforeAll(async () => {
	database = await createTestDatabase();
	const { promise, resolve } = Promise.withResolvers<void>();
	release = resolve;
	await new Promise<void>((ready) => {
		connection = withClient(database.url, async (own) => {
			client = own;
			ready();
			await promise;
		});
	});
});

beforeEach(async () => {
	team = `team${++number}`;
	await insertTeam(client, team);
});

afterAll(async () => {
	await Promise.all(opened.map((authority) => authority.close()));
	release();
	await connection;
	await database.close();
});

async function gateway(name: string): Promise<Authority> {
	const gatewayId = `${name}${number}`;
	const authority = createPostgresAuthority({ url: database.url, gatewayId, epoch: await registerGateway(client, gatewayId) });
	opened.push(authority);
	return authority;
}

/** A budget whose current window ends in `seconds`. */
async function budgetEndingIn(seconds: number, limit = 1_000n): Promise<string> {
	const budgetId = await insertBudget(client, { teamId: team, limit, windowKind: "day" });
	await client.query("SELECT tollgate.open_window($1)", [budgetId]);
	await endIn(budgetId, seconds);
	return budgetId;
}

const endIn = (budgetId: string, seconds: number) =>
	client.query("UPDATE tollgate.budget_window SET ends_at = clock_timestamp() + $2 * interval '1 second' WHERE budget_id = $1 AND NOT is_ahead", [
		budgetId,
		seconds,
	]);

/** As if the boundary had come: the window and its successor move back by a minute. */
async function passBoundary(budgetId: string): Promise<void> {
	await client.query(
		`UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 minute'
		 WHERE budget_id = $1 AND NOT is_ahead`,
		[budgetId],
	);
	await client.query("UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 minute' WHERE budget_id = $1 AND is_ahead", [budgetId]);
}

async function ahead(authority: Authority, budgetIds: readonly string[], want = 100n): Promise<AheadReply> {
	const reply = await authority.grantAhead({ items: budgetIds.map((budgetId) => ({ budgetId, want })) });
	if ("isFenced" in reply) throw new Error("fenced");
	return reply;
}

const windowsOf = async (budgetId: string) =>
	(
		await client.query<{ id: string; is_ahead: boolean; granted: string; limit: string; follows: boolean }>(
			`SELECT id::text, is_ahead, granted::text, limit_amount::text AS limit, starts_at = lag(ends_at) OVER (ORDER BY starts_at) AS follows
			 FROM tollgate.budget_window WHERE budget_id = $1 ORDER BY starts_at`,
			[budgetId],
		)
	).rows;

const currentWindow = async (budgetId: string) => (await client.query<{ id: string }>("SELECT tollgate.open_window($1)::text AS id", [budgetId])).rows[0]?.id;

describe("a lease of the next window", () => {
	it("is granted in the last minute, in a window that follows the present one and is not yet current", async () => {
		const budgetId = await budgetEndingIn(50);
		const { items } = await ahead(await gateway("a"), [budgetId]);
		const [present, next] = await windowsOf(budgetId);
		expect(items).toMatchObject([{ budgetId, windowId: next?.id, granted: 100n, leaseGranted: 100n }]);
		expect(items[0]?.startsInMs).toBeGreaterThan(40_000);
		expect(items[0]?.startsInMs).toBeLessThanOrEqual(50_000);
		expect(next).toMatchObject({ is_ahead: true, follows: true });
		expect(await currentWindow(budgetId)).toBe(present?.id);
	});

	it("is what the current window is found to be once it has begun, with its lease", async () => {
		const budgetId = await budgetEndingIn(50);
		const a = await gateway("a");
		const { items } = await ahead(a, [budgetId]);
		await passBoundary(budgetId);
		expect(await currentWindow(budgetId)).toBe(items[0]?.windowId);
		const reply = await a.grant({
			items: [{ budgetId, windowId: undefined, leaseGranted: 0n, idle: 0n, lookahead: 0n }],
			needs: [[30n]],
			wantsClaim: true,
			isFinal: false,
		});
		expect(reply).toMatchObject({ served: [true], items: [{ windowId: items[0]?.windowId, granted: 100n, leaseGranted: 100n }] });
		expect((await windowsOf(budgetId)).map((window) => window.is_ahead)).toEqual([false, false]);
	});

	it("changes nothing when it is asked for again, and takes an even share of half the room", async () => {
		const budgetId = await budgetEndingIn(50);
		const [a, b] = [await gateway("a"), await gateway("b")];
		await Promise.all([a, b].map((one) => one.heartbeat({ returns: [], answeredClaim: 0n, seenRevision: 0n, flushedRequest: 0n })));
		const { rows } = await client.query<{ live: number }>(
			"SELECT count(*)::int AS live FROM tollgate.gateway_epoch WHERE closed_at IS NULL AND fenced_at IS NULL AND last_seen_at > clock_timestamp() - interval '1 second'",
		);
		const share = 1_000n / (2n * BigInt(rows[0]?.live ?? 0));
		for (let round = 0; round < 2; round++) expect((await ahead(a, [budgetId], 10_000n)).items[0]?.leaseGranted).toBeLessThanOrEqual(share);
		const mine = (await ahead(a, [budgetId], 10_000n)).items[0]?.leaseGranted ?? 0n;
		expect((await ahead(b, [budgetId], 10_000n)).items[0]?.granted).toBeLessThanOrEqual(mine + share);
	});

	it("is not granted before the last minute, over the boundary, for a lifetime, a frozen or an ended budget, nor to a fenced gateway", async () => {
		const a = await gateway("a");
		const early = await budgetEndingIn(70);
		expect((await ahead(a, [early])).items).toEqual([]);
		await endIn(early, -1);
		expect((await ahead(a, [early])).items).toEqual([]);
		const lifetime = await insertBudget(client, { teamId: team, limit: 10n, windowKind: "lifetime" });
		await client.query("SELECT tollgate.open_window($1)", [lifetime]);
		expect((await ahead(a, [lifetime])).items).toEqual([]);
		await endIn(early, 30);
		await client.query("UPDATE tollgate.budget SET is_frozen = true WHERE id = $1", [early]);
		expect((await ahead(a, [early])).items).toEqual([]);
		await client.query("UPDATE tollgate.budget SET is_frozen = false, deleted_at = clock_timestamp() WHERE id = $1", [early]);
		expect((await ahead(a, [early])).items).toEqual([]);
		expect((await windowsOf(early)).length).toBe(1);
		await client.query("UPDATE tollgate.gateway_epoch SET fenced_at = clock_timestamp() WHERE gateway_id = $1", [`a${number}`]);
		expect(await a.grantAhead({ items: [{ budgetId: early, want: 1n }] })).toEqual({ isFenced: true });
	});

	it("is not granted in a window that was frozen after it was opened", async () => {
		const budgetId = await budgetEndingIn(50);
		const a = await gateway("a");
		expect((await ahead(a, [budgetId], 10n)).items).toHaveLength(1);
		const freeze = (isFrozen: boolean) =>
			client.query("UPDATE tollgate.budget_window SET is_frozen = $2 WHERE budget_id = $1 AND is_ahead", [budgetId, isFrozen]);
		await freeze(true);
		expect((await ahead(a, [budgetId], 20n)).items).toEqual([]);
		await freeze(false); // no history tells of it
		expect((await windowsOf(budgetId)).at(-1)?.granted).toBe("10");
	});

	it("follows a limit that changes before it begins", async () => {
		await client.query("INSERT INTO tollgate.team_governance (team_id) VALUES ($1)", [team]);
		const definition = { ...DAILY_BUDGET, thresholds: [] };
		const write = (revision: number, limitAmount: string) =>
			client.query("SELECT tollgate.apply_policy($1, $2, 'test', $3, '[]')", [team, revision, JSON.stringify([{ ...definition, limitAmount }])]);
		await write(1, "1000");
		const { rows } = await client.query<{ id: string }>("SELECT id::text FROM tollgate.budget WHERE team_id = $1", [team]);
		const budgetId = rows[0]?.id ?? "";
		await endIn(budgetId, 50);
		const a = await gateway("a");
		await ahead(a, [budgetId]);
		await write(2, "40");
		expect((await windowsOf(budgetId)).map((window) => window.limit)).toEqual(["40", "40"]);
	});

	it("is no news for the governing workflow until it has begun", async () => {
		const budgetId = await budgetEndingIn(50);
		await ahead(await gateway("a"), [budgetId]);
		const told = async () => (await client.query("SELECT window_id FROM tollgate.team_totals($1, false, interval '1 hour')", [[team]])).rowCount;
		expect(await told()).toBe(1);
		await passBoundary(budgetId);
		expect(await told()).toBe(2);
	});

	it("becomes history when nobody was awake for the whole of it", async () => {
		const budgetId = await budgetEndingIn(50);
		await ahead(await gateway("a"), [budgetId]);
		await client.query(
			"UPDATE tollgate.budget_window SET starts_at = starts_at - interval '10 days', ends_at = ends_at - interval '10 days' WHERE budget_id = $1",
			[budgetId],
		);
		await currentWindow(budgetId);
		expect((await windowsOf(budgetId)).map((window) => window.is_ahead)).toEqual([false, false, false]);
	});
});

it("the books are right after all this", async () => {
	expect(await verifyLedger({ databaseUrl: database.url })).toMatchObject({ report: { overspendNanoUsd: "0", falseRefusals: 0 }, findings: [] });
});
