import type { Answer, AnswerContext } from "./answer.ts";
import { messagesPrompt } from "./anthropic/input.ts";
import { answerMessage } from "./anthropic/messages.ts";
import { fitWindow } from "./context-window.ts";
import type { JsonObject } from "./json.ts";
import { answerChat, readChatPrompt } from "./openai/chat-completions.ts";
import { answerEmbeddings, readEmbeddingsPrompt } from "./openai/embeddings.ts";
import type { ResponseMemory } from "./openai/response-memory.ts";
import { answerResponse, readResponsesPrompt } from "./openai/responses.ts";
import type { Prompt } from "./prompt.ts";
import type { Protocol } from "./provider-error.ts";

/** The paid endpoints: a body becomes a prompt (which may carry a directive), then an answer. */

export type PaidRoute = {
	readonly protocol: Protocol;
	/** Both throw ProviderError for a request the real provider rejects. */
	readonly prepare: (
		body: JsonObject,
		bodyBytes: number,
		memory: ResponseMemory,
	) => { readonly prompt: Prompt; readonly answer: (context: AnswerContext) => Answer };
};

export const PAID_ROUTES: Readonly<Record<string, PaidRoute>> = {
	"/v1/chat/completions": {
		protocol: "openai",
		prepare: (body, bodyBytes) => {
			const prompt = fitWindow("openai", body, readChatPrompt(body, bodyBytes));
			return { prompt, answer: (context) => answerChat(body, prompt, context) };
		},
	},
	"/v1/responses": {
		protocol: "openai",
		prepare: (body, bodyBytes, memory) => {
			const prompt = fitWindow("openai", body, readResponsesPrompt(body, bodyBytes, memory));
			return { prompt, answer: (context) => answerResponse(body, prompt, context, memory) };
		},
	},
	"/v1/embeddings": {
		protocol: "openai",
		prepare: (body, bodyBytes) => {
			const prompt = readEmbeddingsPrompt(body, bodyBytes);
			return { prompt, answer: (context) => answerEmbeddings(body, context) };
		},
	},
	"/v1/messages": {
		protocol: "anthropic",
		prepare: (body, bodyBytes) => {
			const prompt = fitWindow("anthropic", body, messagesPrompt(body, bodyBytes));
			return { prompt, answer: (context) => answerMessage(body, prompt, context) };
		},
	},
};
