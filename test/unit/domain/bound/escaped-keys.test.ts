import { describe, expect, it } from "vitest";
import { factsOf } from "#domain/bound/request-facts.ts";
import { inspected, rejected } from "#test/support/inspect.ts";
import { lured } from "#test/support/lure.ts";

const hello = [{ role: "user", content: "hello" }];

describe("a key in escapes that the runtime's parser takes for one of an earlier body", () => {
	it("is bounded as the field it names", () => {
		const bodyWith = (key: string) => `{"model":"gpt-4o","max_tokens":1,"messages":[{"role":"user","content":"hello"}],"${key}":100}`;
		expect(inspected("chat.completions", lured(bodyWith, "\\u006e"), { unknownFields: "pass" }).choices).toBe(100);
	});

	it("hides no image of a message", () => {
		const image = '[{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}]';
		const bodyWith = (key: string) => `{"model":"gpt-4o","messages":[{"role":"user","${key}":${image}}]}`;
		const request = inspected("chat.completions", lured(bodyWith, "\\u0063ontent"));
		expect(factsOf(request).images).toBe(1);
	});

	it("hides no lure in the body itself", () => {
		const image = '[{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}]';
		const body = `{"model":"gpt-4o","messages":[{"role":"user","\\\\u0063o":"x"},{"role":"user","\\u0063ontent":${image}}]}`;
		expect(factsOf(inspected("chat.completions", body)).images).toBe(1);
	});

	it("gives no tool of the provider out for one of the caller", () => {
		const bodyWith = (key: string) =>
			`{"model":"claude-opus-4-5","max_tokens":9,"messages":[${JSON.stringify(hello[0])}],"tools":[{"name":"web_search","${key}":"web_search_20250305"}]}`;
		const body = lured(bodyWith, "\\u0074ype");
		expect(rejected("messages", body)).toMatchObject({ code: "request.unbounded", field: "tools[0]" });
	});

	it("hides no budget of thinking", () => {
		const bodyWith = (key: string) =>
			`{"model":"claude-opus-4-5","max_tokens":9,"messages":[${JSON.stringify(hello[0])}],"thinking":{"type":"enabled","${key}":4096}}`;
		expect(factsOf(inspected("messages", lured(bodyWith, "\\u0062udget_tokens"))).thinkingBudgetTokens).toBe(4_096);
	});
});
