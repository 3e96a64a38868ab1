import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainRequest } from "#activities/administration/explain.ts";
import { endThrottle, listThrottles } from "#activities/limits/throttles.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { chat, type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

let stand: GatewayStand;
let gateways: readonly GatewayProcess[];

beforeAll(async () => {
	stand = await openGatewayStand();
	gateways = await Promise.all([stand.start("limits1"), stand.start("limits2")]);
});
afterAll(() => stand.close());

const first = () => gateways[0] ?? expect.fail("a gateway");

const setLimits = (teamId: string, limits: unknown) =>
	withClient(stand.database.url, async (client) => {
		await client.query("UPDATE tollgate.team SET limits = $2 WHERE id = $1", [teamId, JSON.stringify(limits)]);
		await client.query("SELECT tollgate.record_change('team', $1, 'test', '{}')", [teamId]);
	});

/** In the books within a second like what a budget refuses, in no budget's window, and held by verify to be right. */
async function expectExplained(teamId: string, requestId: string): Promise<void> {
	await withClient(stand.database.url, async (client) => {
		const explained = await until("the refusal to be in the books", () => explainRequest(client, requestId).catch(() => undefined));
		const limitName = "requests; dimension=team; limit=3";
		expect(explained.attempts).toEqual([]);
		expect(explained.refusals).toMatchObject([{ code: "limit.requests", teamId, limitName, limitAmount: "3", needAmount: "1", budget: null }]);
		expect(Number(explained.refusals[0]?.stoodAtAmount)).toBeGreaterThanOrEqual(3);
		const windows = await client.query("SELECT count(*)::int AS count FROM tollgate.refusal WHERE team_id = $1 AND window_id IS NOT NULL", [teamId]);
		expect(windows.rows).toEqual([{ count: 0 }]);
	});
	expect((await stand.verify()).report).toMatchObject({ ok: true, falseRefusals: 0 });
}

describe("limits of a team", () => {
	test("hold on every gateway that knows the team already, and end when they are taken away", async () => {
		const { teamId, key } = await stand.team(1_000_000_000n);
		for (const gateway of gateways) expect((await chat(gateway, key)).status).toBe(200);
		await setLimits(teamId, { rates: [{ dimension: "team", requestsPerMinute: 3 }] });
		await until("the rate to hold on both", async () => {
			const answers = await Promise.all(gateways.map((gateway) => chat(gateway, key)));
			return answers.every(({ status }) => status === 429) && answers;
		});
		const refused = await chat(first(), key);
		expect(refused.headers.get("x-tollgate-limit")).toBe("requests; dimension=team; limit=3");
		await expectExplained(teamId, refused.headers.get("x-tollgate-request-id") ?? "");
		await setLimits(teamId, {});
		await until("the rate to be gone", async () => (await chat(first(), key)).status === 200);
	});

	test("two gateways let no more calls run at a time than the limit says", async () => {
		const { teamId, key } = await stand.team(1_000_000_000n);
		await setLimits(teamId, { rates: [{ dimension: "key", dimensionValue: "*", inFlight: 5 }] });
		const hold = { holdUntil: `limits-${teamId}` };
		let refused = 0;
		const answers = await Promise.all(
			Array.from({ length: 30 }, async (_, index) => {
				const { status } = await chat(gateways[index % 2] ?? first(), key, { simulate: hold });
				if (status === 429) refused += 1;
				if (refused === 25) await stand.provider.control("release", { name: hold.holdUntil });
				return status;
			}),
		);
		expect(answers.filter((status) => status === 200)).toHaveLength(5);
		await until("the places to be free again", async () => (await chat(first(), key)).status === 200);
		expect((await stand.verify()).report.ok).toBe(true);
	});

	test("a throttle holds beside them, and ends by hand and by time", async () => {
		const { teamId, key } = await stand.team(1_000_000_000n);
		expect((await chat(first(), key)).status).toBe(200);
		const keyId = await withClient(stand.database.url, async (client) => {
			const { rows } = await client.query<{ id: string }>("SELECT id FROM tollgate.virtual_key WHERE team_id = $1", [teamId]);
			return rows[0]?.id ?? "";
		});
		const throttle = (interval: string) =>
			withClient(stand.database.url, (client) =>
				client.query("SELECT tollgate.set_throttle($1, 'key', $2, 1, clock_timestamp() + $3::interval, 'test', 'velocity/test', 'test')", [
					teamId,
					keyId,
					interval,
				]),
			);
		await throttle("1 hour");
		const refused = await until("the throttle to hold", async () => {
			const answer = await chat(first(), key);
			return answer.status === 429 && answer;
		});
		expect(refused.headers.get("x-tollgate-limit")).toBe("requests; dimension=key; limit=1; throttle");
		await withClient(stand.database.url, async (client) => {
			expect(await listThrottles(client, teamId)).toMatchObject([{ teamId, dimension: "key", value: keyId, requestsPerMinute: 1, setBy: "test" }]);
			await endThrottle(client, { teamId, dimension: "key", value: keyId }, "ada");
			expect(await listThrottles(client, teamId)).toEqual([]);
			await expect(endThrottle(client, { teamId, dimension: "key", value: keyId }, "ada")).rejects.toMatchObject({ code: "admin.not_found" });
		});
		await until("it to have ended", async () => (await chat(first(), key)).status === 200);
		await throttle("1500 milliseconds");
		await until("it to hold again", async () => (await chat(first(), key)).status === 429);
		await until("its time to be over", async () => (await chat(first(), key)).status === 200);
	});
});
