import { countTokens as countCl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { countTokens as countO200k } from "gpt-tokenizer/encoding/o200k_base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createExactTokens, EXACT_BODY_BYTES_MAX, type ExactTokens } from "#activities/request/exact-tokens.ts";

let problems: string[];
let exact: ExactTokens;

beforeEach(() => {
	problems = [];
	exact = createExactTokens({ countMs: 60_000, firstCountMs: 60_000, onProblem: (problem) => problems.push(problem) });
	return () => exact.close();
});

afterEach(() => expect(problems).toEqual([]));

const PROSE = "The quick brown fox jumps over the lazy dog, 12345 times;\n\n\tit's “naïve” — 素早い茶色の狐 🦊 <|endoftext|>  \r\n".repeat(20);

const chatOf = (...contents: unknown[]): Buffer =>
	Buffer.from(JSON.stringify({ model: "m", messages: contents.map((content) => ({ role: "user", content })) }));
const AS_TEXT = { disallowedSpecial: new Set<string>() };

describe("countSaved", () => {
	test.each([
		["o200k_base", countO200k],
		["cl100k_base", countCl100k],
	] as const)("says by how much %s is below the bytes", async (encoding, countTokens) => {
		const tokens = countTokens(PROSE, AS_TEXT);
		expect(await exact.countSaved({ endpoint: "chat.completions", body: chatOf(PROSE), encoding })).toBe(Buffer.byteLength(PROSE) - tokens);
	});

	test.each([
		["a letter", "a"],
		["spaces", " "],
		["line feeds", "\n"],
		["punctuation", "!"],
		["another script", "字"],
	])("leaves a run of %s at its bytes, and counts what stands around it", async (_name, unit) => {
		const run = unit.repeat(100_000 / Buffer.byteLength(unit));
		const [saved, around] = await Promise.all([
			exact.countSaved({ endpoint: "chat.completions", body: chatOf(`${PROSE}1${run}1${PROSE}`), encoding: "o200k_base" }),
			exact.countSaved({ endpoint: "chat.completions", body: chatOf(PROSE), encoding: "o200k_base" }),
		]);
		expect(saved).toBeGreaterThan(0);
		// The run's neighbours may be part of it, so a few bytes either way.
		expect(Math.abs((saved ?? 0) - 2 * (around ?? 0))).toBeLessThan(20);
	});

	test("counts the text of messages and nothing else", async () => {
		const text = "one two three four five six seven eight nine ten ".repeat(10);
		const part = { type: "input_text", text };
		const body = (value: object): Buffer => Buffer.from(JSON.stringify(value));
		const one = await exact.countSaved({ endpoint: "chat.completions", body: chatOf(text), encoding: "o200k_base" });
		const ask = (endpoint: "chat.completions" | "responses" | "embeddings", value: object): Promise<number | undefined> =>
			exact.countSaved({ endpoint, body: body(value), encoding: "o200k_base" });
		expect(one).toBeGreaterThan(300);
		expect(await ask("responses", { input: text })).toBe(one);
		expect(await ask("responses", { instructions: text, input: [{ role: "user", content: [part] }] })).toBe(2 * (one ?? 0));
		expect(
			await ask("chat.completions", { messages: [{ role: "user", content: [part, part] }], tools: [{ type: "function", function: { name: text } }] }),
		).toBe(0);
		expect(await ask("responses", { input: [{ type: "function_call_output", output: text }] })).toBe(0);
		expect(await ask("embeddings", { input: text })).toBe(0);
	});

	test("takes no body above 256 KB", async () => {
		const body = Buffer.alloc(EXACT_BODY_BYTES_MAX + 1, 0x20);
		expect(await exact.countSaved({ endpoint: "chat.completions", body, encoding: "o200k_base" })).toBeUndefined();
	});
});

test("a count that takes too long ends with its thread, and the next one gets a new thread", async () => {
	const seen: string[] = [];
	const hasty = createExactTokens({ countMs: 0, firstCountMs: 0, onProblem: (problem) => seen.push(problem) });
	const question = { endpoint: "chat.completions", body: chatOf(PROSE), encoding: "o200k_base" } as const;
	expect(await Promise.all([hasty.countSaved(question), hasty.countSaved(question)])).toEqual([undefined, undefined]);
	expect(await hasty.countSaved(question)).toBeUndefined();
	expect(seen).toContain("a count took too long; its thread was ended");
	await hasty.close();
});

test("a body that is not what it was said to be is left at its bytes, and told", async () => {
	const seen: string[] = [];
	const exactTokens = createExactTokens({ firstCountMs: 60_000, onProblem: (problem) => seen.push(problem) });
	expect(await exactTokens.countSaved({ endpoint: "chat.completions", body: Buffer.from("{"), encoding: "o200k_base" })).toBeUndefined();
	expect(seen).toHaveLength(1);
	await exactTokens.close();
});

test("only so many wait: the others are bounded by their bytes at once", async () => {
	const many = await Promise.all(
		Array.from({ length: 30 }, () => exact.countSaved({ endpoint: "chat.completions", body: chatOf("hello world"), encoding: "o200k_base" })),
	);
	expect(many.slice(0, 10).every((saved) => saved !== undefined)).toBe(true);
	expect(many.at(-1)).toBeUndefined();
});
