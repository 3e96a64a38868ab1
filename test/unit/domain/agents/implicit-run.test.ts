import { describe, expect, test } from "vitest";
import { implicitRun } from "#domain/agents/implicit-run.ts";

const opening = [
	{ role: "system", content: "You help. It is 2026-11-26T08:00:00Z." },
	{ role: "user", content: "Plan the trip" },
];

function prefix(body: unknown, keyId = "k1"): string | undefined {
	const found = implicitRun(keyId, "chat.completions", body);
	return found?.kind === "begins_with" ? found.prefix : undefined;
}

describe("calls without a run", () => {
	test("of one conversation belong together, however long it gets", () => {
		const first = implicitRun("k1", "chat.completions", { messages: opening });
		const later = implicitRun("k1", "chat.completions", {
			messages: [...opening, { role: "assistant", content: "Where?" }, { role: "user", content: "Rome" }],
		});
		expect(first).toMatchObject({ kind: "begins_with", isFirstCall: true });
		expect(later).toEqual({ ...first, isFirstCall: false });
	});

	test("times in what the system says do not part them", () => {
		const atNine = [{ role: "system", content: "You help. It is 2026-11-26T09:00:00Z." }, opening[1]];
		expect(prefix({ messages: atNine })).toBe(prefix({ messages: opening }));
	});

	test("of another key, another question or another system are apart", () => {
		const all = [
			prefix({ messages: opening }),
			prefix({ messages: opening }, "k2"),
			prefix({ messages: [opening[0], { role: "user", content: "Plan the party" }] }),
			prefix({ messages: [{ role: "system", content: "You sell." }, opening[1]] }),
			prefix({ messages: [opening[1]] }),
		];
		expect(new Set(all).size).toBe(all.length);
		expect(all.every((text) => /^[0-9a-f]{16}$/.test(text ?? ""))).toBe(true);
	});

	test("of the other protocols likewise", () => {
		const message = { system: [{ type: "text", text: "You help." }], messages: [{ role: "user", content: [{ type: "text", text: "Plan" }] }] };
		expect(implicitRun("k1", "messages", message)).toEqual(
			implicitRun("k1", "messages", { ...message, system: "You help.", messages: [{ role: "user", content: "Plan" }] }),
		);
		const response = {
			instructions: "You help.",
			input: [
				{ role: "user", content: "Plan" },
				{ type: "function_call", call_id: "c" },
			],
		};
		expect(implicitRun("k1", "responses", response)).toMatchObject({ kind: "begins_with", isFirstCall: false });
		expect(implicitRun("k1", "responses", { instructions: "You help.", input: "Plan" })).toMatchObject({ isFirstCall: true });
	});

	test("go on from the answer they name", () => {
		expect(implicitRun("k1", "responses", { previous_response_id: "resp_1", input: "x" })).toEqual({ kind: "follows", answerId: "resp_1" });
		expect(implicitRun("k1", "responses", { conversation: { id: "conv_1" }, input: "x" })).toEqual({ kind: "follows", answerId: "conv_1" });
	});

	test("that are no conversation have none", () => {
		expect(implicitRun("k1", "embeddings", { input: "x" })).toBeUndefined();
		expect(implicitRun("k1", "chat.completions", "x")).toBeUndefined();
	});
});
