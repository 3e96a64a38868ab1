import { type Dispatcher, Pool } from "undici";
import type { Decider, Decision } from "../port.ts";
import { readOpaAnswer } from "./answer.ts";

/**
 * Asks an Open Policy Agent over its data API. Bounded in every direction: the time of a question from asking to the last byte of its
 * answer, the questions that are open at once, the bytes of an answer. Whatever exceeds a bound leaves the call undecided.
 */
export type OpaOptions = {
	/** The document that decides, like http://127.0.0.1:8181/v1/data/tollgate/call. */
	readonly url: string;
	/** Sent as a bearer token; default none. */
	readonly token?: string | undefined;
	readonly timeoutMs: number;
	/** Questions open at once, those that wait for a connection included; further ones are undecided at once. Default 512. */
	readonly openMax?: number;
};

const OPEN_MAX = 512;
/** OPA answers in microseconds: more connections would only be kept alive. */
const CONNECTIONS = 32;
const ANSWER_BYTES_MAX = 65_536;
/** A connection that OPA closed while the question was on its way. It changes nothing to ask once more. */
const BROKEN_CONNECTION = /^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/;

export function createOpaDecider(options: OpaOptions): Decider {
	const { origin, pathname, search } = new URL(options.url);
	const { timeoutMs, token, openMax = OPEN_MAX } = options;
	const pool = new Pool(origin, { connections: CONNECTIONS, pipelining: 1, connect: { timeout: timeoutMs }, headersTimeout: 0, bodyTimeout: 0 });
	const headers = ["content-type", "application/json", "accept-encoding", "identity", ...(token === undefined ? [] : ["authorization", `Bearer ${token}`])];
	const request = { path: `${pathname}${search}`, method: "POST", headers } as const;
	let open = 0;
	return {
		isAsked: true,
		decide(facts) {
			if (open >= openMax) return { kind: "undecided", problem: `${open} questions are open` };
			open += 1;
			const deadline = new Deadline(timeoutMs);
			const asked = ask(pool, { ...request, body: JSON.stringify({ input: facts }), signal: deadline.signal }).finally(() => {
				deadline.clear();
				open -= 1;
			});
			// A question that waits for its connection is given up only when it has one: the call does not wait for that.
			return Promise.race([asked, deadline.decision]);
		},
		close: () => pool.destroy(),
	};
}

/** Gives a question up when its time is over. */
class Deadline {
	readonly #controller = new AbortController();
	readonly #timer: NodeJS.Timeout;
	/** Settles only when the time is over. */
	readonly decision: Promise<Decision>;

	constructor(timeoutMs: number) {
		const { promise, resolve } = Promise.withResolvers<Decision>();
		this.decision = promise;
		this.#timer = setTimeout(() => {
			const problem = `no answer within ${timeoutMs} ms`;
			this.#controller.abort(new Error(problem));
			resolve({ kind: "undecided", problem });
		}, timeoutMs);
	}

	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	clear(): void {
		clearTimeout(this.#timer);
	}
}

type Question = Dispatcher.RequestOptions & { readonly signal: AbortSignal };

async function ask(pool: Pool, question: Question): Promise<Decision> {
	try {
		return await exchange(pool, question).catch((error: unknown) => {
			if (question.signal.aborted || !BROKEN_CONNECTION.test(codeOf(error))) throw error;
			return exchange(pool, question);
		});
	} catch (error) {
		return { kind: "undecided", problem: problemOf(question.signal.aborted ? question.signal.reason : error) };
	}
}

async function exchange(pool: Pool, question: Question): Promise<Decision> {
	const { statusCode, body } = await pool.request(question);
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of body as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > ANSWER_BYTES_MAX) return { kind: "undecided", problem: `the answer is larger than ${ANSWER_BYTES_MAX} bytes` };
		chunks.push(chunk);
	}
	return readOpaAnswer(statusCode, Buffer.concat(chunks).toString("utf8"));
}

function codeOf(error: unknown): string {
	return error instanceof Error && "code" in error ? String(error.code) : "";
}

function problemOf(error: unknown): string {
	return error instanceof Error ? error.message || codeOf(error) : String(error);
}
