import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { runAuthorityHistory } from "#test/support/authority-histories.ts";
import { emptyTally } from "#test/support/history-tally.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

/**
 * The SQL functions against the pure model: random histories of boot, grant with lost replies, settle duplicated,
 * regrouped and reordered, repeated and late returns, crash with adoption or lump, limits, thresholds and freezes.
 * After every step the windows, leases, lumps and events in PostgreSQL are those of the model; at the end the checker
 * finds the books of all histories right. A failure names the seed: `runAuthorityHistory(client, seed, tally)`.
 */
const HISTORIES = 180;
const CONNECTIONS = 3;

let database: TestDatabase;

beforeAll(async () => {
	database = await createTestDatabase();
});

afterAll(() => database.close());

test(`${HISTORIES} random histories give the same rows in PostgreSQL as in the model`, async () => {
	const tally = emptyTally();
	let next = 0;
	await Promise.all(
		Array.from({ length: CONNECTIONS }, async () => {
			const client = new pg.Client({ connectionString: database.url });
			await client.connect();
			try {
				while (next < HISTORIES) await runAuthorityHistory(client, next++, tally);
			} finally {
				await client.end();
			}
		}),
	);
	for (const [what, count] of Object.entries(tally)) expect(count, what).toBeGreaterThan(HISTORIES / 25);
	expect(await verifyLedger({ databaseUrl: database.url })).toMatchObject({ report: { ok: true }, findings: [] });
});
