import { describe, expect, test } from "vitest";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { packLoopMemory } from "#domain/agents/loop-memory.ts";
import {
	callKeyOf,
	createRunMemory,
	exchangesSeen,
	forgiveUpTo,
	mergeSteps,
	packRunMemory,
	type RunMemory,
	rememberStep,
	stepOf,
	unpackRunMemory,
} from "#domain/agents/run-memory.ts";

const exchange = { agent: "", tool: "search", argsText: '{"q":"x"}', observation: "nothing", isError: false, costNanoUsd: 5n, tokens: 100 };

function lived(): RunMemory {
	const memory = createRunMemory();
	for (let time = 0; time < 5; time += 1) observeExchange(memory.loop, exchange);
	memory.cursors.set([7, 0, 12, 9]);
	Object.assign(memory, { forgiven: 2, lastExchangeAtMs: 1_700_000_123_000, lastInputTokens: 90_000, contextGrowthTokens: 1_200 });
	for (const [place, callId] of ["a", "b", "c", "d", "e", "f", "g", "h", "i"].entries())
		rememberStep(memory, { callKey: callKeyOf(callId), costNanoUsd: 5_000_000_000n + BigInt(place), tokens: 70_000 + place, seen: place, calls: [] });
	return memory;
}

function taken(memory: RunMemory): RunMemory {
	const unpacked = unpackRunMemory(packRunMemory(memory));
	if (unpacked.kind === "refused") throw new Error(unpacked.problem);
	return unpacked.memory;
}

test("another gateway takes over all of it, the last eight steps included", () => {
	const memory = lived();
	expect(taken(memory)).toEqual(memory);
	expect(taken(memory).steps.map(({ tokens }) => tokens)).toEqual([70_008, 70_007, 70_006, 70_005, 70_004, 70_003, 70_002, 70_001]);
	expect(exchangesSeen(taken(memory))).toBe(5);
	expect(packRunMemory(memory).length).toBeLessThan(700);
});

test("calls of a conversation that the provider keeps go with it, unless they are long", () => {
	const memory = createRunMemory();
	const calls = [{ callId: "a", tool: "search", argsText: '{"q":"ä\ud800"}' }];
	rememberStep(memory, { callKey: callKeyOf("a"), costNanoUsd: 1n, tokens: 2, seen: 3, calls });
	expect(taken(memory).steps[0]?.calls).toEqual([{ ...calls[0], argsText: '{"q":"ä\ud800"}' }]);
	rememberStep(memory, { callKey: callKeyOf("b"), costNanoUsd: 1n, tokens: 2, seen: 3, calls: [{ callId: "b", tool: "write", argsText: "x".repeat(5_000) }] });
	expect(taken(memory).steps[0]).toMatchObject({ tokens: 2, calls: [] });
});

test("a turn finds the step that made any of its calls", () => {
	const memory = lived();
	const result = (callId: string) => ({ callId, observation: "", isError: false, call: undefined });
	expect(stepOf(memory, { messages: 3, results: [result("x"), result("c")] })?.tokens).toBe(70_002);
	expect(stepOf(memory, { messages: 3, results: [result("a")] })).toBeUndefined();
});

test("of what two gateways know of the last steps the newest eight are kept", () => {
	const { steps } = lived();
	const others = [20, 6, 21].map((seen) => ({ callKey: seen === 6 ? callKeyOf("g") : seen, costNanoUsd: 1n, tokens: seen, seen, calls: [] }));
	expect(mergeSteps(steps, others).map(({ seen }) => seen)).toEqual([21, 20, 8, 7, 6, 5, 4, 3]);
	expect(mergeSteps(steps, steps.slice(2))).toBe(steps);
});

test("what was counted before is forgiven once for each time", () => {
	const memory = lived();
	forgiveUpTo(memory, 2);
	expect(observeExchange(memory.loop, exchange)).toEqual([]);
	const again = lived();
	forgiveUpTo(again, 3);
	const warned = Array.from({ length: 4 }, () => observeExchange(again.loop, exchange)).flat();
	expect(warned.map(({ severity }) => severity)).toEqual(["warn"]);
	expect(again.forgiven).toBe(3);
});

describe("what cannot be read is refused", () => {
	const packed = packRunMemory(lived());
	test.each([
		["nothing", new Uint8Array(0)],
		["a loop memory alone", packLoopMemory(lived().loop)],
		["a cut one", packed.slice(0, -1)],
		["a long one", Uint8Array.from([...packed, ...new Uint8Array(5_000)])],
		["one with another byte", packed.with(40, (packed[40] ?? 0) ^ 1)],
	])("%s", (_, bytes) => {
		expect(unpackRunMemory(bytes)).toMatchObject({ kind: "refused", problem: expect.any(String) });
	});
});
