import OpenAI, { APIError } from "openai";

/** How one call ended: the HTTP status, or 0 where the connection or the stream broke. */
export type CallEnd = { readonly status: number; readonly code: string | null };

export type SteadyTraffic = {
	/** Every call that ended so far, in the order of their ends. */
	ends(): readonly CallEnd[];
	/** Calls that were answered whole. */
	served(): number;
	/** Lets the calls under way end. Rejects with the first failure that is none of the gateway's or the connection's. */
	stop(): Promise<void>;
};

export type SteadyTrafficOptions = {
	/** Origin of the gateway. */
	readonly gateway: string;
	readonly key: string;
	/** Calls at the same time; default 4. */
	readonly callers?: number;
	/** Between two calls of one caller; default 40 ms. */
	readonly pauseMs?: number;
};

const CALL_TIMEOUT_MS = 30_000;

/** Callers with the official client that call again and again, every other call streamed, until stopped. */
export function startSteadyTraffic({ gateway, key, callers = 4, pauseMs = 40 }: SteadyTrafficOptions): SteadyTraffic {
	const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: key, maxRetries: 0, timeout: CALL_TIMEOUT_MS });
	const ends: CallEnd[] = [];
	let isStopped = false;
	const call = async (isStream: boolean): Promise<CallEnd> => {
		try {
			await (isStream ? callStreamed(client) : callWhole(client));
			return { status: 200, code: null };
		} catch (error) {
			return endOf(error);
		}
	};
	const callAgain = async (): Promise<void> => {
		for (let number = 0; !isStopped; number += 1) {
			ends.push(await call(number % 2 === 1));
			await new Promise((resolve) => setTimeout(resolve, pauseMs));
		}
	};
	const running = Promise.all(Array.from({ length: callers }, callAgain));
	running.catch(() => {
		isStopped = true; // told by stop()
	});
	return {
		ends: () => ends,
		served: () => ends.filter(({ status }) => status === 200).length,
		async stop() {
			isStopped = true;
			await running;
		},
	};
}

const REQUEST = { model: "gpt-4o-mini", max_tokens: 40, messages: [{ role: "user", content: "Say something about tolls." }] } as const;

async function callWhole(client: OpenAI): Promise<void> {
	const answer = await client.chat.completions.create({ ...REQUEST, messages: [...REQUEST.messages] });
	if (!answer.choices[0]?.message.content) throw new TypeError("an answer without content");
}

async function callStreamed(client: OpenAI): Promise<void> {
	let finish: string | null = null;
	for await (const chunk of await client.chat.completions.create({ ...REQUEST, messages: [...REQUEST.messages], stream: true }))
		finish = chunk.choices[0]?.finish_reason ?? finish;
	if (finish === null) throw new BrokenStream("a stream that ended without its last event");
}

class BrokenStream extends Error {}

function endOf(error: unknown): CallEnd {
	if (error instanceof APIError) return { status: error.status ?? 0, code: typeof error.code === "string" ? error.code : null };
	// undici's word for a body whose connection broke.
	if (error instanceof BrokenStream || (error instanceof TypeError && error.message === "terminated")) return { status: 0, code: null };
	throw error;
}
