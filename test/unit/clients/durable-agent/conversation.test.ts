import { beforeEach, describe, expect, test } from "vitest";
import { messagesRequest, readMessagesAnswer } from "#clients/durable-agent/anthropic-messages.ts";
import { chatRequest, readChatAnswer } from "#clients/durable-agent/chat-completions.ts";
import { callsToRun, readConversation, requireProtocol, type StoredAnswer, TranscriptMissing } from "#clients/durable-agent/conversation.ts";
import { keys } from "#clients/durable-agent/keys.ts";
import { MemoryTranscripts, SEARCH_TOOL } from "#test/support/agent-transcripts.ts";

let store: MemoryTranscripts;
const run = { runId: "r", step: 2, promptRef: "r/prompt", toolsRef: "r/tools-1" };
const calls = [
	{ callId: "c0", tool: "search", argsText: '{"query":"a"}' },
	{ callId: "c1", tool: "fly", argsText: "{}" },
];
const chatMessage = {
	role: "assistant",
	content: null,
	tool_calls: calls.map(({ callId, tool, argsText }) => ({ id: callId, type: "function", function: { name: tool, arguments: argsText } })),
};
const answer: StoredAnswer = { protocol: "chat/completions", message: chatMessage, text: "", calls, isCutOff: false, costNanoUsd: "5", requestId: "q" };

beforeEach(async () => {
	store = new MemoryTranscripts();
	await store.write("r/prompt", JSON.stringify({ system: "Be brief.", user: "find it" }));
	await store.write("r/tools-1", JSON.stringify([SEARCH_TOOL]));
	await store.write(keys.answer("r", 1), JSON.stringify(answer));
	await store.write(keys.result("r", 1, 0), JSON.stringify({ end: "error", text: "nothing" }));
});

describe("a conversation", () => {
	test("is a chat request that repeats answers as they came, and tells what was not run", async () => {
		const request = chatRequest(await readConversation(store, run), { model: "m", outputTokensMax: 9 });
		expect(request).toEqual({
			model: "m",
			max_completion_tokens: 9,
			messages: [
				{ role: "system", content: "Be brief." },
				{ role: "user", content: "find it" },
				chatMessage,
				{ role: "tool", tool_call_id: "c0", content: "nothing" },
				{ role: "tool", tool_call_id: "c1", content: "Not run: there is no tool with this name. Tools: search." },
			],
			tools: [{ type: "function", function: SEARCH_TOOL }],
		});
	});

	test("is a messages request, failures marked", async () => {
		const message = [{ type: "tool_use", id: "c0", name: "search", input: { query: "a" } }];
		await store.write(keys.answer("s", 1), JSON.stringify({ ...answer, protocol: "messages", message, calls: calls.slice(0, 1) }));
		await store.write(keys.result("s", 1, 0), JSON.stringify({ end: "unknown", text: "nobody knows" }));
		const request = messagesRequest(await readConversation(store, { ...run, runId: "s" }), { model: "m", outputTokensMax: 9 });
		expect(request).toMatchObject({
			model: "m",
			max_tokens: 9,
			system: "Be brief.",
			messages: [
				{ role: "user", content: "find it" },
				{ role: "assistant", content: message },
				{ role: "user", content: [{ type: "tool_result", tool_use_id: "c0", content: "nobody knows", is_error: true }] },
			],
			tools: [{ name: "search", description: "Finds things.", input_schema: SEARCH_TOOL.parameters }],
		});
	});

	test("makes the same bytes each time, which is what an idempotency key asks for", async () => {
		const make = async () => JSON.stringify(chatRequest(await readConversation(store, run), { model: "m", outputTokensMax: 9 }));
		expect(await make()).toBe(await make());
	});

	test("of 40 steps is read in order", async () => {
		for (let step = 2; step <= 40; step += 1) {
			await store.write(keys.answer("r", step), JSON.stringify({ ...answer, text: String(step), calls: calls.slice(0, 1) }));
			await store.write(keys.result("r", step, 0), JSON.stringify({ end: "ok", text: String(step) }));
		}
		const { exchanges } = await readConversation(store, { ...run, step: 41 });
		expect(exchanges.map(({ answer: { text } }) => text)).toEqual(["", ...Array.from({ length: 39 }, (_, at) => String(at + 2))]);
	});

	test.each(["r/prompt", "r/tools-1", keys.answer("r", 1), keys.result("r", 1, 0)])("that lost %s is not made up", async (key) => {
		store.texts.delete(key);
		await expect(readConversation(store, run)).rejects.toThrow(new TranscriptMissing(key).message);
	});

	test("keeps its protocol", async () => {
		const conversation = await readConversation(store, run);
		expect(() => requireProtocol(conversation, "messages")).toThrow(/begun over chat\/completions/);
		requireProtocol(conversation, "chat/completions");
	});

	test("keeps the result of a tool that is gone meanwhile", async () => {
		await store.write("r/tools-2", "[]");
		const { exchanges } = await readConversation(store, { ...run, toolsRef: "r/tools-2" });
		expect(exchanges[0]?.results[0]).toEqual({ end: "error", text: "nothing" });
	});
});

describe("of the calls of an answer", () => {
	test("those of tools it has are run, and 128 at most", () => {
		const many: StoredAnswer = { ...answer, calls: [...calls, ...Array.from({ length: 200 }, () => calls[0]!)] };
		const toRun = callsToRun(many, [SEARCH_TOOL]);
		expect([toRun.length, toRun[0], toRun[1], toRun.at(-1)?.index]).toEqual([127, { index: 0, tool: "search" }, { index: 2, tool: "search" }, 127]);
	});
});

describe("an answer", () => {
	test("of chat completions", () => {
		const message = { role: "assistant" as const, content: "hello", refusal: null };
		const completion = { id: "1", object: "chat.completion" as const, created: 1, model: "m" };
		const choice = { index: 0, message, finish_reason: "length" as const, logprobs: null };
		expect(readChatAnswer({ ...completion, choices: [choice] })).toEqual({ message, text: "hello", calls: [], isCutOff: true });
		expect(() => readChatAnswer({ ...completion, choices: [] })).toThrow("no choice");
	});

	test("of messages, in several blocks", () => {
		const content = [
			{ type: "text", text: "let me ", citations: null },
			{ type: "text", text: "look", citations: null },
			{ type: "tool_use", id: "t", name: "search", input: { query: "a" } },
		];
		const message = { content, stop_reason: "tool_use" } as unknown as Parameters<typeof readMessagesAnswer>[0];
		expect(readMessagesAnswer(message)).toEqual({
			message: content,
			text: "let me look",
			calls: [{ callId: "t", tool: "search", argsText: '{"query":"a"}' }],
			isCutOff: false,
		});
	});
});
