import { describe, expect, it } from "vitest";
import type { Endpoint } from "#domain/bound/request.ts";
import { FIELD_TABLES } from "#test/support/inspect.ts";
import { type SdkFile, SdkTypes } from "#test/support/sdk-types.ts";

/**
 * Every request field, tool type, content type and beta of both SDKs has a rule. An SDK update that
 * brings a new one fails here until somebody has decided what it can cost.
 */
const sdk = new SdkTypes();

type Listed = { readonly endpoint: Endpoint; readonly file: SdkFile; readonly type: string };

const missing = (known: object, names: readonly string[]): string[] => names.filter((name) => name !== "" && !Object.hasOwn(known, name));

describe("request fields", () => {
	it.each<Listed & { readonly least: number }>([
		{ endpoint: "chat.completions", file: "chat", type: "ChatCompletionCreateParamsBase", least: 30 },
		{ endpoint: "responses", file: "responses", type: "ResponseCreateParamsBase", least: 25 },
		{ endpoint: "embeddings", file: "embeddings", type: "EmbeddingCreateParams", least: 5 },
		{ endpoint: "messages", file: "messages", type: "MessageCreateParamsBase", least: 15 },
		{ endpoint: "messages", file: "betaMessages", type: "MessageCreateParamsBase", least: 20 },
		{ endpoint: "count_tokens", file: "messages", type: "MessageCountTokensParams", least: 8 },
		{ endpoint: "count_tokens", file: "betaMessages", type: "MessageCountTokensParams", least: 10 },
	])("$endpoint: $type of $file has no unlisted member", ({ endpoint, file, type, least }) => {
		const names = sdk.fields(file, type);
		expect(names.length).toBeGreaterThanOrEqual(least);
		expect(missing(FIELD_TABLES[endpoint].fields, names)).toEqual([]);
	});
});

describe("tool types", () => {
	it.each<Listed>([
		{ endpoint: "chat.completions", file: "chat", type: "ChatCompletionTool" },
		{ endpoint: "responses", file: "responses", type: "Tool" },
		{ endpoint: "messages", file: "messages", type: "ToolUnion" },
		{ endpoint: "messages", file: "betaMessages", type: "BetaToolUnion" },
	])("$endpoint: $type of $file has no unlisted member", ({ endpoint, file, type }) => {
		const names = sdk.discriminants(file, type);
		expect(names.length).toBeGreaterThanOrEqual(2);
		expect(missing(FIELD_TABLES[endpoint].tools, names)).toEqual([]);
	});
});

describe("content parts and items", () => {
	it.each<Listed & { readonly path: readonly string[]; readonly least: number }>([
		{ endpoint: "chat.completions", file: "chat", type: "ChatCompletionMessageParam", path: ["content"], least: 5 },
		{ endpoint: "chat.completions", file: "chat", type: "ChatCompletionContentPart", path: [], least: 4 },
		{ endpoint: "chat.completions", file: "chat", type: "ChatCompletionPredictionContent", path: ["content"], least: 1 },
		{ endpoint: "responses", file: "responses", type: "ResponseInputContent", path: [], least: 3 },
		{ endpoint: "responses", file: "responses", type: "ResponseOutputMessage", path: ["content"], least: 2 },
		{ endpoint: "responses", file: "responses", type: "ResponseFunctionCallOutputItem", path: [], least: 3 },
		{ endpoint: "responses", file: "responses", type: "ResponseComputerToolCallOutputScreenshot", path: [], least: 1 },
		{ endpoint: "messages", file: "messages", type: "ContentBlockParam", path: [], least: 10 },
		{ endpoint: "messages", file: "messages", type: "ToolResultBlockParam", path: ["content"], least: 4 },
		{ endpoint: "messages", file: "messages", type: "SearchResultBlockParam", path: ["content"], least: 1 },
		{ endpoint: "messages", file: "betaMessages", type: "BetaContentBlockParam", path: [], least: 15 },
		{ endpoint: "messages", file: "betaMessages", type: "BetaToolResultBlockParam", path: ["content"], least: 4 },
	])("$endpoint: $type of $file $path has no unlisted part", ({ endpoint, file, type, path, least }) => {
		const names = sdk.discriminants(file, type, path);
		expect(names.length).toBeGreaterThanOrEqual(least);
		expect(missing(FIELD_TABLES[endpoint].parts, names)).toEqual([]);
	});

	it("input items of responses are all listed", () => {
		const names = sdk.discriminants("responses", "ResponseInputItem");
		expect(names.length).toBeGreaterThanOrEqual(25);
		expect(missing(FIELD_TABLES.responses.items, names)).toEqual([]);
	});
});

describe("anthropic-beta", () => {
	it.each<Endpoint>(["messages", "count_tokens"])("lists every value for %s", (endpoint) => {
		const names = sdk.literals("beta", "AnthropicBeta");
		expect(names.length).toBeGreaterThanOrEqual(50);
		expect(missing(FIELD_TABLES[endpoint].betas, names)).toEqual([]);
	});
});

describe("service tiers", () => {
	it("bounds or refuses every tier of both SDKs", () => {
		expect(Object.keys(FIELD_TABLES["chat.completions"].fields["service_tier"]?.tiers ?? {}).toSorted()).toEqual([
			"auto",
			"default",
			"fast",
			"flex",
			"priority",
			"scale",
		]);
		expect(Object.keys(FIELD_TABLES.messages.fields["service_tier"]?.tiers ?? {}).toSorted()).toEqual(["auto", "standard_only"]);
	});
});
