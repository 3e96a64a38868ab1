import type { OutgoingHttpHeaders } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "./scripted-provider.ts";

/**
 * A provider that repeats the key it was called with wherever it can: in every header, in the text and the fields of bodies,
 * encoded, in pieces, in events. The prompt says how it answers: `[[mode:<mode>]]`.
 */
export const ECHO_MODES = [
	"status 307",
	"status 400",
	"status 401",
	"status 403",
	"status 408",
	"status 418",
	"status 429",
	"status 500",
	"status 503",
	"status 529",
	"answer",
	"answer without usage",
	"answer that is no JSON",
	"sliced stream",
	"stream with an error",
	"stream that is cut",
	"cut before headers",
	"cut after headers",
	"hang",
	"hang in a stream",
] as const;
export type EchoMode = (typeof ECHO_MODES)[number];

export function startEchoingProvider(): Promise<ScriptedProvider> {
	return startScriptedProvider((call) => {
		const key = keyOf(call);
		const mode = /\[\[mode:([^\]]+)\]\]/.exec(call.body.toString())?.[1] as EchoMode;
		void answer({ call, key, headers: echoHeaders(key), echo: echoOf(call, key) }, mode);
	});
}

type Echo = { readonly call: ReceivedCall; readonly key: string; readonly headers: OutgoingHttpHeaders; readonly echo: Readonly<Record<string, unknown>> };

function keyOf({ request }: ReceivedCall): string {
	const bearer = request.headers.authorization?.replace(/^Bearer /, "");
	return bearer ?? String(request.headers["x-api-key"]);
}

function echoHeaders(key: string): OutgoingHttpHeaders {
	const names = ["x-request-id", "request-id", "openai-version", "openai-model", "x-ratelimit-scope", "anthropic-ratelimit-scope", "www-authenticate"];
	return {
		...Object.fromEntries(names.map((name) => [name, `for ${key}`])),
		location: `http://127.0.0.1:9/${encodeURIComponent(key)}`,
		"set-cookie": `k=${key}`,
	};
}

/** Everything a careless server could say of a request. */
function echoOf({ request }: ReceivedCall, key: string): Readonly<Record<string, unknown>> {
	return {
		message: `Incorrect API key provided: ${key}`,
		code: key,
		type: key,
		url: encodeURIComponent(key),
		headers: request.headers,
		dump: Buffer.from(JSON.stringify(request.headers)).toString("base64"),
	};
}

async function answer(echo: Echo, mode: EchoMode): Promise<void> {
	const { response } = echo.call;
	const status = /^status (\d+)$/.exec(mode)?.[1];
	if (status !== undefined) sendJson(echo, Number(status), { error: echo.echo });
	else if (mode === "answer") sendJson(echo, 200, { ...usageOf(echo), note: echo.echo["message"] });
	else if (mode === "answer without usage") sendJson(echo, 200, { model: echo.key, note: echo.echo["message"] });
	else if (mode === "answer that is no JSON") response.writeHead(200, { ...echo.headers, "content-type": "application/json" }).end(`{"key ${echo.key}`);
	else if (mode === "cut before headers") response.destroy();
	else if (mode === "cut after headers")
		response
			.writeHead(200, { ...echo.headers, "content-type": "application/json", "content-length": "999" })
			.write(`{"key":"${echo.key}`, () => response.destroy());
	else if (mode !== "hang") await stream(echo, mode);
}

function sendJson({ call, headers }: Echo, status: number, body: unknown): void {
	call.response.writeHead(status, { ...headers, "content-type": "application/json" }).end(JSON.stringify(body));
}

/** The usage of both protocols at once; the fields beside it, which the books take, name the key. */
function usageOf({ key }: Echo): Readonly<Record<string, unknown>> {
	const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, input_tokens: 1, output_tokens: 1, service_tier: key };
	return { id: key, model: key, service_tier: key, choices: [], usage };
}

async function stream(echo: Echo, mode: EchoMode): Promise<void> {
	const { response } = echo.call;
	response.writeHead(200, { ...echo.headers, "content-type": "text/event-stream" });
	const first = `data: ${JSON.stringify({ choices: [{ delta: { content: echo.key } }], type: "message_start", message: usageOf(echo) })}\n\n`;
	for (const byte of first) {
		response.write(byte);
		await nextTurn();
	}
	if (mode === "hang in a stream") return;
	if (mode === "stream that is cut") {
		response.write(`data: {"rest":"${echo.key}`, () => response.destroy());
		return;
	}
	if (mode === "stream with an error") response.write(`event: error\ndata: ${JSON.stringify({ type: "error", error: echo.echo })}\n\n`);
	response.end(`data: ${JSON.stringify(usageOf(echo))}\n\ndata: [DONE]\n\n`);
}
