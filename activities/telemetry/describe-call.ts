import type { Attributes } from "@opentelemetry/api";
import type { Endpoint } from "#domain/bound/request.ts";
import { formatUsd, toWire } from "#domain/money/wire.ts";
import type { Usage } from "#domain/usage/usage.ts";
import type { CallTrace, HeardAnswer, TriedAttempt } from "./call-trace.ts";
import { boundedJson } from "./message-parts.ts";
import { withoutOwnKeys } from "./own-secrets.ts";
import { type AnswerFacts, readKeptAnswer } from "./read-answer.ts";
import { type RequestFacts, readRequest } from "./read-request.ts";

/**
 * A call as a span: the GenAI semantic conventions (open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md), what Langfuse
 * and LangSmith read beside them (langfuse.com/integrations/native/opentelemetry, docs.langchain.com/langsmith/trace-with-opentelemetry),
 * and our own names under `tollgate.`. docs/telemetry.md lists all of them.
 */
export type DescribedCall = {
	readonly name: string;
	readonly attributes: Attributes;
	/** One for each attempt, where there is more than one. Instants on the clock of the trace. */
	readonly events: readonly { readonly name: string; readonly attributes: Attributes; readonly atMs: number }[];
	/** Undefined where the call did not fail. */
	readonly errorType: string | undefined;
};

export type DescribeOptions = {
	/** Of each attribute that shows what was said; undefined: none is sent. */
	readonly contentBytesMax: number | undefined;
};

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

export function describeCall(trace: CallTrace, { contentBytesMax }: DescribeOptions): DescribedCall {
	const { call, tries } = trace;
	const tried = tries.at(-1);
	const answer = tried?.answer;
	const wantsContent = contentBytesMax !== undefined;
	const request = readRequest(call.endpoint, trace.body ?? NO_BYTES, wantsContent);
	const answered = answer && readKeptAnswer(call.endpoint, answer, wantsContent);
	const errorType = errorTypeOf(trace, tried, answered);
	const clean = cleanerFor(answer);
	const model = answer?.deployment.model ?? (request.model && clean(request.model).slice(0, 256));
	const operation = OPERATIONS[call.endpoint];
	const attributes: Attributes = {
		...operationAttributes(trace, { operation, model, answer }),
		...request.parameters,
		...answerAttributes(tried, answered, answer),
		...moneyAttributes(trace, tried),
		...callAttributes(trace, tried, request.model && clean(request.model)),
		...attributionAttributes(trace, clean),
		...(errorType !== undefined && { "error.type": errorType }),
		...(contentBytesMax !== undefined && contentAttributes({ request, answered, answer, contentBytesMax })),
	};
	return {
		name: model === undefined ? operation : `${operation} ${model}`,
		attributes: defined(attributes),
		events: tries.length > 1 ? tries.map(attemptEvent) : [],
		errorType,
	};
}

const NO_BYTES = Buffer.alloc(0);

/** Texts that callers make up, without our keys and without the provider's. */
function cleanerFor(answer: HeardAnswer | undefined): (text: string) => string {
	return (text) => {
		const own = withoutOwnKeys(text);
		return answer === undefined ? own : answer.redaction.body(Buffer.from(own)).toString("utf8");
	};
}

/** Tollgate's code, the provider's, or the status: never a message, which may repeat what was said. */
function errorTypeOf({ refused }: CallTrace, tried: TriedAttempt | undefined, answered: AnswerFacts | undefined): string | undefined {
	if (refused !== undefined) return refused.code;
	if (tried === undefined) return undefined;
	const status = tried.answer?.status ?? 0;
	if (status >= 400) return answered?.errorCode ?? String(status);
	if (answered?.errorCode !== undefined) return answered.errorCode;
	const failure = tried.answer?.failure;
	// Cut by us, for a caller who left, is no failure of the call.
	return failure === "aborted" ? undefined : failure;
}

type Operation = { readonly operation: string; readonly model: string | undefined; readonly answer: HeardAnswer | undefined };

function operationAttributes({ call, tries }: CallTrace, { operation, model, answer }: Operation): Attributes {
	const name = tries.at(-1)?.provider ?? call.protocol;
	const provider = PROVIDERS[name] ?? name;
	const isEmbedding = operation === "embeddings";
	const isModelCall = operation !== "count_tokens";
	return {
		"gen_ai.operation.name": operation,
		"gen_ai.provider.name": provider,
		// The name it had before version 1.37 of the conventions; LangSmith reads no other.
		"gen_ai.system": provider,
		"gen_ai.request.model": model,
		...(answer && serverAttributes(answer.deployment.origin)),
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

function answerAttributes(tried: TriedAttempt | undefined, answered: AnswerFacts | undefined, answer: HeardAnswer | undefined): Attributes {
	if (tried === undefined) return {};
	const { firstDataAtMs, sentAtMs, isStream } = answer ?? {};
	const firstChunkMs = isStream === true && firstDataAtMs !== undefined && sentAtMs !== undefined ? firstDataAtMs - sentAtMs : undefined;
	return {
		"gen_ai.response.id": answered?.id,
		"gen_ai.response.model": tried.answeredModel,
		...(answered && answered.finishReasons.length > 0 && { "gen_ai.response.finish_reasons": [...answered.finishReasons] }),
		"gen_ai.response.time_to_first_chunk": firstChunkMs === undefined ? undefined : firstChunkMs / 1000,
		"openai.response.service_tier": tried.serviceTier,
		...(tried.usage && usageAttributes(tried.usage)),
	};
}

/** `inputTokens` includes what was read from and written to a cache, as the conventions want it. */
function usageAttributes(usage: Usage): Attributes {
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

function aboveZero(count: number): number | undefined {
	return count > 0 ? count : undefined;
}

/** Dollars are for those who only read them; the amount of the books is `tollgate.cost.nano_usd`. */
function moneyAttributes({ tries }: CallTrace, tried: TriedAttempt | undefined): Attributes {
	const costNanoUsd = tries.reduce((sum, attempt) => sum + attempt.costNanoUsd, 0n);
	const costUsd = formatUsd(costNanoUsd);
	return {
		"gen_ai.usage.cost": Number(costUsd),
		// Exact, since JSON has decimals.
		"langfuse.observation.cost_details": `{"total":${costUsd}}`,
		"langsmith.usage_metadata": JSON.stringify({ ...(tried?.usage && langsmithUsage(tried.usage)), total_cost: Number(costUsd) }),
		"tollgate.cost.nano_usd": toWire(costNanoUsd),
		"tollgate.reserved.nano_usd": tried && toWire(tried.reservedNanoUsd),
		"tollgate.outcome": tried?.outcome,
		"tollgate.outcome.reason": tried?.reason,
		"tollgate.price.version": tried?.priceVersion,
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

function callAttributes(trace: CallTrace, tried: TriedAttempt | undefined, askedModel: string | undefined): Attributes {
	const { call, refused, tries } = trace;
	return {
		"tollgate.request.id": call.requestId,
		"tollgate.endpoint": call.endpoint,
		"tollgate.model.asked": askedModel?.slice(0, 256),
		"tollgate.model.alias": tried?.model,
		"tollgate.degraded_from": tried !== undefined && tried.askedModel !== tried.model ? tried.askedModel : undefined,
		"tollgate.clamped_output_tokens": tried?.clampedOutputTokens,
		"tollgate.deployment": tried?.answer?.deployment.name,
		"tollgate.attempt.id": tried?.attemptId,
		"tollgate.attempts": tries.length,
		"tollgate.provider.status": aboveZero(tried?.answer?.status ?? 0),
		"tollgate.response.status": aboveZero(trace.status),
		"tollgate.caller_left": trace.hasCallerLeft ? true : undefined,
		"tollgate.replay_of": trace.replayOf,
		"tollgate.cache": trace.replayOf === undefined ? undefined : "idempotent_replay",
		"tollgate.bodies_let_go": trace.body === undefined ? true : undefined,
		"tollgate.refusal.code": refused?.code,
		"tollgate.refusal.limit": refused?.limit,
		"tollgate.refusal.budget": refused?.refusal?.budget ?? undefined,
		"tollgate.refusal.budget_id": refused?.refusal?.budgetId,
		"tollgate.refusal.guard": refused?.refusal?.run?.hold.guard,
	};
}

/** What Langfuse takes for an environment; anything else it would file under "default". */
const LANGFUSE_ENVIRONMENT = /^(?!langfuse)[a-z0-9-_]{1,40}$/;

/** From the key, never from what the caller claims. */
function attributionAttributes({ call, asserted, run, runId }: CallTrace, clean: (text: string) => string): Attributes {
	const { key } = call;
	const { teamId, environment } = key;
	const user = asserted.user ?? key.userId ?? undefined;
	const feature = asserted.feature ?? key.feature ?? undefined;
	const named = runId ?? run?.claim?.runId;
	const conversation = named && clean(named);
	return {
		"tollgate.team": teamId,
		"tollgate.feature": feature && clean(feature),
		"tollgate.user": user && clean(user),
		"tollgate.environment": environment ?? undefined,
		"tollgate.key.id": key.keyId,
		"tollgate.run.id": conversation,
		"gen_ai.conversation.id": conversation,
		"gen_ai.agent.name": run?.agent ? clean(run.agent) : undefined,
		"langfuse.session.id": conversation?.slice(0, 200),
		"langfuse.user.id": user && clean(user).slice(0, 200),
		"langfuse.environment": environment !== null && LANGFUSE_ENVIRONMENT.test(environment) ? environment : undefined,
		"langfuse.observation.metadata.team": teamId,
		"langfuse.observation.metadata.feature": feature && clean(feature),
		"langfuse.observation.metadata.request_id": call.requestId,
		"langsmith.metadata.team": teamId,
		"langsmith.metadata.feature": feature && clean(feature),
		"langsmith.metadata.user_id": user && clean(user),
		"langsmith.metadata.thread_id": conversation,
	};
}

type Content = {
	readonly request: RequestFacts;
	readonly answered: AnswerFacts | undefined;
	readonly answer: HeardAnswer | undefined;
	readonly contentBytesMax: number;
};

function contentAttributes({ request, answered, answer, contentBytesMax }: Content): Attributes {
	const clean = cleanerFor(answer);
	const shown = [request.content?.messages ?? [], request.content?.system ?? [], answered?.messages ?? []].map((list) =>
		boundedJson(list, { bytesMax: contentBytesMax, clean }),
	);
	const [input, system, output] = shown.map((bounded) => bounded?.json);
	const stopSequences = request.content?.stopSequences ?? [];
	const isCut = shown.some((bounded) => bounded?.isCut === true) || (answered?.hasGap ?? false);
	return {
		"gen_ai.input.messages": input,
		"gen_ai.system_instructions": system,
		"gen_ai.output.messages": output,
		"gen_ai.request.stop_sequences": stopSequences.length > 0 ? stopSequences.map(clean) : undefined,
		"tollgate.content_cut": isCut ? true : undefined,
	};
}

function attemptEvent(tried: TriedAttempt): DescribedCall["events"][number] {
	const { answer } = tried;
	const attributes: Attributes = {
		"tollgate.attempt.id": tried.attemptId,
		"tollgate.deployment": answer?.deployment.name,
		"gen_ai.request.model": answer?.deployment.model,
		"tollgate.outcome": tried.outcome,
		"tollgate.outcome.reason": tried.reason,
		"tollgate.reserved.nano_usd": toWire(tried.reservedNanoUsd),
		"tollgate.cost.nano_usd": toWire(tried.costNanoUsd),
		"tollgate.provider.status": aboveZero(answer?.status ?? 0),
		"tollgate.duration_ms": tried.endedAtMs === 0 ? undefined : Math.round(tried.endedAtMs - tried.reservedAtMs),
	};
	return { name: "tollgate.attempt", attributes: defined(attributes), atMs: tried.reservedAtMs };
}

function defined(attributes: Attributes): Attributes {
	return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
