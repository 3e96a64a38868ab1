import { describe, expect, test } from "vitest";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import { defaultProviderTable, type ProviderTable } from "#config/providers.ts";
import { Secret } from "#config/secret.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";

const book = testPriceBook();
const defaults = defaultProviderTable({
	openaiBaseUrl: "https://api.openai.com/v1",
	openaiKey: new Secret("sk-o"),
	anthropicBaseUrl: "https://api.anthropic.com",
	anthropicKey: new Secret("sk-a"),
});

function azureTable(): ProviderTable {
	const [openai] = defaults.providers;
	if (openai === undefined) throw new Error("no provider");
	const azure = {
		...openai,
		name: "azure",
		baseUrl: "https://west.openai.azure.com/openai/deployments/{model}",
		query: { "api-version": "2024-10-21" },
		credentialHeader: "api-key",
		key: new Secret("az"),
	} as const;
	return {
		providers: [openai, azure],
		aliases: {
			"gpt-4o": [
				{ provider: "azure", model: "prod/4o", pricedAsModel: "gpt-4o" },
				{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" },
			],
		},
	};
}

describe("without a table", () => {
	const catalog = createDeploymentCatalog(defaults);

	test("every priced model and alias is served under its own name at the endpoints of its kind", () => {
		expect(catalog.served(book).map((model) => model.alias)).toEqual(["gpt-4o", "gpt-4o-2024-08-06", "text-embedding-3-small", "claude-sonnet-5-5"]);
		expect(catalog.find("gpt-4o-2024-08-06", book)[0]).toMatchObject({
			origin: "https://api.openai.com",
			paths: { "chat.completions": "/v1/chat/completions", responses: "/v1/responses" },
			model: "gpt-4o-2024-08-06",
		});
		expect(Object.keys(catalog.find("text-embedding-3-small", book)[0]?.paths ?? {})).toEqual(["embeddings"]);
		expect(catalog.find("claude-sonnet-5-5", book)[0]?.paths).toEqual({ messages: "/v1/messages", count_tokens: "/v1/messages/count_tokens" });
		expect(catalog.find("constructor", book)).toEqual([]);
	});

	test("a new version of the price book changes what is served", () => {
		expect(catalog.find("gpt-4o", { ...book, version: 8, lines: [] })).toEqual([]);
		expect(catalog.find("gpt-4o", book)).toHaveLength(1);
	});
});

test("an Azure-style deployment: model in the path, api-version in the query, key in its own header", () => {
	const table = azureTable();
	const [azure, openai] = createDeploymentCatalog(table).find("gpt-4o", book);
	expect(azure).toMatchObject({ name: "azure/prod/4o", origin: "https://west.openai.azure.com", pricedAs: { provider: "openai", model: "gpt-4o" } });
	expect(azure?.paths["chat.completions"]).toBe("/openai/deployments/prod%2F4o/chat/completions?api-version=2024-10-21");
	const keys = createProviderKeys(table.providers);
	if (azure === undefined || openai === undefined) throw new Error("no deployment");
	expect(keys.headersFor(azure)).toEqual(["api-key", "az"]);
	expect(keys.headersFor(openai)).toEqual(["authorization", "Bearer sk-o"]);
});

describe("provider keys", () => {
	const keys = createProviderKeys(defaults.providers);
	const [openai] = createDeploymentCatalog(defaults).find("gpt-4o", book);
	if (openai === undefined) throw new Error("no deployment");

	test("are given for the configured host only", () => {
		expect(keys.headersFor(openai)).toEqual(["authorization", "Bearer sk-o"]);
		for (const origin of ["https://api.openai.com.evil.example", "http://api.openai.com", "https://api.openai.com:8443"])
			expect(() => keys.headersFor({ ...openai, origin })).toThrow(/is not for/);
	});

	test("are taken out of what their own provider says", () => {
		expect(keys.redactionFor(openai).body(Buffer.from("key sk-o")).toString()).toBe("key [redacted]");
		expect(
			keys
				.redactionFor({ ...openai, provider: "nobody" })
				.body(Buffer.from("key sk-o"))
				.toString(),
		).toBe("key sk-o");
	});
});

describe("aliases of the policy", () => {
	const target = (provider: string, model: string) => ({ provider, model, pricedAsModel: "gpt-4o" });

	test("go over those of the providers file, and come and go without a restart", () => {
		const catalog = createDeploymentCatalog(azureTable());
		catalog.replaceAliases({ "gpt-4o": [target("openai", "gpt-4o")], fast: [target("azure", "prod/4o"), target("openai", "gpt-4o")] });
		expect(catalog.find("gpt-4o", book).map(({ name }) => name)).toEqual(["openai/gpt-4o"]);
		expect(catalog.find("fast", book).map(({ name }) => name)).toEqual(["azure/prod/4o", "openai/gpt-4o"]);
		expect(catalog.served(book).map(({ alias }) => alias)).toEqual(["gpt-4o", "fast"]);
		catalog.replaceAliases({});
		expect(catalog.find("gpt-4o", book).map(({ name }) => name)).toEqual(["azure/prod/4o", "openai/gpt-4o"]);
		expect(catalog.find("fast", book)).toEqual([]);
	});

	test("go over what the price book serves, whatever its version", () => {
		const catalog = createDeploymentCatalog(defaults);
		catalog.replaceAliases({ "claude-sonnet-5-5": [target("openai", "gpt-4o")] });
		expect(catalog.find("claude-sonnet-5-5", { ...book, version: 9 })[0]).toMatchObject({ provider: "openai", model: "gpt-4o" });
		expect(catalog.find("gpt-4o", book)).toHaveLength(1);
	});

	test("an alias of a provider that is not configured here is not served, by nobody else either", () => {
		const catalog = createDeploymentCatalog(defaults);
		catalog.replaceAliases({ "gpt-4o": [target("nowhere", "gpt-4o")] });
		expect(catalog.find("gpt-4o", book)).toEqual([]);
		expect(catalog.served(book).map(({ alias }) => alias)).not.toContain("gpt-4o");
	});

	test("are looked up once: one that is sent as the name of another is no chain", () => {
		const catalog = createDeploymentCatalog(defaults);
		catalog.replaceAliases({ a: [target("openai", "b")], b: [target("openai", "a")] });
		expect(catalog.find("a", book)[0]).toMatchObject({ model: "b" });
		expect(catalog.find("b", book)[0]).toMatchObject({ model: "a" });
	});
});
