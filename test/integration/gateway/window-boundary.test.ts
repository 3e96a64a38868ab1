import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** A call counts in the window of its reservation, however late its answer comes; what is reserved after the end counts in the next. */

let stand: GatewayStand;

beforeAll(async () => {
	stand = await openGatewayStand();
});
afterAll(() => stand.close());

type WindowRow = { id: string; is_over: boolean; posted: string; attempts: string[] };

const windowsOf = (teamId: string) =>
	withClient(
		stand.database.url,
		async (client) =>
			(
				await client.query<WindowRow>(
					`SELECT w.id, w.ends_at <= clock_timestamp() AS is_over, coalesce((SELECT sum(l.posted) FROM tollgate.lease l WHERE l.window_id = w.id), 0)::text AS posted,
					        ARRAY(SELECT a.attempt_id FROM tollgate.attempt a WHERE w.id = ANY (a.window_ids) ORDER BY a.reserved_at) AS attempts
					 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1 ORDER BY w.starts_at`,
					[teamId],
				)
			).rows,
	);

const costOf = (attemptIds: readonly string[]) =>
	withClient(
		stand.database.url,
		async (client) =>
			(
				await client.query<{ cost: string }>("SELECT coalesce(sum(cost_nano_usd), 0)::text AS cost FROM tollgate.attempt WHERE attempt_id = ANY ($1)", [
					attemptIds,
				])
			).rows[0]?.cost,
	);

it("a call in flight over the end of its window is booked there", async () => {
	const gateway = await stand.start("boundary");
	const { key, teamId } = await stand.team(10_000_000_000n);
	expect((await chat(gateway, key)).status).toBe(200);
	const held = chat(gateway, key, { simulate: { holdUntil: "the next window" } });
	await until("the call to be in flight", async () => (await stand.provider.control("state"))["held"] === 1);
	await withClient(stand.database.url, (client) =>
		client.query(
			"UPDATE tollgate.budget_window w SET ends_at = clock_timestamp() + interval '2 seconds' FROM tollgate.budget b WHERE b.id = w.budget_id AND b.team_id = $1",
			[teamId],
		),
	);
	await until(
		"a call of the next window",
		async () => {
			expect((await chat(gateway, key)).status).toBe(200);
			return ((await windowsOf(teamId))[1]?.attempts.length ?? 0) > 0;
		},
		90_000,
	);
	const inFirst = (await windowsOf(teamId))[0]?.attempts.length ?? 0;
	await stand.provider.control("release");
	expect((await held).status).toBe(200);
	await until("the late answer to be booked", async () => ((await windowsOf(teamId))[0]?.attempts.length ?? 0) === inFirst + 1);
	const windows = await windowsOf(teamId);
	expect(windows.map(({ is_over }) => is_over)).toEqual([true, false]);
	for (const window of windows) expect(window.posted).toBe(await costOf(window.attempts));
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0 });
	await gateway.end();
}, 120_000);
