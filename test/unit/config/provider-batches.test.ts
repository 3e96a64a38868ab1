import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { batchLimitsFor, PUBLISHED_BATCH_LIMITS } from "#config/batch-limits.ts";
import { defaultProviderTable, loadProviderTable, withSimulatedProvider } from "#config/providers.ts";
import { CALLER_LIMITS } from "#gateway/batches/limits.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tollgate-batches-"));
afterAll(() => rmSync(folder, { recursive: true }));

function load(providers: Record<string, unknown>) {
	const file = path.join(folder, "providers.json");
	writeFileSync(file, JSON.stringify({ providers }));
	return loadProviderTable(file, {});
}

const OPENAI = { protocol: "openai", baseUrl: "https://api.openai.com/v1" };
const ANTHROPIC = { protocol: "anthropic", baseUrl: "https://api.anthropic.com" };
const LOCAL = { protocol: "openai", baseUrl: "http://127.0.0.1:11434/v1" };
const AZURE = { protocol: "openai", baseUrl: "https://west.openai.azure.com/openai/deployments/{model}", credentialHeader: "api-key" };

test("official providers run batches unless the file says no, others if it says so", () => {
	const table = load({ a: OPENAI, b: ANTHROPIC, c: { ...OPENAI, batches: false }, d: LOCAL, e: { ...LOCAL, batches: {} } });
	expect(table.providers.map(({ name, batches }) => [name, batches?.baseUrl])).toEqual([
		["a", "https://api.openai.com/v1"],
		["b", "https://api.anthropic.com"],
		["c", undefined],
		["d", undefined],
		["e", "http://127.0.0.1:11434/v1"],
	]);
});

test("limits are those that were published, or the file's in their place", () => {
	const given = { itemsMax: 10, bytesMax: 1_000, enqueuedTokensMax: 2_000_000, batchesPerHour: 5 };
	const table = load({ a: OPENAI, b: { ...ANTHROPIC, batches: { itemsMax: 10 } }, c: { ...LOCAL, batches: given } });
	expect(table.providers.map(({ batches }) => batches?.limits)).toEqual([
		PUBLISHED_BATCH_LIMITS.openai,
		{ ...PUBLISHED_BATCH_LIMITS.anthropic, itemsMax: 10 },
		{ ...PUBLISHED_BATCH_LIMITS.openai, ...given },
	]);
	expect(batchLimitsFor("openai")).toMatchObject({ itemsMax: 50_000, bytesMax: 200_000_000, batchesPerHour: 2_000, embeddingInputsMax: 50_000 });
	expect(batchLimitsFor("anthropic")).toMatchObject({ itemsMax: 100_000, bytesMax: 256_000_000, windowMs: 86_400_000 });
});

test("a caller may hand in what the provider published, in the same megabytes", () => {
	for (const protocol of ["openai", "anthropic"] as const) {
		const { itemsMax, bytesMax, embeddingInputsMax } = PUBLISHED_BATCH_LIMITS[protocol];
		expect(CALLER_LIMITS[protocol]).toMatchObject({ itemsMax, bytesMax, embeddingInputsMax });
	}
});

test("a base URL that names a model needs one for batches, on the host that the key is for", () => {
	const at = "https://west.openai.azure.com/openai/v1";
	expect(load({ azure: { ...AZURE, batches: { baseUrl: at } } }).providers[0]?.batches?.baseUrl).toBe(at);
	expect(load({ azure: AZURE }).providers[0]?.batches).toBeUndefined();
});

test.each([
	["a base URL that names a model and none for batches", { ...AZURE, batches: {} }, /providers\.x: batches need a baseUrl of their own/],
	[
		"one on another host",
		{ ...AZURE, batches: { baseUrl: "https://east.openai.azure.com/openai/v1" } },
		/providers\.x: batches\.baseUrl must be on the host of baseUrl/,
	],
	["one that names a model itself", { ...AZURE, batches: { baseUrl: "https://west.openai.azure.com/{model}" } }, /batches\.baseUrl|names? no model/],
	["a limit of nothing", { ...OPENAI, batches: { itemsMax: 0 } }, /batches/],
	["a limit that is no number", { ...OPENAI, batches: { bytesMax: "200 MB" } }, /batches/],
	["an unknown field", { ...OPENAI, batches: { windowMs: 1 } }, /batches/],
	["batches that are true", { ...OPENAI, batches: true }, /batches/],
])("%s is refused by name", (_name, provider, message) => {
	expect(() => load({ x: provider })).toThrow(message);
});

test("without a file both run batches, wherever they are; the simulated provider runs those of whom it stands for", () => {
	const table = defaultProviderTable({ openaiBaseUrl: "http://proxy/v1", openaiKey: undefined, anthropicBaseUrl: "http://proxy", anthropicKey: undefined });
	expect(table.providers.map(({ batches }) => batches?.baseUrl)).toEqual(["http://proxy/v1", "http://proxy"]);
	const simulated = withSimulatedProvider(load({ a: OPENAI, b: ANTHROPIC, c: LOCAL }), "http://127.0.0.1:4005");
	expect(simulated.providers.map(({ batches }) => batches?.baseUrl)).toEqual(["http://127.0.0.1:4005/v1", "http://127.0.0.1:4005", undefined]);
});
