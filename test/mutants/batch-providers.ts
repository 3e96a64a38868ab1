import type { Mutant } from "./mutant.ts";

/** Rules by which no provider batch is made twice, no answer taken for another, and no key goes where it should not. */
const FOLDER = "test/unit/activities/batches/providers";
const ERRORS = { file: "activities/batches/providers/provider-errors.ts", test: `${FOLDER}/provider-errors.test.ts` } as const;
const WIRE = { file: "activities/batches/providers/provider-wire.ts", test: `${FOLDER}/provider-wire.test.ts` } as const;
const OPENAI_TEST = `${FOLDER}/openai-batches.test.ts`;
const ANTHROPIC = { file: "activities/batches/providers/anthropic-batches.ts", test: `${FOLDER}/anthropic-batches.test.ts` } as const;
const READER = { file: "activities/batches/providers/results-reader.ts", test: `${FOLDER}/results-reader.test.ts` } as const;

export const BATCH_PROVIDER_MUTANTS: readonly Mutant[] = [
	{
		rule: "a batch of which nobody knows whether it was made is not told as refused",
		...ERRORS,
		from: `if (status >= 500 || status === 408) return "provider.unreachable";`,
		to: "",
		titles: ["502", "408"],
	},
	{
		rule: "what stands before the provider does not speak for it",
		...ERRORS,
		from: "(status === 503 || status === 529) && [code, type].some((word) => word !== null && OVERLOADED.test(word))",
		to: "status === 503 || status === 529",
		titles: ["503 that something in front of the provider wrote"],
	},
	{
		rule: "a spend limit is not waited for",
		...ERRORS,
		from: `	if (isQuota(said)) return "provider.quota";\n`,
		to: "",
		titles: ["no credit left: 429", "billing: 402 billing_error"],
	},
	{
		rule: "batches of a provider follow no redirect",
		...WIRE,
		from: `redirect: "manual"`,
		to: `redirect: "follow"`,
		titles: ["is not sent on by a redirect (307)"],
	},
	{
		rule: "the key is taken out of what a provider of batches says",
		...WIRE,
		from: "const clean = stream.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));",
		to: "const clean = chunk;",
		titles: ["is taken out of results, in whatever pieces they arrive"],
	},
	{
		rule: "variables of the environment add no headers to batches",
		...WIRE,
		from: "[...headers].filter(([name]) => FORWARDED.test(name))",
		to: "[...headers]",
		titles: ["to openai heeds the table and nothing of the environment"],
	},
	{
		rule: "the SDK of OpenAI tries nothing again",
		file: "activities/batches/providers/openai-batches.ts",
		from: "maxRetries: 0,",
		to: "maxRetries: 2,",
		test: WIRE.test,
		titles: ["to openai is sent once, however it fails"],
	},
	{
		rule: "the SDK of Anthropic tries nothing again",
		file: "activities/batches/providers/anthropic-batches.ts",
		from: "maxRetries: 0,",
		to: "maxRetries: 2,",
		test: WIRE.test,
		titles: ["to anthropic is sent once, however it fails"],
	},
	{
		rule: "a part that lost lines is not sent to its end",
		file: "activities/batches/providers/part-source.ts",
		from: "assert(lines === items,",
		to: "assert(true,",
		test: OPENAI_TEST,
		titles: ["a part with fewer lines than it says is not sent to its end"],
	},
	{
		rule: "a list that cannot be read is not one without batches",
		file: "activities/batches/providers/list-since.ts",
		from: `throw unreadableAnswer(question, "it is no list");`,
		to: "return;",
		test: OPENAI_TEST,
		titles: ["an answer that is no list finds nothing out, rather than nothing"],
	},
	{
		rule: "batches are looked for from before the attempt",
		file: "activities/batches/providers/list-since.ts",
		from: "sinceMs - CLOCK_ALLOWANCE_MS",
		to: "sinceMs",
		test: ANTHROPIC.test,
		titles: ["takes the batches of that size made since, without those of other parts"],
	},
	{
		rule: "a batch that is known as another part's is not taken for this one",
		...ANTHROPIC,
		from: " && !isOthers(status.providerBatchId)",
		to: "",
		titles: ["takes the batches of that size made since, without those of other parts"],
	},
	{
		rule: "a batch that has an output ran, whatever its status",
		file: "activities/batches/providers/openai-batches.ts",
		from: `state === "failed" && outputFileId !== null ? "ended" : state`,
		to: "state",
		test: OPENAI_TEST,
		titles: ["a batch that failed as a whole says why, with lines; one with an output has ended, since it ran"],
	},
	{
		rule: "an item that was answered is billed by its answer",
		...READER,
		from: "response === undefined ? error && withoutResponse(error)",
		to: "error !== undefined || response === undefined ? error && withoutResponse(error)",
		titles: ["an answered item is billed by its answer, whatever is said beside it"],
	},
	{
		rule: "a line of results is held up to a bound",
		...READER,
		from: "		if (size <= lineBytesMax) return;\n",
		to: "		if (size >= 0) return;\n",
		titles: ["a line above the bound, of which nothing but the beginning is kept"],
	},
];
