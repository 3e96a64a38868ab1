import type { Mutant } from "./mutant.ts";

/** Pure rules of batches that hold money or an item's one answer. */
const UNIT = "test/unit/domain/batching";

export const BATCH_DECISION_MUTANTS: readonly Mutant[] = [
	{
		rule: "a second answer of an item is never handed back",
		file: "domain/batching/hedge.ts",
		from: 'return hasOutcome ? "duplicate" : "deliver";',
		to: 'return "deliver";',
		test: `${UNIT}/hedge.test.ts`,
		titles: ["the first answer is handed back, any other is paid for twice"],
	},
	{
		rule: "what falls due together begins early enough for the rate of the fallback",
		file: "domain/batching/hedge.ts",
		from: "beginsByMs - spacingMs",
		to: "beginsByMs",
		test: `${UNIT}/hedge.test.ts`,
		titles: ["earlier, where more falls due together than may be sent in that time"],
	},
	{
		rule: "an item of a batch is tried so often and no more",
		file: "domain/batching/retry.ts",
		from: "if (tries >= triesMax)",
		to: "if (tries < 0)",
		test: `${UNIT}/retry.test.ts`,
		titles: ["ends after three tries"],
	},
	{
		rule: "an account without money is not asked again for the items of a batch",
		file: "domain/batching/retry.ts",
		from: "names.some((name) => OF_ACCOUNT.has(name))",
		to: "names.length < 0",
		test: `${UNIT}/retry.test.ts`,
		titles: ["of OpenAI's account is told from its rates, though both are 429: insufficient_quota"],
	},
	{
		rule: "a team's batches hold no more money than its cap",
		file: "domain/batching/pressure.ts",
		from: "else if (sumNanoUsd + item.boundNanoUsd > capNanoUsd) left.push(item);",
		to: "else if (sumNanoUsd < 0n) left.push(item);",
		test: `${UNIT}/pressure.test.ts`,
		titles: ["is held up to the cap: what does not fit waits, what never will is named"],
	},
	{
		rule: "a batch that has ended stays ended",
		file: "domain/batching/batch-moves.ts",
		from: "	completed: [],",
		to: '	completed: ["running"],',
		test: `${UNIT}/batch-moves.test.ts`,
		titles: ["ends as completed, expired, cancelled or failed, and what has ended goes nowhere"],
	},
	{
		rule: "a part of a batch keeps to the provider's bytes",
		file: "domain/batching/split-parts.ts",
		from: "if (sums.bytes > limits.bytesMax)",
		to: "if (sums.bytes < 0)",
		test: `${UNIT}/split-parts.test.ts`,
		titles: ["is named with the limit it passes, and the others keep their part"],
	},
	{
		rule: "batches in flight count for the turnaround",
		file: "domain/batching/turnaround.ts",
		from: "			...running.map((atSeconds) => observe(atSeconds, nowSeconds - atSeconds, true)),\n",
		to: "",
		test: `${UNIT}/turnaround.test.ts`,
		titles: ["a slowdown shows in what is in flight, before any of it has ended"],
	},
];
