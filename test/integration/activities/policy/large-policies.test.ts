import { afterEach, beforeEach, expect, test } from "vitest";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { largestPause } from "#test/support/event-loop.ts";
import { manyTeams } from "#test/support/policies.ts";
import { readCurrentPolicy } from "#test/support/policy.ts";

/** Policies of thousands of teams: through the API whole, without holding up the process that serves it, and linear in PostgreSQL. */
let administration: TestAdministration;

beforeEach(async () => {
	administration = await openTestAdministration();
});

afterEach(async () => {
	expect(administration.unexpected).toEqual([]);
	await administration.close();
});

async function ask(method: "GET" | "POST", path: string, body?: object) {
	const answer = await administration.app.inject({
		method,
		url: `/admin/v1${path}`,
		headers: { authorization: `Bearer ${administration.adminKey}` },
		...(body !== undefined && { payload: body }),
	});
	expect(answer.statusCode, answer.statusCode === 200 ? "" : answer.body).toBe(200);
	return answer.json();
}

test("a policy of 3,000 teams is applied, shown, and what was shown changes nothing; who serves it goes on meanwhile", async () => {
	await withClient(administration.databaseUrl, (client) => applyDirectly(client, manyTeams(3_000)));
	const { result: shown, ...showing } = await largestPause(() => ask("GET", "/policy"));
	expect(Object.keys(shown.policy.teams)).toHaveLength(3_000);
	const { result: same, ...comparing } = await largestPause(() => ask("POST", "/policy/diff", { file: shown.text, prune: true }));
	expect(same).toEqual({ basis: shown.basis, changes: [], text: "No changes." });
	for (const { pauseMs, wholeMs } of [showing, comparing]) expect(pauseMs / wholeMs).toBeLessThan(0.5);

	const file = shown.text.replaceAll("limitUsd: 25", "limitUsd: 26");
	const diff = await ask("POST", "/policy/diff", { file });
	expect(diff.changes).toHaveLength(3_000);
	expect(await ask("POST", "/policy/apply", { file, basis: diff.basis })).toMatchObject({ isChanged: true });
	expect((await ask("GET", "/policy")).text).toBe(file);
});

test("what applying a policy reads grows with the number of its budgets, not with the square", async () => {
	const readOfOne = async (count: number): Promise<{ made: number; changed: number }> => {
		const policy = manyTeams(count);
		const higher = Object.entries(policy.teams).map(([id, { budgets }]) => [id, { budgets: budgets.map((budget) => ({ ...budget, limitAmount: "7" })) }]);
		return withClient(administration.databaseUrl, async (client) => ({
			made: (await rowsRead(client, () => applyDirectly(client, policy))) / count,
			changed: (await rowsRead(client, () => applyDirectly(client, mergePolicy(policy, { teams: Object.fromEntries(higher) }, { isPruning: false })))) / count,
		}));
	};
	// The second has the teams of the first in it; a square would read a hundred times as much for each.
	const [few, many] = [await readOfOne(20), await readOfOne(2_000)];
	expect(many.made).toBeLessThan(10 * few.made);
	expect(many.changed).toBeLessThan(10 * few.changed);
});

type Client = Parameters<Parameters<typeof withClient>[1]>[0];

async function applyDirectly(client: Client, policy: Policy): Promise<void> {
	const { basis } = await readCurrentPolicy(client);
	await client.query("SELECT tollgate.apply_policy_document('ada', $1, $2, '[]', '')", [basis, JSON.stringify(policy)]);
}

async function rowsRead(client: Client, work: () => Promise<void>): Promise<number> {
	await client.query("SELECT pg_stat_reset()");
	await work();
	await client.query("SELECT pg_stat_force_next_flush()");
	const { rows } = await client.query<{ read: string }>("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_user_tables");
	return Number(rows[0]?.read);
}
