import type { Mutant } from "./mutant.ts";

/** What a batch holds money for, whose data it may name, and that each of its items is one. */
const BOUND = "domain/bound/bound-request.ts";
const ITEMS = "activities/batches/lines/bound-items.ts";
const ONLY_TIERS_TEST = "test/unit/domain/bound/only-tiers.test.ts";
const ITEMS_TEST = "test/unit/activities/batches/lines/bound-items.test.ts";

export const BATCH_LINE_MUTANTS: readonly Mutant[] = [
	{
		rule: "an item of a batch is held at the batch prices alone",
		file: ITEMS,
		from: "{ ...options, onlyTiers: BATCH_TIER }",
		to: "{ ...options, ...(BATCH_TIER.length > 1 && { onlyTiers: BATCH_TIER }) }",
		test: ITEMS_TEST,
		titles: ["are held at the batch prices of their bodies, and numbered as they stand"],
	},
	{
		rule: "a tier beside those that are billed cannot be asked for",
		file: BOUND,
		from: "!onlyTiers.includes(tier));",
		to: "onlyTiers.includes(tier));",
		test: ONLY_TIERS_TEST,
		titles: ["may leave the tier to the account, and names no other"],
		redBy: "was bounded",
	},
	{
		rule: "a tier that is billed alone has a price",
		file: BOUND,
		from: "const unpriced = onlyTiers.find((tier) => line.tiers[tier] === undefined);",
		to: "const unpriced = onlyTiers.find((tier) => line.tiers[tier] === undefined && tier === line.provider);",
		test: ONLY_TIERS_TEST,
		titles: ["is refused where the line has no price for one of them, embeddings too"],
		redBy: "was bounded",
	},
	{
		rule: "an answer of an unknown tier costs the dearest of the tiers that were held, and no other",
		file: "domain/pricing/select-prices.ts",
		from: "const [first = line.tiers.standard, ...others] = priced;",
		to: "const [first, ...others] = [line.tiers.standard, ...priced];",
		test: "test/property/bound/bound-request.test.ts",
		titles: ["an item of a batch costs no more than it held, and nothing is held for another tier"],
		redBy: "Property failed",
	},
	{
		rule: "caps per call hold for the items of a batch",
		file: ITEMS,
		from: "if (overCap !== undefined) return",
		to: "if (overCap !== undefined && n < 1) return",
		test: ITEMS_TEST,
		titles: ["hold for an item, of its feature and of all"],
	},
	{
		rule: "an earlier answer that an item of a batch names is its team's own",
		file: ITEMS,
		from: "if (references !== undefined) return",
		to: "if (references !== undefined && n < 1) return",
		test: ITEMS_TEST,
		titles: ["a hosted tool without a cap, and an earlier answer of somebody else"],
	},
	{
		rule: "a custom id stands in a batch once",
		file: "activities/batches/lines/check-file.ts",
		from: "if (earlier === undefined) this.#lineOfCustomId.set(key, line);",
		to: "if (earlier !== line) this.#lineOfCustomId.set(key, line);",
		test: "test/unit/activities/batches/lines/check-file.test.ts",
		titles: ["is refused for a custom id twice"],
	},
	{
		rule: "an item is delivered once",
		file: "activities/batches/lines/join-outputs.ts",
		from: "		ranks[found.n] = IS_WRITTEN;\n",
		to: "		ranks[found.n] = (ranks[found.n] ?? 0) % IS_WRITTEN;\n",
		test: "test/unit/activities/batches/lines/join-outputs.test.ts",
		titles: ["take the result of an item that is furthest on, and of equals the first, whatever the order"],
	},
	{
		rule: "a line with a key in escapes is not read by the runtime's parser",
		file: "domain/batching/check-line.ts",
		from: "return readJson(text);",
		to: "return JSON.parse(text);",
		test: "test/unit/domain/batching/check-line.test.ts",
		titles: ["a field in escapes that the runtime's parser takes for one of an earlier line is checked as the field it names"],
		redBy: "was taken",
	},
	{
		rule: "what is delivered of an item is what its row says",
		file: "activities/batches/lines/join-outputs.ts",
		from: "else if (isEnding(outputs, found)) ranks",
		to: "else ranks",
		test: "test/unit/activities/batches/lines/join-outputs.test.ts",
		titles: ["are what the rows of the items say, and nothing else that came of them"],
	},
	{
		rule: "an answer counts where its row names its try",
		file: "activities/batches/lines/item-endings.ts",
		from: "this.#tries[n] === tryNumber && ",
		to: "",
		test: "test/unit/activities/batches/lines/join-outputs.test.ts",
		titles: ["are what the rows of the items say, and nothing else that came of them"],
	},
	{
		rule: "an item of embeddings says how many inputs it has",
		file: ITEMS,
		from: ".amounts, embeddingInputs, bytes",
		to: ".amounts, bytes",
		test: "test/gateway/batches-openai.test.ts",
		titles: ["embeddings and responses are batched as well"],
	},
];
