import { type Answer, type AnswerContext, answeredModel, errorFrameText, type Frame, type WireUsage } from "../answer.ts";
import { type Ask, type Generation, generate, type OutputPart } from "../generation.ts";
import { type JsonObject, objectOrEmpty } from "../json.ts";
import type { Prompt } from "../prompt.ts";
import { chatPrompt, predictionTokens } from "./input.ts";
import { answeredTier, invalid, isReasoningModel, readCap, readJsonFormat, readStops, readToolChoice, readTools, requireModel } from "./request.ts";
import { countsAfter, countTokens, type TokenCounts } from "./token-counts.ts";

/** `POST /v1/chat/completions` (openai resources/chat/completions/completions.d.ts). */

const CHOICES_MOST = 128;
const FINISH_REASONS = { stop: "stop", length: "length", tool: "tool_calls", stop_sequence: "stop" } as const;

export function readChatPrompt(body: JsonObject, bodyBytes: number): Prompt {
	requireModel(body);
	return chatPrompt(body, bodyBytes);
}

export function answerChat(body: JsonObject, prompt: Prompt, context: AnswerContext): Answer {
	const asked = requireModel(body);
	const choices = readChoices(body);
	const ask = readAsk(body, asked, prompt);
	const generations = Array.from({ length: choices }, (_, index) => generate(ask, context.directive, index));
	const counts = countTokens(asked, prompt, generations, context);
	const rejectedTokens = predictionTokens(body);
	const model = answeredModel(context.directive, asked);
	const serviceTier = answeredTier(body, context.directive);
	const head = {
		id: `chatcmpl-${context.idSuffix}`,
		created: Math.floor(context.createdAtMs / 1000),
		model,
		service_tier: serviceTier,
		system_fingerprint: "simulated",
	};
	const includesUsage = objectOrEmpty(body["stream_options"])["include_usage"] === true;
	return {
		protocol: "openai",
		model,
		serviceTier,
		outputTokens: counts.outputTokens,
		choices,
		usageAfter: (outputTokens) => chatUsage(countsAfter(counts, outputTokens), rejectedTokens),
		body: (reported) => ({
			object: "chat.completion",
			...head,
			choices: generations.map((generation, index) => chatChoice(generation, index, context.idSuffix)),
			...(reported && { usage: reported }),
		}),
		frames: body["stream"] === true ? (reported) => chatFrames({ head, generations, idSuffix: context.idSuffix, includesUsage, reported }) : undefined,
		errorFrame: () => errorFrameText("openai", context.idSuffix),
	};
}

function readChoices(body: JsonObject): number {
	const value = body["n"] ?? 1;
	if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > CHOICES_MOST)
		throw invalid("Invalid 'n': expected an integer from 1 to 128.", "n");
	return value as number;
}

function readAsk(body: JsonObject, model: string, prompt: Prompt): Ask {
	const isReasoning = isReasoningModel(model);
	if (isReasoning && body["max_tokens"] !== undefined && body["max_tokens"] !== null) {
		throw invalid(
			"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
			"max_tokens",
			"unsupported_parameter",
		);
	}
	return {
		...prompt,
		capTokens: readCap(body, "max_completion_tokens") ?? readCap(body, "max_tokens"),
		tools: readTools(body),
		toolChoice: readToolChoice(body),
		json: readJsonFormat(body["response_format"]),
		stopSequences: readStops(body["stop"]),
		reasoning: isReasoning && body["reasoning_effort"] !== "none" && body["reasoning_effort"] !== "minimal" ? "hidden" : "none",
	};
}

/** Rejected prediction tokens are billed as output (providers' predicted-outputs guide). */
function chatUsage(counts: TokenCounts, rejectedTokens: number): WireUsage {
	const completionTokens = counts.outputTokens + rejectedTokens;
	return {
		prompt_tokens: counts.inputTokens,
		completion_tokens: completionTokens,
		total_tokens: counts.inputTokens + completionTokens,
		prompt_tokens_details: {
			cached_tokens: counts.cachedTokens,
			audio_tokens: 0,
			...(counts.cacheWriteTokens !== undefined && { cache_write_tokens: counts.cacheWriteTokens }),
		},
		completion_tokens_details: {
			reasoning_tokens: counts.reasoningTokens,
			audio_tokens: 0,
			accepted_prediction_tokens: 0,
			rejected_prediction_tokens: rejectedTokens,
		},
	};
}

function chatChoice(generation: Generation, index: number, idSuffix: string): JsonObject {
	const text = generation.parts.find((part) => part.kind === "text");
	const tool = generation.parts.find((part) => part.kind === "tool");
	const message = {
		role: "assistant",
		content: text === undefined ? null : text.pieces.join(""),
		refusal: null,
		annotations: [],
		...(tool && { tool_calls: [{ id: toolCallId(idSuffix, index), type: "function", function: { name: tool.name, arguments: tool.pieces.join("") } }] }),
	};
	return { index, message, logprobs: null, finish_reason: FINISH_REASONS[generation.stopReason] };
}

function toolCallId(idSuffix: string, index: number): string {
	return `call_${idSuffix}_${index}`;
}

type StreamOptions = {
	readonly head: JsonObject;
	readonly generations: readonly Generation[];
	readonly idSuffix: string;
	readonly includesUsage: boolean;
	readonly reported: WireUsage | undefined;
};

/** With `include_usage` every chunk carries `usage: null` but one more before the end, which has no choices and the report. */
function* chatFrames({ head, generations, idSuffix, includesUsage, reported }: StreamOptions): Generator<Frame> {
	const start = `data: ${JSON.stringify({ object: "chat.completion.chunk", ...head }).slice(0, -1)},"choices":[`;
	const end = `]${includesUsage ? ',"usage":null' : ""}}\n\n`;
	const chunk = (index: number, delta: string, finish: string) => `${start}{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":${finish}}${end}`;
	for (const [index, { parts }] of generations.entries()) {
		yield { kind: "content", outputTokens: 0, text: chunk(index, firstDelta(parts[0], idSuffix, index), "null") };
	}
	const total = generations.reduce((sum, generation) => sum + generation.outputTokens, 0);
	const longest = Math.max(...generations.map(({ parts }) => parts[0]?.pieces.length ?? 0));
	let generated = generations.reduce((sum, generation) => sum + generation.reasoningTokens, 0);
	for (let step = 0; step < longest; step += 1) {
		for (const [index, { parts }] of generations.entries()) {
			const piece = parts[0]?.pieces[step];
			if (piece === undefined) continue;
			generated = Math.min(total, generated + 1);
			yield { kind: "content", outputTokens: generated, text: chunk(index, nextDelta(parts[0], piece), "null") };
		}
	}
	for (const [index, { stopReason }] of generations.entries()) {
		yield { kind: "content", outputTokens: total, text: chunk(index, "{}", `"${FINISH_REASONS[stopReason]}"`) };
	}
	if (includesUsage && reported !== undefined) yield { kind: "usage", outputTokens: total, text: `${start}],"usage":${JSON.stringify(reported)}}\n\n` };
	yield { kind: "end", outputTokens: total, text: "data: [DONE]\n\n" };
}

function firstDelta(part: OutputPart | undefined, idSuffix: string, index: number): string {
	if (part?.kind !== "tool") return '{"role":"assistant","content":"","refusal":null}';
	const call = { index: 0, id: toolCallId(idSuffix, index), type: "function", function: { name: part.name, arguments: "" } };
	return JSON.stringify({ role: "assistant", content: null, tool_calls: [call], refusal: null });
}

function nextDelta(part: OutputPart | undefined, piece: string): string {
	return part?.kind === "tool" ? `{"tool_calls":[{"index":0,"function":{"arguments":${JSON.stringify(piece)}}}]}` : `{"content":${JSON.stringify(piece)}}`;
}
