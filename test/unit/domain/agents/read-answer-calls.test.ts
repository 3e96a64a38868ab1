import { describe, expect, test } from "vitest";
import { mayHoldCall, readAnswerCalls, StreamedCalls } from "#domain/agents/read-answer-calls.ts";

const SEARCH = { callId: "c1", tool: "search", argsText: '{"q":"x"}' };

test("calls of whole answers, in all three shapes", () => {
	const chat = { choices: [{ message: { tool_calls: [{ id: "c1", function: { name: "search", arguments: '{"q":"x"}' } }] } }] };
	const message = {
		content: [
			{ type: "text", text: "hm" },
			{ type: "tool_use", id: "c1", name: "search", input: { q: "x" } },
			{ type: "server_tool_use", id: "s", name: "web" },
		],
	};
	const response = {
		output: [{ type: "message" }, { type: "function_call", call_id: "c1", name: "search", arguments: '{"q":"x"}' }, { type: "web_search_call", id: "w" }],
	};
	expect(readAnswerCalls("chat.completions", chat)).toEqual([SEARCH]);
	expect(readAnswerCalls("messages", message)).toEqual([SEARCH]);
	expect(readAnswerCalls("responses", response)).toEqual([SEARCH]);
	expect(readAnswerCalls("embeddings", response)).toEqual([]);
});

test.each([undefined, null, 1, [], { choices: 3 }, { choices: [null] }, { content: [1] }, { output: [{}] }])("%j holds no call", (answer) => {
	for (const endpoint of ["chat.completions", "messages", "responses"] as const) expect(readAnswerCalls(endpoint, answer)).toEqual([]);
});

describe("streams", () => {
	test("chat completions send names first and arguments in pieces, of several calls at once", () => {
		const streamed = new StreamedCalls("chat.completions");
		const piece = (index: number, fields: object) => ({ choices: [{ index: 0, delta: { tool_calls: [{ index, ...fields }] } }] });
		streamed.take({ choices: [{ index: 0, delta: { content: "hm" } }] });
		streamed.take(piece(0, { id: "c1", function: { name: "search", arguments: "" } }));
		streamed.take(piece(1, { id: "c2", function: { name: "read", arguments: "{}" } }));
		streamed.take(piece(0, { function: { arguments: '{"q":' } }));
		streamed.take(piece(0, { function: { arguments: '"x"}' } }));
		expect(streamed.calls).toEqual([SEARCH, { callId: "c2", tool: "read", argsText: "{}" }]);
	});

	test("messages send a block and its JSON in pieces", () => {
		const streamed = new StreamedCalls("messages");
		streamed.take({ type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "c1", name: "search", input: {} } });
		streamed.take({ type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '{"q":' } });
		streamed.take({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hm" } });
		streamed.take({ type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '"x"}' } });
		expect(streamed.calls).toEqual([SEARCH]);
	});

	test("arguments and calls are bounded", () => {
		const streamed = new StreamedCalls("chat.completions");
		for (let index = 0; index < 500; index += 1)
			streamed.take({ choices: [{ index: 0, delta: { tool_calls: [{ index, id: `c${index}`, function: { name: "f", arguments: "x".repeat(70_000) } }] } }] });
		expect(streamed.calls).toHaveLength(128);
		expect(streamed.calls[0]?.argsText).toHaveLength(65_536);
	});

	test("text is passed over unread", () => {
		const text = Buffer.from('data: {"choices":[{"delta":{"content":"tool_calls are fun"}}]}');
		expect(mayHoldCall("chat.completions", text)).toBe(false);
		expect(mayHoldCall("chat.completions", Buffer.from('data: {"choices":[{"delta":{"tool_calls":[]}}]}'))).toBe(true);
		expect(mayHoldCall("messages", Buffer.from('{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}'))).toBe(false);
		expect(mayHoldCall("messages", Buffer.from('{"delta":{"type":"input_json_delta","partial_json":"{"}}'))).toBe(true);
		expect(mayHoldCall("responses", Buffer.from("function_call"))).toBe(false);
	});
});

test("an answer that nests without end is read all the same", () => {
	const input = JSON.parse(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`) as unknown;
	expect(readAnswerCalls("messages", { content: [{ type: "tool_use", id: "c", name: "f", input }] })).toEqual([
		{ callId: "c", tool: "f", argsText: "[nested too deeply]" },
	]);
});
