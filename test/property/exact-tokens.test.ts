import fc from "fast-check";
import { countTokens as countCl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { countTokens as countO200k } from "gpt-tokenizer/encoding/o200k_base";
import { CL100K_TOKEN_SPLIT_REGEX, O200K_TOKEN_SPLIT_REGEX } from "gpt-tokenizer/encodingParams/constants";
import { expect, it } from "vitest";

/** What lets a long run stand at its bytes: a text's count is the sum over its runs, each counted alone. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };
const pieces = fc.constantFrom(
	" ",
	"  ",
	"\n",
	"\r\n",
	"\t",
	"a",
	"Word",
	"don't",
	"I'LL",
	"é",
	"字",
	"🦊",
	"1",
	"12345",
	"!",
	"/",
	"...",
	"<|endoftext|>",
	"\u0301",
	"\ud800",
);
const texts = fc.oneof(
	fc.array(pieces, { maxLength: 40 }).map((list) => list.join("")),
	fc.string({ unit: "binary", maxLength: 60 }),
);

it.each([
	["o200k_base", countO200k, O200K_TOKEN_SPLIT_REGEX],
	["cl100k_base", countCl100k, CL100K_TOKEN_SPLIT_REGEX],
] as const)("%s: the runs of a text add up to the text, and never exceed their bytes", (_name, count, pattern) => {
	fc.assert(
		fc.property(texts, (text) => {
			const runs = text.match(pattern) ?? [];
			const tokens = count(text, AS_TEXT);
			expect(runs.reduce((sum, run) => sum + count(run, AS_TEXT), 0)).toBe(tokens);
			expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(text));
		}),
		{ numRuns: 3_000 },
	);
});
