import { isDeepStrictEqual } from "node:util";
import { type ExpectedAnswer, learnAnswer, NONCE, NONCE_BEFORE } from "../driver/load-target.ts";
import { ANSWER_BODY, BENCH_MODEL, STEP_ANSWER_BODY, STREAM_EVENTS, toolCallOf } from "../provider/answers.ts";
import type { RunningLane } from "./lane.ts";

/** Prompts by size in bytes, of words, the nonce first. */
export const PROMPT_BYTES = [256, 4_096, 65_536] as const;
export type PromptBytes = (typeof PROMPT_BYTES)[number];
/** Bytes, or what an agent sends: its task, the tool call that its last step was answered with, and the tool's result, each time of another thing. */
export type Prompt = PromptBytes | "step";

const WORDS = "every road has its toll and every toll its road ";

function words(bytes: number): string {
	return `${NONCE} ${WORDS.repeat(Math.ceil(bytes / WORDS.length))}`.slice(0, bytes);
}

const RESULT_CHARACTERS = 360;
const STEP = [
	{ role: "user", content: "Write an entry for every toll road of the list." },
	// The provider takes the first nonce that it finds for the call's own.
	{ role: "assistant", content: `Next is ${NONCE}.`, tool_calls: [toolCallOf(NONCE_BEFORE)] },
	{ role: "tool", tool_call_id: `call-${NONCE_BEFORE}`, content: words(RESULT_CHARACTERS) },
];

/** The same bytes for every lane; usage is asked for in a stream, so that no gateway has to add that. */
export function requestBody(prompt: Prompt, isStream: boolean): string {
	const messages = prompt === "step" ? STEP : [{ role: "user", content: words(prompt) }];
	return JSON.stringify({ model: BENCH_MODEL, messages, max_tokens: 128, ...(isStream && { stream: true, stream_options: { include_usage: true } }) });
}

/**
 * One call through a lane, to learn the bytes that must come back. Direct, floor and ours must answer the provider's own bytes; a
 * peer may write the same answer in its own way, once, and is held to that way. Throws what is wrong with the answer.
 */
export async function probeLane({ kind, endpoint }: Pick<RunningLane, "kind" | "endpoint">, isStream: boolean, prompt: Prompt = 256): Promise<ExpectedAnswer> {
	const response = await fetch(`http://127.0.0.1:${endpoint.port}${endpoint.path}`, {
		method: "POST",
		headers: {
			"content-type": "application/json",
			authorization: endpoint.authorizations[0] ?? "",
			...endpoint.headers,
			...(endpoint.runs?.[0] !== undefined && { "x-tollgate-run": endpoint.runs[0] }),
		},
		body: requestBody(prompt, isStream),
	});
	const body = Buffer.from(await response.arrayBuffer());
	if (response.status !== 200) throw new Error(`answered ${response.status}: ${body.toString().slice(0, 300)}`);
	const original = isStream ? STREAM_EVENTS.join("") : prompt === "step" ? STEP_ANSWER_BODY : ANSWER_BODY;
	const isRight = kind === "peer" ? isDeepStrictEqual(meaningOf(body.toString(), isStream), meaningOf(original, isStream)) : body.toString() === original;
	if (!isRight) throw new Error(`answered something else than the provider: ${body.toString().slice(0, 300)}`);
	return learnAnswer(body, NONCE);
}

type Meaning = { readonly id: unknown; readonly model: unknown; readonly content: string; readonly usage: unknown };
type Wire = {
	id?: string;
	model?: string;
	choices?: { message?: { content?: string }; delta?: { content?: string | null } }[];
	usage?: { total_tokens?: number } | null;
};

/** What a client takes from an answer. */
function meaningOf(text: string, isStream: boolean): Meaning {
	const parts = isStream
		? text
				.split("\n")
				.filter((line) => line.startsWith("data: {"))
				.map((line) => JSON.parse(line.slice(6)) as Wire)
		: [JSON.parse(text) as Wire];
	const content = parts.map(({ choices }) => choices?.[0]?.message?.content ?? choices?.[0]?.delta?.content ?? "").join("");
	return { id: parts[0]?.id, model: parts[0]?.model, content, usage: parts.findLast(({ usage }) => usage)?.usage?.total_tokens };
}
