import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDatabase } from "#activities/database/migrate.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { createEmptyDatabase } from "#test/support/postgres.ts";
import { until } from "#test/support/until.ts";

/** The schema moves on under gateways that serve (docs/operations.md): migrations, then workers, then gateways. */

const MIGRATIONS = path.join(import.meta.dirname, "../../../migrations");

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-upgrade-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Calls one after another until told to stop; every status. */
function keepCalling(gateway: GatewayProcess, key: string): { served(): number; stop(): Promise<readonly number[]> } {
	const statuses: number[] = [];
	let isOver = false;
	const running = (async () => {
		while (!isOver) statuses.push((await chat(gateway, key)).status);
	})();
	return {
		served: () => statuses.length,
		async stop() {
			isOver = true;
			await running;
			return statuses;
		},
	};
}

/** Migrates under traffic: before, meanwhile and afterwards every call is served, by the process that was there before. */
async function upgradeUnderTraffic(stand: GatewayStand, upgrade: () => Promise<unknown>): Promise<void> {
	const { key } = await stand.team(100_000_000_000n);
	const gateway = await stand.start("upgraded");
	const traffic = keepCalling(gateway, key);
	await until("calls before", () => traffic.served() > 10);
	await upgrade();
	const before = traffic.served();
	await until("calls afterwards", () => traffic.served() > before + 30);
	expect(new Set(await traffic.stop())).toEqual(new Set([200]));
	// Then the gateways, one by one.
	await gateway.end();
	const next = await stand.start("upgraded");
	expect((await chat(next, key)).status).toBe(200);
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, lost: 0, duplicated: 0, unresolved: 0, falseRefusals: 0 });
}

describe("migrations run under traffic", () => {
	test("from the schema before this one: a gateway started on it goes on serving", async () => {
		const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
		const newest = files.at(-1) ?? "";
		for (const file of files.slice(0, -1)) await cp(path.join(MIGRATIONS, file), path.join(folder, file));
		const database = await createEmptyDatabase();
		await migrateDatabase(database.url, folder);
		const stand = await openGatewayStand({ database });
		try {
			await upgradeUnderTraffic(stand, async () => expect((await migrateDatabase(database.url)).applied).toEqual([newest]));
		} finally {
			await stand.close();
		}
	}, 120_000);

	test("to the schema after this one: a column that may be absent, a function with one more default, an index", async () => {
		const stand = await openGatewayStand();
		try {
			await cp(MIGRATIONS, folder, { recursive: true });
			await writeFile(path.join(folder, "9001_next.sql"), NEXT_RELEASE);
			await upgradeUnderTraffic(stand, async () => expect((await migrateDatabase(stand.database.url, folder)).applied).toEqual(["9001_next.sql"]));
			const rows = await withClient(stand.database.url, (client) => client.query("SELECT DISTINCT note FROM tollgate.attempt"));
			expect(rows.rows).toEqual([{ note: null }]);
		} finally {
			await stand.close();
		}
	}, 120_000);
});

const NEXT_RELEASE = `
	ALTER TABLE tollgate.attempt ADD COLUMN note text;
	ALTER TABLE tollgate.budget ADD COLUMN note text NOT NULL DEFAULT '';
	CREATE INDEX attempt_note ON tollgate.attempt (note) WHERE note IS NOT NULL;
	DROP FUNCTION tollgate.load_team(text);
	CREATE FUNCTION tollgate.load_team(p_team text, p_note text DEFAULT NULL) RETURNS jsonb LANGUAGE sql STABLE AS $$
	  SELECT jsonb_build_object('teamId', t.id, 'isUnlimited', t.is_unlimited, 'policy', t.policy, 'isDeleted', t.deleted_at IS NOT NULL, 'note', p_note,
	    'revision', (SELECT max(revision) FROM tollgate.change)::text,
	    'budgets', coalesce((
	      SELECT jsonb_agg(jsonb_build_object('budgetId', b.id::text, 'teamId', b.team_id, 'dimension', b.dimension, 'dimensionValue', b.dimension_value,
	        'unit', b.unit, 'windowKind', b.window_kind) ORDER BY b.id)
	      FROM tollgate.budget b WHERE b.deleted_at IS NULL AND (b.team_id = t.id OR b.team_id IS NULL)), '[]'))
	  FROM tollgate.team t WHERE t.id = p_team
	$$;`;
