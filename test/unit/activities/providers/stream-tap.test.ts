import { expect, test } from "vitest";
import { readAnswer } from "#activities/providers/reported-usage.ts";
import { createStreamTap } from "#activities/providers/stream-tap.ts";

/** Tool calls of a stream are read where a run asks for them, whatever else is done to its events. */

const PIECES = [
	'data: {"choices":[{"index":0,"delta":{"content":"no \\"tool_calls\\" here"}}],"usage":null}\n\n',
	'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"search","arguments":"{\\"q\\":"}}]}}]}\n\n',
	'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\"tolls\\"}"}}]}}]}\n\n',
	'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n',
	"data: [DONE]\n\n",
];
const CALLS = [{ callId: "c1", tool: "search", argsText: '{"q":"tolls"}' }];
const STREAM = PIECES.join("");

test.each([1, 7, 64, STREAM.length])("in slices of %i bytes, with and without the usage taken out", (size) => {
	for (const removesUsage of [false, true]) {
		const tap = createStreamTap("chat.completions", { removesUsage, countsText: true, readsCalls: true });
		const given: Buffer[] = [];
		for (let at = 0; at < STREAM.length; at += size) given.push(tap.push(Buffer.from(STREAM.slice(at, at + size))));
		given.push(tap.end());
		expect(tap.calls).toEqual(CALLS);
		expect(tap.isComplete).toBe(true);
		expect(Buffer.concat(given).toString().includes("prompt_tokens")).toBe(!removesUsage);
	}
});

test("nothing is read where nobody asks", () => {
	const tap = createStreamTap("chat.completions", { removesUsage: false, countsText: false });
	tap.push(Buffer.from(STREAM));
	expect(tap.calls).toEqual([]);
	const whole = Buffer.from('{"choices":[{"message":{"tool_calls":[{"id":"c1","function":{"name":"search","arguments":"{}"}}]}}]}');
	expect(readAnswer("chat.completions", whole).calls).toEqual([]);
	expect(readAnswer("chat.completions", whole, true).calls).toEqual([{ callId: "c1", tool: "search", argsText: "{}" }]);
});

test("a stream of the Responses API has them in its last event", () => {
	const tap = createStreamTap("responses", { removesUsage: false, countsText: false, readsCalls: true });
	tap.push(Buffer.from('event: response.output_item.done\ndata: {"type":"response.output_item.done","item":{"type":"function_call","name":"early"}}\n\n'));
	expect(tap.calls).toEqual([]);
	const response = { output: [{ type: "function_call", call_id: "c1", name: "search", arguments: "{}" }] };
	tap.push(Buffer.from(`event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response })}\n\n`));
	expect(tap.calls).toEqual([{ callId: "c1", tool: "search", argsText: "{}" }]);
});
