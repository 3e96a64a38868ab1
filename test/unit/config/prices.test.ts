import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { calcPrice } from "@pydantic/genai-prices";
import { describe, expect, it } from "vitest";
import { parsePriceFile, readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { selectPrices } from "#domain/pricing/select-prices.ts";
import { NO_USAGE } from "#domain/usage/usage.ts";
import { buildSeedFiles } from "../../../scripts/seed-prices.ts";

const FOLDER = path.join(import.meta.dirname, "../../../config/prices");
const lines = readSeedFiles(FOLDER).flatMap((file) => file.lines.map(({ line }) => line));
const book = makePriceBook(1, lines);

describe("seed prices", () => {
	it("are what the generator makes of the price data and limits.json", () => {
		for (const { name, text } of buildSeedFiles()) expect(readFileSync(path.join(FOLDER, name), "utf8"), name).toBe(text);
		expect(readdirSync(FOLDER).sort()).toEqual([...buildSeedFiles().map(({ name }) => name), "limits.json"].sort());
	});

	it("are whole nano-dollars everywhere", () => {
		const amounts = buildSeedFiles().flatMap(({ text }) =>
			[
				...text.matchAll(/"(input|cachedInput|cacheWrite5m|cacheWrite1h|output|reasoning|web_search|web_search_preview|web_fetch|file_search)": (.+?),?\n/g),
			].map((match) => match[2]),
		);
		expect(amounts.length).toBeGreaterThan(500);
		for (const amount of amounts) expect(amount).toMatch(/^"(0|[1-9][0-9]*)"$/);
	});

	it("name no model and no alias twice", () => {
		const ids = lines.flatMap((line) => [line.model, ...line.aliases].map((id) => `${line.provider}/${id}`));
		expect(new Set(ids).size).toBe(ids.length);
	});

	it.each([
		["openai", "gpt-4o", "2.5", "1.25", "10"],
		["openai", "gpt-4o-2024-11-20", "2.5", "1.25", "10"],
		["openai", "gpt-4o-mini", "0.15", "0.075", "0.6"],
		["openai", "gpt-4.1-nano", "0.1", "0.025", "0.4"],
		["openai", "o3", "2", "0.5", "8"],
		["openai", "gpt-5-nano-2025-08-07", "0.05", "0.005", "0.4"],
		["openai", "gpt-5.6-sol", "4", "0.4", "20"],
		["openai", "gpt-6-luna", "0.1", "0.01", "0.5"],
		["openai", "text-embedding-3-small", "0.02", "0.02", "0"],
		["anthropic", "claude-opus-5-5", "4", "0.2", "20"],
		["anthropic", "claude-sonnet-4-5-20250929", "3", "0.3", "15"],
		["anthropic", "claude-haiku-4-5", "1", "0.1", "5"],
	])("price %s %s at %s / %s / %s USD per million", (provider, model, input, cachedInput, output) => {
		const line = book.find(provider, model);
		const usdPerMillion = (usd: string): bigint => BigInt(Math.round(Number(usd) * 1000)) * 1_000_000n;
		expect(line && selectPrices(line, "standard", 1000)).toMatchObject({
			input: usdPerMillion(input),
			cachedInput: usdPerMillion(cachedInput),
			output: usdPerMillion(output),
		});
	});

	it("cost what the price data itself calculates, below and above long context, to a nano-dollar", () => {
		const timestamp = new Date("2026-11-23T00:00:00Z");
		for (const line of lines) {
			for (const inputTokens of [1_000, 300_000]) {
				const usage = { ...NO_USAGE, inputTokens, cachedInputTokens: 700, outputTokens: line.kind === "chat" ? 900 : 0 };
				const theirs = calcPrice({ input_tokens: inputTokens, cache_read_tokens: 700, output_tokens: usage.outputTokens }, line.model, {
					providerId: line.provider,
					timestamp,
				});
				const difference = Number(priceUsage(usage, line, "standard").costNanoUsd) - (theirs?.total_price ?? 0) * 1e9;
				expect(Math.abs(difference), `${line.model} at ${inputTokens}`).toBeLessThanOrEqual(1);
			}
		}
	});

	it("bill a window of images at the factor of the line, and know one for every model that sees images", () => {
		for (const line of lines.filter(({ kind }) => kind === "chat")) expect(line.imageWindowPermille, line.model).toBeGreaterThanOrEqual(1_000);
		expect(book.find("openai", "gpt-4o-mini")?.imageWindowPermille).toBeGreaterThanOrEqual((5_667 / 170) * 1_000);
		for (const model of ["gpt-4.1-mini", "gpt-5-mini", "gpt-5.4-mini"]) expect(book.find("openai", model)?.imageWindowPermille, model).toBe(1_620);
		for (const model of ["gpt-4.1-nano", "gpt-5-nano", "gpt-5.4-nano"]) expect(book.find("openai", model)?.imageWindowPermille, model).toBe(2_460);
		expect(book.find("anthropic", "claude-opus-5")?.imageWindowPermille).toBe(1_000);
	});

	it("price long context for the whole request from 272,000 tokens (gpt-5.4: 300k input of which 100k cached costs 1.05 USD)", () => {
		const line = book.find("openai", "gpt-5.4");
		const usage = { ...NO_USAGE, inputTokens: 300_000, cachedInputTokens: 100_000 };
		expect(line && priceUsage(usage, line, "standard").costNanoUsd).toBe(1_050_000_000n);
	});

	it("price Anthropic cache writes at 1.25 and 2 times input", () => {
		for (const line of lines.filter(({ provider, model }) => provider === "anthropic" && model !== "claude-3-haiku-20240307")) {
			const { input, cacheWrite5m, cacheWrite1h } = selectPrices(line, "standard", 0);
			expect([cacheWrite5m * 4n, cacheWrite1h], line.model).toEqual([input * 5n, input * 2n]);
		}
	});

	it("halve every class for batch and flex, and never let priority be cheaper than standard", () => {
		for (const line of lines) {
			for (const inputTokens of [0, 200_001, 500_000]) {
				const standard = selectPrices(line, "standard", inputTokens);
				for (const name of Object.keys(standard) as (keyof typeof standard)[]) {
					for (const tier of ["batch", "flex"] as const)
						if (line.tiers[tier]) expect(selectPrices(line, tier, inputTokens)[name] * 2n, `${line.model} ${tier} ${name}`).toBe(standard[name]);
					if (line.tiers.priority)
						expect(selectPrices(line, "priority", inputTokens)[name], `${line.model} priority ${name}`).toBeGreaterThanOrEqual(standard[name]);
				}
			}
		}
	});

	it.each([
		["openai", "gpt-6.1-sol"],
		["openai", "gpt-4o-mini-search-preview"],
		["openai", "gpt-4o-audio-preview"],
		["openai", "gpt-4o-2099-01-01"],
		["openai", "ft:gpt-4o-2024-08-06:acme::1"],
		["openai", "gpt-oss-120b"],
		["anthropic", "claude-sonnet-5-5"],
		["anthropic", "claude-haiku-5-5"],
		["anthropic", "claude-opus-4-5-20991231"],
	])("leave %s %s unpriced", (provider, model) => {
		expect(book.find(provider, model)).toBeUndefined();
	});

	it("know what bounds a chat call: context window, cap field and hidden tokens", () => {
		for (const line of lines.filter(({ kind }) => kind === "chat")) {
			expect(line.contextWindowTokens, line.model).toBeGreaterThan(0);
			expect(line.outputCapField, line.model).toBeDefined();
			expect(line.hiddenTokensPerRequest, line.model).toBeGreaterThan(0);
		}
	});
});

describe("price file", () => {
	const [seed] = buildSeedFiles();
	const entry = (JSON.parse(seed?.text ?? "{}") as { lines: unknown[] }).lines[0];
	const parse = (file: unknown): unknown => parsePriceFile(JSON.stringify(file), "prices.json");

	it("has a checksum of its content, not of its white space", () => {
		const text = seed?.text ?? "";
		expect(parsePriceFile(JSON.stringify(JSON.parse(text)), "a").checksum).toBe(parsePriceFile(text, "b").checksum);
		expect(parsePriceFile(text.replace('"500000000"', '"500000001"'), "c").checksum).not.toBe(parsePriceFile(text, "b").checksum);
	});

	it.each([
		["another field", { source: "x", lines: [entry], note: 1 }, /prices.json: note/],
		["no source", { lines: [entry] }, /source/],
		["no lines", { source: "x", lines: [] }, /lines/],
		["a wrong price", { source: "x", lines: [{ line: { ...(entry as { line: object }).line, isReasoning: 1 } }] }, /lines\[0\].line.isReasoning/],
		["a date without an offset", { source: "x", lines: [{ ...(entry as object), effectiveFrom: "2026-12-01" }] }, /lines\[0\].effectiveFrom/],
		["a model priced twice for one date", { source: "x", lines: [entry, entry] }, /priced twice/],
	])("is refused with %s", (_name, file, message) => {
		expect(() => parse(file)).toThrow(message);
	});

	it("is refused when it is not JSON", () => {
		expect(() => parsePriceFile("{", "prices.json")).toThrow(/not JSON/);
	});
});
