import { isAnswerId, isItemId } from "#domain/bound/kept-ids.ts";
import type { ReportedUsage, Usage } from "#domain/usage/usage.ts";
import { asObject, asText, type JsonObject } from "./json.ts";
import { optionalCount, optionalDetails, reportUsage, requiredCount, UnusableCount, unusable } from "./token-counts.ts";

/**
 * Usage in OpenAI answers. `prompt_tokens` / `input_tokens` include cached and cache-written
 * tokens, `completion_tokens` / `output_tokens` include reasoning and rejected predictions
 * (openai 7.57.0 completions.d.ts, responses.d.ts), which is our normal form already.
 */

/** Answer of POST /v1/chat/completions, or the stream chunk that carries the usage. */
export function usageOfChatCompletion(answer: unknown): ReportedUsage {
	const body = asObject(answer);
	const usage = asObject(body?.["usage"]);
	if (!body || !usage) return unusable("usage is missing");
	return reportUsage(() => ({ usage: readChatUsage(usage), model: asText(body["model"]), serviceTier: asText(body["service_tier"]) }));
}

/** Answer of POST /v1/responses, or the `response` of a final stream event. Hosted tool calls are counted from `output`. */
export function usageOfResponse(answer: unknown): ReportedUsage {
	const body = asObject(answer);
	const usage = asObject(body?.["usage"]);
	if (!body || !usage) return unusable("usage is missing");
	return reportUsage(() => {
		const toolCalls = countHostedCalls(body);
		const read = readResponsesUsage(usage);
		return { usage: toolCalls ? { ...read, toolCalls } : read, model: asText(body["model"]), serviceTier: asText(body["service_tier"]) };
	});
}

/** Id under which OpenAI keeps a response for `previous_response_id`; undefined where it names none. */
export function answerIdOf(response: unknown): string | undefined {
	const id = asObject(response)?.["id"];
	return isAnswerId(id) ? id : undefined;
}

const ITEMS_REMEMBERED = 64;

/** Ids under which OpenAI keeps the items of a response, for `item_reference`; none where the caller said not to store it. */
export function itemIdsOf(response: unknown): readonly string[] {
	const body = asObject(response);
	const output = body?.["output"];
	if (!Array.isArray(output) || body?.["store"] === false) return [];
	const ids = output.map((item) => asObject(item)?.["id"]).filter(isItemId);
	return [...new Set(ids)].slice(0, ITEMS_REMEMBERED);
}

/** Answer of POST /v1/embeddings: input only. */
export function usageOfEmbeddings(answer: unknown): ReportedUsage {
	const body = asObject(answer);
	const usage = asObject(body?.["usage"]);
	if (!body || !usage) return unusable("usage is missing");
	return reportUsage(() => {
		const inputTokens = requiredCount(usage, "prompt_tokens");
		checkTotal(usage, inputTokens);
		const read = { inputTokens, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 0, reasoningTokens: 0 };
		return { usage: read, model: asText(body["model"]), serviceTier: asText(body["service_tier"]) };
	});
}

function readChatUsage(usage: JsonObject): Usage {
	const input = optionalDetails(usage, "prompt_tokens_details");
	const output = optionalDetails(usage, "completion_tokens_details");
	const inputTokens = requiredCount(usage, "prompt_tokens");
	const outputTokens = requiredCount(usage, "completion_tokens");
	checkTotal(usage, inputTokens + outputTokens);
	refuseAudio(input);
	refuseAudio(output);
	return {
		inputTokens,
		cachedInputTokens: optionalCount(input, "cached_tokens"),
		cacheWrite5mTokens: optionalCount(input, "cache_write_tokens"),
		cacheWrite1hTokens: 0,
		outputTokens,
		reasoningTokens: optionalCount(output, "reasoning_tokens"),
	};
}

function readResponsesUsage(usage: JsonObject): Usage {
	const input = optionalDetails(usage, "input_tokens_details");
	const output = optionalDetails(usage, "output_tokens_details");
	const inputTokens = requiredCount(usage, "input_tokens");
	const outputTokens = requiredCount(usage, "output_tokens");
	checkTotal(usage, inputTokens + outputTokens);
	refuseTwelveHourWrites(input);
	return {
		inputTokens,
		cachedInputTokens: optionalCount(input, "cached_tokens"),
		cacheWrite5mTokens: optionalCount(input, "cache_write_tokens"),
		cacheWrite1hTokens: 0,
		outputTokens,
		reasoningTokens: optionalCount(output, "reasoning_tokens"),
	};
}

/** A total that is not the sum means tokens nobody told us about, or a part larger than the whole. */
function checkTotal(usage: JsonObject, sum: number): void {
	if (usage["total_tokens"] === undefined || usage["total_tokens"] === null) return;
	const total = requiredCount(usage, "total_tokens");
	if (total !== sum) throw new UnusableCount(`usage.total_tokens is ${total}, its parts are ${sum}`);
}

/** Audio tokens have their own price, which the book does not carry. */
function refuseAudio(details: JsonObject | undefined): void {
	if (optionalCount(details, "audio_tokens") > 0) throw new UnusableCount("usage.audio_tokens have no price");
}

/** Writes kept for 12 hours are dearer than those kept for 30 minutes, and their price is not published. */
function refuseTwelveHourWrites(details: JsonObject | undefined): void {
	const writes = details ? optionalDetails(details, "cache_write_tokens_details") : undefined;
	if (optionalCount(writes, "ttl_12h_tokens") > 0) throw new UnusableCount("usage.ttl_12h_tokens have no price");
}

/** Output items that cost nothing by themselves: our side ran them, or only their tokens are billed. */
const FREE_CALLS: ReadonlySet<string> = new Set([
	"function_call",
	"custom_tool_call",
	"computer_call",
	"local_shell_call",
	"apply_patch_call",
	"mcp_call",
	"tool_search_call",
]);

/**
 * Provider-hosted calls by fee name: every item type that ends in `_call` and is not known to be free, so that a
 * new hosted tool shows up as unpriced instead of as nothing. Only web search *searches* are billed, not page views.
 */
function countHostedCalls(body: JsonObject): Record<string, number> | undefined {
	const output = body["output"];
	if (!Array.isArray(output)) return undefined;
	const searchName = usesSearchPreview(body) ? "web_search_preview" : "web_search";
	const calls = new Map<string, number>();
	for (const item of output) {
		const type = asText(asObject(item)?.["type"]);
		if (!type?.endsWith("_call") || FREE_CALLS.has(type)) continue;
		if (type === "web_search_call" && !isSearch(item)) continue;
		const name = type === "web_search_call" ? searchName : type.slice(0, -"_call".length);
		calls.set(name, (calls.get(name) ?? 0) + 1);
	}
	return calls.size === 0 ? undefined : Object.fromEntries(calls);
}

function isSearch(item: unknown): boolean {
	const action = asText(asObject(asObject(item)?.["action"])?.["type"]);
	return action === undefined || action === "search";
}

/** The answer echoes the request's tools; the preview tool has its own fee on some models. */
function usesSearchPreview(body: JsonObject): boolean {
	const tools = body["tools"];
	return Array.isArray(tools) && tools.some((tool) => asText(asObject(tool)?.["type"])?.startsWith("web_search_preview"));
}
