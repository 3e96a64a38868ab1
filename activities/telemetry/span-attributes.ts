import type { Attributes } from "@opentelemetry/api";
import type { Endpoint } from "#domain/bound/request.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import { formatUsd, toWire } from "#domain/money/wire.ts";
import type { Usage } from "#domain/usage/usage.ts";

/**
 * What spans of calls and of items say alike: the GenAI semantic conventions (open-telemetry/semantic-conventions-genai,
 * docs/gen-ai/gen-ai-spans.md), what Langfuse and LangSmith read beside them (langfuse.com/integrations/native/opentelemetry,
 * docs.langchain.com/langsmith/trace-with-opentelemetry), and our own names under `tollgate.`. docs/telemetry.md lists all of them.
 */

const OPERATIONS: Readonly<Record<Endpoint, string>> = {
	"chat.completions": "chat",
	responses: "chat",
	messages: "chat",
	embeddings: "embeddings",
	count_tokens: "count_tokens",
};
/** The conventions' names for providers that a table of providers may call otherwise. */
const PROVIDERS: Readonly<Record<string, string>> = {
	azure: "azure.ai.openai",
	bedrock: "aws.bedrock",
	aws: "aws.bedrock",
	google: "gcp.gemini",
	gemini: "gcp.gemini",
	vertex: "gcp.vertex_ai",
	mistral: "mistral_ai",
	xai: "x_ai",
	"x-ai": "x_ai",
};

export function operationOf(endpoint: Endpoint): string {
	return OPERATIONS[endpoint];
}

export function spanNameOf(operation: string, model: string | undefined): string {
	return model === undefined ? operation : `${operation} ${model}`;
}

export type Operation = {
	readonly operation: string;
	/** As the table of providers calls it, or the protocol. */
	readonly provider: string;
	readonly model: string | undefined;
	/** URL of the provider; undefined: not known, or it was sent nowhere. */
	readonly origin: string | undefined;
};

export function operationAttributes({ operation, provider: name, model, origin }: Operation): Attributes {
	const provider = PROVIDERS[name] ?? name;
	const isEmbedding = operation === "embeddings";
	const isModelCall = operation !== "count_tokens";
	return {
		"gen_ai.operation.name": operation,
		"gen_ai.provider.name": provider,
		// The name it had before version 1.37 of the conventions; LangSmith reads no other.
		"gen_ai.system": provider,
		"gen_ai.request.model": model,
		...(origin !== undefined && serverAttributes(origin)),
		"langfuse.observation.type": isEmbedding ? "embedding" : isModelCall ? "generation" : "span",
		"langsmith.span.kind": isEmbedding ? "embedding" : isModelCall ? "llm" : "chain",
	};
}

function serverAttributes(origin: string): Attributes {
	const url = URL.parse(origin);
	if (url === null) return {};
	const standardPort = url.protocol === "https:" ? 443 : 80;
	return { "server.address": url.hostname, "server.port": url.port === "" ? standardPort : Number(url.port) };
}

/** `inputTokens` includes what was read from and written to a cache, as the conventions want it. */
export function usageAttributes(usage: Usage): Attributes {
	const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
	const cacheWrites = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
	return {
		"gen_ai.usage.input_tokens": inputTokens,
		"gen_ai.usage.output_tokens": outputTokens,
		"gen_ai.usage.cache_read.input_tokens": aboveZero(cachedInputTokens),
		"gen_ai.usage.cache_creation.input_tokens": aboveZero(cacheWrites),
		"gen_ai.usage.reasoning.output_tokens": aboveZero(reasoningTokens),
	};
}

export function aboveZero(count: number): number | undefined {
	return count > 0 ? count : undefined;
}

export type Money = {
	readonly costNanoUsd: NanoUsd;
	readonly reservedNanoUsd: NanoUsd | undefined;
	readonly usage: Usage | undefined;
	readonly outcome: string | undefined;
	readonly reason: string | undefined;
	readonly priceVersion: number | undefined;
};

/** Dollars are for those who only read them; the amount of the books is `tollgate.cost.nano_usd`. */
export function moneyAttributes({ costNanoUsd, reservedNanoUsd, usage, outcome, reason, priceVersion }: Money): Attributes {
	const costUsd = formatUsd(costNanoUsd);
	return {
		"gen_ai.usage.cost": Number(costUsd),
		// Exact, since JSON has decimals.
		"langfuse.observation.cost_details": `{"total":${costUsd}}`,
		"langsmith.usage_metadata": JSON.stringify({ ...(usage && langsmithUsage(usage)), total_cost: Number(costUsd) }),
		"tollgate.cost.nano_usd": toWire(costNanoUsd),
		"tollgate.reserved.nano_usd": reservedNanoUsd === undefined ? undefined : toWire(reservedNanoUsd),
		"tollgate.outcome": outcome,
		"tollgate.outcome.reason": reason,
		"tollgate.price.version": priceVersion,
	};
}

function langsmithUsage(usage: Usage): Readonly<Record<string, unknown>> {
	const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
	return {
		input_tokens: inputTokens,
		output_tokens: outputTokens,
		total_tokens: inputTokens + outputTokens,
		input_token_details: { cache_read: cachedInputTokens, cache_creation: usage.cacheWrite5mTokens + usage.cacheWrite1hTokens },
		output_token_details: { reasoning: reasoningTokens },
	};
}

/** What Langfuse takes for an environment; anything else it would file under "default". */
const LANGFUSE_ENVIRONMENT = /^(?!langfuse)[a-z0-9-_]{1,40}$/;

export type Payer = {
	readonly teamId: string;
	readonly keyId: string;
	readonly environment: string | null;
	/** Without credentials. */
	readonly feature: string | undefined;
	readonly user: string | undefined;
	readonly requestId: string;
};

/** As the books have it, never as the caller claims. */
export function payerAttributes({ teamId, keyId, environment, feature, user, requestId }: Payer): Attributes {
	return {
		"tollgate.team": teamId,
		"tollgate.feature": feature,
		"tollgate.user": user,
		"tollgate.environment": environment ?? undefined,
		"tollgate.key.id": keyId,
		"tollgate.request.id": requestId,
		"langfuse.user.id": user?.slice(0, 200),
		"langfuse.environment": environment !== null && LANGFUSE_ENVIRONMENT.test(environment) ? environment : undefined,
		"langfuse.observation.metadata.team": teamId,
		"langfuse.observation.metadata.feature": feature,
		"langfuse.observation.metadata.request_id": requestId,
		"langsmith.metadata.team": teamId,
		"langsmith.metadata.feature": feature,
		"langsmith.metadata.user_id": user,
	};
}

/** Those that have a value. */
export function defined(attributes: Attributes): Attributes {
	return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
