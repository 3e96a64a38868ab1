import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { MonthLedger } from "#test/support/chargeback.ts";

/** GET /admin/v1/requests and /admin/v1/refusals. */

let administration: TestAdministration;

beforeAll(async () => {
	administration = await openTestAdministration();
	const ledger = MonthLedger.over(administration.databaseUrl, administration.pool);
	await ledger.teams("search", "research");
	const at = (minute: number) => new Date(Date.UTC(2026, 10, 2, 10, minute)).toISOString();
	await ledger.book([
		...Array.from({ length: 5 }, (_, index) => ({
			at: at(index),
			account: "team/search",
			cost: BigInt(index),
			feature: index % 2 === 0 ? "chat" : "eval",
			model: "m1",
		})),
		// In one chunk: the same time.
		...["ann", "bob", null].map((user) => ({ at: at(10), account: "team/search", cost: 9n, user, model: "m2" })),
		{ at: at(3), account: "team/research", cost: 7n },
	]);
	await administration.pool.query(`
		INSERT INTO tollgate.refusal (refusal_id, at, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, is_observed, unrecorded_before, limit_name)
		VALUES ('f1', now(), now(), 'r1', 'g1', 1, 'search', 'key_1', 'budget.exceeded', false, 0, NULL), ('f2', now(), now(), 'r2', 'g1', 1, 'search', 'key_1', 'budget.exceeded', false, 0, NULL),
		       ('f3', now(), now(), 'r3', 'g1', 1, 'search', 'key_1', 'budget.exceeded', true, 0, NULL), ('l1', now(), now(), 'r4', 'g1', 1, 'research', 'key_1', 'limit.requests', false, 40, 'requests'),
		       ('f4', now() - interval '40 days', now(), 'r5', 'g1', 1, 'search', 'key_1', 'budget.none', false, 0, NULL)`);
});
afterAll(() => administration.close());

async function ask<Body = { requests: { attemptId: string; costNanoUsd: string }[]; next: string | null }>(path: string) {
	const answer = await administration.app.inject({ url: `/admin/v1${path}`, headers: { authorization: `Bearer ${administration.adminKey}` } });
	return { status: answer.statusCode, body: answer.json<Body>() };
}

const DAY = "teamId=search&from=2026-11-02&to=2026-11-03";
const ids = (page: { requests: { attemptId: string }[] }) => page.requests.map(({ attemptId }) => attemptId);

describe("requests", () => {
	test("are those of one team, the newest first", async () => {
		const { body } = await ask(`/requests?${DAY}`);
		expect(ids(body)).toEqual(["g1-1-8", "g1-1-7", "g1-1-6", "g1-1-5", "g1-1-4", "g1-1-3", "g1-1-2", "g1-1-1"]);
		expect(body.next).toBeNull();
		expect(body.requests[7]).toEqual({
			...{ requestId: "r", attemptId: "g1-1-1", at: "2026-11-02T10:00:00.000Z", feature: "chat", userId: null, keyId: "key_1", environment: null },
			...{ provider: "openai", model: "m1", outcome: "settled", costNanoUsd: "0", inputTokens: "10", outputTokens: "5", durationMs: null },
		});
	});

	test("page by page none is left out or comes twice, of the same instant either", async () => {
		const seen: string[] = [];
		let after = "";
		for (let pages = 0; pages < 10; pages++) {
			const { body } = await ask(`/requests?${DAY}&limit=2${after}`);
			seen.push(...ids(body));
			if (body.next === null) break;
			after = `&after=${encodeURIComponent(body.next)}`;
		}
		expect(seen).toEqual(ids((await ask(`/requests?${DAY}`)).body));
	});

	test("are narrowed by what they are attributed to", async () => {
		expect(ids((await ask(`/requests?${DAY}&feature=eval`)).body)).toEqual(["g1-1-4", "g1-1-2"]);
		expect(ids((await ask(`/requests?${DAY}&userId=ann&model=m2`)).body)).toEqual(["g1-1-6"]);
		expect(ids((await ask(`/requests?${DAY}&model=none`)).body)).toEqual([]);
	});

	test.each([
		["from=yesterday", "from"],
		["from=2026-11-03&to=2026-11-02", "to"],
		["after=x", "after"],
		["limit=0", "limit"],
		["outcome=lost", "outcome"],
	])("%s is refused by name", async (query, field) => {
		const { status, body } = await ask<{ error: { code: string; field: string } }>(`/requests?teamId=search&${query}`);
		expect([status, body.error.code, body.error.field]).toEqual([422, "admin.invalid", field]);
	});

	test("a team is named, and known", async () => {
		expect((await ask("/requests")).status).toBe(422);
		expect((await ask("/requests?teamId=nobody")).status).toBe(404);
	});
});

describe("refusals", () => {
	type Sums = { rows: { teamId: string; code: string; isObserved: boolean; calls: number; limitName: string | null }[]; isComplete: boolean };

	test("are added up by team and reason, those without a row and those that were let pass told apart", async () => {
		const { body } = await ask<Sums>("/refusals");
		expect(body.isComplete).toBe(true);
		expect(body.rows.map(({ teamId, code, isObserved, calls, limitName }) => [teamId, code, isObserved, calls, limitName])).toEqual([
			["research", "limit.requests", false, 41, "requests"],
			["search", "budget.exceeded", false, 2, null],
			["search", "budget.exceeded", true, 1, null],
		]);
	});

	test("of one team", async () => {
		const { body } = await ask<Sums>("/refusals?teamId=research&days=31");
		expect(body.rows.map(({ teamId }) => teamId)).toEqual(["research"]);
	});
});
