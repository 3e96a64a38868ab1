import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadProviderTable, withSimulatedProvider } from "#config/providers.ts";
import { Secret } from "#config/secret.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tollgate-providers-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(content: unknown): string {
	const file = path.join(folder, "providers.json");
	writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
	return file;
}

const OPENAI = { protocol: "openai", baseUrl: "https://api.openai.com/v1", keyEnv: "THE_KEY" };

describe("a providers file", () => {
	test("names providers, keys by environment or file, and aliases", () => {
		const keyFile = path.join(folder, "key");
		writeFileSync(keyFile, "from-file\n");
		const file = write({
			providers: {
				openai: OPENAI,
				claude: { protocol: "anthropic", baseUrl: "https://api.anthropic.com", keyFile, pricedAs: "anthropic" },
				local: { protocol: "openai", baseUrl: "http://127.0.0.1:11434/v1", hasStreamUsage: false },
			},
			models: {
				fast: [
					{ provider: "local", model: "llama" },
					{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o-2024-08-06" },
				],
			},
		});
		const table = loadProviderTable(file, { THE_KEY: "from-env" });
		expect(
			table.providers.map((provider) => [provider.name, provider.credentialHeader, provider.key?.reveal(), provider.pricedAs, provider.hasStreamUsage]),
		).toEqual([
			["openai", "authorization", "from-env", "openai", true],
			["claude", "x-api-key", "from-file", "anthropic", true],
			["local", "authorization", undefined, "local", false],
		]);
		expect(table.aliases?.["fast"]).toEqual([
			{ provider: "local", model: "llama", pricedAsModel: "llama" },
			{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o-2024-08-06" },
		]);
		expect(JSON.stringify(table)).not.toMatch(/from-env|from-file/);
	});

	test("says what the account bills by default, which caps are obeyed, and whether the encoding is known", () => {
		const settings = { defaultTiers: ["standard", "priority"], enforcedCapFields: ["max_tokens"], hasKnownEncoding: false };
		const table = loadProviderTable(write({ providers: { given: { ...OPENAI, ...settings }, left_out: OPENAI } }), { THE_KEY: "k" });
		expect(table.providers[0]).toMatchObject(settings);
		expect(table.providers[1]).toMatchObject({ defaultTiers: ["standard"], enforcedCapFields: undefined, hasKnownEncoding: true });
	});

	test.each([
		["no JSON", "{", /is not JSON/],
		["an unknown field", { providers: { openai: { ...OPENAI, key: "sk-inline" } } }, /key/],
		["an unknown protocol", { providers: { x: { ...OPENAI, protocol: "smtp" } } }, /protocol/],
		["a base URL with credentials", { providers: { x: { ...OPENAI, baseUrl: "https://user:pass@host/v1" } } }, /baseUrl/],
		["a base URL with a trailing slash", { providers: { x: { ...OPENAI, baseUrl: "https://host/v1/" } } }, /baseUrl/],
		["a base URL of another kind", { providers: { x: { ...OPENAI, baseUrl: "file:///etc/passwd" } } }, /baseUrl/],
		["a tier nobody sells", { providers: { x: { ...OPENAI, defaultTiers: ["gold"] } } }, /defaultTiers/],
		["no default tier at all", { providers: { x: { ...OPENAI, defaultTiers: [] } } }, /defaultTiers/],
		["a cap field nobody knows", { providers: { x: { ...OPENAI, enforcedCapFields: ["limit"] } } }, /enforcedCapFields/],
		["a key that is not set", { providers: { openai: { ...OPENAI, keyEnv: "NOT_SET" } } }, /NOT_SET is not set/],
		["two sources of a key", { providers: { openai: { ...OPENAI, keyFile: "/x" } } }, /not both/],
		["an alias of nobody", { providers: { openai: OPENAI }, models: { fast: [{ provider: "nobody" }] } }, /no provider named nobody/],
		["an alias no header can carry", { providers: { openai: OPENAI }, models: { größer: [{ provider: "openai" }] } }, /models/],
		["an alias without a target", { providers: { openai: OPENAI }, models: { fast: [] } }, /fast/],
	])("%s is refused by name", (_name, content, message) => {
		expect(() => loadProviderTable(write(content), { THE_KEY: "k" })).toThrow(message);
	});

	test.each([
		["where the name of its variable belongs", { keyEnv: "sk-proj-canary" }, /keyEnv/],
		["where the name of its file belongs", { keyFile: "sk-proj-canary" }, /keyFile cannot be read \(ENOENT\)/],
	])("a key that stands %s is told without repeating it", (_name, source, message) => {
		const file = write({ providers: { openai: { protocol: "openai", baseUrl: "https://api.openai.com/v1", ...source } } });
		expect(() => loadProviderTable(file, {})).toThrow(message);
		expect(() => loadProviderTable(file, {})).not.toThrow(/canary/);
	});
});

test("the simulated provider takes everyone's place and gets no key but its own", () => {
	const table = withSimulatedProvider(
		loadProviderTable(
			write({ providers: { openai: { ...OPENAI, query: { a: "b" } }, claude: { protocol: "anthropic", baseUrl: "https://api.anthropic.com" } } }),
			{ THE_KEY: "k" },
		),
		"http://127.0.0.1:4005",
	);
	const withKey = withSimulatedProvider(table, "http://127.0.0.1:4005", new Secret("its-own"));
	expect(withKey.providers.map(({ key, credentialHeader }) => [key?.reveal(), credentialHeader])).toEqual([
		["its-own", "authorization"],
		["its-own", "x-api-key"],
	]);
	expect(table.providers.map(({ hasKnownEncoding }) => hasKnownEncoding)).toEqual([false, false]);
	expect(table.providers.map(({ baseUrl, key, query }) => [baseUrl, key, query])).toEqual([
		["http://127.0.0.1:4005/v1", undefined, {}],
		["http://127.0.0.1:4005", undefined, {}],
	]);
});
