import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CallOutcome } from "#activities/batches/job/real-time.ts";
import { createItemCalls } from "#activities/batches/job/real-time-call.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import { createModelTransport } from "#activities/providers/call-model.ts";
import type { ModelTransport } from "#activities/providers/port.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import type { ProviderSettings } from "#config/providers.ts";
import { Secret } from "#config/secret.ts";

/** One call of an item of a batch, over the wire, to a server that answers as a provider would. */
type Asked = { readonly path: string | undefined; readonly headers: IncomingHttpHeaders; readonly body: unknown };

const KEY = "sk-provider-0123456789abcdef";
const SHARED = {
	...{ query: {}, billedStatuses: [], hasStreamUsage: true, hasKnownEncoding: true, defaultTiers: ["standard"], defaultGeography: "global" },
	...{ enforcedCapFields: undefined, batches: undefined },
} satisfies Partial<ProviderSettings>;

let server: Server;
let transport: ModelTransport;
let settings: ProviderSettings[];
let asked: Asked[];
let answer: (response: ServerResponse) => void;

beforeAll(async () => {
	server = createServer((request, response) => {
		const pieces: Buffer[] = [];
		request.on("data", (piece: Buffer) => pieces.push(piece));
		request.on("end", () => {
			asked.push({ path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(pieces).toString("utf8")) });
			answer(response);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const key = new Secret(KEY);
	settings = [
		{ ...SHARED, name: "openai", protocol: "openai", pricedAs: "openai", credentialHeader: "authorization", baseUrl: `${origin}/v1`, key },
		{ ...SHARED, name: "away", protocol: "openai", pricedAs: "openai", credentialHeader: "authorization", baseUrl: "http://127.0.0.1:1/v1", key },
		{ ...SHARED, name: "anthropic", protocol: "anthropic", pricedAs: "anthropic", credentialHeader: "x-api-key", baseUrl: origin, key },
	];
	transport = createModelTransport({ keys: createProviderKeys(settings) });
});
afterAll(async () => {
	await transport.close();
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
	asked = [];
});

const BATCHES = {
	openai: { deployment: "openai/gpt-4o-mini", endpoint: "chat.completions", protocol: "openai" },
	away: { deployment: "away/gpt-4o-mini", endpoint: "chat.completions", protocol: "openai" },
	anthropic: { deployment: "anthropic/claude-haiku-4-5", endpoint: "messages", protocol: "anthropic" },
} as const;

async function call(protocol: keyof typeof BATCHES, signal = new AbortController().signal, providers = settings): Promise<CallOutcome> {
	const body = Buffer.from(JSON.stringify({ model: "asked-for", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] }));
	const calls = createItemCalls({ transport, providers });
	return calls({ batch: BATCHES[protocol] as unknown as BatchRecord, attemptId: "batch1-1-5", body, maxMs: 10_000, signal });
}

function says(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
	answer = (response) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

describe("of an account of Anthropic", () => {
	it("goes to the endpoint of its batch, with its model, key and version, and brings the bytes of the answer", async () => {
		const body = '{"id":"msg_1", "type":"message","usage":{"input_tokens":9,"output_tokens":5}}';
		says(200, body, { "request-id": "req_1" });
		expect(await call("anthropic")).toEqual({ kind: "answered", httpStatus: 200, requestId: "req_1", body });
		expect(asked).toMatchObject([
			{ path: "/v1/messages", headers: { "x-api-key": KEY, "anthropic-version": "2023-06-01" }, body: { model: "claude-haiku-4-5" } },
		]);
		expect(asked[0]?.headers.authorization).toBeUndefined();
	});

	it.each([429, 503, 529])("is refused at %d, and told when to come again", async (status) => {
		says(status, '{"type":"error","error":{"type":"overloaded_error","message":"later"}}', { "retry-after": "7" });
		expect(await call("anthropic")).toMatchObject({ kind: "refused", retryAfterMs: 7_000 });
	});

	it("is answered where its credit is at its end: another time does not help", async () => {
		const body = '{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"credit_balance_exhausted"}}}';
		says(429, body);
		expect(await call("anthropic")).toMatchObject({ kind: "answered", httpStatus: 429, body });
	});
});

describe("of an account of OpenAI", () => {
	it("goes with its model and key, and brings the bytes of the answer, but for the key", async () => {
		says(400, `{"error":{"code":"invalid_api_key","message":"not ${KEY}"}}`, { "x-request-id": "req_2" });
		const outcome = await call("openai");
		expect(outcome).toMatchObject({ kind: "answered", httpStatus: 400, requestId: "req_2" });
		expect(JSON.stringify(outcome)).not.toContain(KEY);
		expect(asked).toMatchObject([{ path: "/v1/chat/completions", headers: { authorization: `Bearer ${KEY}` }, body: { model: "gpt-4o-mini" } }]);
		expect(asked[0]?.headers["anthropic-version"]).toBeUndefined();
	});

	it("is unknown where the answer is cut, or longer than an answer can be", async () => {
		answer = (response) => {
			response.writeHead(200, { "content-length": "100" }).write("{");
			setImmediate(() => response.destroy());
		};
		expect(await call("openai")).toMatchObject({ kind: "unknown" });
		says(200, " ".repeat(33_554_433));
		expect(await call("openai")).toEqual({ kind: "unknown", why: "the answer is longer than 33554432 bytes" });
	});

	it("is unknown where the worker cuts it, and not sent where it stops already", async () => {
		const stop = new AbortController();
		answer = () => stop.abort();
		expect(await call("openai", stop.signal)).toMatchObject({ kind: "unknown" });
		expect(await call("openai", stop.signal)).toEqual({ kind: "refused", retryAfterMs: null, why: "the worker stops" });
		expect(asked.length).toBe(1);
	});

	it("is refused where its account cannot be reached, and no call at all where none of that name is configured here", async () => {
		expect(await call("away")).toMatchObject({ kind: "refused", retryAfterMs: null });
		await expect(call("openai", undefined, [])).rejects.toMatchObject({ code: "provider.unreachable" });
	});
});
