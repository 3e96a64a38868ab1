import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { until } from "#test/support/until.ts";

/** A gateway that holds as many bytes of request bodies as it has memory for takes no further call, and says so. */

const ANSWER = '{"model":"gpt-4o","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';
const MEMORY_BYTES = 2_000;

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
/** Or it keeps its callers waiting until `answerAll`. */
let answersAtOnce: boolean;

beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) => {
		if (answersAtOnce) response.end(ANSWER);
	});
});
afterAll(() => provider.close());
beforeEach(async () => {
	provider.received.length = 0;
	answersAtOnce = false;
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url, limits: { heldBodyBytesMax: MEMORY_BYTES, bodyBytesMax: 4_000 } });
	return () => gateway.close();
});

const get = (path: string) => rawCall(gateway.url, { method: "GET", path, headers: [] });
const isReady = async (): Promise<boolean> => (await get("/readyz")).status === 200;
const large = chatBody({}, { user: "u".repeat(300), metadata: { note: "n".repeat(400) }, stop: ["s".repeat(MEMORY_BYTES)] });

function answerAll(): void {
	for (const { response } of provider.received) response.end(ANSWER);
}

/** The head of a chat request and the first bytes of its body, on a socket of its own. */
function beginUpload(...headers: readonly string[]): Socket {
	const { hostname, port } = new URL(gateway.url);
	const socket = connect(Number(port), hostname);
	const head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", `authorization: Bearer ${TEST_KEY}`, "content-type: application/json", ...headers];
	socket.write(`${head.join("\r\n")}\r\n\r\n`);
	return socket;
}

function connections(): Promise<number> {
	return new Promise((resolve, reject) => {
		gateway.gateway.server.server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
	});
}

test("further calls get 503 in the protocol of their caller, no money is asked for, and readiness says so until there is room", async () => {
	const open = rawCall(gateway.url, { body: large });
	await until("the first call at the provider", () => provider.received.length === 1);
	answersAtOnce = true;
	const openai = await rawCall(gateway.url, { body: chatBody({}) });
	expect([openai.status, openai.headers["retry-after"], openai.headers["x-should-retry"]]).toEqual([503, "1", undefined]);
	expect(JSON.parse(openai.body.toString())).toMatchObject({ error: { type: "service_unavailable_error", code: "gateway.overloaded" } });
	const anthropic = await rawCall(gateway.url, { path: "/v1/messages", body: messagesBody({}) });
	expect([anthropic.status, anthropic.headers["retry-after"]]).toEqual([503, "1"]);
	expect(JSON.parse(anthropic.body.toString())).toMatchObject({ type: "error", error: { type: "overloaded_error", code: "gateway.overloaded" } });
	expect(authority.attempts).toHaveLength(1);
	expect(JSON.parse((await get("/readyz")).body.toString()).reasons).toEqual(["request bodies fill the memory kept for them"]);
	expect((await get("/healthz")).status).toBe(200);
	const metrics = (await get("/metrics")).body.toString();
	expect(metrics).toContain(`tollgate_held_body_bytes ${large.length}`);
	expect(metrics).toContain('tollgate_refusals_total{code="gateway.overloaded"} 2');
	answerAll();
	expect((await open).status).toBe(200);
	await until("readiness", isReady);
	expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
	expect((await get("/metrics")).body.toString()).toContain("tollgate_held_body_bytes 0");
});

test("an upload that breaks off gives its place back, and so does a body that is too large", async () => {
	const broken = beginUpload(`content-length: ${MEMORY_BYTES}`);
	await until("the upload to count", async () => !(await isReady()));
	broken.destroy();
	await until("its place", isReady);
	expect((await rawCall(gateway.url, { body: "x".repeat(4_001) })).status).toBe(413);
	await until("the place of the refused one", isReady);
});

test("a body that says that it is too large is refused before a byte of it, and its connection closes", async () => {
	const announced = beginUpload("content-length: 4001");
	const answer: Buffer[] = [];
	for await (const piece of announced) answer.push(piece);
	expect(Buffer.concat(answer).toString()).toMatch(/^HTTP\/1\.1 413 .*connection: close\r\n/s);
	expect((await get("/metrics")).body.toString()).toContain("tollgate_held_body_bytes 0");
});

test("a caller who leaves while his key is looked up takes no place", async () => {
	const known = authority.resolveKey.bind(authority);
	const looked = Promise.withResolvers<void>();
	let isAsked = false;
	authority.resolveKey = async (secret) => {
		isAsked = true;
		await looked.promise;
		return known(secret);
	};
	const left = beginUpload(`content-length: ${MEMORY_BYTES}`);
	await until("his key to be asked for", () => isAsked);
	left.destroy();
	await until("his connection to be gone", async () => (await connections()) === 0);
	looked.resolve();
	authority.resolveKey = known;
	answersAtOnce = true;
	expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
	expect((await get("/metrics")).body.toString()).toContain("tollgate_held_body_bytes 0");
});

test("a body that does not say how long it is counts as the largest, until it is here", async () => {
	const chunked = beginUpload("transfer-encoding: chunked");
	await until("the upload to count", async () => !(await isReady()));
	const body = chatBody({});
	chunked.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
	await until("the call at the provider", () => provider.received.length === 1);
	expect(await isReady()).toBe(true);
	answerAll();
	chunked.destroy();
});

test("a body larger than all memory kept for bodies is taken where nothing else is held", async () => {
	const open = rawCall(gateway.url, { body: large });
	expect(large.length).toBeGreaterThan(MEMORY_BYTES);
	await until("the call at the provider", () => provider.received.length === 1);
	answerAll();
	expect((await open).status).toBe(200);
});
