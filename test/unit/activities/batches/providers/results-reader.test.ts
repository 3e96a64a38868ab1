import { describe, expect, test } from "vitest";
import { type ResultsOptions, readResults } from "#activities/batches/providers/results-reader.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";

async function read(content: string | Uint8Array, options: Partial<ResultsOptions> = {}): Promise<ResultLine[]> {
	async function* source() {
		yield typeof content === "string" ? Buffer.from(content) : content;
	}
	const lines: ResultLine[] = [];
	for await (const line of readResults(source(), { protocol: "openai", file: "output file", ...options })) lines.push(line);
	return lines;
}

const ok = (customId: string, body: string) =>
	`{"id": "batch_req_1", "custom_id": "${customId}", "response": {"status_code": 200, "request_id": "req_1", "body": ${body}}, "error": null}`;
const item = (customId: string, result: unknown) => ({ kind: "item", customId, result });

describe("lines of OpenAI", () => {
	test("a body stands as it was written: numbers, escapes, order and spaces", async () => {
		const body = String.raw`{ "usage" : {"total_tokens": 1e1, "cost":0.10 },"text":"a\u00e9 \" } \\","z":[1,{"body":2}], "a":{} }`;
		expect(await read(`${ok("batch1-1-1", body)}\n`)).toEqual([item("batch1-1-1", { kind: "succeeded", httpStatus: 200, requestId: "req_1", body })]);
	});

	test("of members that stand twice the last one counts, by whatever spelling", async () => {
		const line = String.raw`{"custom_id":"x","response":{"status_code":200,"body":1,"\u0062ody":{"last":true}},"error":null}`;
		expect(await read(line)).toEqual([item("x", { kind: "succeeded", httpStatus: 200, requestId: null, body: `{"last":true}` })]);
	});

	test("a failed item keeps its status and what was said", async () => {
		const line = `{"custom_id":"x","response":{"status_code":429,"request_id":"r","body":{"error":{"code":"rate_limit_exceeded"}}},"error":null}`;
		expect(await read(line)).toEqual([item("x", { kind: "errored", httpStatus: 429, requestId: "r", body: `{"error":{"code":"rate_limit_exceeded"}}` })]);
	});

	test.each([
		["batch_expired", { kind: "expired" }],
		["batch_cancelled", { kind: "cancelled" }],
	])("%s was not run", async (code, result) => {
		expect(await read(`{"custom_id":"x","response":null,"error":{"code":"${code}","message":"m"}}`)).toEqual([item("x", result)]);
	});

	test("an item that failed without a response is an error of the provider, in the shape of its endpoints", async () => {
		const [line] = await read(`{"custom_id":"x","response":null,"error":{"code":"server_error","message":"m"}}`);
		expect(line).toMatchObject(item("x", { kind: "errored", httpStatus: 500, requestId: null }));
		const { body } = (line as { result: { body: string } }).result;
		expect(JSON.parse(body)).toEqual({ error: { message: "m", type: "server_error", param: null, code: "server_error" } });
	});

	test("an answered item is billed by its answer, whatever is said beside it", async () => {
		const line = `{"custom_id":"x","response":{"status_code":200,"body":{"id":1}},"error":{"code":"batch_expired"}}`;
		expect(await read(line)).toEqual([item("x", { kind: "succeeded", httpStatus: 200, requestId: null, body: `{"id":1}` })]);
	});

	test("an error status without a body says what stands beside it", async () => {
		const [line] = await read(`{"custom_id":"x","response":{"status_code":400,"body":null},"error":{"message":"bad","code":null}}`);
		expect(line).toMatchObject(item("x", { kind: "errored", httpStatus: 400, body: expect.stringContaining(`"message":"bad"`) }));
	});
});

describe("lines of Anthropic", () => {
	const readOne = async (result: string) => (await read(`{"custom_id":"x","result":${result}}`, { protocol: "anthropic", file: "results" }))[0];

	test.each([
		[`{"type":"succeeded","message": {"id":"msg_1", "usage":{"input_tokens":1.0}} }`, `{"id":"msg_1", "usage":{"input_tokens":1.0}}`],
		[`{"message":{"a":"}"},"type":"succeeded"}`, `{"a":"}"}`],
	])("an answer is the message as it was written: %s", async (result, body) => {
		expect(await readOne(result)).toEqual(item("x", { kind: "succeeded", httpStatus: 200, requestId: null, body }));
	});

	test.each([
		["invalid_request_error", 400],
		["overloaded_error", 529],
		["something_new", 500],
	])("%s stands for %i", async (type, httpStatus) => {
		const error = `{"type":"error","error":{"type":"${type}","message":"m"},"request_id":"req_9"}`;
		expect(await readOne(`{"type":"errored","error":${error}}`)).toEqual(item("x", { kind: "errored", httpStatus, requestId: "req_9", body: error }));
	});

	test.each([
		["canceled", "cancelled"],
		["expired", "expired"],
	])("%s was not run", async (type, kind) => {
		expect(await readOne(`{"type":"${type}"}`)).toEqual(item("x", { kind }));
	});

	test("a kind nobody knows is told and settles nothing", async () => {
		expect(await readOne(`{"type":"refunded"}`)).toMatchObject({
			kind: "unreadable",
			line: 1,
			problem: "results: the line of x has no result of a kind that is known",
		});
	});
});

describe("what cannot be read", () => {
	test("a last line that was cut is told with its number and beginning; those before it stand", async () => {
		const [first, last, ...rest] = await read(`${ok("a", "{}")}\n${ok("b", "{}").slice(0, 60)}`);
		expect(first).toMatchObject({ kind: "item", customId: "a" });
		expect(last).toMatchObject({ kind: "unreadable", line: 2, problem: "output file: the line is not JSON; perhaps it was cut short" });
		expect(last).toHaveProperty("start", ok("b", "{}").slice(0, 60));
		expect(rest).toEqual([]);
	});

	test("a whole last line without its line feed is an item", async () => {
		expect(await read(ok("a", "{}"))).toMatchObject([{ kind: "item", customId: "a" }]);
	});

	test.each([
		["no object", "[1]", "the line is no JSON object"],
		["no custom_id", `{"response":{"status_code":200,"body":{}}}`, "the line has no custom_id"],
		["a custom_id that is no text", `{"custom_id":7,"response":{"status_code":200,"body":{}}}`, "the line has no custom_id"],
		["neither response nor error", `{"custom_id":"x","response":null,"error":null}`, "the line of x has neither response nor error"],
		["no status", `{"custom_id":"x","response":{"body":{}}}`, "response.status_code is no HTTP status"],
		["a status that is none", `{"custom_id":"x","response":{"status_code":"200","body":{}}}`, "response.status_code is no HTTP status"],
		["two objects in one line", `${ok("a", "{}")}${ok("b", "{}")}`, "the line is not JSON; perhaps it was cut short"],
	])("%s", async (_name, line, problem) => {
		expect(await read(`\n${line}\n${ok("z", "{}")}\n`)).toMatchObject([
			{ kind: "unreadable", line: 2, problem: `output file: ${problem}` },
			{ kind: "item", customId: "z" },
		]);
	});

	test("bytes that are no UTF-8", async () => {
		const bytes = Buffer.concat([Buffer.from(`{"custom_id":"`), Buffer.from([0xff, 0xfe]), Buffer.from(`"}\n${ok("z", "{}")}\n`)]);
		expect(await read(bytes)).toMatchObject([{ kind: "unreadable", line: 1, problem: "output file: the line is not UTF-8" }, { customId: "z" }]);
	});

	test("a line above the bound, of which nothing but the beginning is kept", async () => {
		const long = ok("long", JSON.stringify("x".repeat(3_000)));
		const lines = await read(`${long}\n${ok("z", "{}")}\n`, { lineBytesMax: 1_000 });
		expect(lines).toMatchObject([
			{ kind: "unreadable", line: 1, problem: "output file: the line is too long" },
			{ kind: "item", customId: "z" },
		]);
		expect(lines[0]).toHaveProperty("start", long.slice(0, 200));
	});

	test("a line of exactly the bound is read, one byte more is not", async () => {
		const line = ok("x", "{}");
		expect(await read(line, { lineBytesMax: line.length })).toMatchObject([{ kind: "item" }]);
		expect(await read(line, { lineBytesMax: line.length - 1 })).toMatchObject([{ kind: "unreadable" }]);
	});

	test("the beginning can be stored: one line, well-formed", async () => {
		const [line] = await read(`{"custom_id":"\u0001${"😀".repeat(150)}`);
		const { start } = line as { start: string };
		expect(start.length).toBeLessThanOrEqual(200);
		expect(start.isWellFormed()).toBe(true);
		expect(start).not.toMatch(/\p{Cc}/u);
	});
});
