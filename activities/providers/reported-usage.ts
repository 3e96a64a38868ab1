import { readAnswerCalls } from "#domain/agents/read-answer-calls.ts";
import { NO_CALLS, type ToolCall } from "#domain/agents/run-event.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { NO_USAGE, type ReportedUsage } from "#domain/usage/usage.ts";
import { parseEmbeddingsBody } from "./embeddings-body.ts";
import { parseJson } from "./json.ts";
import { unusable } from "./token-counts.ts";
import { usageOfMessage } from "./usage-anthropic.ts";
import { answerIdOf, itemIdsOf, usageOfChatCompletion, usageOfEmbeddings, usageOfResponse } from "./usage-openai.ts";

/** Usage of a complete, parsed 2xx answer. Counting tokens is free on both protocols' providers, so it reports none. */
export function usageOfAnswer(endpoint: Endpoint, answer: unknown): ReportedUsage {
	switch (endpoint) {
		case "chat.completions":
			return usageOfChatCompletion(answer);
		case "responses":
			return usageOfResponse(answer);
		case "embeddings":
			return usageOfEmbeddings(answer);
		case "messages":
			return usageOfMessage(answer);
		case "count_tokens":
			return { kind: "usable", usage: NO_USAGE, model: undefined, serviceTier: undefined };
	}
}

/** What the books take from a received answer. `answerId`, `itemIds`: it and its items are kept by the provider under these (responses only). */
export type ReadAnswer = {
	readonly reported: ReportedUsage;
	readonly answerId: string | undefined;
	readonly itemIds: readonly string[];
	/** Tool calls it makes; read only where asked for. */
	readonly calls: readonly ToolCall[];
};

const NOTHING_KEPT = { answerId: undefined, itemIds: [], calls: NO_CALLS };

/** The same from the received bytes; a body that is not JSON is unusable. */
export function readAnswer(endpoint: Endpoint, body: Buffer, readsCalls = false): ReadAnswer {
	if (endpoint === "count_tokens") return { reported: usageOfAnswer(endpoint, undefined), ...NOTHING_KEPT };
	const answer = endpoint === "embeddings" ? parseEmbeddingsBody(body) : parseJson(body.toString("utf8"));
	if (answer === undefined) return { reported: unusable("the answer is not JSON"), ...NOTHING_KEPT };
	const reported = usageOfAnswer(endpoint, answer);
	const calls = readsCalls ? readAnswerCalls(endpoint, answer) : NO_CALLS;
	return endpoint === "responses" ? { reported, answerId: answerIdOf(answer), itemIds: itemIdsOf(answer), calls } : { reported, ...NOTHING_KEPT, calls };
}
