import { expect, test } from "vitest";
import { bodyOfLine, checkLine } from "#domain/batching/check-line.ts";
import { renderLine, withModel } from "#domain/batching/render-line.ts";
import { chatBody } from "#test/support/batch-lines.ts";

const BODY = Buffer.from('{ "messages":[],"model" : "gpt-4o", "n":1.0 }');

test("a line has the provider's form, our custom id and the body's bytes", () => {
	const customId = "batch7-1-3";
	expect(renderLine({ customId, body: BODY, protocol: "openai", endpoint: "responses" }).toString()).toBe(
		`{"custom_id":"batch7-1-3","method":"POST","url":"/v1/responses","body":${BODY}}\n`,
	);
	expect(renderLine({ customId, body: BODY, protocol: "anthropic", endpoint: "messages" }).toString()).toBe(`{"custom_id":"batch7-1-3","params":${BODY}}\n`);
});

test("a line can be read again", () => {
	const body = Buffer.from(JSON.stringify(chatBody()));
	const line = renderLine({ customId: "batch7-1-3", body, protocol: "openai", endpoint: "chat.completions" }).subarray(0, -1);
	expect(bodyOfLine(line)).toEqual(body);
	expect(checkLine(line, "openai").kind).toBe("valid");
});

test("the model is replaced where it stands, and nothing else is", () => {
	expect(withModel(BODY, "gpt-4o")).toBe(BODY);
	const escaped = Buffer.from('{"model":"gpt\\u002d4o"}');
	expect(withModel(escaped, "gpt-4o")).toBe(escaped);
	expect(withModel(BODY, 'm"1').toString()).toBe('{ "messages":[],"model" : "m\\"1", "n":1.0 }');
	expect(() => withModel(Buffer.from('{"messages":[{"model":"x"}]}'), "m")).toThrow(/names a model/);
});
