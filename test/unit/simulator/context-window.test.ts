import path from "node:path";
import { expect, test } from "vitest";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { contextWindowOf, fitWindow } from "../../../simulator/context-window.ts";

const lines = readSeedFiles(path.resolve(import.meta.dirname, "../../../config/prices")).flatMap((file) => file.lines.map(({ line }) => line));

test("no model takes more here than the price book says it takes, so that its window bounds every call", () => {
	const chatLines = lines.filter((line) => line.kind === "chat");
	expect(chatLines.length).toBeGreaterThan(40);
	const wider = chatLines.flatMap((line) =>
		[line.model, ...line.aliases].filter((id) => contextWindowOf(id) > (line.contextWindowTokens ?? Number.POSITIVE_INFINITY)),
	);
	expect(wider).toEqual([]);
	expect(contextWindowOf("my-own-model")).toBe(128_000);
});

const prompt = (inputTokens: number) => ({ texts: [], inputTokens, lastUserText: "", endsWithToolResult: false, toolResults: 0 });

test("a prompt beyond the window is the provider's own 400", () => {
	expect(fitWindow("openai", { model: "gpt-4o" }, prompt(128_000)).inputTokens).toBe(128_000);
	expect(() => fitWindow("openai", { model: "gpt-4o", messages: [] }, prompt(128_001))).toThrow(/maximum context length is 128000 tokens/);
	expect(() => fitWindow("anthropic", { model: "claude-haiku-4-5" }, prompt(200_001))).toThrow("prompt is too long: 200001 tokens > 200000 maximum");
});
