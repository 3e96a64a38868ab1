import { type Answer, type AnswerContext, answeredModel, errorFrameText, type WireUsage } from "../answer.ts";
import { type Ask, type Generation, generate, type OutputPart, type ToolChoice } from "../generation.ts";
import { arrayOrEmpty, type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import { invalid, type MarkedPrompt } from "./input.ts";
import { messageFrames } from "./messages-stream.ts";
import { SIGNATURE } from "./signature.ts";

/** `POST /v1/messages` (@anthropic-ai/sdk resources/messages/messages.d.ts). */

const LEAST_THINKING_TOKENS = 1_024;
const STOP_REASONS = { stop: "end_turn", length: "max_tokens", tool: "tool_use", stop_sequence: "stop_sequence" } as const;

/** Anthropic's input tokens exclude what the cache read and wrote. */
type MessageCounts = {
	readonly uncachedTokens: number;
	readonly readTokens: number;
	readonly write5mTokens: number;
	readonly write1hTokens: number;
	readonly outputTokens: number;
	readonly thinkingTokens: number;
};

export function answerMessage(body: JsonObject, prompt: MarkedPrompt, context: AnswerContext): Answer {
	const asked = textOrEmpty(body["model"]);
	const generation = generate(readAsk(body, prompt), context.directive);
	const counts = countTokens(asked, prompt, generation, context);
	const model = answeredModel(context.directive, asked);
	const serviceTier = context.directive.answeredTier ?? "standard";
	const usageAfter = (outputTokens: number) => messageUsage(body, counts, outputTokens, serviceTier);
	const message = {
		id: `msg_${context.idSuffix}`,
		type: "message",
		role: "assistant",
		model,
		content: generation.parts.map((part) => contentBlock(part, context.idSuffix)),
		stop_reason: STOP_REASONS[generation.stopReason],
		stop_sequence: generation.stopSequence,
		stop_details: null,
		container: null,
		diagnostics: null,
	};
	return {
		protocol: "anthropic",
		model,
		serviceTier,
		outputTokens: counts.outputTokens,
		choices: 1,
		usageAfter,
		body: (reported) => ({ ...message, ...(reported && { usage: reported }) }),
		frames:
			body["stream"] === true
				? (reported) => messageFrames({ message, generation, idSuffix: context.idSuffix, reported, startUsage: usageAfter(1) })
				: undefined,
		errorFrame: () => errorFrameText("anthropic", context.idSuffix),
	};
}

function readAsk(body: JsonObject, prompt: MarkedPrompt): Ask {
	const capTokens = body["max_tokens"];
	if (capTokens === undefined) throw invalid("max_tokens: Field required");
	if (!Number.isSafeInteger(capTokens) || (capTokens as number) < 1) throw invalid("max_tokens: Input should be an integer greater than or equal to 1");
	const thinking = objectOrEmpty(body["thinking"]);
	const budget = thinking["budget_tokens"];
	if (thinking["type"] === "enabled") checkThinkingBudget(budget, capTokens as number);
	return {
		...prompt,
		capTokens: capTokens as number,
		tools: arrayOrEmpty(body["tools"]).map((tool) => ({ name: textOrEmpty(objectOrEmpty(tool)["name"]), schema: objectOrEmpty(tool)["input_schema"] })),
		toolChoice: readToolChoice(body),
		json: readJsonFormat(body),
		stopSequences: arrayOrEmpty(body["stop_sequences"]).filter((stop) => typeof stop === "string"),
		reasoning: thinking["type"] === "enabled" || thinking["type"] === "adaptive" ? "shown" : "none",
	};
}

function checkThinkingBudget(budget: unknown, capTokens: number): void {
	if (!Number.isSafeInteger(budget) || (budget as number) < LEAST_THINKING_TOKENS)
		throw invalid(`thinking.enabled.budget_tokens: Input should be greater than or equal to ${LEAST_THINKING_TOKENS}`);
	if ((budget as number) >= capTokens) throw invalid("`max_tokens` must be greater than `thinking.budget_tokens`");
}

function readToolChoice(body: JsonObject): ToolChoice {
	const choice = objectOrEmpty(body["tool_choice"]);
	if (choice["type"] === "any") return { kind: "required" };
	if (choice["type"] === "none") return { kind: "none" };
	return choice["type"] === "tool" ? { kind: "named", name: textOrEmpty(choice["name"]) } : { kind: "auto" };
}

function readJsonFormat(body: JsonObject): { readonly schema: unknown } | undefined {
	const format = objectOrEmpty(objectOrEmpty(body["output_config"])["format"] ?? body["output_format"]);
	return format["type"] === "json_schema" ? { schema: format["schema"] ?? {} } : undefined;
}

function countTokens(model: string, prompt: MarkedPrompt, generation: Generation, { directive, cache }: AnswerContext): MessageCounts {
	const inputTokens = directive.inputTokens ?? prompt.inputTokens;
	const use = cache.useBreakpoints(model, prompt.breakpoints);
	const readTokens = Math.min(inputTokens, directive.cachedTokens ?? use.readTokens);
	const write5mTokens = Math.min(inputTokens - readTokens, directive.cacheWriteTokens ?? use.write5mTokens);
	const write1hTokens = Math.min(inputTokens - readTokens - write5mTokens, directive.cacheWrite1hTokens ?? use.write1hTokens);
	return {
		uncachedTokens: inputTokens - readTokens - write5mTokens - write1hTokens,
		readTokens,
		write5mTokens,
		write1hTokens,
		outputTokens: generation.outputTokens,
		thinkingTokens: generation.reasoningTokens,
	};
}

function messageUsage(body: JsonObject, counts: MessageCounts, generatedTokens: number, serviceTier: string): WireUsage {
	const outputTokens = Math.min(generatedTokens, counts.outputTokens);
	return {
		input_tokens: counts.uncachedTokens,
		cache_creation_input_tokens: counts.write5mTokens + counts.write1hTokens,
		cache_read_input_tokens: counts.readTokens,
		cache_creation: { ephemeral_5m_input_tokens: counts.write5mTokens, ephemeral_1h_input_tokens: counts.write1hTokens },
		output_tokens: outputTokens,
		output_tokens_details: counts.thinkingTokens > 0 ? { thinking_tokens: Math.min(counts.thinkingTokens, outputTokens) } : null,
		server_tool_use: null,
		service_tier: serviceTier,
		speed: body["speed"] === "fast" ? "fast" : "standard",
		inference_geo: body["inference_geo"] ?? null,
	};
}

function contentBlock(part: OutputPart, idSuffix: string): JsonObject {
	const text = part.pieces.join("");
	if (part.kind === "thinking") return { type: "thinking", thinking: text, signature: SIGNATURE };
	if (part.kind === "text") return { type: "text", text, citations: null };
	return { type: "tool_use", id: `toolu_${idSuffix}`, name: part.name, input: parseArguments(text), caller: { type: "direct" } };
}

/** Arguments cut by max_tokens are no JSON any more; the block then carries none. */
function parseArguments(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return {};
	}
}
