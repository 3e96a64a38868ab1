import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Leaving } from "#activities/request/leaving.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { NO_USAGE } from "#domain/usage/usage.ts";
import { createFakeAuthority, type FakeAttempt, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** What a provider sends, and what of it the caller receives, byte by byte. */

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let answer: (call: ReceivedCall) => void = () => undefined;

beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	provider = await startScriptedProvider((call) => answer(call));
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
});
afterEach(async () => {
	await gateway.close();
	await provider.close();
});

const STREAM = { stream: true };
const WITH_USAGE = { stream: true, stream_options: { include_usage: true } };
const ENVELOPE = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","service_tier":"default"';

function content(text: string): string {
	return `data: {${ENVELOPE},"choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}],"usage":null,"obfuscation":"x"}\n\n`;
}

const WITHOUT = (text: string): string => text.replace(',"usage":null', "");
const USAGE_EVENT = `data: {${ENVELOPE},"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}}\n\n`;
const DONE = "data: [DONE]\n\n";
const TEXTS = ["Grüße 🌍", 'a "usage":null in quotes, and \\u0000', ',"usage":null'];

function onlyAttempt(): FakeAttempt {
	expect(authority.attempts).toHaveLength(1);
	return authority.attempts[0] as FakeAttempt;
}

function beginStream(call: ReceivedCall): void {
	call.response.writeHead(200, { "content-type": "text/event-stream" });
	call.response.flushHeaders();
}

/** Sends the bytes in slices of so many bytes, each in its own turn. */
async function sendSliced(call: ReceivedCall, bytes: Buffer, sliceBytes: number): Promise<void> {
	beginStream(call);
	for (let start = 0; start < bytes.length; start += sliceBytes) {
		call.response.write(bytes.subarray(start, start + sliceBytes));
		await new Promise((resolve) => setImmediate(resolve));
	}
	call.response.end();
}

describe("include_usage that we added", () => {
	test.each([1, 2, 7, 64, 100_000])("is taken out again, everything else byte for byte, in slices of %i bytes", async (sliceBytes) => {
		const sent = Buffer.from([...TEXTS.map(content), USAGE_EVENT, DONE].join(""));
		answer = (call) => void sendSliced(call, sent, sliceBytes);
		const received = await rawCall(gateway.url, { body: chatBody({}, STREAM) });
		expect(received.body.toString()).toBe([...TEXTS.map((text) => WITHOUT(content(text))), DONE].join(""));
		expect(onlyAttempt().settledWith?.reported).toMatchObject({ kind: "usable", usage: { inputTokens: 12, outputTokens: 7 } });
		expect(JSON.parse(provider.received[0]?.body.toString() ?? "")).toMatchObject({ stream_options: { include_usage: true } });
	});

	test("an answer with CRLF, comments and no blank line at the end", async () => {
		const sent = `: ping\r\n\r\n${content("a").replaceAll("\n", "\r\n")}${USAGE_EVENT.replaceAll("\n", "\r\n")}data: [DONE]\r\n`;
		answer = (call) => void sendSliced(call, Buffer.from(sent), 3);
		const received = await rawCall(gateway.url, { body: chatBody({}, STREAM) });
		expect(received.body.toString()).toBe(`: ping\r\n\r\n${WITHOUT(content("a")).replaceAll("\n", "\r\n")}data: [DONE]\r\n`);
		expect(onlyAttempt().outcome).toBe("settled");
	});

	test("running usage on chunks with choices goes, the chunks stay", async () => {
		const running = content("a").replace('"usage":null', '"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}');
		answer = (call) => void sendSliced(call, Buffer.from(running + USAGE_EVENT + DONE), 50);
		const received = await rawCall(gateway.url, { body: chatBody({}, STREAM) });
		expect(received.body.toString()).toBe(WITHOUT(content("a")) + DONE);
	});
});

describe("streams that pass untouched", () => {
	test.each([1, 5, 100_000])("a caller who asked for usage, in slices of %i bytes", async (sliceBytes) => {
		const sent = Buffer.from([...TEXTS.map(content), USAGE_EVENT, DONE].join(""));
		answer = (call) => void sendSliced(call, sent, sliceBytes);
		const received = await rawCall(gateway.url, { body: chatBody({}, WITH_USAGE) });
		expect(received.body.equals(sent)).toBe(true);
		expect(provider.received[0]?.body.toString()).toBe(chatBody({}, WITH_USAGE));
		expect(onlyAttempt().outcome).toBe("settled");
	});

	test("Anthropic events, split inside a character", async () => {
		const sent = Buffer.from(
			[
				'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-5-5","usage":{"input_tokens":9,"output_tokens":1}}}\n\n',
				'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße 🌍"}}\n\n',
				'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}\n\n',
				'event: message_stop\ndata: {"type":"message_stop"}\n\n',
			].join(""),
		);
		answer = (call) => void sendSliced(call, sent, 1);
		const received = await rawCall(gateway.url, {
			path: "/v1/messages",
			headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"],
			body: messagesBody({}, STREAM),
		});
		expect(received.body.equals(sent)).toBe(true);
		expect(onlyAttempt().settledWith?.reported).toMatchObject({ usage: { inputTokens: 9, outputTokens: 5 } });
	});

	test("a slow reader receives everything", async () => {
		const sent = Buffer.concat([Buffer.from(content("x".repeat(4_000)).repeat(4_000)), Buffer.from(USAGE_EVENT + DONE)]);
		answer = (call) => {
			beginStream(call);
			call.response.end(sent);
		};
		const { response } = await openStream(gateway.url, chatBody({}, WITH_USAGE));
		let receivedBytes = 0;
		for await (const chunk of response) {
			receivedBytes += (chunk as Buffer).length;
			await new Promise((resolve) => setImmediate(resolve));
		}
		expect(receivedBytes).toBe(sent.length);
		expect(onlyAttempt().outcome).toBe("settled");
	});
});

describe("the last bytes leave after the settle is journaled", () => {
	test.each([
		["a stream", STREAM],
		["a stream passed untouched", WITH_USAGE],
	])("%s never ends for the caller where the journal cannot be written", async (_name, changes) => {
		authority.endingError = new CostControlError("journal.unwritable", "The journal cannot be written.");
		answer = (call) => void sendSliced(call, Buffer.from(content("a") + USAGE_EVENT + DONE), 20);
		const received = await rawCall(gateway.url, { body: chatBody({}, changes) });
		expect(received.isWhole).toBe(false);
		expect(received.body.toString()).not.toContain("[DONE]\n\n");
		expect(authority.endingsTried).toBe(1);
		expect(gateway.log.join("")).toContain("journal.unwritable");
	});

	test("a plain answer becomes 503", async () => {
		authority.endingError = new CostControlError("journal.unwritable", "The journal cannot be written.");
		answer = (call) => call.response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"secret":"answer"}');
		const received = await rawCall(gateway.url, { body: chatBody({}) });
		expect(received.status).toBe(503);
		expect(received.body.toString()).not.toContain("answer");
		expect(received.headers["retry-after"]).toBe("1");
	});
});

/** A call whose answer the test reads, and leaves, itself. */
function openStream(url: string, body: string): Promise<{ readonly outgoing: ClientRequest; readonly response: IncomingMessage }> {
	return new Promise((resolve, reject) => {
		const headers = { authorization: "Bearer tg_test_0123456789", "content-type": "application/json", "content-length": Buffer.byteLength(body) };
		const outgoing = httpRequest(`${url}/v1/chat/completions`, { method: "POST", headers, agent: false }, (response) => {
			response.on("error", () => undefined);
			resolve({ outgoing, response });
		});
		outgoing.once("error", reject);
		outgoing.end(body);
	});
}

function firstChunk(response: IncomingMessage): Promise<void> {
	return new Promise((resolve) => response.once("data", () => resolve()));
}

describe("the caller leaves", () => {
	/** Runs a call, leaves at the given point, then lets the provider finish. */
	async function leaveAt(point: "headers" | "first chunk" | "middle" | "last", changes: Readonly<Record<string, unknown>> = STREAM): Promise<void> {
		let call: ReceivedCall | undefined;
		answer = (received) => {
			call = received;
			beginStream(received);
			if (point !== "headers") received.response.write(content("a"));
		};
		const { outgoing, response } = await openStream(gateway.url, chatBody({}, changes));
		if (point !== "headers") await firstChunk(response);
		if (point === "middle") call?.response.write(content("b"));
		if (point === "last") call?.response.write(content("b") + USAGE_EVENT);
		if (point === "middle" || point === "last") await firstChunk(response);
		outgoing.destroy();
		await expect.poll(() => onlyAttempt().input.leaving.hasLeft).toBe(true);
		if (point !== "last") call?.response.write(content("c") + USAGE_EVENT);
		call?.response.end(DONE);
	}

	test.each(["headers", "first chunk", "middle", "last"] as const)("at %s of a stream: drained and settled", async (point) => {
		await leaveAt(point);
		await expect.poll(() => onlyAttempt().outcome).toBe("settled");
		expect(onlyAttempt().settledWith?.reported).toMatchObject({ usage: { outputTokens: 7 } });
	});

	test("while a plain answer is awaited: drained and settled", async () => {
		let call: ReceivedCall | undefined;
		answer = (received) => {
			call = received;
		};
		const outgoing = httpRequest(`${gateway.url}/v1/chat/completions`, {
			method: "POST",
			agent: false,
			headers: { authorization: "Bearer tg_test_0123456789", "content-type": "application/json" },
		});
		outgoing.on("error", () => undefined);
		outgoing.end(chatBody({}));
		await expect.poll(() => call !== undefined).toBe(true);
		outgoing.destroy();
		await expect.poll(() => onlyAttempt().input.leaving.hasLeft).toBe(true);
		expect(onlyAttempt().outcome).toBe("open");
		call?.response.setHeader("content-type", "application/json");
		call?.response.end('{"model":"gpt-4o","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}');
		await expect.poll(() => onlyAttempt().outcome).toBe("settled");
	});

	test("before anything is sent: released, and the provider sees nothing", async () => {
		let open: () => void = () => undefined;
		authority.gate = new Promise((resolve) => {
			open = resolve;
		});
		const outgoing = httpRequest(`${gateway.url}/v1/chat/completions`, {
			method: "POST",
			agent: false,
			headers: { authorization: "Bearer tg_test_0123456789", "content-type": "application/json" },
		});
		outgoing.on("error", () => undefined);
		const admitting = new Promise<Leaving>((resolve) => {
			const { admit } = authority;
			authority.admit = (input) => {
				resolve(input.leaving);
				return admit(input);
			};
		});
		outgoing.end(chatBody({}));
		const leaving = await admitting;
		outgoing.destroy();
		await expect.poll(() => leaving.hasLeft).toBe(true);
		open();
		await expect.poll(() => authority.attempts[0]?.outcome).toBe("released");
		expect(onlyAttempt().reason).toBe("caller_left");
		expect(provider.received).toHaveLength(0);
	});

	test("with policy cancel: upstream is cut, what arrived plus the margin is booked as estimated", async () => {
		authority.policy = { ...authority.policy, onDisconnect: "cancel" };
		let isCut = false;
		answer = (received) => {
			received.response.once("close", () => {
				isCut = !received.response.writableFinished;
			});
			beginStream(received);
			received.response.write(content("a"));
		};
		const { outgoing, response } = await openStream(gateway.url, chatBody({}, { ...STREAM, max_tokens: 1_000 }));
		await firstChunk(response);
		outgoing.destroy();
		await expect.poll(() => isCut).toBe(true);
		await expect.poll(() => onlyAttempt().outcome).toBe("estimated");
		const { bound, line } = onlyAttempt().input;
		// One byte of text arrived; the margin is 256 tokens.
		expect(onlyAttempt().costNanoUsd).toBe(priceUsage({ ...NO_USAGE, inputTokens: bound.inputTokens, outputTokens: 257 }, line, "standard").costNanoUsd);
	});
});
