import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTurn, readTurnCalls, readTurns } from "#domain/agents/read-turn.ts";

const user = { role: "user", content: "find it" };

describe("chat completions", () => {
	const asking = (id: string, name: string, args: string) => ({ id, type: "function", function: { name, arguments: args } });

	test("results since the model last spoke come with their calls", () => {
		const messages = [
			user,
			{ role: "assistant", tool_calls: [asking("c0", "old", "{}")] },
			{ role: "tool", tool_call_id: "c0", content: "old result" },
			{ role: "assistant", tool_calls: [asking("c1", "search", '{"q":"x"}'), asking("c2", "read", '{"p":1}')] },
			{
				role: "tool",
				tool_call_id: "c1",
				content: [
					{ type: "text", text: "one" },
					{ type: "text", text: "two" },
				],
			},
			{ role: "tool", tool_call_id: "c2", content: "Error: no such file" },
			{ role: "user", content: "go on" },
		];
		expect(readTurn("chat.completions", { messages })).toEqual({
			messages: 7,
			results: [
				{ callId: "c1", observation: "one\ntwo", isError: false, call: { callId: "c1", tool: "search", argsText: '{"q":"x"}' } },
				{ callId: "c2", observation: "Error: no such file", isError: true, call: { callId: "c2", tool: "read", argsText: '{"p":1}' } },
			],
		});
	});

	test("the older functions are read, too", () => {
		const messages = [user, { role: "assistant", function_call: { name: "f", arguments: "{}" } }, { role: "function", name: "f", content: "done" }];
		expect(readTurn("chat.completions", { messages })?.results).toMatchObject([{ observation: "done", call: { tool: "f" } }]);
	});

	test("a call without tools has no turn", () => {
		expect(readTurn("chat.completions", { messages: [user, { role: "assistant", content: "hi" }, user] })).toBeUndefined();
	});
});

describe("messages", () => {
	test("results stand in the user's message", () => {
		const messages = [
			user,
			{
				role: "assistant",
				content: [
					{ type: "text", text: "I look" },
					{ type: "tool_use", id: "t1", name: "search", input: { q: "x" } },
				],
			},
			{
				role: "user",
				content: [
					{ type: "tool_result", tool_use_id: "t1", is_error: true, content: [{ type: "text", text: "nothing" }] },
					{ type: "text", text: "hm" },
				],
			},
		];
		expect(readTurn("messages", { messages })).toEqual({
			messages: 3,
			results: [{ callId: "t1", observation: "nothing", isError: true, call: { callId: "t1", tool: "search", argsText: '{"q":"x"}' } }],
		});
	});
});

describe("responses", () => {
	test("calls and outputs are items; parallel ones belong together", () => {
		const input = [
			{ role: "user", content: "x" },
			{ type: "function_call", call_id: "a", name: "old", arguments: "{}" },
			{ type: "function_call_output", call_id: "a", output: "old" },
			{ type: "reasoning", id: "r" },
			{ type: "function_call", call_id: "b", name: "search", arguments: '{"q":1}' },
			{ type: "local_shell_call", call_id: "c", action: { command: ["ls"] } },
			{ type: "function_call_output", call_id: "b", output: "found" },
			{ type: "local_shell_call_output", call_id: "c", output: "a.ts" },
		];
		expect(readTurn("responses", { input })?.results).toEqual([
			{ callId: "b", observation: "found", isError: false, call: { callId: "b", tool: "search", argsText: '{"q":1}' } },
			{ callId: "c", observation: "a.ts", isError: false, call: { callId: "c", tool: "local_shell", argsText: '{"command":["ls"]}' } },
		]);
	});

	test("where the provider keeps the conversation, the call is not in the body", () => {
		const body = { previous_response_id: "resp_1", input: [{ type: "function_call_output", call_id: "b", output: "found" }] };
		expect(readTurn("responses", body)).toEqual({ messages: 1, results: [{ callId: "b", observation: "found", isError: false, call: undefined }] });
	});

	test("a string is no result", () => {
		expect(readTurn("responses", { input: "hello" })).toBeUndefined();
	});
});

test("what is no text stands as its type, different where it differs", () => {
	const image = (data: string) => ({ type: "image", source: { type: "base64", data } });
	const observe = (data: string) =>
		readTurn("messages", { messages: [user, { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: [image(data)] }] }] })?.results[0]
			?.observation;
	expect(observe("A".repeat(1_000))).toMatch(/^\[image of \d+ characters/);
	expect(observe(`${"A".repeat(1_000)}B`)).not.toBe(observe("A".repeat(1_001)));
});

test.each([undefined, null, 3, "x", [], {}, { messages: "x" }, { messages: [null, 3, { role: "tool" }] }, { input: [null, { type: 3 }] }])(
	"%j throws nothing",
	(body) => {
		for (const endpoint of ["chat.completions", "messages", "responses", "embeddings", "count_tokens"] as const) readTurn(endpoint, body);
		expect(readTurn("embeddings", body)).toBeUndefined();
	},
);

test("a long conversation is read from its end", () => {
	let looks = 0;
	const old = {
		get role() {
			looks += 1;
			return "tool";
		},
	};
	const messages = [...Array.from({ length: 10_000 }, () => old), { role: "assistant", tool_calls: [] }, { role: "tool", tool_call_id: "c", content: "y" }];
	expect(readTurn("chat.completions", { messages })?.results).toHaveLength(1);
	expect(looks).toBe(0);
});

test("the calls that turns answer are those of the turns, whatever a body holds", () => {
	const id = fc.constantFrom("a", "b", "c", "", 3, null);
	const content = fc.oneof(fc.constant("x"), fc.constant(null), fc.array(fc.record({ type: fc.constantFrom("tool_result", "text", 3), tool_use_id: id })));
	const message = fc.oneof(
		fc.record({ role: fc.constantFrom("user", "assistant", "tool", "function"), content, tool_call_id: id, name: id }, { requiredKeys: [] }),
		fc.record({ type: fc.constantFrom("function_call", "function_call_output", "reasoning", "message"), call_id: id, output: content }, { requiredKeys: [] }),
		fc.anything(),
	);
	const endpoint = fc.constantFrom("chat.completions", "messages", "responses", "embeddings" as const);
	const range = fc.record({ afterMessages: fc.nat(6), most: fc.constantFrom(undefined, 1, 2) });
	fc.assert(
		fc.property(endpoint, fc.array(message, { maxLength: 24 }), range, (spoken, messages, asked) => {
			const body = { messages, input: messages };
			const turns = readTurns(spoken, body, asked);
			expect(readTurnCalls(spoken, body, asked)).toEqual(turns.map(({ results }) => results.map(({ callId }) => callId)));
		}),
		{ numRuns: 500 },
	);
});
