import fc from "fast-check";
import { expect, test } from "vitest";
import { boundedJson, partsOf, toolCallPart } from "#activities/telemetry/message-parts.ts";
import { withoutOwnKeys } from "#activities/telemetry/own-secrets.ts";

const KEEP = (text: string): string => text;

test("is JSON within its bytes, the newest message at its end, whatever was said", () => {
	const message = fc.record({
		role: fc.constantFrom("user", "assistant"),
		parts: fc.array(fc.string({ unit: "grapheme", maxLength: 3_000 }).map((content) => ({ type: "text", content }))),
	});
	fc.assert(
		fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), fc.integer({ min: 2, max: 4_000 }), (messages, bytesMax) => {
			const bounded = boundedJson(messages, { bytesMax, clean: KEEP });
			const shown = JSON.parse(bounded?.json ?? "") as { role: string }[];
			expect(Buffer.byteLength(bounded?.json ?? "")).toBeLessThanOrEqual(bytesMax);
			if (bounded?.isCut === false) expect(shown).toEqual(messages);
			else expect(shown.length).toBeLessThanOrEqual(messages.length);
			if (shown.length > 0) expect(shown.at(-1)?.role).toBe(messages.at(-1)?.role);
		}),
	);
});

test("a key is taken out before a text is cut, so that no half of it stays", () => {
	const key = `tg-${"K3y".repeat(15)}`;
	// What does not fit at once is cut at half: wherever in the key that is.
	for (let before = 380; before < 450; before++) {
		const content = `${"x".repeat(before)} ${key} ${"y".repeat(5_000)}`;
		const { json } = boundedJson([{ role: "user", parts: [{ type: "text", content }] }], { bytesMax: 900, clean: withoutOwnKeys }) ?? { json: key };
		expect(json).not.toContain("K3yK3y");
		expect(json.length).toBeGreaterThan(300);
	}
});

test("content of both protocols: texts are shown, media by their kind, their address or their id", () => {
	expect(
		partsOf([
			{ type: "text", text: "a" },
			{ type: "input_text", text: "b" },
			{ type: "thinking", thinking: "c", signature: "s" },
			{ type: "tool_use", id: "t1", name: "look", input: { at: 1 } },
			{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "seen" }] },
			{ type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
			{ type: "image_url", image_url: { url: "https://example.com/a.png" } },
			{ type: "input_file", file_id: "file-1" },
			{ type: "of a later year", secret: "x" },
			7,
		]),
	).toEqual([
		{ type: "text", content: "a" },
		{ type: "text", content: "b" },
		{ type: "reasoning", content: "c" },
		{ type: "tool_call", id: "t1", name: "look", arguments: { at: 1 } },
		{ type: "tool_call_response", id: "t1", response: [{ type: "text", content: "seen" }] },
		{ type: "image", content: "[left out]" },
		{ type: "uri", modality: "image", uri: "https://example.com/a.png" },
		{ type: "file", modality: "document", file_id: "file-1" },
		{ type: "of a later year" },
	]);
	expect(toolCallPart("c1", "look", "{broken")).toEqual({ type: "tool_call", id: "c1", name: "look", arguments: "{broken" });
});
