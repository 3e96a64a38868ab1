import type OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import type { ReceivedSpan } from "#test/support/otlp-receiver.ts";
import { chatBody, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { messagesIn, useTelemetryStand } from "#test/support/telemetry-stand.ts";

/** What was said stands in a span only where that is asked for, in the form of the conventions, and bounded. */

const ANTHROPIC = ["x-api-key", TEST_KEY, "content-type", "application/json", "anthropic-version", "2023-06-01"];

const stand = useTelemetryStand();

describe("what was said, where it is asked for", () => {
	beforeEach(() => stand.start({ contentBytesMax: 4_096 }));

	test.each([false, true])("chat, stream %s: messages of both sides in the conventions' form", async (stream) => {
		const messages = [
			{ role: "system", content: "Be kind." },
			{
				role: "user",
				content: [
					{ type: "text", text: "hello" },
					{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
				],
			},
		];
		const answer = await rawCall(stand.gateway.url, { body: chatBody({}, { stream, messages, max_tokens: 12 }) });
		const span = await stand.onlySpan();
		expect(messagesIn(span, "gen_ai.input.messages")).toEqual([
			{ role: "system", parts: [{ type: "text", content: "Be kind." }] },
			{
				role: "user",
				parts: [
					{ type: "text", content: "hello" },
					{ type: "image", content: "[left out]" },
				],
			},
		]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { role: string; parts: { content: string }[]; finish_reason: string }[];
		expect(output).toMatchObject({ role: "assistant", finish_reason: "length" });
		expect(output?.parts[0]?.content.startsWith("[simulated]")).toBe(true);
		if (!stream) expect(output?.parts[0]?.content).toBe((JSON.parse(answer.body.toString()) as OpenAI.ChatCompletion).choices[0]?.message.content);
	});

	test.each([false, true])("Anthropic, stream %s: system instructions apart, tool calls with their arguments", async (stream) => {
		const tools = [{ name: "look_up", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
		const messages = [{ role: "user", content: `[[simulate:{"toolCall":"look_up"}]]` }];
		await rawCall(stand.gateway.url, {
			path: "/v1/messages",
			headers: ANTHROPIC,
			body: messagesBody({}, { model: "claude-sonnet-5-5", system: "Be kind.", tools, stream, messages }),
		});
		const span = await stand.onlySpan();
		expect(messagesIn(span, "gen_ai.system_instructions")).toEqual([{ type: "text", content: "Be kind." }]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { parts: { type: string; name?: string; arguments?: unknown }[]; finish_reason: string }[];
		expect(output?.finish_reason).toBe("tool_use");
		expect(output?.parts.find((part) => part.type === "tool_call")).toMatchObject({ name: "look_up", arguments: expect.any(Object) });
	});

	test.each([false, true])("responses, stream %s", async (stream) => {
		await rawCall(stand.gateway.url, {
			path: "/v1/responses",
			body: JSON.stringify({ model: "gpt-4o", max_output_tokens: 16, stream, instructions: "Be kind.", input: "hello" }),
		});
		const span = await stand.onlySpan();
		expect(messagesIn(span, "gen_ai.input.messages")).toEqual([{ role: "user", parts: [{ type: "text", content: "hello" }] }]);
		expect(messagesIn(span, "gen_ai.system_instructions")).toEqual([{ type: "text", content: "Be kind." }]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { parts: { content: string }[] }[];
		expect(output?.parts[0]?.content.startsWith("[simulated]")).toBe(true);
	});

	test("is bounded, and says that it was cut", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}, { messages: [{ role: "user", content: "x".repeat(100_000) }] }) });
		const { attributes } = await stand.onlySpan();
		expect(attributes["tollgate.content_cut"]).toBe(true);
		expect(Buffer.byteLength(String(attributes["gen_ai.input.messages"]))).toBeLessThanOrEqual(4_096);
		expect(messagesIn(stand.receiver.spans[0] as ReceivedSpan, "gen_ai.input.messages")).toMatchObject([{ role: "user" }]);
	});
});
