import { describe, expect, it } from "vitest";
import { PromptCache } from "#simulator/prompt-cache.ts";

describe("automatic prompt cache", () => {
	it("misses first, then reads whole blocks of 128 tokens", () => {
		const cache = new PromptCache();
		const prompt = "a".repeat(5_000);
		expect(cache.useAutomatic("m", prompt)).toEqual({ readTokens: 0, writtenTokens: 1_152 });
		expect(cache.useAutomatic("m", prompt)).toEqual({ readTokens: 1_152, writtenTokens: 0 });
	});

	it("reads the common prefix of prompts that part later", () => {
		const cache = new PromptCache();
		cache.useAutomatic("m", "a".repeat(6_000));
		expect(cache.useAutomatic("m", "a".repeat(4_700) + "b".repeat(2_000)).readTokens).toBe(1_152);
	});

	it("keeps models apart and short prompts out", () => {
		const cache = new PromptCache();
		cache.useAutomatic("m", "a".repeat(6_000));
		expect(cache.useAutomatic("other", "a".repeat(6_000)).readTokens).toBe(0);
		expect(cache.useAutomatic("m", "a".repeat(4_000))).toEqual({ readTokens: 0, writtenTokens: 0 });
	});
});

describe("marked prompt cache", () => {
	const first = { prefix: "system", tokens: 2_000, ttl: "1h" } as const;
	const second = { prefix: "system and more", tokens: 3_500, ttl: "5m" } as const;

	it("writes each segment under its own time to live, then reads all of it", () => {
		const cache = new PromptCache();
		expect(cache.useBreakpoints("m", [first, second])).toEqual({ readTokens: 0, write5mTokens: 1_500, write1hTokens: 2_000 });
		expect(cache.useBreakpoints("m", [first, second])).toEqual({ readTokens: 3_500, write5mTokens: 0, write1hTokens: 0 });
	});

	it("reads the known part and writes the rest", () => {
		const cache = new PromptCache();
		cache.useBreakpoints("m", [first]);
		expect(cache.useBreakpoints("m", [first, second])).toEqual({ readTokens: 2_000, write5mTokens: 1_500, write1hTokens: 0 });
	});

	it("ignores a prefix below 1,024 tokens", () => {
		expect(new PromptCache().useBreakpoints("m", [{ ...first, tokens: 1_000 }])).toEqual({ readTokens: 0, write5mTokens: 0, write1hTokens: 0 });
	});
});
