import { GEOGRAPHY_MARK } from "#domain/pricing/price-tier.ts";
import type { ReportedUsage, Usage } from "#domain/usage/usage.ts";
import { asObject, asText, type JsonObject } from "./json.ts";
import { optionalCount, optionalDetails, reportUsage, requiredCount, UnusableCount, unusable } from "./token-counts.ts";

/**
 * Usage in Anthropic answers. `input_tokens` there *excludes* cache reads and writes, so the normal
 * form adds the three; `output_tokens` includes thinking (@anthropic-ai/sdk 1.12.0 messages.d.ts).
 */

/** Answer of POST /v1/messages. */
export function usageOfMessage(answer: unknown): ReportedUsage {
	const body = asObject(answer);
	const usage = asObject(body?.["usage"]);
	if (!body || !usage) return unusable("usage is missing");
	return usageOfMessageParts(asText(body["model"]), usage);
}

/** The same from a model id and a usage object, which a stream sends in pieces. */
export function usageOfMessageParts(model: string | undefined, usage: JsonObject): ReportedUsage {
	return reportUsage(() => ({ usage: readUsage(usage), model, serviceTier: readTier(usage) }));
}

function readUsage(usage: JsonObject): Usage {
	const parts = [readTokens(usage), ...compactions(usage).map(readTokens)];
	const sum = (field: keyof Omit<Usage, "toolCalls">): number => parts.reduce((total, part) => total + part[field], 0);
	const toolCalls = readToolCalls(usage);
	return {
		inputTokens: sum("inputTokens"),
		cachedInputTokens: sum("cachedInputTokens"),
		cacheWrite5mTokens: sum("cacheWrite5mTokens"),
		cacheWrite1hTokens: sum("cacheWrite1hTokens"),
		outputTokens: sum("outputTokens"),
		reasoningTokens: sum("reasoningTokens"),
		...(toolCalls ? { toolCalls } : {}),
	};
}

function readTokens(usage: JsonObject): Usage {
	const uncached = requiredCount(usage, "input_tokens");
	const cachedInputTokens = optionalCount(usage, "cache_read_input_tokens");
	const writes = readWrites(usage);
	return {
		inputTokens: uncached + cachedInputTokens + writes.fiveMinutes + writes.oneHour,
		cachedInputTokens,
		cacheWrite5mTokens: writes.fiveMinutes,
		cacheWrite1hTokens: writes.oneHour,
		outputTokens: requiredCount(usage, "output_tokens"),
		reasoningTokens: optionalCount(optionalDetails(usage, "output_tokens_details"), "thinking_tokens"),
	};
}

/**
 * Cache writes by time to live. A stream's later deltas repeat only the total, so what the split of
 * `message_start` does not cover counts at the dearest time to live that split shows, 5 minutes
 * (the request default) where there is none.
 */
function readWrites(usage: JsonObject): { fiveMinutes: number; oneHour: number } {
	const split = optionalDetails(usage, "cache_creation");
	const fiveMinutes = optionalCount(split, "ephemeral_5m_input_tokens");
	const oneHour = optionalCount(split, "ephemeral_1h_input_tokens");
	const isTotalGiven = usage["cache_creation_input_tokens"] !== undefined && usage["cache_creation_input_tokens"] !== null;
	if (!isTotalGiven) return { fiveMinutes, oneHour };
	const rest = optionalCount(usage, "cache_creation_input_tokens") - fiveMinutes - oneHour;
	if (rest < 0) throw new UnusableCount("usage.cache_creation_input_tokens is smaller than its parts");
	return oneHour > 0 ? { fiveMinutes, oneHour: oneHour + rest } : { fiveMinutes: fiveMinutes + rest, oneHour };
}

/**
 * Sub-inferences of beta answers. Compaction tokens are not in the top-level counts and are added;
 * an advisor or fallback entry ran on another model, which one price line cannot price.
 */
function compactions(usage: JsonObject): readonly JsonObject[] {
	const iterations = usage["iterations"];
	if (iterations === undefined || iterations === null) return [];
	if (!Array.isArray(iterations)) throw new UnusableCount("usage.iterations is not a list");
	return iterations.flatMap((item, index) => {
		const entry = asObject(item);
		if (entry?.["type"] === "message") return [];
		if (entry?.["type"] === "compaction") return [entry];
		throw new UnusableCount(`usage.iterations[${index}] is neither message nor compaction`);
	});
}

/** `web_search_requests: 2` → `{ web_search: 2 }`. */
function readToolCalls(usage: JsonObject): Record<string, number> | undefined {
	const tools = optionalDetails(usage, "server_tool_use");
	if (!tools) return undefined;
	const calls = Object.keys(tools)
		.map((field) => [field.replace(/_requests$/, ""), optionalCount(tools, field)] as const)
		.filter(([, count]) => count > 0);
	return calls.length > 0 ? Object.fromEntries(calls) : undefined;
}

/** Geographies that leave the list price alone; any other is named beside the tier, for the price it has. */
const NEUTRAL_GEOGRAPHIES: ReadonlySet<string> = new Set(["global", "not_available"]);

/** Fast mode is a price of its own and wins over the tier's name. */
function readTier(usage: JsonObject): string | undefined {
	const speed = asText(usage["speed"]);
	const tier = speed !== undefined && speed !== "standard" ? speed : asText(usage["service_tier"]);
	const geography = asText(usage["inference_geo"]);
	return geography === undefined || NEUTRAL_GEOGRAPHIES.has(geography) ? tier : `${tier ?? "standard"}${GEOGRAPHY_MARK}${geography}`;
}
