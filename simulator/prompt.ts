import { countJsonTokens, countTextTokens, TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST } from "./tokens.ts";

/** A prompt as both protocols see it: its texts in order and its size in tokens. */
export type Prompt = {
	readonly texts: readonly string[];
	readonly inputTokens: number;
	readonly lastUserText: string;
	readonly endsWithToolResult: boolean;
	/** Results of tools among its messages. */
	readonly toolResults: number;
};

/**
 * Collects the parts of a prompt. Text and JSON never count more than their bytes in the body; the sum of both
 * and of the per-message constants is held to the body's length, so only media can cost more than bytes.
 */
export class PromptBuilder {
	readonly texts: string[] = [];
	lastUserText = "";
	endsWithToolResult = false;
	#toolResults = 0;
	#textTokens = TOKENS_PER_REQUEST;
	#mediaTokens = 0;

	addText(text: string): void {
		if (text === "") return;
		this.texts.push(text);
		this.#textTokens += countTextTokens(text);
	}

	addJson(value: unknown): void {
		if (value === undefined || value === null) return;
		this.texts.push(JSON.stringify(value));
		this.#textTokens += countJsonTokens(value);
	}

	addMediaTokens(tokens: number): void {
		this.#mediaTokens += tokens;
	}

	/** Opens a message; its texts follow. */
	beginMessage(isToolResult: boolean): void {
		this.#textTokens += TOKENS_PER_MESSAGE;
		this.endsWithToolResult = false;
		if (isToolResult) this.addToolResult();
	}

	/** The message has one (Anthropic), or is one (OpenAI). */
	addToolResult(): void {
		this.endsWithToolResult = true;
		this.#toolResults += 1;
	}

	/** Tokens so far, for cache marks. */
	get tokensSoFar(): number {
		return this.#textTokens + this.#mediaTokens;
	}

	build(bodyBytes: number): Prompt {
		return {
			texts: this.texts,
			inputTokens: Math.min(this.#textTokens, bodyBytes) + this.#mediaTokens,
			lastUserText: this.lastUserText,
			endsWithToolResult: this.endsWithToolResult,
			toolResults: this.#toolResults,
		};
	}
}
