import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";

/** The ledger knows which team received an answer, whichever gateway served it. */

let stand: GatewayStand;
let first: GatewayProcess;
let second: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	[first, second] = await Promise.all([stand.start("owner_1"), stand.start("owner_2")]);
});

afterAll(() => stand.close());

async function respond(
	gateway: GatewayProcess,
	key: string,
	changes: object = {},
): Promise<{ status: number; body: { id: string; output: { id: string }[]; error?: object } }> {
	const response = await fetch(`${gateway.url}/v1/responses`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({ model: "gpt-4o", input: "hello", max_output_tokens: 40, ...changes }),
	});
	return { status: response.status, body: (await response.json()) as { id: string; output: { id: string }[]; error?: object } };
}

it("previous_response_id: the team that received the answer continues it on any gateway, another team on none", async () => {
	const [mine, other] = await Promise.all([stand.team(100_000_000_000n), stand.team(100_000_000_000n)]);
	const answer = await respond(first, mine.key);
	expect(answer.status).toBe(200);
	const previous = { previous_response_id: answer.body.id };

	// Asked for at once: the row may still be on its way to the ledger.
	expect((await respond(second, mine.key, previous)).status).toBe(200);
	expect((await respond(first, mine.key, previous)).status).toBe(200);
	for (const gateway of [first, second]) {
		const refused = await respond(gateway, other.key, previous);
		expect(refused.status).toBe(422);
		expect(refused.body.error).toMatchObject({ code: "request.unknown_reference", param: "previous_response_id" });
	}

	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, calls: 3 });
	const owners = await withClient(
		stand.database.url,
		async (client) => (await client.query("SELECT DISTINCT team_id FROM tollgate.attempt WHERE answer_id = $1", [answer.body.id])).rows,
	);
	expect(owners).toEqual([{ team_id: mine.teamId }]);
});

it("item references: the team that received the items names them on any gateway, another team on none", async () => {
	const [mine, other] = await Promise.all([stand.team(100_000_000_000n), stand.team(100_000_000_000n)]);
	const answers = [await respond(first, mine.key), await respond(first, mine.key)];
	const ids = answers.flatMap(({ body }) => body.output.map(({ id }) => id));
	expect(ids).toHaveLength(2);
	const input = [...ids.map((id) => ({ type: "item_reference", id })), { role: "user", content: "and now?" }];

	for (const gateway of [second, first, second]) expect((await respond(gateway, mine.key, { input })).status).toBe(200);
	for (const gateway of [first, second]) {
		const refused = await respond(gateway, other.key, { input });
		expect(refused.status).toBe(422);
		expect(refused.body.error).toMatchObject({ code: "request.unknown_reference", param: "input[0]" });
	}
	const owners = await withClient(
		stand.database.url,
		async (client) => (await client.query("SELECT DISTINCT team_id FROM tollgate.answer_item WHERE item_id = ANY ($1)", [ids])).rows,
	);
	expect(owners).toEqual([{ team_id: mine.teamId }]);
	expect((await stand.verify()).findings).toEqual([]);
});
