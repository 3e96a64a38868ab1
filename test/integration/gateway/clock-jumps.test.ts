import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** A gateway whose wall clock is an hour off, either way, or jumps while it serves: money goes by PostgreSQL's clock alone. */

const HOUR_MS = 3_600_000;
const CLOCK = pathToFileURL(path.join(import.meta.dirname, "../../support/jumping-clock.mjs")).href;

let stand: GatewayStand;

beforeAll(async () => {
	stand = await openGatewayStand();
});
afterAll(() => stand.close());

function startWithClock(gatewayId: string, ...shiftsMs: readonly number[]): Promise<GatewayProcess> {
	return stand.start(gatewayId, { NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import=${CLOCK}`, TEST_CLOCK_SHIFTS_MS: shiftsMs.join(",") });
}

async function jump(gateway: GatewayProcess, toMs: number): Promise<void> {
	gateway.child.kill("SIGUSR2");
	await until("the clock to jump", () => gateway.log().includes(`the clock is off by ${toMs} ms`));
}

type ClockRow = { gateway_id: string; window_ids: string[]; current: string; ends_at: Date; off_ms: number };

/** Every attempt of the team beside the window that PostgreSQL calls current, and how far its gateway's clock was off. */
const attemptsOf = (teamId: string) =>
	withClient(
		stand.database.url,
		async (client) =>
			(
				await client.query<ClockRow>(
					`SELECT a.gateway_id, a.window_ids, w.id AS current, w.ends_at, (extract(epoch FROM a.reserved_at - a.at) * 1000)::float8 AS off_ms
					 FROM tollgate.attempt a JOIN tollgate.budget b ON b.team_id = a.team_id
					 JOIN tollgate.budget_window w ON w.budget_id = b.id AND w.starts_at <= clock_timestamp() AND w.ends_at > clock_timestamp()
					 WHERE a.team_id = $1 ORDER BY a.reserved_at`,
					[teamId],
				)
			).rows,
	);

const countOf = (sql: string) => withClient(stand.database.url, async (client) => Number((await client.query<{ count: string }>(sql)).rows[0]?.count));

async function expectBooksInOrder(): Promise<void> {
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, pendingPastTime: 0 });
	expect(await countOf("SELECT count(*) FROM tollgate.gateway_epoch WHERE fenced_at IS NOT NULL AND closed_how IS DISTINCT FROM 'drained'")).toBe(0);
}

it("gateways an hour behind and an hour ahead share a team's money with one whose clock is right", async () => {
	const gateways = [await startWithClock("behind", -HOUR_MS), await startWithClock("ahead", HOUR_MS), await startWithClock("right", 0)];
	const { key, teamId } = await stand.team(10_000_000_000n);
	for (let round = 0; round < 3; round += 1) {
		const answers = await Promise.all(gateways.map((gateway) => chat(gateway, key)));
		expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
	}
	await until("nine booked attempts", async () => (await attemptsOf(teamId)).length === 9);
	const attempts = await attemptsOf(teamId);
	for (const attempt of attempts) expect(attempt.window_ids).toEqual([attempt.current]);
	const hoursOff = attempts.map(({ gateway_id, off_ms }) => `${gateway_id} ${Math.round(off_ms / HOUR_MS)}`);
	expect([...new Set(hoursOff)].sort()).toEqual(["ahead 1", "behind -1", "right 0"]); // the clocks really are off
	// What a refusal says of the reset is PostgreSQL's, too.
	const poor = await stand.team(1n);
	const refusals = await Promise.all(gateways.map((gateway) => chat(gateway, poor.key)));
	expect(refusals.map((answer) => answer.status)).toEqual([402, 402, 402]);
	const resets = refusals.map(({ body }) => (body["error"] as { resetsAt: string }).resetsAt);
	expect(new Set(resets.map((at) => Date.parse(at)))).toEqual(new Set([attempts[0]?.ends_at.getTime()]));
	await expectBooksInOrder();
	await Promise.all(gateways.map((gateway) => gateway.end()));
}, 120_000);

it("a key's life is judged by PostgreSQL's clock", async () => {
	const [behind, ahead] = [await startWithClock("keys_behind", -HOUR_MS), await startWithClock("keys_ahead", HOUR_MS)];
	const [lasting, over] = [await stand.team(1_000_000_000n), await stand.team(1_000_000_000n)];
	await withClient(stand.database.url, async (client) => {
		const expire = "UPDATE tollgate.virtual_key SET expires_at = clock_timestamp() + $2::interval WHERE team_id = $1";
		await client.query(expire, [lasting.teamId, "30 minutes"]);
		await client.query(expire, [over.teamId, "-30 minutes"]);
	});
	expect(await Promise.all([behind, ahead].map(async (gateway) => (await chat(gateway, lasting.key)).status))).toEqual([200, 200]);
	expect(await Promise.all([behind, ahead].map(async (gateway) => (await chat(gateway, over.key)).status))).toEqual([401, 401]);
	await Promise.all([behind.end(), ahead.end()]);
}, 120_000);

it("a clock that jumps under calls in flight frees no live money and refuses nobody", async () => {
	const gateway = await startWithClock("jumps", 0, HOUR_MS, -HOUR_MS);
	const { key, teamId } = await stand.team(10_000_000_000n);
	expect((await chat(gateway, key)).status).toBe(200);
	const lease = () =>
		withClient(
			stand.database.url,
			async (client) =>
				(
					await client.query<{ epochs: string; returned: string; windows: string }>(
						`SELECT count(DISTINCT l.epoch) AS epochs, sum(l.returned) AS returned, count(DISTINCT l.window_id) AS windows
						 FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id JOIN tollgate.budget b ON b.id = w.budget_id
						 WHERE b.team_id = $1 AND l.gateway_id = 'jumps'`,
						[teamId],
					)
				).rows[0],
		);
	const before = await lease();
	for (const shiftMs of [HOUR_MS, -HOUR_MS]) {
		const held = chat(gateway, key, { simulate: { holdUntil: `the clock is off by ${shiftMs}` } });
		await until("the call to be in flight", async () => (await stand.provider.control("state"))["held"] === 1);
		await jump(gateway, shiftMs);
		const beside = await Promise.all([chat(gateway, key), chat(gateway, key)]);
		await stand.provider.control("release");
		expect([await held, ...beside].map((answer) => answer.status)).toEqual([200, 200, 200]);
	}
	expect(await lease()).toEqual(before);
	expect(gateway.log()).not.toMatch(/"level":(50|60)/);
	await expectBooksInOrder();
	await gateway.end();
}, 120_000);
