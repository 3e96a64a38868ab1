import { TransformStream } from "node:stream/web";
import { Agent, fetch as sendRequest, Response as WireResponse } from "undici";
import type { ProviderSettings } from "#config/providers.ts";
import type { AnswerHeaders } from "../../providers/port.ts";
import { createProviderKeys } from "../../providers/provider-keys.ts";
import type { Redaction, StreamRedaction } from "../../providers/redaction.ts";

/**
 * What the official SDKs call in the place of `fetch`. The provider key stays on this side: the SDKs are constructed without one, so none
 * of their errors, logs or traces can hold it. Answers are cleaned of it before the SDKs see them. No redirect is followed, no connection
 * is kept (one that went stale could not be told from a provider that got the request), and every call has a deadline.
 */
export type ProviderWire = {
	fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
	close(): Promise<void>;
};

export type WireTimes = {
	/** To connect, TLS included. */
	readonly connectMs: number;
	/** Of a call that is small both ways, to the last byte of its answer. */
	readonly callMs: number;
	/** Of a call that carries items, to the last byte of its answer: 256 MB at 2.3 Mbit/s. */
	readonly uploadMs: number;
	/** Of reading results, to their last byte; what is done with them meanwhile counts. */
	readonly resultsMs: number;
	/** Between two pieces of an answer that is waited for. */
	readonly idleMs: number;
};

export const WIRE_TIMES: WireTimes = { connectMs: 10_000, callMs: 60_000, uploadMs: 900_000, resultsMs: 3_600_000, idleMs: 60_000 };

/** Says of a request that its answer is items, of any length. */
export const ACCEPT_RESULTS = "application/binary";

/** A page of 100 batches fits many times over; what is longer is no answer of theirs. */
const ANSWER_BYTES_MAX = 8_388_608;
/** What the SDKs send by themselves. Variables of the environment can make them add others (OPENAI_CUSTOM_HEADERS), which nobody here configured. */
const FORWARDED = /^(accept|content-type|user-agent|anthropic-version|x-stainless-[a-z-]+)$/;

export function openProviderWire(provider: ProviderSettings, times: WireTimes): ProviderWire {
	const keys = createProviderKeys([provider]);
	const redaction = keys.redactionFor({ provider: provider.name });
	const dispatcher = new Agent({
		allowH2: false,
		pipelining: 0,
		connect: { timeout: times.connectMs },
		// The deadline rules: after 200 MB a provider may think before it says a word.
		headersTimeout: 0,
		bodyTimeout: times.idleMs,
	});
	return {
		async fetch(input, init = {}) {
			const url = new URL(typeof input === "string" || input instanceof URL ? input : input.url);
			const headers = new Headers(init.headers);
			const isOfResults = headers.get("accept") === ACCEPT_RESULTS;
			// The SDKs write small bodies as text.
			const carriesItems = typeof init.body === "object" && init.body !== null;
			const deadline = AbortSignal.timeout(isOfResults ? times.resultsMs : carriesItems ? times.uploadMs : times.callMs);
			const answer = await sendRequest(url, {
				method: init.method ?? "GET",
				headers: [
					...[...headers].filter(([name]) => FORWARDED.test(name)),
					// Refuses a host that the key is not for.
					...pairs(keys.headersFor({ provider: provider.name, model: "", origin: url.origin })),
				],
				...(init.body ? { body: init.body as AsyncIterable<Uint8Array>, duplex: "half" } : {}),
				signal: init.signal ? AbortSignal.any([init.signal, deadline]) : deadline,
				redirect: "manual",
				dispatcher,
			});
			return clean(answer, redaction, isOfResults ? Number.POSITIVE_INFINITY : ANSWER_BYTES_MAX) as unknown as Response;
		},
		close: () => dispatcher.destroy(),
	};
}

function pairs(flat: readonly string[]): [string, string][] {
	return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ""] as [string, string]] : []));
}

function clean(answer: WireResponse, redaction: Redaction, bytesMax: number): WireResponse {
	const headers: AnswerHeaders = Object.fromEntries(answer.headers.entries());
	const init = { status: answer.status, headers: redaction.headers(headers) as Record<string, string> };
	if (answer.body === null) return new WireResponse(undefined, init);
	return new WireResponse(answer.body.pipeThrough(cleaning(redaction.stream(), bytesMax)), init);
}

function cleaning(stream: StreamRedaction, bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
	let bytes = 0;
	return new TransformStream<Uint8Array, Uint8Array>({
		transform(chunk, controller) {
			bytes += chunk.length;
			if (bytes > bytesMax) throw new RangeError(`the answer is longer than ${bytesMax} bytes`);
			const clean = stream.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
			if (clean.length > 0) controller.enqueue(clean);
		},
		flush(controller) {
			const rest = stream.end();
			if (rest.length > 0) controller.enqueue(rest);
		},
	});
}
