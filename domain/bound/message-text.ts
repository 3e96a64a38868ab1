import type { Endpoint } from "./request.ts";
import { isObject } from "./walk.ts";

/**
 * Texts that a tokenizer may count exactly, because the provider encodes each of them alone: the content of a message
 * that is one string or one text part. Where several parts stand in a message it is not said how they are joined, so
 * they stay at their bytes, as do tools, schemas, names and everything else.
 */
export function messageTexts(endpoint: Endpoint, body: unknown): readonly string[] {
	if (!isObject(body)) return [];
	if (endpoint === "chat.completions") return textsOf(body["messages"]);
	if (endpoint !== "responses") return [];
	const { input, instructions } = body;
	return [...(typeof instructions === "string" ? [instructions] : []), ...(typeof input === "string" ? [input] : textsOf(input))];
}

function textsOf(messages: unknown): readonly string[] {
	if (!Array.isArray(messages)) return [];
	return messages.flatMap((message) => {
		const text = isMessage(message) ? soleText(message["content"]) : undefined;
		return text === undefined ? [] : [text];
	});
}

/** Items of a response that are no messages (tool calls, sealed reasoning) have a type of their own. */
function isMessage(message: unknown): message is Readonly<Record<string, unknown>> {
	return isObject(message) && typeof message["role"] === "string" && (message["type"] === undefined || message["type"] === "message");
}

const TEXT_PARTS: readonly unknown[] = ["text", "input_text", "output_text"];

function soleText(content: unknown): string | undefined {
	if (typeof content === "string") return content;
	const [part] = Array.isArray(content) && content.length === 1 ? content : [];
	return isObject(part) && TEXT_PARTS.includes(part["type"]) && typeof part["text"] === "string" ? part["text"] : undefined;
}
