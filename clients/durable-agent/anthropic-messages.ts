import type Anthropic from "@anthropic-ai/sdk";
import type { Conversation, Exchange, StoredAnswer } from "./conversation.ts";

/** A conversation as a request to /v1/messages, and its answer back. The same conversation makes the same bytes. */
export function messagesRequest(
	conversation: Conversation,
	{ model, outputTokensMax }: { readonly model: string; readonly outputTokensMax: number },
): Anthropic.MessageCreateParamsNonStreaming {
	const { prompt, tools, exchanges } = conversation;
	const definitions = tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters as Anthropic.Tool.InputSchema }));
	return {
		model,
		max_tokens: outputTokensMax,
		...(prompt.system === undefined ? {} : { system: prompt.system }),
		messages: [{ role: "user", content: prompt.user }, ...exchanges.flatMap(messagesOf)],
		...(definitions.length === 0 ? {} : { tools: definitions }),
	};
}

function messagesOf({ answer, results }: Exchange): Anthropic.MessageParam[] {
	const brought = answer.calls.map(({ callId }, index): Anthropic.ToolResultBlockParam => {
		const { end, text } = results[index] ?? { end: "unknown", text: "" };
		return { type: "tool_result", tool_use_id: callId, content: text, ...(end === "ok" ? {} : { is_error: true }) };
	});
	return [
		{ role: "assistant", content: answer.message as Anthropic.ContentBlockParam[] },
		{ role: "user", content: brought },
	];
}

export function readMessagesAnswer(message: Anthropic.Message): Pick<StoredAnswer, "message" | "text" | "calls" | "isCutOff"> {
	const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
	const calls = message.content.flatMap((block) =>
		block.type === "tool_use" ? [{ callId: block.id, tool: block.name, argsText: JSON.stringify(block.input) }] : [],
	);
	return { message: message.content, text, calls, isCutOff: message.stop_reason === "max_tokens" };
}
