import { arrayOrEmpty, isObject, type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import { type Prompt, PromptBuilder } from "../prompt.ts";
import type { Breakpoint } from "../prompt-cache.ts";
import { ProviderError } from "../provider-error.ts";
import { TOKENS_PER_DOCUMENT, TOKENS_PER_IMAGE_ANTHROPIC } from "../tokens.ts";

/** A prompt with its cache marks, in the order the cache sees it: tools, system, messages. */
export type MarkedPrompt = Prompt & { readonly breakpoints: readonly Breakpoint[] };

export function invalid(message: string): ProviderError {
	return new ProviderError(400, message);
}

/** Throws the provider's 400 where model or messages are missing. */
export function messagesPrompt(body: JsonObject, bodyBytes: number): MarkedPrompt {
	if (typeof body["model"] !== "string" || body["model"] === "") throw invalid("model: Field required");
	const messages = body["messages"];
	if (!Array.isArray(messages) || messages.length === 0) throw invalid("messages: Field required");
	const reader = new BlockReader();
	for (const tool of arrayOrEmpty(body["tools"])) reader.readTool(objectOrEmpty(tool));
	reader.readContent(body["system"], false);
	for (const [index, message] of messages.entries()) {
		if (!isObject(message) || typeof message["role"] !== "string") throw invalid(`messages.${index}.role: Field required`);
		reader.prompt.beginMessage(false);
		reader.readContent(message["content"], message["role"] === "user");
	}
	reader.mark(body);
	return { ...reader.prompt.build(bodyBytes), breakpoints: reader.breakpoints };
}

class BlockReader {
	readonly prompt = new PromptBuilder();
	readonly breakpoints: Breakpoint[] = [];

	readTool(tool: JsonObject): void {
		const { cache_control: _, ...definition } = tool;
		this.prompt.addJson(definition);
		this.mark(tool);
	}

	readContent(content: unknown, isUser: boolean): void {
		if (typeof content === "string") {
			this.#readText(content, isUser);
			return;
		}
		for (const part of arrayOrEmpty(content)) this.#readBlock(objectOrEmpty(part), isUser);
	}

	/** Records a mark at this place when the object carries a `cache_control`. */
	mark(holder: JsonObject): void {
		const control = holder["cache_control"];
		if (!isObject(control)) return;
		const ttl = control["ttl"] === "1h" ? "1h" : "5m";
		this.breakpoints.push({ prefix: this.prompt.texts.join("\n"), tokens: this.prompt.tokensSoFar, ttl });
	}

	#readBlock(block: JsonObject, isUser: boolean): void {
		switch (block["type"]) {
			case "image":
				this.prompt.addMediaTokens(TOKENS_PER_IMAGE_ANTHROPIC);
				break;
			case "document":
				this.prompt.addMediaTokens(TOKENS_PER_DOCUMENT);
				break;
			case "tool_use":
				this.prompt.addText(textOrEmpty(block["name"]));
				this.prompt.addJson(block["input"]);
				break;
			case "tool_result":
				this.prompt.addToolResult();
				this.readContent(block["content"], false);
				break;
			case "thinking":
				this.prompt.addText(textOrEmpty(block["thinking"]));
				break;
			default:
				this.#readText(textOrEmpty(block["text"]), isUser);
		}
		this.mark(block);
	}

	#readText(text: string, isUser: boolean): void {
		this.prompt.addText(text);
		if (isUser) this.prompt.lastUserText = text;
	}
}
