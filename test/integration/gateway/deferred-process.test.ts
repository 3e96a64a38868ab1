import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** Gateways as the processes they are: several hand in for one collector, and what one accepted the other shows. */

let stand: GatewayStand;
let gateways: readonly GatewayProcess[];

beforeAll(async () => {
	stand = await openGatewayStand();
	gateways = await Promise.all([stand.start("one"), stand.start("two")]);
});
afterAll(() => stand.close());

type Told = { readonly id: string; readonly status: string; readonly held_nano_usd: string };
const CHAT = { model: "gpt-4o", max_tokens: 20, user: "alice", messages: [{ role: "user", content: "hello" }] };

test("items of two gateways collect in one batch, name their user alike, and are read at either", async () => {
	const { key, teamId } = await stand.team(1_000_000_000n);
	const clients = gateways.map(({ url }) => new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 }));
	const handIn = (client: OpenAI, headers = {}) => client.post<Told>("/deferred/chat/completions", { body: CHAT, headers });
	const told = (await Promise.all(clients.map((client) => Promise.all(Array.from({ length: 8 }, () => handIn(client)))))).flat();
	const rows = await withClient(stand.database.url, async (client) => {
		const text =
			"SELECT batch_number, attribution #>> '{claimed,user}' AS claimed, count(*)::int AS items FROM tollgate.batch_item WHERE team_id = $1 GROUP BY 1, 2";
		return (await client.query(text, [teamId])).rows;
	});
	expect(rows).toEqual([{ batch_number: expect.any(String), claimed: expect.stringMatching(/^user_/), items: 16 }]);
	const [one, two] = clients as [OpenAI, OpenAI];
	expect(await two.get<Told>(`/deferred/${told[0]?.id}`)).toEqual(told[0]);
	const keyed = { "idempotency-key": "order-17" };
	expect((await handIn(two, keyed)).id).toBe((await handIn(one, keyed)).id);
	await expect(handIn(one, { "x-tollgate-webhook": "ended" })).rejects.toMatchObject({ status: 400, param: "x-tollgate-webhook" });
	await withClient(stand.database.url, (client) => client.query("INSERT INTO tollgate.alert_channel (name, kind, config) VALUES ('ended', 'webhook', '{}')"));
	expect(await handIn(one, { "x-tollgate-webhook": "ended" })).toMatchObject({ webhook: "ended" });
	const waiting = two.get<Told>(`/deferred/${told[0]?.id}/wait?seconds=30`);
	await until("somebody to wait", async () => /tollgate_open_calls 1\b/.test(await (await fetch(`${gateways[1]?.url}/metrics`)).text()));
	await one.delete(`/deferred/${told[0]?.id}`);
	expect(await waiting).toMatchObject({ status: "cancelled", held_nano_usd: "0" });
});

test("more than the budget is refused where it is asked for, at whichever gateway", async () => {
	const rich = new OpenAI({ apiKey: (await stand.team(1_000_000_000n)).key, baseURL: `${gateways[0]?.url}/v1`, maxRetries: 0 });
	const bound = BigInt((await rich.post<Told>("/deferred/chat/completions", { body: CHAT })).held_nano_usd);
	const { key } = await stand.team((bound * 5n) / 2n);
	const results = await Promise.allSettled(
		gateways.flatMap(({ url }) => {
			const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
			return [1, 2].map(() => client.post<Told>("/deferred/chat/completions", { body: CHAT }));
		}),
	);
	const held = results.flatMap((result) => (result.status === "fulfilled" ? [BigInt(result.value.held_nano_usd)] : []));
	expect(held).toEqual([bound, bound]);
	const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
	for (const error of refused) expect(error).toMatchObject({ status: 402, code: "budget.exceeded" });
});
