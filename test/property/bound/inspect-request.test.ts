import fc from "fast-check";
import { expect, it } from "vitest";
import { inspectRequest } from "#domain/bound/inspect-request.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { factsOf } from "#domain/bound/request-facts.ts";
import { ERROR_CODES } from "#domain/errors/codes.ts";
import { FIELD_TABLES } from "#test/support/inspect.ts";

const BODIES: readonly string[] = [
	'{"model":"m","max_tokens":10,"messages":[{"role":"user","content":[{"type":"text","text":"h\\u00e9"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"tools":[{"type":"function","function":{"name":"f"}}],"stream":true,"stream_options":{"include_usage":true}}',
	'{"model":"m","input":[{"role":"user","content":"x"},{"type":"function_call_output","output":[{"type":"input_text","text":"y"}]}],"max_output_tokens":5,"max_tool_calls":2,"tools":[{"type":"web_search"}],"reasoning":{"effort":"low"}}',
	'{"model":"m","max_tokens":2000,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"document","source":{"type":"text","data":"d"}}]}]}]}',
	'{"model":"m","input":["a",[1,2]],"dimensions":3}',
];

const endpoints = fc.constantFrom<Endpoint>("chat.completions", "responses", "embeddings", "messages", "count_tokens");
const values = fc.oneof(
	fc.jsonValue({ maxDepth: 3 }),
	fc.constantFrom(null, -1, 0, "5", 1.5, [], {}, [{}], [null], [[]], { type: "image" }, { type: null }, "auto"),
);
const names = fc.constantFrom(...new Set(Object.values(FIELD_TABLES).flatMap((table) => Object.keys(table.fields))));

function judge(endpoint: Endpoint, body: Buffer, unknownFields: "refuse" | "pass"): void {
	const result = inspectRequest(endpoint, body, FIELD_TABLES[endpoint], { unknownFields, anthropicBeta: ["x"] });
	if (result.kind === "rejected") {
		expect([400, 422]).toContain(ERROR_CODES[result.problem.code].httpStatus);
		expect(result.problem.message).not.toBe("");
		return;
	}
	const parsed = JSON.parse(body.toString()) as Record<string, unknown>;
	expect(result.request.model).toBe(parsed["model"]);
	expect(result.request.choices).toBeGreaterThanOrEqual(1);
	const { textBytes, predictionBytes, audioBytes } = factsOf(result.request);
	for (const quantity of [textBytes, predictionBytes, audioBytes]) expect(Number.isSafeInteger(quantity) && quantity >= 0).toBe(true);
}

it("answers every damaged body, and never with an exception", () => {
	const damage = fc.record({ at: fc.nat(500), remove: fc.nat(4), insert: fc.uint8Array({ maxLength: 3 }) });
	fc.assert(
		fc.property(endpoints, fc.constantFrom(...BODIES), fc.array(damage, { minLength: 1, maxLength: 3 }), (endpoint, text, damages) => {
			let body: Buffer = Buffer.from(text);
			for (const { at, remove, insert } of damages)
				body = Buffer.concat([body.subarray(0, at % body.length), insert, body.subarray((at % body.length) + remove)]);
			judge(endpoint, body, "pass");
		}),
		{ numRuns: 10_000 },
	);
});

it("answers every value in every field, and never with an exception", () => {
	fc.assert(
		fc.property(
			endpoints,
			fc.constantFrom(...BODIES),
			fc.array(fc.tuple(names, values), { minLength: 1, maxLength: 3 }),
			fc.constantFrom("refuse", "pass"),
			(endpoint, text, changes, unknownFields) => {
				const body = { ...(JSON.parse(text) as Record<string, unknown>), ...Object.fromEntries(changes) };
				judge(endpoint, Buffer.from(JSON.stringify(body)), unknownFields);
			},
		),
		{ numRuns: 10_000 },
	);
});
