import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createModelTransport } from "#activities/providers/call-model.ts";
import type { AnswerListener, CallFailure, Deployment } from "#activities/providers/port.ts";

/** Sends a body to a listener that keeps what it is sent first, and says nothing. */
async function firstBytes(protocol: "http" | "https", body: Buffer): Promise<Buffer> {
	const received = Promise.withResolvers<Buffer>();
	const server = createServer((socket) => {
		socket.on("error", () => undefined);
		socket.once("data", (bytes) => {
			received.resolve(bytes);
			socket.destroy();
		});
	}).listen(0, "127.0.0.1");
	onTestFinished(() => void server.close());
	await once(server, "listening");
	const failed = Promise.withResolvers<CallFailure>();
	const listener: AnswerListener = {
		onSent: () => undefined,
		onStart: () => undefined,
		onData: () => undefined,
		onEnd: () => undefined,
		onFailure: (failure) => failed.resolve(failure),
	};
	const transport = createModelTransport({ keys: { headersFor: () => ["authorization", "Bearer key"], redactionFor: () => NO_REDACTION } });
	const origin = `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const deployment = { name: "openai/gpt-4o", origin, paths: { "chat.completions": "/v1/chat/completions" } } as unknown as Deployment;
	transport.send({ deployment, endpoint: "chat.completions", body, attemptId: "g1-1-1", forwardedHeaders: [], maxCallMs: 60_000 }, listener);
	const bytes = await received.promise;
	await failed.promise;
	await transport.close();
	return bytes;
}

const NO_REDACTION = {
	body: (bytes: Buffer) => bytes,
	headers: <Headers>(headers: Headers) => headers,
	stream: () => ({ push: (chunk: Buffer) => chunk, end: () => Buffer.alloc(0) }),
};

test("a provider that speaks HTTP/2 too is offered HTTP/1.1 alone", async () => {
	const hello = await firstBytes("https", Buffer.from("{}"));
	// Names of protocols (RFC 7301) with their lengths, in the clear in the first message of TLS.
	expect(hello.includes("\x08http/1.1")).toBe(true);
	expect(hello.includes("\x02h2")).toBe(false);
});

test("a request leaves with its body, byte for byte", async () => {
	const body = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.from("é €", "utf8")]);
	const sent = await firstBytes("http", body);
	const end = sent.indexOf("\r\n\r\n") + 4;
	const head = sent.subarray(0, end).toString("latin1").split("\r\n");
	expect(head[0]).toBe("POST /v1/chat/completions HTTP/1.1");
	expect(head).toEqual(expect.arrayContaining(["authorization: Bearer key", "x-client-request-id: g1-1-1", `content-length: ${body.length}`]));
	expect(sent.subarray(end)).toEqual(body);
});
