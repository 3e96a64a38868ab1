import { afterAll, beforeAll, expect, test } from "vitest";
import type { Admission } from "#activities/request/port.ts";
import { insertBudget, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";

/** A budget in tokens is the same authority as one in money: exact over four gateways. */
const SECRET = `tg-${"t".repeat(43)}`;
const TOKENS = 7;
const SERVED = 60;
let database: TestDatabase;
let gateways: TestGateway[] = [];

beforeAll(async () => {
	database = await createTestDatabase();
	gateways = await Promise.all(["t0", "t1", "t2", "t3"].map((gatewayId) => startTestGateway(database.url, gatewayId)));
});
afterAll(async () => {
	await Promise.all(gateways.map((gateway) => gateway.close()));
	await database.close();
});

const KEY = { keyId: "key_tokens", teamId: "tokens", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [] };
const DETAIL = { providerRequestId: null, httpStatus: 200, durationMs: 1 };
const NO_USAGE = { inputTokens: 0, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 0, reasoningTokens: 0 };

function settle(admission: Admission): void {
	if (admission.kind === "refused") return;
	const usage = { ...NO_USAGE, inputTokens: TOKENS };
	admission.attempt.settle({ reported: { kind: "usable", usage, model: undefined, serviceTier: undefined }, ...DETAIL });
}

test("four gateways serve exactly the calls a token budget has room for, and book exactly their tokens", async () => {
	await withClient(database.url, async (client) => {
		await insertTeam(client, "tokens", { admissionWaitMs: 1_000 });
		await client.query(
			"INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ('key_tokens', sha256($1), '', 'tokens', 'test')",
			[SECRET],
		);
		await insertBudget(client, { teamId: "tokens", unit: "tokens", limit: BigInt(TOKENS * SERVED + 3), windowKind: "lifetime" });
	});
	for (const { authority } of gateways) expect(await authority.resolveKey(SECRET)).toMatchObject({ kind: "known" });
	const admissions = await Promise.all(
		Array.from({ length: 2 * SERVED }, async (_, index) => {
			const admission = await gateways[index % gateways.length]?.authority.admit(testCall(KEY, testBound(BigInt(TOKENS))));
			if (admission === undefined) throw new Error("no gateway");
			settle(admission);
			return admission;
		}),
	);
	expect(admissions.filter(({ kind }) => kind === "admitted")).toHaveLength(SERVED);
	for (const admission of admissions)
		if (admission.kind === "refused")
			expect(admission.refusal).toMatchObject({ code: "budget.exceeded", unit: "tokens", limitAmount: BigInt(TOKENS * SERVED + 3) });
	await Promise.all(gateways.map((gateway) => gateway.close()));
	const { rows } = await withClient(database.url, (client) =>
		client.query(
			`SELECT w.granted::int, (SELECT sum(posted)::int FROM tollgate.lease WHERE window_id = w.id) AS posted,
			        (SELECT max(granted_after)::int FROM tollgate.window_event WHERE window_id = w.id) AS highest
			 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = 'tokens'`,
		),
	);
	expect(rows[0]).toMatchObject({ granted: TOKENS * SERVED, posted: TOKENS * SERVED });
	expect(rows[0]?.highest).toBeLessThanOrEqual(TOKENS * SERVED + 3);
	gateways = [];
});
