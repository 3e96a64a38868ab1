import { describe, expect, test } from "vitest";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { chooseDeployments } from "#activities/request/choose-deployments.ts";
import { ANTHROPIC_BASE_URL, defaultProviderTable, OPENAI_BASE_URL, offerWithKeysOnly, type ProviderTable } from "#config/providers.ts";
import { Secret } from "#config/secret.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { exitCodeOfPasted, pastedWords } from "#test/support/pasted-command.ts";

const book = testPriceBook();
const keys = { openaiKey: new Secret("sk-o"), anthropicKey: new Secret("sk-a") };
const defaults = (given: Partial<typeof keys> = keys, anthropicBaseUrl = ANTHROPIC_BASE_URL) =>
	defaultProviderTable({ openaiKey: undefined, anthropicKey: undefined, ...given, openaiBaseUrl: OPENAI_BASE_URL, anthropicBaseUrl });

function problemOf(table: ProviderTable, model: string, endpoint: Endpoint) {
	const choice = chooseDeployments(createDeploymentCatalog(table), book, { model, endpoint });
	return choice.kind === "rejected" ? choice.problem : { code: undefined, message: "" };
}

describe("a model without a price", () => {
	test.each([
		["gpt-nope", "chat.completions", "--provider openai --model gpt-nope --input"],
		["gpt-nope", "responses", "--provider openai --model gpt-nope --input"],
		["embed-nope", "embeddings", "--provider openai --model embed-nope --kind embeddings"],
		["claude-nope", "messages", "--provider anthropic --model claude-nope --protocol anthropic"],
		["house model; touch x", "chat.completions", "--model 'house model; touch x'"],
	] as const)("is refused with a command that prices it: %s at %s", async (model, endpoint, flags) => {
		const { code, message } = problemOf(defaults(), model, endpoint);
		const command = message.slice(message.indexOf("npx tollgate"));
		expect([code, command.includes(flags)]).toEqual(["pricing.unknown_model", true]);
		const words = pastedWords(command);
		expect(words[words.indexOf("--model") + 1]).toBe(model);
		expect(await exitCodeOfPasted(command)).toBe(3);
	});

	test("of an alias is asked for under the name of its provider and model", () => {
		const table = { ...defaults(), aliases: { fast: [{ provider: "openai", model: "m-1", pricedAsModel: "m-2" }] } };
		expect(problemOf(table, "fast", "chat.completions").message).toContain("--provider openai --model m-2");
	});
});

describe("a model with a price that nobody serves", () => {
	test("for want of a key is refused naming the variable to set", () => {
		const { code, message } = problemOf(offerWithKeysOnly(defaults({ openaiKey: keys.openaiKey })), "claude-sonnet-5-5", "messages");
		expect(code).toBe("request.unknown_model");
		expect(message).toContain("sets ANTHROPIC_API_KEY");
	});

	test("for want of a provider is refused saying so, and asks for no price", () => {
		const [openai] = defaults().providers;
		const { code, message } = problemOf({ providers: openai ? [openai] : [], aliases: undefined }, "claude-sonnet-5-5", "messages");
		expect(code).toBe("request.unknown_model");
		expect(message).toMatch(/has a price as a model of anthropic, but no configured provider serves it/);
	});
});

describe("without a file of providers", () => {
	test("an official provider without a key is not offered, one at an address of one's own is", () => {
		const offered = (table: ProviderTable) => offerWithKeysOnly(table).providers.map((provider) => provider.name);
		expect(offered(defaults())).toEqual(["openai", "anthropic"]);
		expect(offered(defaults({ openaiKey: keys.openaiKey }))).toEqual(["openai"]);
		expect(offered(defaults({ openaiKey: keys.openaiKey }, "http://127.0.0.1:9"))).toEqual(["openai", "anthropic"]);
		expect(offered(defaults({}))).toEqual([]);
	});
});
