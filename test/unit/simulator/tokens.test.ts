import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messagesPrompt } from "#simulator/anthropic/input.ts";
import { chatPrompt, responsesPrompt } from "#simulator/openai/input.ts";
import { countTextTokens, TOKENS_PER_IMAGE_OPENAI, TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST } from "#simulator/tokens.ts";

const anyText = fc.string({ unit: "binary", maxLength: 300 });
const messages = fc.array(fc.record({ role: fc.constantFrom("user", "assistant", "system"), content: anyText }), { minLength: 1, maxLength: 6 });
const tools = fc.array(fc.record({ type: fc.constant("function"), function: fc.record({ name: anyText, parameters: fc.object() }) }), { maxLength: 3 });

describe("token counts", () => {
	it("never pass the bytes of a text", () => {
		fc.assert(fc.property(anyText, (text) => countTextTokens(text) <= Buffer.byteLength(text)));
	});

	it("never pass the texts' bytes and the constants", () => {
		fc.assert(
			fc.property(messages, (given) => {
				const body = { model: "gpt-4o", messages: given };
				const textBytes = given.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
				const bound = textBytes + TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE * given.length;
				expect(chatPrompt(body, Buffer.byteLength(JSON.stringify(body))).inputTokens).toBeLessThanOrEqual(bound);
			}),
		);
	});

	it("never pass the body's bytes on any endpoint, tools included", () => {
		fc.assert(
			fc.property(messages, tools, (given, offered) => {
				for (const body of [
					{ model: "m", messages: given, tools: offered },
					{ model: "m", input: given, tools: offered },
				]) {
					const bytes = Buffer.byteLength(JSON.stringify(body));
					const read = "input" in body ? responsesPrompt(body, bytes, 0) : chatPrompt(body, bytes);
					expect(read.inputTokens).toBeLessThanOrEqual(bytes);
					if ("messages" in body) expect(messagesPrompt(body, bytes).inputTokens).toBeLessThanOrEqual(bytes);
				}
			}),
		);
	});

	it("charges an image by its constant, not by its bytes", () => {
		const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(40_000)}` } };
		const body = { model: "gpt-4o", messages: [{ role: "user", content: [image] }] };
		expect(chatPrompt(body, 41_000).inputTokens).toBe(TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE_OPENAI);
	});
});
