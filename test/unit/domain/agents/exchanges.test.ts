import { expect, test } from "vitest";
import { exchangesOf, turnKey } from "#domain/agents/exchanges.ts";
import { readTurn, type Turn } from "#domain/agents/read-turn.ts";

const step = { agent: "planner", costNanoUsd: 11n, tokens: 900, calls: [{ callId: "b", tool: "search", argsText: "{}" }] };
const turn: Turn = {
	messages: 3,
	results: [
		{ callId: "a", observation: "one", isError: false, call: { callId: "a", tool: "read", argsText: '{"p":1}' } },
		{ callId: "b", observation: "two", isError: true, call: undefined },
		{ callId: "c", observation: "three", isError: false, call: undefined },
	],
};

test("each result comes with its call, from the body or from the answer before", () => {
	expect(exchangesOf(turn, step)).toEqual([
		{ agent: "planner", tool: "read", argsText: '{"p":1}', observation: "one", isError: false, costNanoUsd: 3n, tokens: 900 },
		{ agent: "planner", tool: "search", argsText: "{}", observation: "two", isError: true, costNanoUsd: 3n, tokens: 0 },
		{ agent: "planner", tool: "(unknown tool)", argsText: "", observation: "three", isError: false, costNanoUsd: 3n, tokens: 0 },
	]);
});

test("a turn that is sent again has the same key, the next one another", () => {
	const body = (ids: readonly string[]) => ({
		messages: [
			{ role: "user", content: "x" },
			...ids.flatMap((id) => [
				{ role: "assistant", tool_calls: [{ id, function: { name: "f", arguments: "{}" } }] },
				{ role: "tool", tool_call_id: id, content: "same" },
			]),
		],
	});
	const key = (...ids: string[]): number => turnKey(readTurn("chat.completions", body(ids)) ?? { messages: 0, results: [] });
	expect(key("a")).toBe(key("a"));
	expect(new Set([key("a"), key("b"), key("a", "b"), key("a", "a")]).size).toBe(4);
});
