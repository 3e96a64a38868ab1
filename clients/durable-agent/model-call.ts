import type { CallModelInput, ModelAnswer } from "#workflows/durable-agent/messages.ts";
import { type TranscriptStore, writeOnce } from "../transcripts.ts";
import { messagesRequest, readMessagesAnswer } from "./anthropic-messages.ts";
import { chatRequest, readChatAnswer } from "./chat-completions.ts";
import {
	type Conversation,
	callsToRun,
	parseAnswer,
	readConversation,
	readText,
	requireProtocol,
	type StoredAnswer,
	type StoredResult,
} from "./conversation.ts";
import { outcomeOf, readGatewayError } from "./gateway-answers.ts";
import { keys } from "./keys.ts";

/** One step asked through the gateway with the official clients, paid once: its key is its name, and its answer is written down. */

export type GatewayAccess = { readonly baseUrl: string; readonly key: string };
type Answer = Pick<StoredAnswer, "message" | "text" | "calls" | "isCutOff">;
type Sent = { readonly headers: Headers; readonly read: () => Answer };
type CallOptions = { readonly headers: Record<string, string>; readonly timeout: number; readonly signal: AbortSignal; readonly maxRetries: 0 };

const LOST_RESULT: StoredResult = {
	end: "unknown",
	text: "Nobody knows whether this call was made: the process that ran it is gone. It was not made again. Look at what it would have changed before you call it again.",
};
const COST_HEADER = "x-tollgate-cost-nano-usd";

/** @throws ApplicationFailure where it is to be tried again, or never will be answered. */
export async function callModel(access: GatewayAccess, store: TranscriptStore, call: CallModelInput, signal: AbortSignal): Promise<ModelAnswer> {
	const key = keys.answer(call.runId, call.step);
	const known = await store.read(key);
	if (known !== undefined) return answered(parseAnswer(known), await toolsOf(store, call));
	for (const index of call.lostCalls) await writeOnce(store, keys.result(call.runId, call.step - 1, index), JSON.stringify(LOST_RESULT));
	const conversation = await readConversation(store, call);
	requireProtocol(conversation, call.protocol);
	const sent = await send(access, call, conversation, signal).catch((error: unknown) => {
		signal.throwIfAborted();
		return outcomeOf(readGatewayError(error), call.runId, Date.now());
	});
	if ("kind" in sent) return sent;
	const { headers } = sent;
	const cost = headers.get(COST_HEADER) ?? "";
	const stored: StoredAnswer = {
		protocol: call.protocol,
		...sent.read(),
		costNanoUsd: /^\d{1,30}$/.test(cost) ? cost : "0",
		requestId: headers.get("x-tollgate-request-id") ?? "",
	};
	return answered(parseAnswer(await writeOnce(store, key, JSON.stringify(stored))), conversation.tools);
}

function answered(answer: StoredAnswer, tools: Conversation["tools"]): ModelAnswer {
	return {
		kind: "answered",
		calls: callsToRun(answer, tools),
		isFinal: answer.calls.length === 0,
		isCutOff: answer.isCutOff,
		costNanoUsd: answer.costNanoUsd,
	};
}

async function toolsOf(store: TranscriptStore, { toolsRef }: CallModelInput): Promise<Conversation["tools"]> {
	return JSON.parse(await readText(store, toolsRef)) as Conversation["tools"];
}

/** The clients are loaded where they are used, and try nothing again: Temporal does. */
async function send(access: GatewayAccess, call: CallModelInput, conversation: Conversation, signal: AbortSignal): Promise<Sent> {
	const options: CallOptions = { headers: headersOf(call), timeout: call.timeoutMs, signal, maxRetries: 0 };
	if (call.protocol === "messages") {
		const { default: Anthropic } = await import("@anthropic-ai/sdk");
		const client = new Anthropic({ baseURL: access.baseUrl, apiKey: access.key, authToken: null });
		const { data, response } = await client.messages.create(messagesRequest(conversation, call), options).withResponse();
		return { headers: response.headers, read: () => readMessagesAnswer(data) };
	}
	const { default: OpenAI } = await import("openai");
	const client = new OpenAI({ baseURL: `${access.baseUrl}/v1`, apiKey: access.key });
	const { data, response } = await client.chat.completions.create(chatRequest(conversation, call), options).withResponse();
	return { headers: response.headers, read: () => readChatAnswer(data) };
}

function headersOf({ runId, parentRunId, agent, step, attempt }: CallModelInput): Record<string, string> {
	return {
		"Idempotency-Key": attempt === 1 ? `${runId}/${step}` : `${runId}/${step}/${attempt}`,
		"x-tollgate-run": runId,
		...(parentRunId === null ? {} : { "x-tollgate-parent-run": parentRunId }),
		...(agent === null ? {} : { "x-tollgate-agent": agent }),
	};
}
