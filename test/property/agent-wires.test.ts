import fc from "fast-check";
import { expect, test } from "vitest";
import { exchangesOf, turnKey } from "#domain/agents/exchanges.ts";
import { implicitRun } from "#domain/agents/implicit-run.ts";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { createLoopMemory } from "#domain/agents/loop-memory.ts";
import { readAnswerCalls, StreamedCalls } from "#domain/agents/read-answer-calls.ts";
import { readTurn } from "#domain/agents/read-turn.ts";
import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import { Conversation, type ConversationEndpoint } from "#test/agents/conversation.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { generateHeldOut } from "#test/agents/held-out.ts";
import { judgeRuns, renderJudgement } from "#test/agents/judge-runs.ts";

const ENDPOINTS = ["chat.completions", "messages", "responses", "embeddings", "count_tokens"] as const;
const endpoint = fc.constantFrom(...ENDPOINTS);

/** JSON with the keys and values that readers look for, in any place. */
const wire = fc.letrec((tie) => ({
	value: fc.oneof(
		{ depthSize: "small" },
		fc.constantFrom<unknown>("assistant", "user", "tool", "tool_use", "tool_result", "function_call", "function_call_output", "text", null, 3, true, "c1"),
		fc.string({ maxLength: 12 }),
		fc.array(tie("value"), { maxLength: 4 }),
		fc.dictionary(
			fc.constantFrom(
				"messages",
				"input",
				"output",
				"choices",
				"message",
				"delta",
				"role",
				"type",
				"content",
				"tool_calls",
				"function_call",
				"function",
				"name",
				"arguments",
				"id",
				"call_id",
				"tool_call_id",
				"tool_use_id",
				"is_error",
				"text",
				"system",
				"instructions",
				"previous_response_id",
				"index",
				"content_block",
				"partial_json",
			),
			tie("value"),
			{ maxKeys: 6 },
		),
	),
})).value;

test("nothing that a caller or a provider sends makes a reader fail", () => {
	fc.assert(
		fc.property(endpoint, wire, fc.array(wire, { maxLength: 5 }), (at, body, events) => {
			const memory = createLoopMemory();
			const turn = readTurn(at, body);
			const calls = readAnswerCalls(at, body);
			const streamed = new StreamedCalls(at);
			for (const event of events) streamed.take(event);
			implicitRun("k1", at, body);
			if (turn === undefined) return;
			expect(turnKey(turn)).toBeGreaterThan(0);
			for (const exchange of exchangesOf(turn, { agent: "", costNanoUsd: 1n, tokens: 1, calls: [...calls, ...streamed.calls] }))
				observeExchange(memory, exchange);
		}),
		{ numRuns: 1_500 },
	);
});

test("a stream's pieces make the calls of the whole answer, however they are cut", () => {
	const call = fc.record({
		id: fc.stringMatching(/^[a-z0-9]{1,8}$/),
		name: fc.stringMatching(/^[a-z_]{1,12}$/),
		args: fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 30 })),
	});
	fc.assert(
		fc.property(fc.uniqueArray(call, { minLength: 1, maxLength: 4, selector: ({ id }) => id }), fc.integer({ min: 1, max: 9 }), (made, size) => {
			const chat = new StreamedCalls("chat.completions");
			const messages = new StreamedCalls("messages");
			for (const [index, { id, name, args }] of made.entries()) {
				const text = JSON.stringify(args);
				chat.take({ choices: [{ index: 0, delta: { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] } }] });
				messages.take({ type: "content_block_start", index, content_block: { type: "tool_use", id, name, input: {} } });
				for (let at = 0; at < text.length; at += size) {
					const piece = text.slice(at, at + size);
					chat.take({ choices: [{ index: 0, delta: { tool_calls: [{ index, function: { arguments: piece } }] } }] });
					messages.take({ type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: piece } });
				}
			}
			const wholeChat = {
				choices: [{ message: { tool_calls: made.map(({ id, name, args }) => ({ id, function: { name, arguments: JSON.stringify(args) } })) } }],
			};
			expect(chat.calls).toEqual(readAnswerCalls("chat.completions", wholeChat));
			expect(messages.calls).toEqual(readAnswerCalls("messages", { content: made.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: args })) }));
		}),
		{ numRuns: 150 },
	);
});

test("limits that were accepted are accepted again as they are written, and are the same", () => {
	const line = fc.integer({ min: 1, max: 1_000_000 });
	const entry = fc
		.tuple(line, line, fc.constantFrom("pause", "stop"))
		.map(([soft, above, action]) => ({ soft: { at: soft }, hard: { at: soft + above, action } }));
	const limits = fc.record(
		{
			steps: line,
			inputTokens: entry,
			outputBytes: entry,
			costNanoUsd: line.map(String),
			toolCalls: fc.dictionary(fc.stringMatching(/^[a-z_]{1,9}$/), line, { maxKeys: 4 }),
		},
		{ requiredKeys: [] },
	);
	fc.assert(
		fc.property(limits, (input) => {
			const checked = checkRunLimits(input);
			if (checked.kind === "invalid") throw new Error(JSON.stringify(checked.problems));
			expect(checkRunLimits(JSON.parse(JSON.stringify(writeRunLimits(checked.value))))).toEqual(checked);
		}),
	);
});

test("no input makes the check of limits fail, and every problem has a field", () => {
	fc.assert(
		fc.property(
			fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom("steps", "toolCalls", "costNanoUsd", "depth", "__proto__"), fc.jsonValue())),
			(input) => {
				const checked = checkRunLimits(input);
				if (checked.kind === "invalid") expect(checked.problems.every(({ field }) => field.startsWith("limits"))).toBe(true);
			},
		),
		{ numRuns: 500 },
	);
});

test.each<ConversationEndpoint>(["chat.completions", "messages", "responses"])("runs are judged alike as they pass over %s", (endpoint) => {
	const runs = [...generateCorpus({ seed: 8_001, variants: 12 }), ...generateHeldOut({ seed: 12, variants: 5 })];
	const judged = judgeRuns(runs, (run) => {
		const memory = createLoopMemory();
		const conversation = new Conversation(endpoint, "go");
		for (const [index, event] of run.events.entries()) {
			conversation.add(event);
			const turn = readTurn(endpoint, conversation.body);
			if (turn === undefined) throw new Error("a result went by unseen");
			const step = { agent: "", costNanoUsd: BigInt(event.costNanoUsd), tokens: event.tokens, calls: [] };
			const stop = exchangesOf(turn, step)
				.flatMap((exchange) => observeExchange(memory, exchange))
				.find(({ severity }) => severity === "stop");
			if (stop !== undefined) return { atStep: index + 1, guard: stop.guard };
		}
		return undefined;
	});
	expect([judged.missed, judged.late, judged.falseStops], renderJudgement(judged)).toEqual([0, 0, 0]);
});
