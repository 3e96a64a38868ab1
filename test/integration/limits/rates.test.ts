import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openAsking } from "#activities/authority/postgres.ts";
import type { Connection } from "#activities/database/connection.ts";
import { createPostgresRates } from "#activities/limits/postgres.ts";
import type { CompiledRate } from "#domain/limits/rate-rules.ts";
import { registerGateway, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { isAdmitted, openRateGateway, type RateGateway, ratesOf } from "#test/support/rate-fleet.ts";
import { until } from "#test/support/until.ts";

/** Four gateways on one PostgreSQL, on a clock that the test sets forward: what a gateway spent ages on its own clock. */
const GATEWAYS = 4;
let database: TestDatabase;
let gateways: RateGateway[] = [];
let connections: Connection[] = [];
let forwardMs = 0;
let number = 0;

beforeAll(async () => {
	database = await createTestDatabase();
});
afterEach(async () => {
	await Promise.all(gateways.map(({ keeper }) => keeper.close()));
	await Promise.all(connections.map((connection) => connection.close()));
	connections = [];
});
afterAll(() => database.close());

async function open(): Promise<void> {
	number += 1;
	forwardMs = 0;
	gateways = await Promise.all(
		Array.from({ length: GATEWAYS }, async (_, index) => {
			const gatewayId = `rates${number}-${index}`;
			const epoch = await withClient(database.url, (client) => registerGateway(client, gatewayId));
			const asking = openAsking({ url: database.url, gatewayId });
			connections.push(asking);
			return openRateGateway(createPostgresRates({ asking, gatewayId, epoch }), { nowMs: () => performance.now() + forwardMs });
		}),
	);
}

/** Every gateway gets its part of them at once. */
async function callsAtOnce(rates: readonly CompiledRate[], count: number) {
	const answers = await Promise.all(Array.from({ length: count }, async (_, index) => gateways[index % GATEWAYS]?.call(rates)));
	return answers.flatMap((answer, index) => (answer === undefined ? [] : [{ answer, gateway: gateways[index % GATEWAYS] as RateGateway }]));
}

const sharesOf = (counter: string) =>
	withClient(database.url, async (client) => {
		const { rows } = await client.query<{ shares: number }>("SELECT coalesce(sum(share), 0)::int AS shares FROM tollgate.rate_share WHERE counter = $1", [
			counter,
		]);
		return rows[0]?.shares;
	});

describe("rates over four gateways", () => {
	test("requests per minute: never above the limit, nine tenths of it at least, and again when the minute is over", async () => {
		await open();
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 40 });
		for (let minute = 0; minute < 3; minute++) {
			const answers = await callsAtOnce(rates, 120);
			const admitted = answers.filter(({ answer }) => isAdmitted(answer)).length;
			expect(admitted).toBeLessThanOrEqual(40);
			expect(admitted).toBeGreaterThanOrEqual(36);
			for (const { answer } of answers) if (!isAdmitted(answer)) expect(answer).toMatchObject({ code: "limit.requests" });
			expect(await sharesOf("team|requests|team|one|")).toBeLessThanOrEqual(40);
			forwardMs += 61_500;
			// What nobody uses is given back before another minute is asked for.
			await until("the shares to be given back", async () => ((await sharesOf("team|requests|team|one|")) ?? 0) <= 4);
		}
		expect(gateways.flatMap(({ errors }) => errors)).toEqual([]);
	});

	test("calls in flight: exactly the limit, and as many again as have ended, wherever they ended", async () => {
		await open();
		const rates = ratesOf({ dimension: "team", dimensionValue: "", inFlight: 12 });
		const inFlight = (await callsAtOnce(rates, 60)).filter(({ answer }) => isAdmitted(answer));
		expect(inFlight).toHaveLength(12);
		const end = ({ answer, gateway }: (typeof inFlight)[number]) => isAdmitted(answer) && gateway.keeper.end(answer, { isSent: true, tokensUsed: undefined });
		for (const one of inFlight.splice(0, 5)) end(one);
		const more: typeof inFlight = [];
		await until("five more", async () => {
			more.push(...(await callsAtOnce(rates, 8)).filter(({ answer }) => isAdmitted(answer)));
			return more.length >= 5;
		});
		expect(more).toHaveLength(5);
		for (const one of [...inFlight, ...more]) end(one);
		expect(gateways.map(({ keeper }) => keeper.inFlight)).toEqual([0, 0, 0, 0]);
		await Promise.all(gateways.map(({ keeper }) => keeper.close()));
		expect(await sharesOf("team|in_flight|team|one|")).toBe(0);
	});

	test("each user has his own, and a call meets all its rules at once", async () => {
		await open();
		const rates = ratesOf(
			{ dimension: "user", dimensionValue: "*", requestsPerMinute: 5 },
			{ dimension: "feature", dimensionValue: "search", requestsPerMinute: 8 },
		);
		const callsOf = async (user: string) => {
			const answers = await Promise.all(Array.from({ length: 12 }, async (_, index) => gateways[index % GATEWAYS]?.call(rates, { caller: { user } })));
			return answers.filter((answer) => answer !== undefined && isAdmitted(answer)).length;
		};
		expect(await callsOf("ann")).toBe(5);
		expect(await callsOf("bea")).toBe(3);
	});

	test("a gateway that dies with all of a limit gives it up when its time is over", async () => {
		await open();
		const rates = ratesOf({ dimension: "key", dimensionValue: "*", inFlight: 4 });
		const [dead, living] = gateways;
		for (let call = 0; call < 4; call++) expect(isAdmitted((await dead?.call(rates)) as never)).toBe(true);
		expect(isAdmitted((await living?.call(rates)) as never)).toBe(false);
		await withClient(database.url, (client) =>
			client.query("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '61 seconds' WHERE gateway_id = $1", [`rates${number}-0`]),
		);
		forwardMs += 1_000; // what was refused is remembered no longer
		expect(isAdmitted((await living?.call(rates)) as never)).toBe(true);
	});
});
