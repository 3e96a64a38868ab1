import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isSimpleTask, TASK_KINDS, taskKindOf } from "#domain/audit/task-kind.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { inspected } from "#test/support/inspect.ts";

const SAY = [{ role: "user", content: "hello" }];
const SCHEMA = { type: "json_schema", json_schema: { name: "n", schema: {} } };
const TOOL = { type: "function", function: { name: "f", parameters: {} } };
const PICTURE = [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }] }];
const tokens = (inputTokens: number, outputTokens: number, reasoningTokens = 0): Usage => ({ ...NO_USAGE, inputTokens, outputTokens, reasoningTokens });
const kindOf = (endpoint: Endpoint, body: object, usage: Usage): string => taskKindOf(inspected(endpoint, body), usage);
const chat = (fields: object, usage: Usage): string => kindOf("chat.completions", { model: "gpt-4o", messages: SAY, ...fields }, usage);
const message = (fields: object, usage: Usage): string => kindOf("messages", { model: "claude-opus-5", max_tokens: 9_000, messages: SAY, ...fields }, usage);

test.each([
	["a label", {}, tokens(4_000, 16), "classification"],
	["a longer label", {}, tokens(2_000, 17), "short_answer"],
	["a label of much text", {}, tokens(4_001, 16), "summary"],
	["a short answer", {}, tokens(2_000, 200), "short_answer"],
	["a longer answer", {}, tokens(700, 201), "long"],
	["a summary", {}, tokens(8_000, 500), "summary"],
	["too much for a summary", {}, tokens(8_001, 500), "long"],
	["hardly shorter than what it is of", {}, tokens(1_000, 251), "long"],
	["asking for JSON", { response_format: SCHEMA }, tokens(4_000, 500), "extraction"],
	["asking for JSON of any form", { response_format: { type: "json_object" } }, tokens(3_000, 300), "extraction"],
	["asking for text", { response_format: { type: "text" } }, tokens(1_500, 400), "long"],
	["asking for much JSON", { response_format: SCHEMA }, tokens(1_000, 501), "long"],
	["given tools", { tools: [TOOL] }, tokens(10, 10), "tools"],
	["shown a picture", { messages: PICTURE }, tokens(10, 10), "media"],
	["a talk of eight messages", { messages: Array(8).fill(SAY[0]) }, tokens(100, 100), "short_answer"],
	["a longer talk", { messages: Array(9).fill(SAY[0]) }, tokens(100, 100), "conversation"],
	["what was thought about", {}, tokens(100, 613, 513), "reasoning"],
	["what was thought about a little counts by what was written", {}, tokens(100, 612, 512), "short_answer"],
])("chat: %s", (_name, fields, usage, kind) => {
	expect(chat(fields, usage)).toBe(kind);
});

test("messages: thinking, structure and tools stand in other fields", () => {
	expect(message({}, tokens(100, 100))).toBe("short_answer");
	expect(message({ thinking: { type: "enabled", budget_tokens: 2_000 } }, tokens(100, 100))).toBe("reasoning");
	expect(message({ output_config: { format: { type: "json_schema", schema: {} } } }, tokens(3_000, 400))).toBe("extraction");
	expect(message({ tools: [{ name: "f", input_schema: { type: "object" } }] }, tokens(100, 100))).toBe("tools");
});

test("responses: what continues an earlier answer shows only its end", () => {
	const body = { model: "gpt-5", input: "hello", max_output_tokens: 100 };
	expect(kindOf("responses", body, tokens(100, 100))).toBe("short_answer");
	expect(kindOf("responses", { ...body, text: { format: { type: "json_schema", name: "n", schema: {} } } }, tokens(3_000, 400))).toBe("extraction");
	expect(kindOf("responses", { ...body, previous_response_id: "resp_1" }, tokens(100, 100))).toBe("unseen");
});

test("embeddings write no text", () => {
	expect(kindOf("embeddings", { model: "text-embedding-3-small", input: "hello" }, tokens(10, 0))).toBe("no_text");
});

test("a name in the books that is not known any more is not simple", () => {
	expect(Object.keys(TASK_KINDS).filter(isSimpleTask)).toEqual(["classification", "extraction", "short_answer", "summary"]);
	expect(["", "toString", "poetry"].filter(isSimpleTask)).toEqual([]);
});

test("the page says of each kind what is of it", () => {
	const page = readFileSync(new URL("../../../../docs/audit.md", import.meta.url), "utf8");
	for (const [name, { isSimple, criteria }] of Object.entries(TASK_KINDS))
		expect(page).toContain(`| \`${name}\` | ${isSimple ? "**yes**" : "no"} | ${criteria} |`);
});
