import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Authority, GrantReply, GrantRequest } from "#activities/authority/port.ts";
import { createPostgresAuthority, openAsking } from "#activities/authority/postgres.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { insertBudget, insertTeam, registerGateway, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { until } from "#test/support/until.ts";

let database: TestDatabase;
const opened: Authority[] = [];
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterAll(async () => {
	await Promise.all(opened.map((authority) => authority.close()));
	await database.close();
});

async function gateway(client: pg.Client, name: string): Promise<Authority> {
	const gatewayId = `${name}${number}`;
	const authority = createPostgresAuthority({ url: database.url, gatewayId, epoch: await registerGateway(client, gatewayId) });
	opened.push(authority);
	return authority;
}

function need(
	budgetId: string,
	amounts: readonly bigint[],
	more: Partial<GrantRequest> & { idle?: bigint; leaseGranted?: bigint; windowId?: string; lookahead?: bigint } = {},
): GrantRequest {
	const { idle = 0n, leaseGranted = 0n, windowId, lookahead = 0n, ...rest } = more;
	return {
		items: [{ budgetId, windowId, leaseGranted, idle, lookahead }],
		needs: amounts.map((amount) => [amount]),
		wantsClaim: true,
		isFinal: false,
		...rest,
	};
}

/** Asks as the gateway does: a lock that was not free in time is asked for again. */
async function grant(authority: Authority, request: GrantRequest): Promise<GrantReply> {
	for (;;) {
		try {
			const reply = await authority.grant(request);
			if ("isFenced" in reply) throw new Error("fenced");
			return reply;
		} catch (error) {
			if (!(error instanceof CostControlError)) throw error;
		}
	}
}

it("is planned before the first call asks, and again on a connection that was lost", async () => {
	const asking = openAsking({ url: database.url, gatewayId: "planner" });
	const planned = () =>
		asking.query(undefined, "SELECT name, generic_plans::int AS plans, pg_backend_pid() AS pid FROM pg_prepared_statements", []) as Promise<{ pid: number }[]>;
	await asking.open();
	const [before] = await planned();
	expect(before).toMatchObject({ name: "grant", plans: 1 });
	await withClient(database.url, (client) => client.query("SELECT pg_terminate_backend($1)", [before?.pid]));
	await until("the connection to be opened again", async () => (await planned().catch(() => []))[0]?.pid !== before?.pid);
	expect(await planned()).toMatchObject([{ name: "grant", plans: 1 }]);
	await asking.close();
});

describe("grant_lease", () => {
	let team: string;
	beforeEach(async () => {
		team = `team${++number}`;
		await withClient(database.url, (client) => insertTeam(client, team));
	});
	const setUp = (limit: bigint, names: readonly string[]) =>
		withClient(database.url, async (client) => {
			const budgetId = await insertBudget(client, { teamId: team, limit });
			const gateways: Authority[] = [];
			for (const name of names) gateways.push(await gateway(client, name));
			return { budgetId, gateways };
		});

	it("serves waiting calls in order until the limit, and lets a smaller one pass a larger one", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const [a] = gateways as [Authority];
		const reply = await grant(a, need(budgetId, [40n, 70n, 50n, 20n]));
		expect(reply.served).toEqual([true, false, true, false]);
		expect(reply.items[0]).toMatchObject({ granted: 90n, limit: 100n, leaseGranted: 90n });
	});

	it("changes nothing when a grant whose reply was lost is asked again", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const [a] = gateways as [Authority];
		await grant(a, need(budgetId, [60n]));
		const again = await grant(a, need(budgetId, [60n]));
		expect(again.served).toEqual([true]);
		expect(again.items[0]).toMatchObject({ granted: 60n, leaseGranted: 60n });
	});

	it("grants all of a call's budgets or none", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const small = await withClient(database.url, (client) => insertBudget(client, { teamId: team, dimension: "model", value: "m", limit: 5n }));
		const [a] = gateways as [Authority];
		const items = [budgetId, small].map((id) => ({ budgetId: id, windowId: undefined, leaseGranted: 0n, idle: 0n, lookahead: 0n }));
		const reply = await grant(a, { items, needs: [[10n, 10n]], wantsClaim: false, isFinal: false });
		expect(reply.served).toEqual([false]);
		expect(reply.items.map((item) => item.granted)).toEqual([0n, 0n]);
	});

	it("keeps lookahead at half the room shared by the live gateways, and gives it up for a claim", async () => {
		const { budgetId, gateways } = await setUp(1_000n, ["a", "b"]);
		const [a, b] = gateways as [Authority, Authority];
		const first = await grant(a, need(budgetId, [100n], { lookahead: 10_000n }));
		const lookahead = (first.items[0]?.leaseGranted ?? 0n) - 100n;
		expect(lookahead).toBeGreaterThan(0n);
		expect(lookahead).toBeLessThanOrEqual(450n);
		const short = await grant(b, need(budgetId, [900n]));
		expect(short.served).toEqual([false]);
		const claimId = short.items[0]?.claimId ?? 0n;
		expect(claimId).toBeGreaterThan(0n);
		expect(short.items[0]?.leastAnswered).toBe(0n);
		const during = await grant(
			a,
			need(budgetId, [0n], { lookahead: 500n, windowId: first.items[0]?.windowId ?? "", leaseGranted: 100n + lookahead, idle: lookahead }),
		);
		expect(during.items[0]?.leaseGranted).toBe(100n + lookahead);
		expect(during.claims.map((claim) => claim.id)).toContain(claimId);
	});

	it("gives returned idle money to the claimer, and counts the answer", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a", "b"]);
		const [a, b] = gateways as [Authority, Authority];
		const held = await grant(a, need(budgetId, [100n]));
		const windowId = held.items[0]?.windowId ?? "";
		const short = await grant(b, need(budgetId, [30n]));
		expect(short.items[0]).toMatchObject({ leastAnswered: 0n, heldElsewhere: 100n, heldUnreachable: 0n });
		const beat = { returns: [{ windowId, returnTo: 40n }], answeredClaim: short.items[0]?.claimId ?? 0n, seenRevision: 0n, flushedRequest: 0n };
		await a.heartbeat(beat);
		await a.heartbeat(beat); // "return to" is absolute: a repeat changes nothing
		const stillShort = await grant(b, need(budgetId, [41n]));
		expect(stillShort.items[0]).toMatchObject({ granted: 60n, leastAnswered: short.items[0]?.claimId });
		const served = await grant(b, need(budgetId, [30n]));
		expect(served.served).toEqual([true]);
		expect(served.items[0]?.granted).toBe(90n);
	});

	it("leaves room for an earlier claim until the last ask", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a", "b", "c"]);
		const [a, b, c] = gateways as [Authority, Authority, Authority];
		const held = await grant(a, need(budgetId, [90n]));
		const claim = await grant(b, need(budgetId, [50n]));
		await a.heartbeat({
			returns: [{ windowId: held.items[0]?.windowId ?? "", returnTo: 40n }],
			answeredClaim: claim.items[0]?.claimId ?? 0n,
			seenRevision: 0n,
			flushedRequest: 0n,
		});
		expect((await grant(c, need(budgetId, [20n]))).served).toEqual([false]);
		expect((await grant(c, need(budgetId, [20n], { isFinal: true }))).served).toEqual([true]);
	});

	it("never counts another gateway's claim as room: a claim beside idle money once asked for a negative amount and let the limit be passed", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a", "b"]);
		const [a, b] = gateways as [Authority, Authority];
		const held = await grant(a, need(budgetId, [90n]));
		const windowId = held.items[0]?.windowId ?? "";
		const short = await grant(a, need(budgetId, [30n, 30n, 20n], { windowId, leaseGranted: 90n, idle: 50n }));
		expect(short.served).toEqual([true, true, false]);
		const { rows } = await withClient(database.url, (client) =>
			client.query("SELECT need::text FROM tollgate.claim WHERE id = $1", [short.items[0]?.claimId.toString()]),
		);
		expect(rows[0]).toEqual({ need: "20" });
		expect((await grant(b, need(budgetId, [20n]))).served).toEqual([false]);
	});

	it("refuses a fenced epoch everything but settles", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const [a] = gateways as [Authority];
		await withClient(database.url, (client) => client.query("UPDATE tollgate.gateway_epoch SET fenced_at = now() WHERE gateway_id = $1", [`a${number}`]));
		expect(await a.grant(need(budgetId, [1n]))).toEqual({ isFenced: true });
		expect(await a.grantAhead({ items: [{ budgetId, want: 1n }] })).toEqual({ isFenced: true });
		expect(await a.heartbeat({ returns: [], answeredClaim: 0n, seenRevision: 0n, flushedRequest: 0n })).toEqual({ isFenced: true });
	});

	it("fences the earlier boot of a gateway that starts again: when it wakes it is granted nothing", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const [a] = gateways as [Authority];
		await grant(a, need(budgetId, [60n]));
		const epoch = await withClient(database.url, async (client) => {
			await client.query("UPDATE tollgate.gateway_epoch SET last_seen_at = now() - interval '10 seconds' WHERE gateway_id = $1", [`a${number}`]);
			return registerGateway(client, `a${number}`);
		});
		expect(epoch).toBe(2n);
		expect(await a.grant(need(budgetId, [1n], { idle: 60n, leaseGranted: 60n }))).toEqual({ isFenced: true });
	});

	it("grants nothing from a frozen window", async () => {
		const { budgetId, gateways } = await setUp(100n, ["a"]);
		const [a] = gateways as [Authority];
		await grant(a, need(budgetId, [1n]));
		await withClient(database.url, (client) => client.query("UPDATE tollgate.budget_window SET is_frozen = true WHERE budget_id = $1", [budgetId]));
		const reply = await grant(
			a,
			need(budgetId, [1n], { idle: 1n, leaseGranted: 1n, windowId: (await grant(a, need(budgetId, [0n]))).items[0]?.windowId ?? "" }),
		);
		expect(reply.served).toEqual([false]);
		expect(reply.items[0]?.isFrozen).toBe(true);
	});

	it("never passes the limit when 16 gateways ask 20 times each at once", async () => {
		const { budgetId, gateways } = await setUp(
			1_000n,
			Array.from({ length: 16 }, (_, index) => `x${index}-`),
		);
		const served = await Promise.all(
			gateways.map(async (authority) => {
				let known = 0n;
				let windowId: string | undefined;
				let count = 0;
				for (let round = 0; round < 20; round++) {
					const reply = await grant(authority, need(budgetId, [7n], { leaseGranted: known, ...(windowId === undefined ? {} : { windowId }), isFinal: true }));
					known = reply.items[0]?.leaseGranted ?? known;
					windowId = reply.items[0]?.windowId;
					if (reply.served[0]) count++;
				}
				return count;
			}),
		);
		expect(served.reduce((sum, count) => sum + count, 0)).toBe(142);
		const { rows } = await withClient(database.url, (client) =>
			client.query(
				"SELECT w.granted::text, count(e.*)::int AS events, max(e.granted_after)::text AS highest FROM tollgate.budget_window w JOIN tollgate.window_event e ON e.window_id = w.id AND e.kind = 'grant' WHERE w.budget_id = $1 GROUP BY w.id",
				[budgetId],
			),
		);
		expect(rows[0]).toEqual({ granted: "994", events: 142, highest: "994" });
	});
});

describe("asserted values", () => {
	it("are admitted up to the key's cap of distinct values, also when gateways name a new one at the same time", async () => {
		const team = `team${++number}`;
		const keyId = `key_${team}`;
		const gateways = await withClient(database.url, async (client) => {
			await insertTeam(client, team);
			await client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, $2, '', $3, 'test')", [
				keyId,
				Buffer.from(team),
				team,
			]);
			return [await gateway(client, "v1-"), await gateway(client, "v2-"), await gateway(client, "v3-")];
		});
		const assertValue = (authority: Authority, value: string) => authority.assertValue({ keyId, dimension: "user", value, maxAsserted: 2 });
		for (const value of ["ann", "bob"]) expect(await Promise.all(gateways.map((authority) => assertValue(authority, value)))).toEqual([true, true, true]);
		const [first] = gateways as [Authority, Authority, Authority];
		expect(await assertValue(first, "carol")).toBe(false);
		expect(await assertValue(first, "ann")).toBe(true);
	});
});

describe("windows", () => {
	const bounds = (kind: string, zone: string, at: string) =>
		withClient(database.url, async (client) => {
			const { rows } = await client.query<{ starts: Date; ends: Date }>("SELECT starts_at AS starts, ends_at AS ends FROM tollgate.window_bounds($1, $2, $3)", [
				kind,
				zone,
				at,
			]);
			return [rows[0]?.starts.toISOString(), rows[0]?.ends.toISOString()];
		});

	it("follow the local calendar through daylight changes and month ends", async () => {
		expect(await bounds("day", "Europe/Berlin", "2026-03-29T10:00:00Z")).toEqual(["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]);
		expect(await bounds("day", "Europe/Berlin", "2026-10-25T10:00:00Z")).toEqual(["2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"]);
		expect(await bounds("month", "UTC", "2028-02-29T23:59:59Z")).toEqual(["2028-02-01T00:00:00.000Z", "2028-03-01T00:00:00.000Z"]);
		expect(await bounds("quarter", "America/New_York", "2026-11-23T00:00:00Z")).toEqual(["2026-10-01T04:00:00.000Z", "2027-01-01T05:00:00.000Z"]);
		expect(await bounds("week", "UTC", "2026-11-23T00:00:00Z")).toEqual(["2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"]);
		expect(await bounds("hour", "Europe/Berlin", "2026-10-25T01:30:00Z")).toEqual(["2026-10-25T01:00:00.000Z", "2026-10-25T02:00:00.000Z"]);
	});

	it("reset once when the time zone changes: the next window starts where the last one ended and runs to the end of a whole new span", async () => {
		const team = `team${++number}`;
		const rows = await withClient(database.url, async (client) => {
			await insertTeam(client, team);
			const budgetId = await insertBudget(client, { teamId: team, limit: 1n, timeZone: "UTC" });
			await client.query(
				"INSERT INTO tollgate.budget_window (budget_id, starts_at, ends_at, limit_amount, stop_amount) VALUES ($1, now() - interval '1 day', now() - interval '1 second', 1, 1)",
				[budgetId],
			);
			await client.query("UPDATE tollgate.budget SET time_zone = 'America/New_York' WHERE id = $1", [budgetId]);
			await client.query("SELECT tollgate.open_window($1), tollgate.open_window($1)", [budgetId]);
			const text = `SELECT starts_at = lag(ends_at) OVER (ORDER BY starts_at) AS "isContiguous", ends_at > now() + interval '24 hours' AS "isStretched",
				ends_at = (SELECT ends_at FROM tollgate.window_bounds('day', 'America/New_York', budget_window.ends_at - interval '1 hour')) AS "endsAtMidnight"
				FROM tollgate.budget_window WHERE budget_id = $1 ORDER BY starts_at`;
			return (await client.query(text, [budgetId])).rows;
		});
		expect(rows).toHaveLength(2);
		expect(rows[1]).toEqual({ isContiguous: true, isStretched: true, endsAtMidnight: true });
	});
});
