import type { Mutant } from "./mutant.ts";

/** Rules of the bound: what a request can cost at most, what two parsers would read differently, what a clamp does. */
const BOUND = "domain/bound/bound-request.ts";
const BOUND_TEST = "test/unit/domain/bound/bound-request.test.ts";
const CLAMP_TEST = "test/unit/domain/bound/clamp.test.ts";

export const BOUND_MUTANTS: readonly Mutant[] = [
	{
		rule: "n multiplies the price of the output",
		file: BOUND,
		from: "perOutputToken: choices * prices.output,",
		to: "perOutputToken: prices.output,",
		test: BOUND_TEST,
		titles: ["is multiplied by n, and a prediction is added to every choice"],
	},
	{
		rule: "the field n bounds the number of answers",
		file: "config/request-fields/openai-chat.json",
		from: '"n": { "rule": "multiplies", "raisesCost": true,',
		to: '"n": { "rule": "neutral", "types": ["number", "null"], "raisesCost": true,',
		test: BOUND_TEST,
		titles: ["is multiplied by n, and a prediction is added to every choice"],
	},
	{
		rule: "a clamp never goes below its floor",
		file: BOUND,
		from: "return cap >= (this.clampFloorTokens ?? this.outputTokens) ? cap : undefined;",
		to: "return cap;",
		test: CLAMP_TEST,
		titles: ["finds the highest cap that fits money and tokens, or none"],
	},
	{
		rule: "a clamp fits the money that is free",
		file: BOUND,
		from: "this.#byMoney(nanoUsd), ",
		to: "",
		test: CLAMP_TEST,
		titles: ["finds the highest cap that fits money and tokens, or none"],
	},
	{
		rule: "a clamp stands in the body that is sent",
		file: "activities/request/prepare-body.ts",
		from: "...(clampedOutputTokens === undefined ? {} : { outputCap: { tokens: clampedOutputTokens, line } }),",
		to: "...(line === undefined ? {} : {}),",
		test: "test/gateway/bounds.test.ts",
		titles: ["a policy may let a clamp lower the caller's own cap"],
	},
	{
		rule: "a field of the body stands once",
		file: "domain/bound/scan-json.ts",
		from: "		if (this.#keys.has(key))\n",
		to: "		if (this.#keys.size < 0)\n",
		test: "test/unit/domain/bound/scan-json.test.ts",
		titles: ['refuses a top-level key that stands twice: {"a":1,"a":2}'],
	},
	{
		rule: "a nested key that a bound rests on stands once",
		file: "domain/bound/scan-json.ts",
		from: "if (isGuarded && this.#depth > 1 &&",
		to: "if (isGuarded && this.#depth < 1 &&",
		test: "test/unit/domain/bound/scan-json.test.ts",
		titles: ['refuses a nested key that a bound rests on and that stands twice: {"reasoning":{"mode":"pro","mode":"standard"}}'],
	},
	{
		rule: "a body with a key in escapes is not read by the runtime's parser",
		file: "domain/bound/inspect-request.ts",
		from: "hasEscapedKey ? readJson(text) : JSON.parse(text)",
		to: "!hasEscapedKey ? readJson(text) : JSON.parse(text)",
		test: "test/unit/domain/bound/escaped-keys.test.ts",
		titles: ["is bounded as the field it names", "hides no image of a message", "gives no tool of the provider out for one of the caller"],
	},
	{
		rule: "the scan tells of keys in escapes below the top too",
		file: "domain/bound/scan-json.ts",
		from: "			this.#hasEscapedKey = true;\n",
		to: "			this.#hasEscapedKey = this.#depth === 1;\n",
		test: "test/unit/domain/bound/escaped-keys.test.ts",
		titles: ["hides no image of a message", "gives no tool of the provider out for one of the caller", "hides no budget of thinking"],
	},
	{
		rule: "text with a key in escapes is not read by the runtime's parser",
		file: "domain/text/read-json.ts",
		from: "hasEscapedKey(text) ? new KeyByKeyReader(text).read() : JSON.parse(text)",
		to: 'hasEscapedKey(text) && text === "" ? new KeyByKeyReader(text).read() : JSON.parse(text)',
		test: "test/property/text/read-json.test.ts",
		titles: ["reads what is written, whatever was parsed before"],
		redBy: "Property failed",
	},
	{
		rule: "a key in escapes is looked for behind the first string with a backslash too",
		file: "domain/text/read-json.ts",
		from: '		at = text.indexOf("\\\\", end);\n',
		to: "		at = -1;\n",
		test: "test/unit/domain/text/read-json.test.ts",
		titles: ["is read as written at any depth, and behind strings that are full of escapes"],
	},
];
