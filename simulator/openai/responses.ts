import { type Answer, type AnswerContext, answeredModel, type WireUsage } from "../answer.ts";
import { type Generation, generate, type OutputPart } from "../generation.ts";
import { type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import type { Prompt } from "../prompt.ts";
import { responsesPrompt } from "./input.ts";
import { answeredTier, invalid, isReasoningModel, readCap, readJsonFormat, readToolChoice, readTools, requireModel } from "./request.ts";
import type { ResponseMemory } from "./response-memory.ts";
import { responseFrames } from "./responses-stream.ts";
import { countsAfter, countTokens, type TokenCounts } from "./token-counts.ts";

/** `POST /v1/responses` (openai resources/responses/responses.d.ts). */

const LEAST_OUTPUT_CAP = 16;

/** Throws the provider's 400 for an unknown previous response. */
export function readResponsesPrompt(body: JsonObject, bodyBytes: number, memory: ResponseMemory): Prompt {
	requireModel(body);
	const previousId = textOrEmpty(body["previous_response_id"]);
	const earlierTokens = previousId === "" ? 0 : memory.contextTokensOf(previousId);
	if (earlierTokens === undefined) throw invalid(`Previous response with id '${previousId}' not found.`, "previous_response_id", "previous_response_not_found");
	return responsesPrompt(body, bodyBytes, earlierTokens);
}

export function answerResponse(body: JsonObject, prompt: Prompt, context: AnswerContext, memory: ResponseMemory): Answer {
	const asked = requireModel(body);
	const generation = generateResponse(body, asked, prompt, context);
	const counts = countTokens(asked, prompt, [generation], context);
	const model = answeredModel(context.directive, asked);
	const serviceTier = answeredTier(body, context.directive);
	const base = responseBase(body, context, { model, service_tier: serviceTier });
	memory.remember(base.id, counts.inputTokens + counts.outputTokens);
	const items = outputItems(generation, context.idSuffix);
	return {
		protocol: "openai",
		model,
		serviceTier,
		outputTokens: counts.outputTokens,
		choices: 1,
		usageAfter: (outputTokens) => responsesUsage(countsAfter(counts, outputTokens)),
		body: (reported) => finished(base, generation, items, reported),
		frames:
			body["stream"] === true ? (reported) => responseFrames({ base, generation, items, finished: finished(base, generation, items, reported) }) : undefined,
		errorFrame: () =>
			`event: error\ndata: ${JSON.stringify({ type: "error", code: "server_error", message: "[simulated] the model failed while answering", param: null, sequence_number: 0 })}\n\n`,
	};
}

function generateResponse(body: JsonObject, model: string, prompt: Prompt, { directive }: AnswerContext): Generation {
	const capTokens = readCap(body, "max_output_tokens");
	if (capTokens !== undefined && capTokens < LEAST_OUTPUT_CAP) {
		throw invalid(
			`Invalid 'max_output_tokens': integer below minimum value. Expected a value >= ${LEAST_OUTPUT_CAP}.`,
			"max_output_tokens",
			"integer_below_min_value",
		);
	}
	const effort = objectOrEmpty(body["reasoning"])["effort"];
	return generate(
		{
			...prompt,
			capTokens,
			tools: readTools(body),
			toolChoice: readToolChoice(body),
			json: readJsonFormat(objectOrEmpty(body["text"])["format"]),
			stopSequences: [],
			reasoning: isReasoningModel(model) && effort !== "none" && effort !== "minimal" ? "hidden" : "none",
		},
		directive,
	);
}

function responsesUsage(counts: TokenCounts): WireUsage {
	return {
		input_tokens: counts.inputTokens,
		input_tokens_details: { cached_tokens: counts.cachedTokens, ...(counts.cacheWriteTokens !== undefined && { cache_write_tokens: counts.cacheWriteTokens }) },
		output_tokens: counts.outputTokens,
		output_tokens_details: { reasoning_tokens: counts.reasoningTokens },
		total_tokens: counts.inputTokens + counts.outputTokens,
	};
}

export type ResponseBase = JsonObject & { readonly id: string };

/** The response as far as it is known before a token is generated. */
function responseBase(body: JsonObject, context: AnswerContext, answered: JsonObject): ResponseBase {
	return {
		id: `resp_${context.idSuffix}`,
		object: "response",
		created_at: Math.floor(context.createdAtMs / 1000),
		...answered,
		status: "in_progress",
		background: false,
		error: null,
		incomplete_details: null,
		instructions: body["instructions"] ?? null,
		max_output_tokens: body["max_output_tokens"] ?? null,
		metadata: objectOrEmpty(body["metadata"]),
		output: [],
		parallel_tool_calls: body["parallel_tool_calls"] ?? true,
		previous_response_id: body["previous_response_id"] ?? null,
		reasoning: body["reasoning"] ?? { effort: null, summary: null },
		store: body["store"] ?? true,
		temperature: body["temperature"] ?? 1,
		text: body["text"] ?? { format: { type: "text" } },
		tool_choice: body["tool_choice"] ?? "auto",
		tools: body["tools"] ?? [],
		top_p: body["top_p"] ?? 1,
		truncation: body["truncation"] ?? "disabled",
		usage: null,
		user: body["user"] ?? null,
	};
}

function finished(base: ResponseBase, generation: Generation, items: readonly JsonObject[], reported: WireUsage | undefined): JsonObject {
	const isIncomplete = generation.stopReason === "length";
	const { usage: _, ...rest } = base;
	return {
		...rest,
		status: isIncomplete ? "incomplete" : "completed",
		incomplete_details: isIncomplete ? { reason: "max_output_tokens" } : null,
		output: items,
		...(reported && { usage: reported }),
	};
}

/** Reasoning (without its text), then the message or the function call. */
function outputItems(generation: Generation, idSuffix: string): JsonObject[] {
	const reasoning = generation.reasoningTokens > 0 ? [{ id: `rs_${idSuffix}`, type: "reasoning", summary: [] }] : [];
	return [...reasoning, ...generation.parts.map((part) => outputItem(part, idSuffix, generation.stopReason === "length"))];
}

function outputItem(part: OutputPart, idSuffix: string, isIncomplete: boolean): JsonObject {
	const status = isIncomplete ? "incomplete" : "completed";
	if (part.kind === "tool")
		return { id: `fc_${idSuffix}`, type: "function_call", status, call_id: `call_${idSuffix}_0`, name: part.name, arguments: part.pieces.join("") };
	return {
		id: `msg_${idSuffix}`,
		type: "message",
		status,
		role: "assistant",
		content: [{ type: "output_text", text: part.pieces.join(""), annotations: [], logprobs: [] }],
	};
}
