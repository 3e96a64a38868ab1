import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** Which statements of a gateway are planned once per connection, as PostgreSQL sees it while they run. */

let stand: GatewayStand;

beforeAll(async () => {
	stand = await openGatewayStand();
	await withClient(stand.database.url, (client) =>
		client.query(`
			CREATE TABLE seen_plan (what text, application text, plan_cache_mode text, PRIMARY KEY (what, application, plan_cache_mode));
			CREATE FUNCTION see_plan() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				INSERT INTO seen_plan VALUES (TG_TABLE_NAME, current_setting('application_name'), current_setting('plan_cache_mode')) ON CONFLICT DO NOTHING;
				RETURN NULL;
			END $$;
			CREATE TRIGGER seen AFTER INSERT ON tollgate.lease FOR EACH STATEMENT EXECUTE FUNCTION see_plan();
			CREATE TRIGGER seen AFTER UPDATE ON tollgate.gateway_epoch FOR EACH STATEMENT EXECUTE FUNCTION see_plan();
			CREATE TRIGGER seen AFTER INSERT ON tollgate.chunk FOR EACH STATEMENT EXECUTE FUNCTION see_plan()`),
	);
});
afterAll(() => stand.close());

const seen = (what: string, connection: string) =>
	withClient(stand.database.url, async (client) => {
		const { rows } = await client.query<{ plan_cache_mode: string }>("SELECT plan_cache_mode FROM seen_plan WHERE what = $1 AND application = $2", [
			what,
			`tollgate gateway plans ${connection}`,
		]);
		return rows.map((row) => row.plan_cache_mode);
	});

it("grants and heartbeats are planned once; a chunk of the ledger, of few or of many rows, each time", async () => {
	const { key } = await stand.team(100_000_000_000n);
	const gateway = await stand.start("plans");
	expect((await chat(gateway, key)).status).toBe(200);
	await until("a heartbeat", async () => (await seen("gateway_epoch", "heartbeat")).length > 0);
	await until("the flush", async () => (await seen("chunk", "ledger")).length > 0);
	expect(await seen("gateway_epoch", "heartbeat")).toEqual(["force_generic_plan"]);
	expect(await seen("lease", "grants")).toEqual(["force_generic_plan"]);
	expect(await seen("chunk", "ledger")).toEqual(["auto"]);
}, 60_000);
