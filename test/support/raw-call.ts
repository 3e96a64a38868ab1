import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { TEST_KEY } from "./fake-authority.ts";

export type RawAnswer = {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
	readonly chunks: readonly Buffer[];
	readonly isWhole: boolean;
};

export type RawCall = {
	readonly path?: string;
	readonly method?: string;
	readonly body?: string | Buffer;
	/** Flat name, value list, so that a name may stand twice. Default: the test key and JSON. */
	readonly headers?: readonly string[];
};

export const JSON_HEADERS: readonly string[] = ["authorization", `Bearer ${TEST_KEY}`, "content-type", "application/json"];

/** One request over a real socket, exactly as given; an answer that breaks off resolves with `isWhole` false. */
export function rawCall(url: string, call: RawCall): Promise<RawAnswer> {
	const body = typeof call.body === "string" ? Buffer.from(call.body) : (call.body ?? Buffer.alloc(0));
	return new Promise((resolve, reject) => {
		// Node takes a flat list of names and values, which its types leave out.
		const headers = [...(call.headers ?? JSON_HEADERS), "host", new URL(url).host, "content-length", String(body.length)] as unknown as Record<string, string>;
		const outgoing = httpRequest(`${url}${call.path ?? "/v1/chat/completions"}`, { method: call.method ?? "POST", headers, agent: false }, (response) => {
			const chunks: Buffer[] = [];
			const end = (isWhole: boolean) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), chunks, isWhole });
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.once("end", () => end(response.complete));
			response.once("error", () => end(false));
		});
		outgoing.once("error", reject);
		outgoing.end(body);
	});
}

/** A chat request whose prompt steers the simulated provider. */
export function chatBody(directive: Readonly<Record<string, unknown>>, changes: Readonly<Record<string, unknown>> = {}): string {
	const content = `[[simulate:${JSON.stringify(directive)}]] hello`;
	return JSON.stringify({ model: "gpt-4o", max_tokens: 40, messages: [{ role: "user", content }], ...changes });
}

/** The same for POST /v1/messages. */
export function messagesBody(directive: Readonly<Record<string, unknown>>, changes: Readonly<Record<string, unknown>> = {}): string {
	return chatBody(directive, { model: "claude-sonnet-5-5", ...changes });
}
