import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { emptyDecisionCounters } from "#activities/decisions/port.ts";
import { createGatewayMetrics } from "#gateway/metrics.ts";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { PROVIDER_KEY_CANARY, simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let answer: (call: ReceivedCall) => void;

const PLAIN = '{"model":"gpt-4o","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';

beforeAll(async () => {
	provider = await startScriptedProvider((call) => answer(call));
});
afterAll(() => provider.close());
beforeEach(async () => {
	answer = (call) => call.response.end(PLAIN);
	provider.received.length = 0;
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

/** Every byte in a turn of its own, so that each arrives as a slice. */
async function writeByteByByte({ response }: ReceivedCall, text: string): Promise<void> {
	for (const byte of text) {
		response.write(byte);
		await nextTurn();
	}
	response.end();
}

function get(path: string) {
	return rawCall(gateway.url, { method: "GET", path, headers: [] });
}

describe("metrics", () => {
	const [gatewayPart = "", workerPart = ""] = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8").split("## The worker");
	const documentedIn = (part: string) => [...part.matchAll(/^\| `(tollgate_\w+)` \| (\w+) \|/gm)].map((match) => match[1]).sort();

	test("docs/metrics.md lists exactly what the gateway exposes", () => {
		const { names } = createGatewayMetrics({
			counters: authority.counters,
			decisions: emptyDecisionCounters(),
			pendingLedgerRows: () => 0,
			openCalls: () => 0,
			heldBodyBytes: () => 0,
			ledgerFailingMs: () => 0,
			isLitellm: false,
			runs: () => ({ live: 0, resting: 0, held: 0, watched: 0 }),
			telemetry: undefined,
		});
		expect(documentedIn(gatewayPart)).toEqual([...names].sort());
	});

	test("docs/metrics.md lists exactly what the worker exposes", () => {
		const folder = new URL("../../workers/", import.meta.url);
		const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
		const exposed = sources.flatMap((name) => [...readFileSync(new URL(name, folder), "utf8").matchAll(/name: "(tollgate_\w+)"/g)].map((match) => match[1]));
		expect(documentedIn(workerPart)).toEqual(exposed.sort());
	});

	test("count what happened, with no id in a label", async () => {
		await rawCall(gateway.url, { body: chatBody({}) });
		await rawCall(gateway.url, { body: "no json" });
		authority.moneyNanoUsd = 0n;
		await rawCall(gateway.url, { body: chatBody({}) });
		const text = (await get("/metrics")).body.toString();
		for (const line of [
			'tollgate_requests_total{endpoint="chat.completions",status_class="2xx"} 1',
			'tollgate_requests_total{endpoint="chat.completions",status_class="4xx"} 2',
			'tollgate_refusals_total{code="request.invalid"} 1',
			'tollgate_refusals_total{code="budget.exceeded"} 1',
			"tollgate_attempts_settled_total 1",
			"tollgate_open_reservations 0",
			"tollgate_overhead_seconds_count 1",
			"tollgate_upstream_duration_seconds_count 1",
			"tollgate_sql_round_trips_before_send_total 0",
		]) {
			expect(text).toContain(line);
		}
		expect(text).not.toMatch(/demo|key1|tg_test/);
	});
});

describe("health", () => {
	test("/healthz lives, /readyz says why not", async () => {
		expect((await get("/healthz")).status).toBe(200);
		expect((await get("/readyz")).status).toBe(200);
		authority.isReady = false;
		const notReady = await get("/readyz");
		expect(notReady.status).toBe(503);
		expect(JSON.parse(notReady.body.toString()).reasons).toEqual(["the authority is not reachable"]);
	});
});

describe("provider keys", () => {
	test("never stand in an answer, an error, a log line, a metric or a printed setting", async () => {
		answer = (call) => {
			call.response.writeHead(401, { "content-type": "application/json", "set-cookie": PROVIDER_KEY_CANARY, "www-authenticate": PROVIDER_KEY_CANARY });
			call.response.end(`{"error":{"message":"Incorrect API key provided: ${PROVIDER_KEY_CANARY}"}}`);
		};
		const refused = await rawCall(gateway.url, { body: chatBody({}) });
		expect(refused.status).toBe(401);
		expect(refused.body.toString()).toContain("[redacted]");
		answer = (call) => {
			call.response.writeHead(200, { "content-type": "application/json" });
			call.response.end(`{"choices":[],"note":"called with Bearer ${PROVIDER_KEY_CANARY}"}`);
		};
		const told = await rawCall(gateway.url, { body: chatBody({}) });
		answer = (call) => {
			call.response.writeHead(200, { "content-type": "text/event-stream" });
			call.response.end(`data: {"error":{"message":"bad key ${PROVIDER_KEY_CANARY}"}}\n\n`);
		};
		const failed = await rawCall(gateway.url, { body: chatBody({ stream: true }) });
		for (const { body } of [told, failed]) expect(body.toString()).toContain("[redacted]");
		answer = (call) => call.response.destroy();
		const cut = await rawCall(gateway.url, { body: chatBody({}) });
		authority.admit = () => {
			throw new Error("broken");
		};
		const broken = await rawCall(gateway.url, { body: chatBody({}) });
		expect(broken.status).toBe(500);
		const table = simulatedProviderTable(provider.url);
		const shown = [refused, told, failed, cut, broken].map((one) => `${one.body.toString()}${JSON.stringify(one.headers)}`);
		const everything = [
			...shown,
			...gateway.log,
			(await get("/metrics")).body.toString(),
			JSON.stringify(table),
			inspect(table, { depth: 9, showHidden: true }),
		].join("\n");
		expect(everything).not.toContain(PROVIDER_KEY_CANARY);
		expect(gateway.log.join("")).toContain("broken");
	});

	test("that a provider repeats in headers, in the fields the books take, or cut into slices go no further", async () => {
		answer = (call) => {
			call.response.writeHead(200, { "content-type": "application/json", "x-request-id": PROVIDER_KEY_CANARY, "openai-version": `for ${PROVIDER_KEY_CANARY}` });
			const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
			call.response.end(JSON.stringify({ choices: [], model: PROVIDER_KEY_CANARY, service_tier: PROVIDER_KEY_CANARY, usage }));
		};
		const told = await rawCall(gateway.url, { body: chatBody({}) });
		expect(told.headers).toMatchObject({ "x-request-id": "[redacted]", "openai-version": "for [redacted]" });
		expect(authority.attempts.at(-1)?.settledWith).toMatchObject({
			reported: { kind: "usable", model: "[redacted]", serviceTier: "[redacted]" },
			providerRequestId: "[redacted]",
		});
		answer = (call) => {
			call.response.writeHead(200, { "content-type": "text/event-stream" });
			void writeByteByByte(call, `data: {"note":"${PROVIDER_KEY_CANARY}"}\n\ndata: [DONE]\n\n`);
		};
		const sliced = await rawCall(gateway.url, { body: chatBody({ stream: true }) });
		expect(sliced.body.toString()).toBe('data: {"note":"[redacted]"}\n\ndata: [DONE]\n\n');
	});
});

describe("drain", () => {
	test("open calls end, new ones are refused in shape, then the authority drains", async () => {
		let held: ReceivedCall | undefined;
		answer = (call) => {
			held = call;
		};
		let isAuthorityDrained = false;
		authority.drain = () => {
			isAuthorityDrained = true;
			return Promise.resolve();
		};
		const { hostname, port } = new URL(gateway.url);
		const body = chatBody({});
		const head = ["POST /v1/chat/completions HTTP/1.1", "host: g", `authorization: Bearer ${TEST_KEY}`, `content-length: ${Buffer.byteLength(body)}`];
		const chatRequest = `${head.join("\r\n")}\r\n\r\n${body}`;
		const open = connect(Number(port), hostname);
		open.write(chatRequest);
		await expect.poll(() => held !== undefined).toBe(true);
		const drained = gateway.close();
		await expect
			.poll(async () => (await gateway.gateway.server.inject({ method: "GET", url: "/readyz" }).catch(() => ({ statusCode: 503 }))).statusCode)
			.toBe(503);
		expect(isAuthorityDrained).toBe(false);
		const arrived = once(gateway.gateway.server.server, "request");
		open.write(chatRequest);
		await arrived;
		held?.response.end(PLAIN);
		const [answered = "", refused = ""] = (await text(open)).split(/(?=HTTP\/1\.1 503 )/);
		expect(answered).toMatch(/^HTTP\/1\.1 200 /);
		expect(refused).toMatch(/"code":"gateway\.draining"/);
		expect(refused).toMatch(/connection: close\r\n/i);
		await drained;
		expect(isAuthorityDrained).toBe(true);
		expect(authority.attempts[0]?.outcome).toBe("settled");
		await expect(rawCall(gateway.url, { body: chatBody({}) })).rejects.toThrow(/ECONNREFUSED/);
	});
});
