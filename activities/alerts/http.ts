import { Agent, type Dispatcher, request as sendRequest } from "undici";
import { createGuardedConnector, type ResolveName, resolveByDns } from "./address-guard.ts";
import { AddressRefused, type HttpAnswer, type HttpClient, type HttpPost, NoAnswer } from "./port.ts";

/** Half of a try, so that a receiver which cannot be reached is told from one that does not answer. */
const CONNECT_TIMEOUT_MS = 5_000;
const TRY_TIMEOUT_MS = 10_000;
/** What receivers say fits; a page of HTML does not. */
const ANSWER_BYTES_MAX = 4_096;

/** Failures before the request's first byte: nothing can have arrived. Codes of Node's sockets, its resolver, TLS and undici. */
const NEVER_SENT =
	/^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENOENT|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_\w+|SELF_\w+|UNABLE_\w+|ERR_TLS_\w+|ERR_SSL_\w+|EPROTO)$/;

export type HttpClientOptions = {
	readonly resolve?: ResolveName;
	/** Bound of one try. Default 10,000 ms. */
	readonly timeoutMs?: number;
};

/**
 * POSTs to receivers: each over a connection of its own, which is judged when it is made (address-guard.ts). No redirect is followed,
 * the answer is read to 4 KiB, and what is said about a failure repeats no URL, which may be a secret.
 */
export function createHttpClient({ resolve = resolveByDns, timeoutMs = TRY_TIMEOUT_MS }: HttpClientOptions = {}): HttpClient {
	const agentFor = (allowPrivate: boolean): Agent =>
		new Agent({
			// No connection is kept: one that went stale could not be told from a receiver that got the request.
			pipelining: 0,
			connect: createGuardedConnector({ timeoutMs: Math.min(CONNECT_TIMEOUT_MS, timeoutMs), allowPrivate, resolve }),
		});
	const agents = { public: agentFor(false), private: agentFor(true) };
	return {
		async post(post) {
			try {
				return await exchange(post, post.allowPrivate ? agents.private : agents.public, timeoutMs);
			} catch (error) {
				throw describeFailure(error, timeoutMs);
			}
		},
		async close() {
			await Promise.all([agents.public.close(), agents.private.close()]);
		},
	};
}

async function exchange({ url, headers, body }: HttpPost, dispatcher: Dispatcher, timeoutMs: number): Promise<HttpAnswer> {
	const answer = await sendRequest(url, {
		method: "POST",
		headers: { "content-type": "application/json", "user-agent": "tollgate", ...headers },
		body,
		dispatcher,
		signal: AbortSignal.timeout(timeoutMs),
	});
	return { status: answer.statusCode, headers: flatHeaders(answer.headers), body: await readBounded(answer.body) };
}

async function readBounded(body: Dispatcher.ResponseData["body"]): Promise<string> {
	const chunks: Buffer[] = [];
	let size = 0;
	for await (const chunk of body as AsyncIterable<Buffer>) {
		chunks.push(chunk);
		size += chunk.length;
		// Leaving the loop destroys the rest.
		if (size >= ANSWER_BYTES_MAX) break;
	}
	return Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString("utf8");
}

function flatHeaders(headers: Dispatcher.ResponseData["headers"]): Record<string, string | undefined> {
	return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]));
}

/** What failed, in words without addresses. */
function describeFailure(error: unknown, timeoutMs: number): Error {
	if (error instanceof AddressRefused) return error;
	const { code, name } = error as { code?: unknown; name?: unknown };
	if (name === "TimeoutError") return new NoAnswer(`no answer within ${timeoutMs} ms`, true);
	const word = typeof code === "string" && /^[A-Z0-9_]{1,60}$/.test(code) ? code : String(name).slice(0, 60);
	return new NoAnswer(NEVER_SENT.test(word) ? `not reachable (${word})` : `the connection broke (${word})`, !NEVER_SENT.test(word));
}
