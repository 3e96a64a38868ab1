import { describe, expect, test } from "vitest";
import { bodyOfLine, CUSTOM_ID_LENGTH_MAX, checkLine, customIdOfLine, type RequestLine } from "#domain/batching/check-line.ts";
import type { LineForm } from "#domain/batching/line-problem.ts";
import { anthropicRequest, chatBody, messageBody, openAiLine } from "#test/support/batch-lines.ts";
import { lured } from "#test/support/lure.ts";

function taken(line: string, form: LineForm = "openai"): RequestLine {
	const checked = checkLine(Buffer.from(line), form);
	if (checked.kind === "invalid") throw new Error(JSON.stringify(checked.problems));
	return checked.request;
}

/** "body.model: must be given" */
function refused(line: string, form: LineForm = "openai"): string[] {
	const checked = checkLine(Buffer.from(line), form);
	if (checked.kind === "valid") throw new Error("was taken");
	expect(checked.problems.every(({ code }) => code === "batch.line_invalid")).toBe(true);
	return checked.problems.map(({ field, message }) => `${field}: ${message}`);
}

const withBody = (more: object): string => openAiLine("a", {}, chatBody(more));

describe("a line of an OpenAI request file", () => {
	test("is read with its body as the caller wrote it, byte for byte", () => {
		const body = '{ "model":"gpt-4o" ,"messages": [{"role":"user","content":"\\u00e9\\/ é 1.0e2"}],"temperature":1.50 }';
		const line = ` {"body" : ${body}\t, "url":"/v1/chat/completions","custom_id":"a\\"b","method":"POST"} `;
		const request = taken(line);
		expect(request).toMatchObject({ customId: 'a"b', endpoint: "chat.completions", model: "gpt-4o", embeddingInputs: 0 });
		expect(request.body.toString()).toBe(body);
		expect(bodyOfLine(Buffer.from(line))?.toString()).toBe(body);
		expect(customIdOfLine(Buffer.from(line))).toBe('a"b');
	});

	test.each([
		["/v1/chat/completions", chatBody(), "chat.completions"],
		["/v1/responses", { model: "gpt-4o", input: "x" }, "responses"],
		["/v1/embeddings", { model: "e", input: "x" }, "embeddings"],
		["/v1/messages", messageBody(), "messages"],
	] as const)("may ask for %s", (url, body, endpoint) => {
		expect(taken(openAiLine("a", { url }, body)).endpoint).toBe(endpoint);
	});

	test.each([
		["one text", "x", 1],
		["texts", ["x", "y", "z"], 3],
		["one list of tokens", [1, 2, 3], 1],
		["lists of tokens", [[1, 2], [3]], 2],
	])("counts inputs of embeddings: %s", (_name, input, count) => {
		expect(taken(openAiLine("a", { url: "/v1/embeddings" }, { model: "e", input })).embeddingInputs).toBe(count);
	});

	test("tells every mistake at once, each by its field", () => {
		const line = JSON.stringify({ custom_id: "", method: "GET", url: "/v1/videos", body: { stream: true, service_tier: "flex", max_tokens: 0 }, priority: 1 });
		expect(refused(line)).toEqual([
			"priority: is no field of a request; there are custom_id, method, url, body",
			`custom_id: must be text of 1 to ${CUSTOM_ID_LENGTH_MAX} characters`,
			'method: must be "POST"',
			"url: must be one of /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/messages",
			"body.model: must be given",
			"body.stream: a batch has no stream; leave it out",
			"body.service_tier: a batch has a price tier of its own; leave it out",
			"body.max_tokens: must be a positive whole number of tokens",
		]);
	});

	test.each([
		["no JSON", '{"custom_id":', "null: is not valid JSON"],
		["something behind it", `${openAiLine("a")} x`, "null: is not valid JSON"],
		["another value", '"text"', "null: must be one JSON object in UTF-8 without a byte order mark"],
		["a list", "[]", "null: must be one JSON object in UTF-8 without a byte order mark"],
		["a byte order mark", `\ufeff${openAiLine("a")}`, "null: must be one JSON object in UTF-8 without a byte order mark"],
		["a carriage return", openAiLine("a").replace(",", "\r,"), "null: a carriage return stands within the line"],
		["a custom id of another type", openAiLine(7), `custom_id: must be text of 1 to ${CUSTOM_ID_LENGTH_MAX} characters`],
		["a long custom id", openAiLine("x".repeat(513)), `custom_id: must be text of 1 to ${CUSTOM_ID_LENGTH_MAX} characters`],
		["a custom id that cannot be kept", openAiLine("a\u0000"), "custom_id: must be well-formed text without control characters"],
		["a body that is none", openAiLine("a", {}, []), "body: must be an object: the request itself"],
		["a model of another type", withBody({ model: 4 }), "body.model: must be a string of 1 to 256 characters"],
		["a stream of another type", withBody({ stream: "no" }), "body.stream: a batch has no stream; leave it out"],
		["the default tier by name", withBody({ service_tier: "auto" }), "body.service_tier: a batch has a price tier of its own; leave it out"],
		["a cap of no tokens", withBody({ max_completion_tokens: 0.5 }), "body.max_completion_tokens: must be a positive whole number of tokens"],
		["no messages", withBody({ messages: undefined }), "body.messages: must be given"],
		["no input", openAiLine("a", { url: "/v1/embeddings" }, { model: "e" }), "body.input: must be given"],
	])("is refused: %s", (_name, line, problem) => {
		expect(refused(line)).toEqual([problem]);
	});

	test.each([
		["of the line", '{"custom_id":"a","custom_id":"b","method":"POST","url":"/v1/responses","body":{"model":"m"}}', "custom_id"],
		["of the body", '{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m","stream":false,"stream":true}}', "body.stream"],
		["of the body that a bound rests on", '{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m","tools":[],"tools":[]}}', "body.tools"],
	])("is refused where a key stands twice: one %s", (_name, line, field) => {
		const [problem, ...others] = refused(line);
		expect([problem?.split(": ")[0], problem?.includes("stands twice"), others]).toEqual([field, true, []]);
	});

	test("may say no to a stream, and name neither tier nor cap", () => {
		expect(taken(withBody({ stream: false, service_tier: null, max_tokens: undefined })).model).toBe("gpt-4o");
	});
});

describe("a request of an Anthropic batch", () => {
	test("is read, and is one for messages", () => {
		const request = taken(anthropicRequest("A-z_09"), "anthropic");
		expect(request).toMatchObject({ customId: "A-z_09", endpoint: "messages", model: "claude" });
		expect(request.body.toString()).toBe(JSON.stringify(messageBody()));
	});

	test.each([
		["no custom id", anthropicRequest(undefined), "custom_id: must be given"],
		["a long custom id", anthropicRequest("a".repeat(65)), "custom_id: must be 1 to 64 letters, digits, underscores or hyphens"],
		["a custom id with a dot", anthropicRequest("a.b"), "custom_id: must be 1 to 64 letters, digits, underscores or hyphens"],
		["a custom id with a line break", anthropicRequest("a\n"), "custom_id: must be 1 to 64 letters, digits, underscores or hyphens"],
		["an answer of no tokens", anthropicRequest("a", messageBody({ max_tokens: 0 })), "params.max_tokens: must be a positive whole number of tokens"],
		["no cap", anthropicRequest("a", messageBody({ max_tokens: undefined })), "params.max_tokens: must be given"],
		["a stream", anthropicRequest("a", messageBody({ stream: true })), "params.stream: a batch has no stream; leave it out"],
		["no params", anthropicRequest("a", null), "params: must be an object: the request itself"],
		["a url", anthropicRequest("a", messageBody(), { url: "/v1/messages" }), "url: is no field of a request; there are custom_id, params"],
	])("is refused: %s", (_name, line, problem) => {
		expect(refused(line, "anthropic")).toEqual([problem]);
	});
});

test("what is no stored line has neither body nor custom id", () => {
	for (const line of ["", "x", "{", '{"body":1,"custom_id":2}'].map((text) => Buffer.from(text)))
		expect([bodyOfLine(line), customIdOfLine(line)]).toEqual([undefined, undefined]);
});

test("a field in escapes that the runtime's parser takes for one of an earlier line is checked as the field it names", () => {
	const lineWith = (key: string) => openAiLine("a", {}, chatBody()).replace('"max_tokens":100', `"${key}":"flex"`);
	expect(refused(lured(lineWith, "\\u0073ervice_tier"))).toEqual(["body.service_tier: a batch has a price tier of its own; leave it out"]);
});
