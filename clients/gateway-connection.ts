import type { z } from "zod";
import { readJson } from "#domain/text/read-json.ts";
import { UnreachableError } from "./errors.ts";
import { errorOfGatewayAnswer } from "./run-errors.ts";

const TIMEOUT_MS = 30_000;
/** What a wait at the gateway may take beyond what it was asked to take. */
export const WAIT_GRACE_MS = 15_000;

type Ask = {
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal | undefined;
};

/** What one gateway offers beside model calls, with one virtual key. */
export class GatewayConnection {
	readonly #baseUrl: string;
	readonly #key: string;
	readonly #timeoutMs: number;

	constructor({ baseUrl, key, timeoutMs = TIMEOUT_MS }: { readonly baseUrl: string; readonly key: string; readonly timeoutMs?: number | undefined }) {
		this.#baseUrl = baseUrl;
		this.#key = key;
		this.#timeoutMs = timeoutMs;
	}

	/**
	 * `at` is method and path, like "GET /v1/runs/r-1".
	 * @throws CostControlError as the gateway refused; UnreachableError when nothing answers in time; the reason of `signal`.
	 */
	async send<Schema extends z.ZodType>(
		at: string,
		schema: Schema,
		{ body, headers, timeoutMs = this.#timeoutMs, signal }: Ask = {},
	): Promise<z.output<Schema>> {
		const space = at.indexOf(" ");
		const deadline = AbortSignal.timeout(timeoutMs);
		const { ok, status, json, retryAfter } = await this.#exchange(at.slice(space + 1), signal, {
			method: at.slice(0, space),
			headers: { ...headers, authorization: `Bearer ${this.#key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
			redirect: "error",
			signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		if (!ok) throw errorOfGatewayAnswer(status, json, retryAfter);
		return schema.parse(json);
	}

	async #exchange(path: string, signal: AbortSignal | undefined, request: RequestInit) {
		try {
			const answer = await fetch(`${this.#baseUrl}${path}`, request);
			const text = await answer.text();
			return { ok: answer.ok, status: answer.status, json: parseJson(text), retryAfter: answer.headers.get("retry-after") };
		} catch (error) {
			signal?.throwIfAborted();
			throw new UnreachableError(new URL(this.#baseUrl).origin, error);
		}
	}
}

/** A page of a load balancer is no JSON, and an answer like any other. */
function parseJson(text: string): unknown {
	try {
		return readJson(text);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
