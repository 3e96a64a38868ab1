import { describe, expect, test } from "vitest";
import { describeLineProblem, ProblemList } from "#domain/batching/line-problem.ts";
import { type OutputLine, outcomeOf, renderOutputLine } from "#domain/batching/render-output.ts";

const answer = { kind: "succeeded", httpStatus: 200, requestId: "req_1", body: '{"id":"chatcmpl-1",\n "n":1.0}' } as const;
const error = (body: string): OutputLine["result"] => ({ kind: "errored", httpStatus: 400, requestId: null, body });

function rendered(form: "openai" | "anthropic", result: OutputLine["result"]): unknown {
	const line = renderOutputLine({ id: "batch_req_1", customId: 'a"b', result }, form);
	expect([line.endsWith("\n"), line.indexOf("\n")]).toEqual([true, line.length - 1]);
	return JSON.parse(line);
}

describe("OpenAI's form", () => {
	test("an answer stands in it as the provider wrote it", () => {
		expect(rendered("openai", answer)).toEqual({
			id: "batch_req_1",
			custom_id: 'a"b',
			response: { status_code: 200, request_id: "req_1", body: { id: "chatcmpl-1", n: 1 } },
			error: null,
		});
		expect(renderOutputLine({ id: "i", customId: "a", result: answer }, "openai")).toContain('"n":1.0');
	});

	test.each([
		["whole", '{"error":{"code":"bad","message":"no"}}', { error: { code: "bad", message: "no" } }],
		["the error alone", '{"code":"bad","message":"no"}', { error: { code: "bad", message: "no" } }],
		["no JSON", "<html>", { error: { message: "<html>" } }],
	])("an error of a call is its answer: %s", (_name, body, expected) => {
		expect(rendered("openai", error(body))).toEqual({
			id: "batch_req_1",
			custom_id: 'a"b',
			response: { status_code: 400, request_id: "", body: expected },
			error: null,
		});
	});

	test.each([
		["expired", "batch_expired"],
		["cancelled", "batch_cancelled"],
		["lost", "batch_result_lost"],
	] as const)("an item that was not answered has an error and no response: %s", (kind, code) => {
		expect(rendered("openai", { kind })).toEqual({ id: "batch_req_1", custom_id: 'a"b', response: null, error: { code, message: expect.any(String) } });
	});
});

describe("Anthropic's form", () => {
	test.each([
		["an answer", answer, { type: "succeeded", message: { id: "chatcmpl-1", n: 1 } }],
		["expiry", { kind: "expired" }, { type: "expired" }],
		["cancellation", { kind: "cancelled" }, { type: "canceled" }],
		[
			"a whole error",
			error('{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_2"}'),
			{ type: "errored", error: { type: "error", error: { type: "invalid_request_error", message: "no" }, request_id: "req_2" } },
		],
		[
			"the error alone",
			error('{"type":"invalid_request_error","message":"no"}'),
			{ type: "errored", error: { type: "error", error: { type: "invalid_request_error", message: "no" }, request_id: null } },
		],
		[
			"a result that is lost",
			{ kind: "lost" },
			{ type: "errored", error: { type: "error", error: { type: "api_error", message: expect.stringContaining("charged") }, request_id: null } },
		],
	] as const)("%s", (_name, result, expected) => {
		expect(rendered("anthropic", result)).toEqual({ custom_id: 'a"b', result: expected });
	});
});

test("what was lost counts as an error", () => {
	expect([outcomeOf("lost"), outcomeOf("expired")]).toEqual(["errored", "expired"]);
});

describe("problems of a batch", () => {
	test("are told as each provider counts", () => {
		const problem = { line: 3, field: "body.model", code: "batch.line_invalid", message: "must be given" } as const;
		expect(describeLineProblem(problem, "openai")).toBe("line 3: body.model: must be given");
		expect(describeLineProblem({ ...problem, field: null }, "openai")).toBe("line 3: must be given");
		expect(describeLineProblem({ ...problem, field: "params.model" }, "anthropic")).toBe("requests.2.params.model: must be given");
		expect(describeLineProblem({ ...problem, line: null, field: "requests" }, "anthropic")).toBe("requests: must be given");
		expect(describeLineProblem({ ...problem, line: null, field: null }, "anthropic")).toBe("must be given");
	});

	test("are listed up to a hundred, and counted", () => {
		const list = new ProblemList();
		expect(list.isEmpty).toBe(true);
		for (let line = 1; line <= 250; line += 1) list.add({ line, field: null, code: "batch.line_invalid", message: "is empty" });
		expect([list.isEmpty, list.problems.listed.length, list.problems.listed.at(-1)?.line, list.problems.unlisted]).toEqual([false, 100, 100, 150]);
	});
});
