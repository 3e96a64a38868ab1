import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { insertBudget, insertTeam, withClient } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTestGateway, type TestGateway, testBound, testCall } from "#test/support/request-authority.ts";

/** An answer to a claim is an answer to one ask: money that came idle since must be asked for again. */
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

type Team = { readonly secret: string; readonly teamId: string };

async function createTeam(limit: bigint): Promise<Team> {
	const teamId = `team${++number}`;
	const secret = `tg-${randomBytes(32).toString("base64url")}`;
	await withClient(database.url, async (client) => {
		await insertTeam(client, teamId, { admissionWaitMs: 0 });
		await client.query("INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by) VALUES ($1, $2, '', $3, 'test')", [
			`key_${teamId}`,
			createHash("sha256").update(secret).digest(),
			teamId,
		]);
		await insertBudget(client, { teamId, limit });
	});
	return { secret, teamId };
}

async function startTwo(): Promise<readonly [TestGateway, TestGateway]> {
	const [holder, asker] = await Promise.all([startTestGateway(database.url, `holder${++number}`), startTestGateway(database.url, `asker${number}`)]);
	gateways = [holder, asker];
	return [holder, asker];
}

async function call(gateway: TestGateway, team: Team, nanoUsd: bigint): Promise<Admission> {
	const key = await gateway.authority.resolveKey(team.secret);
	if (key.kind === "refused") throw new Error(key.message);
	return gateway.authority.admit(testCall(key.key, testBound(nanoUsd)));
}

async function attempt(gateway: TestGateway, team: Team, nanoUsd: bigint): Promise<Attempt> {
	const admission = await call(gateway, team, nanoUsd);
	if (admission.kind === "refused") throw new Error(admission.refusal.message);
	return admission.attempt;
}

function settle(open: Attempt, cost: number): void {
	const usage = { inputTokens: cost, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 0, reasoningTokens: 0 };
	open.settle({ reported: { kind: "usable", usage, model: undefined, serviceTier: undefined }, providerRequestId: null, httpStatus: 200, durationMs: 1 });
}

describe("a call that does not wait", () => {
	it("gets money that came idle after an earlier call's claim was answered", async () => {
		const team = await createTeam(1_000n);
		const [holder, asker] = await startTwo();
		const open = await attempt(holder, team, 900n);
		expect((await call(asker, team, 950n)).kind).toBe("refused");
		settle(open, 1);
		expect((await call(asker, team, 950n)).kind).toBe("admitted");
	});
});
