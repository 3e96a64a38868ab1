import { afterAll, beforeAll, expect, test } from "vitest";
import { createFakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

let provider: ScriptedProvider;
let gateway: TestGateway;
let answer: Buffer;

beforeAll(async () => {
	provider = await startScriptedProvider(({ response }) => {
		response.writeHead(200, { "content-type": "application/json", "content-length": answer.length });
		response.end(answer);
	});
	gateway = await startTestGateway({ authority: createFakeAuthority(testPriceBook()), providerUrl: provider.url });
});
afterAll(async () => {
	await gateway.close();
	await provider.close();
});

const TEXT = JSON.stringify({
	choices: [{ message: { content: "Straße, 道, \u{1f6e3}, \u2028 and \ufffd" } }],
	usage: { prompt_tokens: 1, completion_tokens: 1 },
});

test.each([
	["no byte", Buffer.alloc(0)],
	["text of every width in UTF-8", Buffer.from(TEXT)],
	["every byte there is", everyByte(256)],
	["as much as leaves in one piece with its head", everyByte(16_384)],
	["one byte more than that", everyByte(16_385)],
	["a megabyte", everyByte(1_048_576)],
])("an answer reaches the caller byte for byte: %s", async (_name, bytes) => {
	answer = bytes;
	const received = await rawCall(gateway.url, { body: chatBody({}) });
	expect(received.status).toBe(200);
	expect(received.headers["content-length"]).toBe(String(bytes.length));
	expect(received.body.equals(bytes)).toBe(true);
});

function everyByte(length: number): Buffer {
	return Buffer.from(Array.from({ length }, (_, at) => (at + Math.floor(at / 256)) % 256));
}
