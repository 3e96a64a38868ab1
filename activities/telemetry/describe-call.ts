import type { Attributes } from "@opentelemetry/api";
import { toWire } from "#domain/money/wire.ts";
import type { CallTrace, HeardAnswer, TriedAttempt } from "./call-trace.ts";
import { boundedJson } from "./message-parts.ts";
import { withoutOwnKeys } from "./own-secrets.ts";
import { type AnswerFacts, readKeptAnswer } from "./read-answer.ts";
import { type RequestFacts, readRequest } from "./read-request.ts";
import { aboveZero, defined, moneyAttributes, operationAttributes, operationOf, payerAttributes, spanNameOf, usageAttributes } from "./span-attributes.ts";
import type { DescribedSpan, DescribeOptions } from "./span-queue.ts";

/** A call as a span. */
export function describeCall(trace: CallTrace, { contentBytesMax }: DescribeOptions): DescribedSpan {
	const { call, tries } = trace;
	const tried = tries.at(-1);
	const answer = tried?.answer;
	const wantsContent = contentBytesMax !== undefined;
	const request = readRequest(call.endpoint, trace.body ?? NO_BYTES, wantsContent);
	const answered = answer && readKeptAnswer(call.endpoint, answer, wantsContent);
	const errorType = errorTypeOf(trace, tried, answered);
	const clean = cleanerFor(answer);
	const model = answer?.deployment.model ?? (request.model && clean(request.model).slice(0, 256));
	const operation = operationOf(call.endpoint);
	const attributes: Attributes = {
		...operationAttributes({ operation, model, provider: tried?.provider ?? call.protocol, origin: answer?.deployment.origin }),
		...request.parameters,
		...answerAttributes(tried, answered, answer),
		...callMoney(trace, tried),
		...callAttributes(trace, tried, request.model && clean(request.model)),
		...attributionAttributes(trace, clean),
		...(errorType !== undefined && { "error.type": errorType }),
		...(contentBytesMax !== undefined && contentAttributes({ request, answered, answer, contentBytesMax })),
	};
	return {
		name: spanNameOf(operation, model),
		attributes: defined(attributes),
		events: tries.length > 1 ? tries.map((attempt) => attemptEvent(trace, attempt)) : [],
		errorType,
		parent: call.parent,
		startedAtMs: trace.startedAtEpochMs,
		endedAtMs: epochOf(trace, trace.endedAtMs),
	};
}

const NO_BYTES = Buffer.alloc(0);

/** Instants of a trace are on the monotonic clock, but for its beginning. */
function epochOf({ startedAtEpochMs, startedAtMs }: CallTrace, atMs: number): number {
	return startedAtEpochMs + (atMs - startedAtMs);
}

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

function callMoney({ tries }: CallTrace, tried: TriedAttempt | undefined): Attributes {
	return moneyAttributes({
		costNanoUsd: tries.reduce((sum, attempt) => sum + attempt.costNanoUsd, 0n),
		reservedNanoUsd: tried?.reservedNanoUsd,
		usage: tried?.usage,
		outcome: tried?.outcome,
		reason: tried?.reason,
		priceVersion: tried?.priceVersion,
	});
}

function callAttributes(trace: CallTrace, tried: TriedAttempt | undefined, askedModel: string | undefined): Attributes {
	const { call, refused, tries } = trace;
	return {
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

function attributionAttributes({ call, asserted, run, runId }: CallTrace, clean: (text: string) => string): Attributes {
	const { key, requestId } = call;
	const { teamId, keyId, environment } = key;
	const user = asserted.user ?? key.userId ?? undefined;
	const feature = asserted.feature ?? key.feature ?? undefined;
	const named = runId ?? run?.claim?.runId;
	const conversation = named && clean(named);
	return {
		...payerAttributes({ teamId, keyId, environment, requestId, feature: feature && clean(feature), user: user && clean(user) }),
		"tollgate.run.id": conversation,
		"gen_ai.conversation.id": conversation,
		"gen_ai.agent.name": run?.agent ? clean(run.agent) : undefined,
		"langfuse.session.id": conversation?.slice(0, 200),
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

function attemptEvent(trace: CallTrace, tried: TriedAttempt): DescribedSpan["events"][number] {
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
	return { name: "tollgate.attempt", attributes: defined(attributes), atMs: epochOf(trace, tried.reservedAtMs) };
}
