import { rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";

/** One provider call per Idempotency-Key, counted in the provider's own log, over crashes and outages (I13, F6). */

let stand: GatewayStand;
let team: { readonly teamId: string; readonly key: string };

beforeAll(async () => {
	stand = await openGatewayStand();
	team = await stand.team(100_000_000_000n);
});

afterAll(() => stand.close());

type Received = { readonly status: number; readonly headers: Headers; readonly text: string };
type CallOptions = { readonly simulate?: Record<string, unknown>; readonly changes?: Record<string, unknown>; readonly key?: string };

async function call(
	gateway: { readonly url: string },
	idempotencyKey: string,
	{ simulate = {}, changes = {}, key = team.key }: CallOptions = {},
): Promise<Received> {
	const messages = [{ role: "user", content: `hello [[simulate:${JSON.stringify(simulate)}]]` }];
	const response = await fetch(`${gateway.url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": idempotencyKey },
		body: JSON.stringify({ model: "gpt-4o", max_tokens: 50, messages, ...changes }),
	});
	return { status: response.status, headers: response.headers, text: await response.text() };
}

function codeOf({ text }: Received): string {
	return (JSON.parse(text) as { error: { code: string } }).error.code;
}

async function attemptsOf(requestId: string | null): Promise<number> {
	const rows = await withClient(
		stand.database.url,
		async (client) => (await client.query("SELECT 1 FROM tollgate.attempt WHERE request_id = $1", [requestId])).rows,
	);
	return rows.length;
}

async function expectBooksBalance(): Promise<void> {
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", duplicated: 0, lost: 0, pendingPastTime: 0 });
}

describe("the same key and body", () => {
	it.each([
		["plain", {}],
		["stream", { stream: true }],
	] as const)(
		"twice, %s: one provider call, one ledger entry, the same bytes, from another gateway too",
		async (name, changes) => {
			const [first, second] = await Promise.all([stand.start(`one_${name}`), stand.start(`two_${name}`)]);
			const before = stand.provider.calls().length;
			const served = await call(first, `twice ${name}`, { changes });
			const repeated = await call(first, `twice ${name}`, { changes });
			const elsewhere = await call(second, `twice ${name}`, { changes });
			expect(served.status).toBe(200);
			for (const replay of [repeated, elsewhere]) {
				expect(replay.status).toBe(200);
				expect(replay.text).toBe(served.text);
				expect(replay.headers.get("x-tollgate-idempotent-replay")).toBe("true");
				expect(replay.headers.get("x-tollgate-request-id")).toBe(served.headers.get("x-tollgate-request-id"));
				expect(replay.headers.get("content-type")).toBe(served.headers.get("content-type"));
			}
			expect(stand.provider.calls()).toHaveLength(before + 1);
			await expectBooksBalance();
			expect(await attemptsOf(served.headers.get("x-tollgate-request-id"))).toBe(1);
			await Promise.all([first.end(), second.end()]);
		},
		60_000,
	);

	it("at once, over two gateways: one is served, the others are told it is in flight", async () => {
		const gateways = await Promise.all([stand.start("race_a"), stand.start("race_b")]);
		const before = stand.provider.calls().length;
		let decided = 0;
		const racing = Array.from({ length: 8 }, async (_, index) => {
			const received = await call(gateways[index % 2] as { url: string }, "race", { simulate: { holdUntil: "race" } });
			decided += 1;
			return received;
		});
		await expect.poll(() => decided, { timeout: 20_000 }).toBe(7);
		await stand.provider.control("release", { name: "race" });
		const answers = await Promise.all(racing);
		const refused = answers.filter((answer) => answer.status === 409);
		expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
		expect(refused).toHaveLength(7);
		for (const answer of refused) {
			expect(codeOf(answer)).toBe("idempotency.in_flight");
			expect(answer.headers.get("retry-after")).toBe("1");
		}
		expect(stand.provider.calls()).toHaveLength(before + 1);
		await Promise.all(gateways.map((gateway) => gateway.end()));
	}, 60_000);
});

it("another body under the same key: 422, and nothing is sent", async () => {
	const gateway = await stand.start("mismatch");
	await call(gateway, "mismatch");
	const before = stand.provider.calls().length;
	const other = await call(gateway, "mismatch", { changes: { max_tokens: 51 } });
	expect(other.status).toBe(422);
	expect(codeOf(other)).toBe("idempotency.mismatch");
	expect(stand.provider.calls()).toHaveLength(before);
	await gateway.end();
}, 60_000);

it("a refused call leaves its key free", async () => {
	const gateway = await stand.start("refused");
	const { key } = await stand.team(1n, { admissionWaitMs: 0 });
	const refusals = [await call(gateway, "poor", { key }), await call(gateway, "poor", { key })];
	expect(refusals.map((refusal) => refusal.status)).toEqual([402, 402]);
	await gateway.end();
}, 60_000);

describe("kill -9 of the gateway", () => {
	it.each(["after-send", "after-answer", "after-settle"])(
		"%s, then the same key again: outcome unknown, no second provider call",
		async (point) => {
			const gatewayId = `crash_${point.replaceAll("-", "_")}`;
			const before = stand.provider.calls().length;
			const doomed = await stand.start(gatewayId, { NODE_OPTIONS: preloading(`crash-hook.mjs?${point}:1`) });
			await expect(call(doomed, point)).rejects.toThrow();
			await doomed.exited;
			expect(doomed.child.signalCode).toBe("SIGKILL");

			const next = await stand.start(gatewayId);
			await expect.poll(() => stand.provider.calls().length).toBe(before + 1);
			const repeated = await call(next, point);
			expect(repeated.status).toBe(409);
			expect(codeOf(repeated)).toBe("idempotency.outcome_unknown");
			expect(repeated.headers.get("x-should-retry")).toBe("false");
			expect((await call(next, `${point} anew`)).status).toBe(200);
			expect(stand.provider.calls()).toHaveLength(before + 2);
			await expectBooksBalance();
			await next.end();
		},
		60_000,
	);
});

it("without the file of its secret a stored answer cannot be read, and the call is not made again", async () => {
	const gateway = await stand.start("lost_key");
	const served = await call(gateway, "lost key");
	expect(served.status).toBe(200);
	await gateway.end();
	const stored = await withClient(
		stand.database.url,
		async (client) =>
			(await client.query<{ answer: Buffer }>("SELECT answer FROM tollgate.idempotency WHERE request_id = $1", [served.headers.get("x-tollgate-request-id")]))
				.rows[0],
	);
	expect(stored?.answer.includes("chat.completion")).toBe(false);

	rmSync(path.join(stand.home, "idempotency-key"));
	const before = stand.provider.calls().length;
	const next = await stand.start("lost_key");
	const repeated = await call(next, "lost key");
	expect(repeated.status).toBe(409);
	expect(codeOf(repeated)).toBe("idempotency.outcome_unknown");
	expect(repeated.text).toContain("another key file");
	expect(stand.provider.calls()).toHaveLength(before);
	await next.end();
}, 60_000);

it("PostgreSQL away: a new call with a key is not sent, one in flight is answered; with PostgreSQL back, that answer is found", async () => {
	const address = new URL(stand.database.url);
	const proxy = await openCuttableProxy(Number(address.port));
	address.port = String(proxy.port);
	const gateway = await stand.start("away", { DATABASE_URL: address.href });
	expect((await call(gateway, "before")).status).toBe(200);

	const during = () => call(gateway, "during", { simulate: { holdUntil: "back" } });
	const before = stand.provider.calls().length;
	const pending = during();
	await expect.poll(async () => (await stand.provider.control("state"))["held"]).toBe(1);
	await proxy.cut();
	const closed = await call(gateway, "closed");
	expect(closed.status).toBe(503);
	expect(codeOf(closed)).toBe("authority.unreachable");
	await stand.provider.control("release", { name: "back" });
	expect((await pending).status).toBe(200);
	expect(stand.provider.calls()).toHaveLength(before + 1);

	await proxy.restore();
	await expect.poll(async () => (await during()).headers.get("x-tollgate-idempotent-replay"), { timeout: 30_000 }).toBe("true");
	await expect.poll(async () => (await call(gateway, "closed")).status, { timeout: 30_000 }).toBe(200);
	await expectBooksBalance();
	await gateway.end();
	await proxy.close();
}, 90_000);
