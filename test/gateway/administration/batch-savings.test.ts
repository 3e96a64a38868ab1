import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { seedOwnedThings } from "#test/support/owned-things.ts";

/** GET /admin/v1/batches/savings; what it counts: test/integration/activities/administration/batch-savings.test.ts. */

let administration: TestAdministration;

beforeAll(async () => {
	administration = await openTestAdministration();
});
afterAll(() => administration.close());

async function ask(key: string) {
	return (await administration.app.inject({ url: "/admin/v1/batches/savings", headers: { authorization: `Bearer ${key}` } })).json();
}

test("what batches of several teams saved is added up for whoever has them", async () => {
	await seedOwnedThings(administration, ["beta", "gamma", "search"]);
	await administration.pool.query("UPDATE tollgate.batch SET settled_nano_usd = 100");
	const all = await ask(administration.adminKey);
	expect(all.teams.map(({ teamId, origin }: { teamId: string; origin: string }) => `${teamId} ${origin}`)).toEqual([
		"beta caller",
		"gamma caller",
		"search caller",
	]);
	const { key } = (
		await administration.app.inject({
			method: "POST",
			url: "/admin/v1/admin-keys",
			headers: { authorization: `Bearer ${administration.adminKey}` },
			payload: { name: "owner", role: "team-owner", teamIds: ["beta", "gamma"] },
		})
	).json();
	const own = await ask(key);
	expect(own.total).toEqual({ items: 2, costNanoUsd: "200", realTimeNanoUsd: "400", savedNanoUsd: "200", lateItems: 0 });
	expect(own.teams).toEqual(all.teams.slice(0, 2));
});
