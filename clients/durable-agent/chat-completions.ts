import type OpenAI from "openai";
import type { Conversation, StoredAnswer, StoredCall } from "./conversation.ts";

/** A conversation as a request to /v1/chat/completions, and its answer back. The same conversation makes the same bytes. */
export function chatRequest(
	conversation: Conversation,
	{ model, outputTokensMax }: { readonly model: string; readonly outputTokensMax: number },
): OpenAI.ChatCompletionCreateParamsNonStreaming {
	const { prompt, tools, exchanges } = conversation;
	const messages: OpenAI.ChatCompletionMessageParam[] = prompt.system === undefined ? [] : [{ role: "system", content: prompt.system }];
	messages.push({ role: "user", content: prompt.user });
	for (const { answer, results } of exchanges) {
		messages.push(answer.message as OpenAI.ChatCompletionMessage);
		answer.calls.forEach(({ callId }, index) => {
			messages.push({ role: "tool", tool_call_id: callId, content: results[index]?.text ?? "" });
		});
	}
	const functions = tools.map(({ name, description, parameters }) => ({
		type: "function" as const,
		function: { name, description, parameters: { ...parameters } },
	}));
	return { model, max_completion_tokens: outputTokensMax, messages, ...(functions.length === 0 ? {} : { tools: functions }) };
}

/** @throws TypeError on an answer without a choice. */
export function readChatAnswer(completion: OpenAI.ChatCompletion): Pick<StoredAnswer, "message" | "text" | "calls" | "isCutOff"> {
	const [choice] = completion.choices;
	if (choice === undefined) throw new TypeError("the answer has no choice");
	const { message, finish_reason: reason } = choice;
	return { message, text: message.content ?? message.refusal ?? "", calls: (message.tool_calls ?? []).map(readCall), isCutOff: reason === "length" };
}

function readCall(call: OpenAI.ChatCompletionMessageToolCall): StoredCall {
	return call.type === "function"
		? { callId: call.id, tool: call.function.name, argsText: call.function.arguments }
		: { callId: call.id, tool: call.custom.name, argsText: call.custom.input };
}
