import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openAsking } from "#activities/authority/postgres.ts";
import type { Connection } from "#activities/database/connection.ts";
import type { RateAuthority } from "#activities/limits/port.ts";
import { createPostgresRates } from "#activities/limits/postgres.ts";
import type { RateReply, RateRequest } from "#domain/limits/rate-exchange.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { createMemoryRates } from "#test/support/memory-rates.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let client: pg.Client;
const connections: Connection[] = [];
const GATEWAYS = ["g0", "g1", "g2"];
let authorities: RateAuthority[] = [];

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	authorities = await Promise.all(
		GATEWAYS.map(async (gatewayId) => {
			const asking = openAsking({ url: database.url, gatewayId });
			connections.push(asking);
			return createPostgresRates({ asking, gatewayId, epoch: 1n });
		}),
	);
	for (const gatewayId of GATEWAYS) await registerGateway(client, gatewayId);
});
afterAll(async () => {
	await Promise.all(connections.map((connection) => connection.close()));
	await client.end();
	await database.close();
});
beforeEach(async () => {
	await client.query("DELETE FROM tollgate.rate_share");
	// Heard of for the whole test, however long it takes.
	await client.query("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() + interval '1 hour', closed_at = NULL, fenced_at = NULL");
});

let seq = 0;

async function take(gateway: number, asks: readonly Partial<RateRequest["asks"][number]>[], needs: readonly (readonly number[])[] = []): Promise<RateReply> {
	seq += 1;
	const whole = asks.map((ask) => ({ counter: "c", isLevel: false, limit: 10, share: 0, idle: 0, lookahead: 0, freesInMs: null, ...ask }));
	const reply = await authorities[gateway]?.takeRates({ seq, asks: whole, needs });
	if (reply === undefined || "isFenced" in reply) throw new Error("fenced");
	return reply;
}

describe("shares of a rate", () => {
	test("never add up to more than the limit, and a call gets all it needs or nothing", async () => {
		expect(await take(0, [{}], [[7]])).toMatchObject({ served: [true], items: [{ share: 7, others: 0, holders: 1 }] });
		expect(await take(1, [{}], [[4], [3], [1]])).toMatchObject({ served: [false, true, false], items: [{ share: 3, others: 7, holders: 2 }] });
		expect(await take(0, [{ share: 5, idle: 0 }])).toMatchObject({ items: [{ share: 5, othersShort: 1 }], wanted: [{ counter: "c", holders: 2 }] });
		expect(await take(1, [{ share: 3 }], [[2]])).toMatchObject({ served: [true], items: [{ share: 5 }] });
	});

	test("several rates of one call are raised all or none", async () => {
		await take(1, [{ counter: "b", limit: 5 }], [[5]]);
		const reply = await take(0, [{ counter: "a" }, { counter: "b", limit: 5 }], [[1, 1]]);
		expect(reply).toMatchObject({ served: [false], items: [{ share: 0 }, { share: 0, others: 5 }] });
	});

	test("what a gateway used beyond its share is told and counts, also above the limit", async () => {
		await take(0, [{ share: 25 }]);
		expect(await take(1, [{}], [[1]])).toMatchObject({ served: [false], items: [{ share: 0, others: 25 }] });
	});

	test("at most a tenth of the limit lies idle over all gateways", async () => {
		for (const gateway of [0, 1, 2]) await take(gateway, [{ limit: 300, lookahead: 300 }], [[1]]);
		const { rows } = await client.query("SELECT sum(share)::int AS shares, sum(idle)::int AS idle FROM tollgate.rate_share");
		expect(rows[0]).toEqual({ shares: 33, idle: 30 });
	});

	test("an exchange that comes late changes nothing", async () => {
		await take(0, [{}], [[4]]);
		await take(0, [{ share: 2 }]);
		seq -= 2;
		await expect(take(0, [{ share: 4 }])).rejects.toMatchObject({ code: "55000" });
		seq += 5;
		expect(await take(1, [{}], [[8]])).toMatchObject({ served: [true] });
	});

	test("two gateways that ask for the last at once: one gets it", async () => {
		await take(0, [{}], [[8]]);
		const replies = await Promise.all([take(1, [{}], [[2]]), take(2, [{}], [[2]])]);
		expect(replies.map(({ served }) => served[0]).sort()).toEqual([false, true]);
	});
});

describe("a gateway that is gone", () => {
	const silence = (seconds: number) =>
		client.query("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - make_interval(secs => $1) WHERE gateway_id = 'g0'", [seconds]);
	const askAll = async (isLevel: boolean) => (await take(1, [{ isLevel }], [[10]])).served[0];

	test("keeps its share while it may still spend, and a minute longer for what it spent", async () => {
		await take(0, [{}], [[10]]);
		await silence(119);
		expect(await askAll(false)).toBe(false);
		await silence(122);
		expect(await askAll(false)).toBe(true);
	});

	test("frees its places in flight when its lease is over", async () => {
		await take(0, [{ isLevel: true }], [[10]]);
		await silence(58);
		expect(await askAll(true)).toBe(false);
		await silence(61);
		expect(await askAll(true)).toBe(true);
	});

	test("frees its places at once when its epoch is over, and its minute a minute later", async () => {
		const end = (seconds: number) =>
			client.query("UPDATE tollgate.gateway_epoch SET closed_at = clock_timestamp() - make_interval(secs => $1) WHERE gateway_id = 'g0'", [seconds]);
		await take(0, [{ isLevel: true }], [[10]]);
		await take(0, [{ counter: "d" }], [[10]]);
		await end(1);
		expect(await askAll(true)).toBe(true);
		expect((await take(1, [{ counter: "d" }], [[1]])).served).toEqual([false]);
		await end(62);
		expect((await take(1, [{ counter: "d" }], [[1]])).served).toEqual([true]);
	});

	test("is told so when it wakes, and takes nothing", async () => {
		await client.query("UPDATE tollgate.gateway_epoch SET fenced_at = clock_timestamp() WHERE gateway_id = 'g0'");
		await expect(take(0, [{}], [[1]])).rejects.toThrow("fenced");
	});

	test("its rows are forgotten by the sweep, and so are those given back a while ago", async () => {
		await take(0, [{}], [[1]]);
		await take(1, [{ counter: "e", share: 0 }]);
		await silence(122);
		await client.query("UPDATE tollgate.rate_share SET updated_at = clock_timestamp() - interval '2 minutes'");
		expect((await client.query("SELECT tollgate.forget_rate_shares(NULL)::int AS forgotten")).rows[0]).toEqual({ forgotten: 2 });
	});
});

describe("the function and its model", () => {
	const step = fc.record({
		gateway: fc.integer({ min: 0, max: 2 }),
		/** Which of three counters are told, and how much of each share is given up and idle, in percent. */
		told: fc.uniqueArray(
			fc.record({ counter: fc.constantFrom("a", "b", "c"), keep: fc.integer({ min: 0, max: 100 }), idle: fc.integer({ min: 0, max: 100 }) }),
			{
				selector: ({ counter }) => counter,
				minLength: 1,
				maxLength: 3,
			},
		),
		lookahead: fc.integer({ min: 0, max: 20 }),
		calls: fc.array(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 3, maxLength: 3 }), { maxLength: 4 }),
	});
	const LIMITS: Readonly<Record<string, number>> = { a: 10, b: 60, c: 300 };

	test("say the same over random exchanges of three gateways", { timeout: 120_000 }, async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
				await client.query("DELETE FROM tollgate.rate_share");
				const memory = createMemoryRates(() => 0);
				const models = GATEWAYS.map((gatewayId) => memory.of(gatewayId));
				const shares = new Map<string, number>();
				for (const { gateway, told, lookahead, calls } of steps) {
					seq += 1;
					const asks = told.map(({ counter, keep, idle }) => {
						const share = Math.floor(((shares.get(`${gateway}${counter}`) ?? 0) * keep) / 100);
						return { counter, isLevel: false, limit: LIMITS[counter] ?? 0, share, idle: Math.floor((share * idle) / 100), lookahead, freesInMs: null };
					});
					const request = { seq, asks, needs: calls.map((needs) => needs.slice(0, asks.length)) };
					const reply = (await authorities[gateway]?.takeRates(request)) as RateReply;
					const expected = models[gateway]?.takeNow(request) as RateReply;
					expect({ ...reply, wanted: reply.wanted.toSorted(byCounter) }).toEqual({ ...expected, wanted: expected.wanted.toSorted(byCounter) });
					for (const [index, { counter }] of asks.entries()) {
						shares.set(`${gateway}${counter}`, reply.items[index]?.share ?? 0);
						expect(memory.shares(counter)).toBeLessThanOrEqual(LIMITS[counter] ?? 0);
					}
					// Shortages stand still: the model's clock does too.
					await client.query("UPDATE tollgate.rate_share SET short_until = 'infinity' WHERE short > 0");
				}
			}),
			{ numRuns: 40 },
		);
	});
});

function byCounter(left: { readonly counter: string }, right: { readonly counter: string }): number {
	return left.counter < right.counter ? -1 : 1;
}
