import { readFileSync, writeFileSync } from "node:fs";
import { findProvider, type MatchLogic, type ModelInfo, type ModelPrice } from "@pydantic/genai-prices";
import { parseUsd } from "../domain/money/wire.ts";
import { priceLineToJson } from "../domain/pricing/line-codec.ts";
import { makePriceBook } from "../domain/pricing/make-price-book.ts";
import type { ContextTier, PriceLine, PriceTier, Protocol, TokenPrices } from "../domain/pricing/price-book.ts";

/**
 * Writes config/prices/<provider>-<date>.json from the price data bundled with
 * @pydantic/genai-prices and the hand-written facts of config/prices/limits.json.
 * Only the models listed there are priced, each id exact: an id the package knows by a prefix or
 * a pattern needs a written reason, because a prefix prices models nobody has looked at.
 * Run: npm run prices:seed
 */
export const SEED_DATE = "2026-11-23";

const PRICES_FOLDER = new URL("../config/prices/", import.meta.url);
const MULTIPLE_BY_DISCOUNT_TIER: readonly PriceTier[] = ["batch", "flex"];

/** USD per million tokens as decimal strings: input, cached input, output. */
type PriorityUsd = readonly [input: string, cachedInput: string, output: string];

type ModelFacts = {
	/** Model id inside the package when it is not this one. */
	readonly pricedAs?: string;
	readonly aliases?: readonly string[];
	/** Alias the package does not match by equality → why it is right all the same. */
	readonly explicitAliases?: Readonly<Record<string, string>>;
	/** Why the model id itself is right although the package matches it by prefix only. */
	readonly explicitReason?: string;
	readonly kind?: "embeddings";
	readonly contextWindowTokens?: number;
	readonly maxOutputTokens?: number;
	readonly maxTokensPerImage?: number;
	/** Overrides the provider's. */
	readonly imageWindowPermille?: number;
	readonly outputCapField?: PriceLine["outputCapField"];
	readonly isReasoning?: boolean;
	readonly encoding?: PriceLine["encoding"];
	/** Discount tiers the provider offers for the model. */
	readonly tiers?: readonly PriceTier[];
	readonly priority?: { readonly base: PriorityUsd; readonly long?: PriorityUsd };
	readonly priorityMultiplier?: number;
	readonly perCallUsdPerThousand?: Readonly<Record<string, string>>;
};

type ProviderFacts = {
	readonly protocol: Protocol;
	readonly hiddenTokensPerRequest: number;
	readonly hiddenTokensPerMessage: number;
	readonly batchAndFlexDivisor: number;
	readonly imageWindowPermille: number;
	readonly perCallUsdPerThousand?: Readonly<Record<string, string>>;
	readonly models: Readonly<Record<string, ModelFacts>>;
};

type Limits = { readonly perCallUsdPerThousand: Readonly<Record<string, string>>; readonly providers: Readonly<Record<string, ProviderFacts>> };

/** The files the seed consists of. Deterministic: same package and limits, same bytes. */
export function buildSeedFiles(): readonly { readonly name: string; readonly text: string }[] {
	const limits = JSON.parse(readFileSync(new URL("limits.json", PRICES_FOLDER), "utf8")) as Limits;
	return Object.entries(limits.providers).map(([provider, facts]) => {
		const lines = buildLines(provider, facts, limits.perCallUsdPerThousand);
		makePriceBook(0, lines);
		const file = { source: `${provider}-${SEED_DATE}`, lines: lines.map((line) => ({ line: priceLineToJson(line) })) };
		return { name: `${provider}-${SEED_DATE}.json`, text: `${JSON.stringify(file, null, "\t")}\n` };
	});
}

function buildLines(provider: string, facts: ProviderFacts, feeNames: Limits["perCallUsdPerThousand"]): readonly PriceLine[] {
	const models = findProvider({ providerId: provider })?.models ?? [];
	return Object.entries(facts.models).map(([model, modelFacts]) => {
		const info = models.find((candidate) => candidate.id === (modelFacts.pricedAs ?? model));
		if (!info) throw new Error(`${provider}/${model}: the price data has no model ${modelFacts.pricedAs ?? model}`);
		checkIds(`${provider}/${model}`, info, model, modelFacts);
		const price = currentPrice(info);
		return {
			provider,
			model,
			aliases: [...(modelFacts.aliases ?? []), ...Object.keys(modelFacts.explicitAliases ?? {})],
			kind: modelFacts.kind ?? "chat",
			protocol: facts.protocol,
			tiers: buildTiers(price, facts, modelFacts),
			perCall: buildFees(price, feeNames, facts, modelFacts),
			contextWindowTokens: modelFacts.contextWindowTokens,
			maxOutputTokens: modelFacts.maxOutputTokens,
			maxTokensPerImage: modelFacts.maxTokensPerImage,
			imageWindowPermille: modelFacts.kind === "embeddings" ? undefined : (modelFacts.imageWindowPermille ?? facts.imageWindowPermille),
			maxTokensPerAudioSecond: undefined,
			hiddenTokensPerRequest: modelFacts.kind === "embeddings" ? 0 : facts.hiddenTokensPerRequest,
			hiddenTokensPerMessage: modelFacts.kind === "embeddings" ? 0 : facts.hiddenTokensPerMessage,
			outputCapField: modelFacts.kind === "embeddings" ? undefined : (modelFacts.outputCapField ?? (facts.protocol === "anthropic" ? "max_tokens" : undefined)),
			isReasoning: modelFacts.isReasoning ?? false,
			encoding: modelFacts.encoding,
		};
	});
}

/** Every id must be one the package names exactly, or carry a written reason and at least be matched. */
function checkIds(where: string, info: ModelInfo, model: string, facts: ModelFacts): void {
	const exact = exactIds(info.match);
	const plain = [...(facts.explicitReason ? [] : [model]), ...(facts.aliases ?? [])];
	for (const id of plain) if (!exact.has(id)) throw new Error(`${where}: ${id} is not an exact id of ${info.id}; it needs a reason`);
	const explicit = [...(facts.explicitReason ? [model] : []), ...Object.keys(facts.explicitAliases ?? {})];
	for (const id of explicit) if (!matches(info.match, id)) throw new Error(`${where}: the price data does not match ${id} to ${info.id}`);
}

function exactIds(match: MatchLogic): ReadonlySet<string> {
	if ("equals" in match) return new Set([match.equals]);
	if ("or" in match) return new Set(match.or.flatMap((part) => [...exactIds(part)]));
	return new Set();
}

function matches(match: MatchLogic, id: string): boolean {
	if ("equals" in match) return match.equals === id;
	if ("starts_with" in match) return id.startsWith(match.starts_with);
	if ("ends_with" in match) return id.endsWith(match.ends_with);
	if ("contains" in match) return id.includes(match.contains);
	if ("regex" in match) return new RegExp(match.regex).test(id);
	if ("and" in match) return match.and.every((part) => matches(part, id));
	return match.or.some((part) => matches(part, id));
}

/** The price in force at the seed date: the last one whose start has come. Prices by time of day are not supported. */
function currentPrice(info: ModelInfo): ModelPrice {
	if (!Array.isArray(info.prices)) return info.prices;
	const due = info.prices.filter(({ constraint }) => {
		if (!constraint) return true;
		if (constraint.type !== "start_date") throw new Error(`${info.id}: price by time of day`);
		if (constraint.start_date > SEED_DATE) throw new Error(`${info.id}: a price starts after the seed date; give it an effectiveFrom`);
		return true;
	});
	const last = due.at(-1);
	if (!last) throw new Error(`${info.id}: no price in force`);
	return last.prices;
}

function buildTiers(price: ModelPrice, facts: ProviderFacts, modelFacts: ModelFacts): PriceLine["tiers"] {
	const starts = [0, ...contextStarts(price)];
	const standard = starts.map((aboveInputTokens) => ({ aboveInputTokens, prices: pricesAbove(price, aboveInputTokens, modelFacts) }));
	const tiers: Partial<Record<PriceTier, readonly ContextTier[]>> = {};
	for (const tier of modelFacts.tiers ?? []) {
		if (!MULTIPLE_BY_DISCOUNT_TIER.includes(tier)) throw new Error(`${tier} is not a discount tier`);
		tiers[tier] = standard.map((context) => scale(context, 1n, BigInt(facts.batchAndFlexDivisor)));
	}
	if (modelFacts.priorityMultiplier) tiers.priority = standard.map((context) => scale(context, BigInt(modelFacts.priorityMultiplier ?? 1), 1n));
	if (modelFacts.priority) tiers.priority = priorityContexts(modelFacts.priority, standard);
	return { standard, ...tiers };
}

function contextStarts(price: ModelPrice): readonly number[] {
	const starts = Object.values(price).flatMap((value) => (typeof value === "object" ? value.tiers.map((tier) => tier.start) : []));
	return [...new Set(starts)].sort((left, right) => left - right);
}

/** Classes the data does not price: a cache read or write there is charged as plain input, reasoning as output. */
function pricesAbove(price: ModelPrice, aboveInputTokens: number, modelFacts: ModelFacts): TokenPrices {
	const at = (key: string): bigint | undefined => {
		const value = price[key];
		if (value === undefined) return undefined;
		if (typeof value === "number") return nanoUsdPerMillion(String(value));
		const tier = value.tiers.filter(({ start }) => start <= aboveInputTokens && start > 0 && aboveInputTokens > 0).at(-1);
		return nanoUsdPerMillion(String(tier?.price ?? value.base));
	};
	const input = at("input_mtok");
	const output = modelFacts.kind === "embeddings" ? 0n : at("output_mtok");
	if (input === undefined || output === undefined) throw new Error("a model without an input or output price");
	const cacheWrite5m = at("cache_write_mtok") ?? input;
	return {
		input,
		cachedInput: at("cache_read_mtok") ?? input,
		cacheWrite5m,
		cacheWrite1h: at("cache_write_1h_mtok") ?? cacheWrite5m,
		output,
		reasoning: output,
	};
}

/** Published priority prices; a cache write keeps the ratio to input that it has in the standard tier. */
function priorityContexts(usd: NonNullable<ModelFacts["priority"]>, standard: readonly ContextTier[]): readonly ContextTier[] {
	const rows = usd.long ? [usd.base, usd.long] : [usd.base];
	return rows.map((row, index) => {
		const reference = standard[index];
		if (!reference) throw new Error("a priority price for a context tier that standard does not have");
		const [input, cachedInput, output] = [nanoUsdPerMillion(row[0]), nanoUsdPerMillion(row[1]), nanoUsdPerMillion(row[2])];
		const write = (standardPrice: bigint): bigint => exactQuotient(standardPrice * input, reference.prices.input);
		const prices = {
			input,
			cachedInput,
			cacheWrite5m: write(reference.prices.cacheWrite5m),
			cacheWrite1h: write(reference.prices.cacheWrite1h),
			output,
			reasoning: output,
		};
		return { aboveInputTokens: reference.aboveInputTokens, prices };
	});
}

function scale(context: ContextTier, multiplier: bigint, divisor: bigint): ContextTier {
	const price = (name: keyof TokenPrices): bigint => exactQuotient(context.prices[name] * multiplier, divisor);
	return {
		aboveInputTokens: context.aboveInputTokens,
		prices: {
			input: price("input"),
			cachedInput: price("cachedInput"),
			cacheWrite5m: price("cacheWrite5m"),
			cacheWrite1h: price("cacheWrite1h"),
			output: price("output"),
			reasoning: price("reasoning"),
		},
	};
}

/** Fees per call in nano-USD, from USD per thousand calls. */
function buildFees(price: ModelPrice, feeNames: Limits["perCallUsdPerThousand"], facts: ProviderFacts, modelFacts: ModelFacts): PriceLine["perCall"] {
	const fees: Record<string, bigint> = {};
	for (const [key, tool] of Object.entries(feeNames)) {
		const value = price[key];
		if (typeof value === "number") fees[tool] = exactQuotient(nanoUsdPerMillion(String(value)), 1000n);
	}
	const webSearch = fees["web_search"];
	if (webSearch !== undefined && facts.protocol === "openai" && modelFacts.isReasoning) fees["web_search_preview"] = webSearch;
	for (const [tool, usdPerThousand] of Object.entries({ ...facts.perCallUsdPerThousand, ...modelFacts.perCallUsdPerThousand }))
		fees[tool] = exactQuotient(nanoUsdPerMillion(usdPerThousand), 1000n);
	return fees;
}

/** Decimal text to whole nano-USD; a price finer than that is refused, never rounded. */
function nanoUsdPerMillion(usd: string): bigint {
	const nanoUsd = parseUsd(usd);
	if (nanoUsd === undefined || nanoUsd < 0n) throw new Error(`not an exact price in USD: ${usd}`);
	return nanoUsd;
}

function exactQuotient(numerator: bigint, divisor: bigint): bigint {
	if (numerator % divisor !== 0n) throw new Error(`${numerator} / ${divisor} is not a whole number of nano-USD`);
	return numerator / divisor;
}

if (import.meta.main) {
	for (const { name, text } of buildSeedFiles()) {
		writeFileSync(new URL(name, PRICES_FOLDER), text);
		process.stdout.write(`wrote config/prices/${name}\n`);
	}
}
