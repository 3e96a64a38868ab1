import { arrayOrEmpty, isObject, type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import { type Prompt, PromptBuilder } from "../prompt.ts";
import { countTextTokens, TOKENS_PER_AUDIO, TOKENS_PER_DOCUMENT, TOKENS_PER_IMAGE_OPENAI, TOKENS_PER_LOW_DETAIL_IMAGE_OPENAI } from "../tokens.ts";
import { invalid } from "./request.ts";

/** Prompts of chat completions and responses, in the order the prompt cache sees them: tools first. */

export function chatPrompt(body: JsonObject, bodyBytes: number): Prompt {
	const messages = body["messages"];
	if (!Array.isArray(messages) || messages.length === 0) throw invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
	const prompt = new PromptBuilder();
	prompt.addJson(body["tools"]);
	prompt.addJson(objectOrEmpty(body["response_format"])["json_schema"]);
	for (const [index, message] of messages.entries()) {
		if (!isObject(message) || typeof message["role"] !== "string")
			throw invalid(`Invalid 'messages[${index}]': expected an object with a role.`, `messages[${index}]`);
		addMessage(prompt, message);
	}
	return prompt.build(bodyBytes);
}

/** Tokens of a predicted output; none of it matches, so all of it is billed as rejected. */
export function predictionTokens(body: JsonObject): number {
	const content = objectOrEmpty(body["prediction"])["content"];
	if (typeof content === "string") return countTextTokens(content);
	return arrayOrEmpty(content).reduce<number>((sum, part) => sum + countTextTokens(textOrEmpty(objectOrEmpty(part)["text"])), 0);
}

/** `input` is a text or a list of items; `earlierTokens` is what a previous response brings along. */
export function responsesPrompt(body: JsonObject, bodyBytes: number, earlierTokens: number): Prompt {
	const input = body["input"];
	if (typeof input !== "string" && !Array.isArray(input)) throw invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter");
	const prompt = new PromptBuilder();
	prompt.addJson(body["tools"]);
	prompt.addJson(objectOrEmpty(objectOrEmpty(body["text"])["format"])["schema"]);
	prompt.addText(textOrEmpty(body["instructions"]));
	prompt.addMediaTokens(earlierTokens);
	const items = typeof input === "string" ? [{ role: "user", content: input }] : input;
	for (const item of items) addMessage(prompt, objectOrEmpty(item));
	return prompt.build(bodyBytes);
}

function addMessage(prompt: PromptBuilder, message: JsonObject): void {
	const { type } = message;
	const isToolResult = message["role"] === "tool" || type === "function_call_output";
	prompt.beginMessage(isToolResult);
	prompt.addText(textOrEmpty(message["name"]));
	prompt.addText(textOrEmpty(message["arguments"]));
	addContent(prompt, message["content"] ?? message["output"], message["role"] === "user");
	for (const call of arrayOrEmpty(message["tool_calls"])) {
		const target = objectOrEmpty(objectOrEmpty(call)["function"]);
		prompt.addText(textOrEmpty(target["name"]));
		prompt.addText(textOrEmpty(target["arguments"]));
	}
}

function addContent(prompt: PromptBuilder, content: unknown, isUser: boolean): void {
	if (typeof content === "string") {
		prompt.addText(content);
		if (isUser) prompt.lastUserText = content;
		return;
	}
	for (const part of arrayOrEmpty(content)) addPart(prompt, objectOrEmpty(part), isUser);
}

function addPart(prompt: PromptBuilder, part: JsonObject, isUser: boolean): void {
	const { type } = part;
	if (type === "image_url" || type === "input_image") {
		const detail = part["detail"] ?? objectOrEmpty(part["image_url"])["detail"];
		prompt.addMediaTokens(detail === "low" ? TOKENS_PER_LOW_DETAIL_IMAGE_OPENAI : TOKENS_PER_IMAGE_OPENAI);
	} else if (type === "input_audio") {
		prompt.addMediaTokens(TOKENS_PER_AUDIO);
	} else if (type === "file" || type === "input_file") {
		prompt.addMediaTokens(TOKENS_PER_DOCUMENT);
	} else {
		const text = textOrEmpty(part["text"]) || textOrEmpty(part["refusal"]);
		prompt.addText(text);
		if (isUser) prompt.lastUserText = text;
	}
}
