import { NONCE } from "../driver/load-target.ts";

/** What the bench provider answers: constant but for the nonce of the call, with constant usage, in OpenAI's shape. */

/** Priced in every bundled price book. */
export const BENCH_MODEL = "gpt-4o-mini";

/** Deltas of a stream; one every 20 ms. */
export const STREAM_DELTAS = 64;
export const STREAM_GAP_MS = 20;

export const USAGE = {
	prompt_tokens: 60,
	completion_tokens: 90,
	total_tokens: 150,
	prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
	completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
} as const;

const TEXT = "A toll is a small sum asked of everybody who passes, so that there is a road to pass on; whoever pays knows before he goes what it will be. ";
const HEAD = { id: `chatcmpl-${NONCE}`, created: 1_760_000_000, model: BENCH_MODEL, service_tier: "default", system_fingerprint: "fp_bench" } as const;

/** About 650 bytes. */
export const ANSWER_BODY = answerOf({ content: `${NONCE} ${TEXT}` }, "stop");

/** A call of an agent's tool, as `toolCallOf` of the answer's nonce: what the next step of its run sends back with a result. */
export const STEP_ANSWER_BODY = answerOf({ content: null, tool_calls: [toolCallOf(NONCE)] }, "tool_calls");

/** The tool call that the answer to a step carries; `nonce` is of the call it answers. */
export function toolCallOf(nonce: string): object {
	return { id: `call-${nonce}`, type: "function", function: { name: "write_entry", arguments: JSON.stringify({ entry: `roads/${nonce}.md`, text: TEXT }) } };
}

function answerOf(said: object, finishReason: string): string {
	const message = { role: "assistant", ...said, refusal: null, annotations: [] };
	return JSON.stringify({ ...HEAD, object: "chat.completion", choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }], usage: USAGE });
}

/** Role, 64 deltas, the end, usage, end mark: what leaves at once stands together. */
export const STREAM_EVENTS: readonly string[] = [
	chunk({ role: "assistant", content: "", refusal: null }),
	...Array.from({ length: STREAM_DELTAS }, (_, index) => chunk({ content: `${index === 0 ? NONCE : "toll"} ` })),
	`${chunk({}, "stop")}${event({ ...HEAD, object: "chat.completion.chunk", choices: [], usage: USAGE })}data: [DONE]\n\n`,
];

function chunk(delta: object, finishReason: string | null = null): string {
	return event({ ...HEAD, object: "chat.completion.chunk", choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }], usage: null });
}

function event(data: object): string {
	return `data: ${JSON.stringify(data)}\n\n`;
}
