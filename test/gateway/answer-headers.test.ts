import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** What a provider says in its head: only the allow-list reaches the caller, whatever the status and the shape of the answer. */

/** Headers that name our accounts, set state in the caller, send him elsewhere, or would break the connection's framing. */
const KEPT_BACK: Readonly<Record<string, string | string[]>> = {
	"Set-Cookie": ["session=canary; Path=/", "__cf_bm=canary; HttpOnly"],
	Location: "https://elsewhere.invalid/v1",
	"Openai-Organization": "org-canary",
	"openai-project": "proj-canary",
	"Anthropic-Organization-Id": "canary",
	"anthropic-workspace-id": "canary",
	"WWW-Authenticate": "Bearer realm=canary",
	Server: "canary",
	Via: "1.1 canary",
	"cf-ray": "canary",
	Link: "<https://elsewhere.invalid>; rel=preload",
	Refresh: "0; url=https://elsewhere.invalid",
	"Access-Control-Allow-Origin": "*",
	"Strict-Transport-Security": "max-age=1",
	"Alt-Svc": 'h3=":443"',
	"x-tollgate-cost-nano-usd": "canary",
	"x-tollgate-request-id": "canary",
	"x-anything": "canary",
};
const PASSED: Readonly<Record<string, string>> = {
	"X-Request-Id": "req_provider",
	"openai-processing-ms": "12",
	"x-ratelimit-remaining-requests": "9",
	"anthropic-ratelimit-requests-remaining": "9",
	"retry-after": "7",
};
/** Ours, and those of every HTTP answer of Node. */
const OWN = /^(x-tollgate-|content-length$|content-type$|connection$|keep-alive$|date$|cache-control$|x-accel-buffering$|transfer-encoding$)/;

const CHAT_ANSWER = '{"model":"gpt-4o","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';
const MESSAGES_ANSWER = '{"model":"claude-sonnet-5-5","usage":{"input_tokens":1,"output_tokens":1}}';
const CHAT_STREAM = `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\ndata: [DONE]\n\n`;

type Script = { readonly status: number; readonly contentType: string; readonly body: string; readonly location?: string };

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let script: Script;

beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) => {
		const location = script.location === undefined ? {} : { Location: script.location };
		response.writeHead(script.status, { ...KEPT_BACK, ...PASSED, ...location, "content-type": script.contentType });
		response.end(script.body);
	});
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

function expectOnlyTheAllowList(answer: RawAnswer): void {
	const passed = Object.keys(PASSED).map((name) => name.toLowerCase());
	const others = Object.keys(answer.headers).filter((name) => !OWN.test(name));
	expect(others.sort()).toEqual(passed.sort());
	for (const [name, value] of Object.entries(PASSED)) expect(answer.headers[name.toLowerCase()]).toBe(value);
	expect(JSON.stringify(answer.headers)).not.toMatch(/canary|elsewhere/);
}

const JSON_TYPE = "application/json";

describe("only the allow-list reaches the caller", () => {
	test.each([
		["a plain answer", { status: 200, contentType: JSON_TYPE, body: CHAT_ANSWER }, {}],
		["a stream", { status: 200, contentType: "text/event-stream", body: CHAT_STREAM }, { stream: true }],
		["429", { status: 429, contentType: JSON_TYPE, body: '{"error":{}}' }, {}],
		["401 of the provider", { status: 401, contentType: JSON_TYPE, body: '{"error":{}}' }, {}],
		["500", { status: 500, contentType: JSON_TYPE, body: "{}" }, {}],
	])("%s", async (_name, answer, changes) => {
		script = answer;
		const received = await rawCall(gateway.url, { body: chatBody({}, changes) });
		expect(received.status).toBe(answer.status);
		expectOnlyTheAllowList(received);
	});

	test("Anthropic's shape", async () => {
		script = { status: 200, contentType: JSON_TYPE, body: MESSAGES_ANSWER };
		const received = await rawCall(gateway.url, {
			path: "/v1/messages",
			headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"],
			body: messagesBody({}),
		});
		expect(received.status).toBe(200);
		expectOnlyTheAllowList(received);
	});

	test("a stored answer that is replayed", async () => {
		script = { status: 200, contentType: JSON_TYPE, body: CHAT_ANSWER };
		const call = { headers: [...JSON_HEADERS, "idempotency-key", "k-1"], body: chatBody({}) };
		const calls = provider.received.length;
		await rawCall(gateway.url, call);
		const replayed = await rawCall(gateway.url, call);
		expect(replayed.headers["x-tollgate-idempotent-replay"]).toBe("true");
		expect(provider.received.length - calls).toBe(1);
		expect(JSON.stringify(replayed.headers)).not.toMatch(/canary|elsewhere/);
	});
});

describe("redirects", () => {
	let trap: Trap;
	beforeAll(async () => {
		trap = await startTrap();
	});
	afterAll(() => trap.close());

	test.each([301, 302, 303, 307, 308])("%i is passed without its Location and never followed; the other host hears nothing", async (status) => {
		script = { status, contentType: "text/plain", body: "moved", location: `${trap.url}/v1/chat/completions` };
		const calls = provider.received.length;
		const answer = await rawCall(gateway.url, { body: chatBody({}) });
		expect(answer.status).toBe(status);
		expectOnlyTheAllowList(answer);
		expect(JSON.stringify(answer.headers)).not.toContain(trap.url);
		expect(provider.received.length - calls).toBe(1);
		expect(authority.attempts.map((attempt) => [attempt.outcome, attempt.reason])).toEqual([["unresolved", `status_${status}`]]);
		expect({ connections: trap.connections, bytes: trap.bytes }).toEqual({ connections: 0, bytes: 0 });
	});

	test("the trap would have noticed", async () => {
		const own = await startTrap();
		await fetch(own.url, { method: "POST", body: "x" }).catch((error: unknown) => error);
		expect(own.connections).toBe(1);
		expect(own.bytes).toBeGreaterThan(0);
		await own.close();
	});

	test("the simulated provider's redirect: 307 as it is, nothing billed there, no Location", async () => {
		const simulated: SimulatedProvider = await startSimulatedProvider();
		const behind = await startTestGateway({ authority, providerUrl: simulated.url });
		const direct = await rawCall(simulated.url, { body: chatBody({ fault: "redirect" }) });
		expect([direct.status, typeof direct.headers.location]).toEqual([307, "string"]);
		const answer = await rawCall(behind.url, { body: chatBody({ fault: "redirect" }) });
		await behind.close();
		expect(answer.status).toBe(307);
		expect(answer.headers.location).toBeUndefined();
		expect(simulated.callsOf(authority.attempts[0]?.attemptId ?? "")).toEqual([]);
		await simulated.close();
	});
});

type Trap = { readonly url: string; connections: number; bytes: number; close(): Promise<void> };

/** Counts whoever knocks, and hangs up. */
async function startTrap(): Promise<Trap> {
	const server: Server = createServer((socket) => {
		trap.connections += 1;
		socket.on("error", () => undefined);
		socket.on("data", (chunk) => {
			trap.bytes += chunk.length;
			socket.destroy();
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const trap: Trap = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		connections: 0,
		bytes: 0,
		close: () => new Promise((resolve) => server.close(() => resolve())),
	};
	return trap;
}
