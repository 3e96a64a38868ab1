import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AT, readDouble } from "#domain/agents/loop-memory.ts";
import { exchangesSeen, type RunMemory, unpackRunMemory } from "#domain/agents/run-memory.ts";
import { Conversation } from "#test/agents/conversation.ts";
import { GuardStand, type StandGateway, settled } from "#test/support/guard-stand.ts";

let stand: GuardStand;
let first: StandGateway;
let second: StandGateway;
let conversation: Conversation;
let steps = 0;

beforeEach(() => {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
	stand = new GuardStand(2);
	first = stand.gateways[0]!;
	second = stand.gateways[1]!;
	conversation = new Conversation("chat.completions", "go");
	steps = 0;
});

afterEach(() => {
	vi.useRealTimers();
});

/** One step that reads so many tokens and calls one tool; its result comes with the next. */
async function stepAt(gateway: StandGateway, tokens: number): Promise<void> {
	const step = await gateway.step({ conversation: conversation.body });
	await settled();
	steps += 1;
	gateway.answer(step, { calls: [{ callId: `call_${steps}`, tool: "search", argsText: `{"q":${steps}}` }], inputTokens: tokens, costNanoUsd: 1n });
	conversation.add({ tool: "search", args: { q: steps }, observation: `result ${steps}`, isError: false, costNanoUsd: "1", tokens });
	stand.pass(100);
}

/** What a gateway would tell of the run. */
function memoryOf(gateway: StandGateway): RunMemory {
	const [note] = gateway.flushes.takeUntold(1);
	const unpacked = unpackRunMemory(Buffer.from(note?.memory ?? "", "base64"));
	if (unpacked.kind === "refused") throw new Error(unpacked.problem);
	return unpacked.memory;
}

test("what a step elsewhere cost is known with its flush, though nobody waited for it", async () => {
	await stepAt(first, 1_000);
	first.flush();
	await stepAt(second, 1_100);
	expect(exchangesSeen(memoryOf(second))).toBe(1);
	expect(readDouble(memoryOf(second).loop, AT.lastTokens)).toBe(1_000);
});

test("a flush that comes after the next step is waited for, beside the calls", async () => {
	await stepAt(first, 1_000);
	await stepAt(second, 1_100);
	expect(second.flushes.takeUntold(1)).toEqual([]);
	first.flush();
	await vi.advanceTimersByTimeAsync(70);
	await settled();
	expect(exchangesSeen(memoryOf(second))).toBe(1);
	expect(readDouble(memoryOf(second).loop, AT.lastTokens)).toBe(1_000);
	expect(memoryOf(second).steps.map(({ tokens }) => tokens)).toEqual([1_100, 1_000]);
});

test("what comes meanwhile is not lost", async () => {
	await stepAt(first, 1_000);
	await stepAt(second, 1_100);
	await stepAt(second, 1_200);
	first.flush();
	await vi.advanceTimersByTimeAsync(70);
	await settled();
	expect(exchangesSeen(memoryOf(second))).toBe(2);
	expect(readDouble(memoryOf(second).loop, AT.lastTokens)).toBe(1_100);
	expect(memoryOf(second).lastInputTokens).toBe(1_200);
});

test("is looked for three times, and then ever less often where nothing newer is found", async () => {
	await stepAt(first, 1_000);
	const before = stand.runs.roundTrips;
	await stepAt(second, 1_100); // reads the run, and looks once
	await vi.advanceTimersByTimeAsync(1_000);
	expect(stand.runs.roundTrips - before).toBe(4);
	await stepAt(first, 1_200);
	await stepAt(second, 1_300);
	await vi.advanceTimersByTimeAsync(1_000);
	expect(stand.runs.roundTrips - before).toBeLessThanOrEqual(10);
	expect([...first.errors, ...second.errors]).toEqual([]);
});

test("a memory that cannot be read is told of, and detection goes on without it", async () => {
	await stepAt(first, 1_000);
	first.flush();
	stand.runs.remember("r-7", new Uint8Array([9, 9]), 50);
	await stepAt(second, 1_100);
	expect(String(second.errors[0])).toContain("a loop memory has the format 9, not 2");
	await vi.advanceTimersByTimeAsync(1_000);
	await stepAt(second, 1_200);
	expect(exchangesSeen(memoryOf(second))).toBe(2);
});
