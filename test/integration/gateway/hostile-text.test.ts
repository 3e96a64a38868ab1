import { afterAll, beforeAll, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { until } from "#test/support/until.ts";

/** Text that PostgreSQL cannot hold (NUL, lone surrogates) or that is very long, wherever a caller can put it: every call is booked all the same. */

let stand: GatewayStand;
let gateway: GatewayProcess;

beforeAll(async () => {
	stand = await openGatewayStand();
	gateway = await stand.start("hostile");
});
afterAll(() => stand.close());

const HOSTILE = ["a\u0000b", "\u0000", "\ud800", "x\udfff\u0000y", "\u0007\u001b[31m", "'; DROP TABLE tollgate.entry; --", "𝒳".repeat(400)];

async function send(path: string, key: string, body: unknown, headers: Record<string, string> = {}): Promise<number> {
	const response = await fetch(`${gateway.url}${path}`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
		body: JSON.stringify(body),
	});
	await response.arrayBuffer();
	return response.status;
}

const rowsOf = (teamId: string) =>
	withClient(
		stand.database.url,
		async (client) =>
			(
				await client.query<{ outcome: string; claimed: string | null }>(
					"SELECT outcome, claimed::text AS claimed FROM tollgate.attempt WHERE team_id = $1 ORDER BY reserved_at",
					[teamId],
				)
			).rows,
	);

it("in content, user, metadata and ids: served, settled, and the chunk it travels in takes everybody's rows", async () => {
	const { key, teamId } = await stand.team(100_000_000_000n);
	const messages = [{ role: "user", content: "hello" }];
	const calls = HOSTILE.flatMap((text) => [
		send("/v1/chat/completions", key, { model: "gpt-4o", max_tokens: 9, messages: [{ role: "user", content: text }] }),
		send("/v1/chat/completions", key, { model: "gpt-4o", max_tokens: 9, messages, user: text }),
		send("/v1/chat/completions", key, { model: "gpt-4o", max_tokens: 9, messages, metadata: { [text]: text } }),
		send("/v1/chat/completions", key, { model: "gpt-4o", max_tokens: 9, messages: [{ role: "user", name: "n", content: [{ type: "text", text }] }] }),
		send("/v1/messages", key, { model: "claude-opus-4-5", max_tokens: 9, messages, metadata: { user_id: text }, system: text }),
	]);
	const statuses = await Promise.all(calls);
	expect(new Set(statuses)).toEqual(new Set([200]));
	await until("every call to be booked", async () => (await rowsOf(teamId)).length === calls.length);
	const rows = await rowsOf(teamId);
	expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["settled"]));
	expect(JSON.stringify(rows)).not.toContain("\\u0000");
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, lost: 0, duplicated: 0, unresolved: 0 });
}, 60_000);

it("as a model, a reference or a tier: refused by name, nothing sent", async () => {
	const { key } = await stand.team(100_000_000_000n);
	const sent = stand.provider.calls().length;
	const messages = [{ role: "user", content: "hello" }];
	for (const text of HOSTILE.slice(0, 4)) {
		expect([404, 422]).toContain(await send("/v1/chat/completions", key, { model: `gpt-4o${text}`, max_tokens: 9, messages }));
		expect(await send("/v1/responses", key, { model: "gpt-4o", max_output_tokens: 20, input: "hello", previous_response_id: text })).toBe(422);
		expect([400, 422]).toContain(await send("/v1/chat/completions", key, { model: "gpt-4o", max_tokens: 9, messages, service_tier: text }));
	}
	expect(stand.provider.calls().length).toBe(sent);
	expect((await stand.verify()).report.ok).toBe(true);
}, 60_000);
