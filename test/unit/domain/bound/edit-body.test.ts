import { describe, expect, it } from "vitest";
import { editBody, withOutputCap, withStreamUsage } from "#domain/bound/edit-body.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { boundLine } from "#test/support/bound-lines.ts";
import { inspected } from "#test/support/inspect.ts";

const OPENAI = boundLine({ provider: "openai", model: "gpt-4o", protocol: "openai", inputNanoUsd: 1n, outputNanoUsd: 1n });
const ANTHROPIC = boundLine({ provider: "anthropic", model: "claude", protocol: "anthropic", inputNanoUsd: 1n, outputNanoUsd: 1n });

const MESSAGES = '"messages" : [ {"role":"user","content":"h\\u00e9 \\n"} ]';

describe("withOutputCap", () => {
	const cap = (text: string, tokens: number, line: PriceLine = OPENAI): string => withOutputCap(inspected("chat.completions", text), tokens, line).toString();

	it("inserts the field the line enforces and leaves every other byte alone", () => {
		expect(cap(` {"model":"gpt-4o", ${MESSAGES}} `, 300)).toBe(` {"max_completion_tokens":300,"model":"gpt-4o", ${MESSAGES}} `);
		expect(
			cap(
				`{"model":"m",${MESSAGES}}`,
				300,
				boundLine({ provider: "vllm", model: "m", protocol: "openai", inputNanoUsd: 1n, outputNanoUsd: 1n }, { outputCapField: "max_tokens" }),
			),
		).toBe(`{"max_tokens":300,"model":"m",${MESSAGES}}`);
	});

	it("replaces the caller's own, both where he gave two", () => {
		expect(cap(`{"model":"gpt-4o","max_tokens" : 9000 ,${MESSAGES}}`, 300)).toBe(`{"model":"gpt-4o","max_tokens" : 300 ,${MESSAGES}}`);
		expect(cap(`{"max_tokens":9000,"model":"gpt-4o",${MESSAGES},"max_completion_tokens":8}`, 3)).toBe(
			`{"max_tokens":3,"model":"gpt-4o",${MESSAGES},"max_completion_tokens":3}`,
		);
	});

	it("uses the one field of responses", () => {
		expect(withOutputCap(inspected("responses", '{"model":"gpt-4o","input":"x"}'), 5, OPENAI).toString()).toBe(
			'{"max_output_tokens":5,"model":"gpt-4o","input":"x"}',
		);
	});

	it("keeps a thinking budget below the cap", () => {
		const text = `{"max_tokens":9000,"model":"claude",${MESSAGES},"thinking":{"type":"enabled", "budget_tokens": 4000 }}`;
		const edit = (tokens: number): string => withOutputCap(inspected("messages", text), tokens, ANTHROPIC).toString();
		expect(edit(2_000)).toBe(`{"max_tokens":2000,"model":"claude",${MESSAGES},"thinking":{"type":"enabled", "budget_tokens": 1999 }}`);
		expect(edit(5_000)).toBe(text.replace("9000", "5000"));
		expect(() => edit(1_024)).toThrow("not offered");
	});

	it("refuses a cap that is none", () => {
		expect(() => cap(`{"model":"gpt-4o",${MESSAGES}}`, 0)).toThrow("positive");
	});
});

describe("withStreamUsage", () => {
	const usage = (text: string): string => withStreamUsage(inspected("chat.completions", text)).toString();

	it.each([
		[`{"model":"m",${MESSAGES},"stream":true}`, `{"stream_options":{"include_usage":true},"model":"m",${MESSAGES},"stream":true}`],
		[`{"model":"m",${MESSAGES},"stream":true,"stream_options":null}`, `{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage":true}}`],
		[`{"model":"m",${MESSAGES},"stream":true,"stream_options":{ }}`, `{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage":true }}`],
		[
			`{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage" : false}}`,
			`{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage" : true}}`,
		],
		[
			`{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_obfuscation":false}}`,
			`{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}`,
		],
	])("adds it to %s", (text, expected) => {
		expect(usage(text)).toBe(expected);
	});

	it("forwards the very same buffer where nothing is to be added", () => {
		for (const text of [`{"model":"m",${MESSAGES}}`, `{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage":true}}`]) {
			const request = inspected("chat.completions", text);
			expect(withStreamUsage(request)).toBe(request.body);
		}
	});
});

describe("editBody", () => {
	it("makes several edits at once", () => {
		const request = inspected("chat.completions", `{"model":"alias",${MESSAGES},"stream":true}`);
		const edited = editBody(request, { outputCap: { tokens: 9, line: OPENAI }, asksStreamUsage: true, model: "gpt-4o" });
		expect(edited.toString()).toBe(`{"max_completion_tokens":9,"stream_options":{"include_usage":true},"model":"gpt-4o",${MESSAGES},"stream":true}`);
	});

	it("leaves the received bytes as they are", () => {
		const body = Buffer.from(`{"model":"alias",${MESSAGES}}`);
		const before = Buffer.from(body);
		editBody(inspected("chat.completions", body), { outputCap: { tokens: 9, line: OPENAI }, model: "x" });
		expect(body).toEqual(before);
	});
});
