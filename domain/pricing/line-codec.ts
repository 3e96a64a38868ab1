import { NANO_USD_PER_USD } from "../money/nano-usd.ts";
import type { ContextTier, PriceLine, PriceTier, TokenPrices } from "./price-book.ts";

/**
 * PriceLine ⇄ JSON. Prices and fees are decimal strings of nano-USD (a double would lose digits),
 * counts are JSON numbers, what is unknown is absent. Decoding is strict: an unknown field is as
 * wrong as a missing one, because a misspelt price would otherwise be a silently absent price.
 */
export type PriceLineJson = {
	readonly provider: string;
	readonly model: string;
	readonly aliases: readonly string[];
	readonly kind: string;
	readonly protocol: string;
	readonly tiers: Readonly<Record<string, readonly { readonly aboveInputTokens: number; readonly prices: Readonly<Record<string, string>> }[]>>;
	readonly perCall: Readonly<Record<string, string>>;
	readonly [limit: string]: unknown;
};

/** `field` is the path of the wrong value inside the line, e.g. `tiers.standard[0].prices.input`. */
export type LineProblem = { readonly kind: "problem"; readonly field: string; readonly message: string };
export type DecodedLine = { readonly kind: "line"; readonly line: PriceLine } | LineProblem;

const PRICE_TIERS = ["standard", "batch", "flex", "priority"] as const satisfies readonly PriceTier[];
const TOKEN_CLASSES = ["input", "cachedInput", "cacheWrite5m", "cacheWrite1h", "output", "reasoning"] as const satisfies readonly (keyof TokenPrices)[];
const OPTIONAL_COUNTS = ["contextWindowTokens", "maxOutputTokens", "maxTokensPerImage", "imageWindowPermille", "maxTokensPerAudioSecond"] as const;
const CAP_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"] as const;
const ENCODINGS = ["o200k_base", "cl100k_base"] as const;
const FIELDS: readonly string[] = [
	"provider",
	"model",
	"aliases",
	"kind",
	"protocol",
	"tiers",
	"perCall",
	...OPTIONAL_COUNTS,
	"hiddenTokensPerRequest",
	"hiddenTokensPerMessage",
	"outputCapField",
	"isReasoning",
	"encoding",
];

const ID = /^[\x21-\x7e]{1,200}$/;
const AMOUNT = /^(0|[1-9][0-9]{0,17})$/;
/** One million dollars per million tokens, or per call: anything above is a slip of the decimal point. */
const MAX_PRICE = 1_000_000n * NANO_USD_PER_USD;
const MAX_COUNT = 1_000_000_000;

/** Canonical: equal lines give equal JSON text, so that texts and checksums can be compared. */
export function priceLineToJson(line: PriceLine): PriceLineJson {
	const tiers = PRICE_TIERS.flatMap((tier) => {
		const contexts = line.tiers[tier];
		return contexts ? [[tier, contexts.map(contextToJson)] as const] : [];
	});
	return {
		provider: line.provider,
		model: line.model,
		aliases: line.aliases,
		kind: line.kind,
		protocol: line.protocol,
		tiers: Object.fromEntries(tiers),
		perCall: Object.fromEntries(
			Object.entries(line.perCall)
				.sort(([left], [right]) => (left < right ? -1 : 1))
				.map(([tool, fee]) => [tool, fee.toString()]),
		),
		...Object.fromEntries(OPTIONAL_COUNTS.flatMap((name) => (line[name] === undefined ? [] : [[name, line[name]]]))),
		hiddenTokensPerRequest: line.hiddenTokensPerRequest,
		hiddenTokensPerMessage: line.hiddenTokensPerMessage,
		...(line.outputCapField === undefined ? {} : { outputCapField: line.outputCapField }),
		isReasoning: line.isReasoning,
		...(line.encoding === undefined ? {} : { encoding: line.encoding }),
	};
}

function contextToJson(context: ContextTier): { aboveInputTokens: number; prices: Record<string, string> } {
	return { aboveInputTokens: context.aboveInputTokens, prices: Object.fromEntries(TOKEN_CLASSES.map((name) => [name, context.prices[name].toString()])) };
}

/** Decodes a line, or names the first wrong field. Never throws on bad input. */
export function priceLineFromJson(value: unknown): DecodedLine {
	try {
		return { kind: "line", line: readLine(value) };
	} catch (error) {
		if (error instanceof WrongField) return { kind: "problem", field: error.field, message: error.message };
		throw error;
	}
}

class WrongField extends Error {
	readonly field: string;
	constructor(field: string, message: string) {
		super(message);
		this.field = field;
	}
}

function readLine(value: unknown): PriceLine {
	const json = record(value, "");
	const unknown = Object.keys(json).find((field) => !FIELDS.includes(field));
	if (unknown !== undefined) throw new WrongField(unknown, "is not a field of a price line");
	return {
		provider: text(json["provider"], "provider"),
		model: text(json["model"], "model"),
		aliases: aliases(json["aliases"], json["model"]),
		kind: oneOf(["chat", "embeddings"] as const, json["kind"], "kind"),
		protocol: oneOf(["openai", "anthropic"] as const, json["protocol"], "protocol"),
		tiers: tiers(json["tiers"]),
		perCall: Object.fromEntries(Object.entries(record(json["perCall"], "perCall")).map(([tool, fee]) => [tool, amount(fee, `perCall.${tool}`)])),
		contextWindowTokens: optionalCount(json, "contextWindowTokens"),
		maxOutputTokens: optionalCount(json, "maxOutputTokens"),
		maxTokensPerImage: optionalCount(json, "maxTokensPerImage"),
		imageWindowPermille: imageWindowPermille(json),
		maxTokensPerAudioSecond: optionalCount(json, "maxTokensPerAudioSecond"),
		hiddenTokensPerRequest: count(json["hiddenTokensPerRequest"], "hiddenTokensPerRequest"),
		hiddenTokensPerMessage: count(json["hiddenTokensPerMessage"], "hiddenTokensPerMessage"),
		outputCapField: json["outputCapField"] === undefined ? undefined : oneOf(CAP_FIELDS, json["outputCapField"], "outputCapField"),
		isReasoning: flag(json["isReasoning"], "isReasoning"),
		encoding: json["encoding"] === undefined ? undefined : oneOf(ENCODINGS, json["encoding"], "encoding"),
	};
}

function tiers(value: unknown): PriceLine["tiers"] {
	const json = record(value, "tiers");
	const unknown = Object.keys(json).find((tier) => !(PRICE_TIERS as readonly string[]).includes(tier));
	if (unknown !== undefined) throw new WrongField(`tiers.${unknown}`, `is not a price tier (${PRICE_TIERS.join(", ")})`);
	if (json["standard"] === undefined) throw new WrongField("tiers.standard", "is missing");
	const decoded: Partial<Record<PriceTier, readonly ContextTier[]>> = {};
	for (const tier of PRICE_TIERS) if (json[tier] !== undefined) decoded[tier] = contexts(json[tier], `tiers.${tier}`);
	return { ...decoded, standard: contexts(json["standard"], "tiers.standard") };
}

function contexts(value: unknown, path: string): readonly ContextTier[] {
	if (!Array.isArray(value) || value.length === 0) throw new WrongField(path, "must be a non-empty list of context tiers");
	const decoded = value.map((item, index) => context(item, `${path}[${index}]`));
	decoded.forEach((tier, index) => {
		const previous = decoded[index - 1];
		if (!previous && tier.aboveInputTokens !== 0) throw new WrongField(`${path}[0].aboveInputTokens`, "must be 0 in the first context tier");
		if (previous && tier.aboveInputTokens <= previous.aboveInputTokens)
			throw new WrongField(`${path}[${index}].aboveInputTokens`, "must be above the context tier before it");
	});
	return decoded;
}

function context(value: unknown, path: string): ContextTier {
	const json = record(value, path);
	exactly(json, ["aboveInputTokens", "prices"], path);
	const prices = record(json["prices"], `${path}.prices`);
	exactly(prices, TOKEN_CLASSES, `${path}.prices`);
	const price = (name: keyof TokenPrices): bigint => amount(prices[name], `${path}.prices.${name}`);
	return {
		aboveInputTokens: count(json["aboveInputTokens"], `${path}.aboveInputTokens`),
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

function exactly(json: Record<string, unknown>, names: readonly string[], path: string): void {
	const unknown = Object.keys(json).find((name) => !names.includes(name));
	if (unknown !== undefined) throw new WrongField(`${path}.${unknown}`, `is not one of ${names.join(", ")}`);
}

function aliases(value: unknown, model: unknown): readonly string[] {
	if (!Array.isArray(value)) throw new WrongField("aliases", "must be a list of exact model ids");
	const ids = value.map((item, index) => text(item, `aliases[${index}]`));
	ids.forEach((id, index) => {
		if (id === model || ids.indexOf(id) !== index) throw new WrongField(`aliases[${index}]`, `${id} is named twice`);
	});
	return ids;
}

function record(value: unknown, path: string): Record<string, unknown> {
	if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WrongField(path, "must be an object");
	return value as Record<string, unknown>;
}

function text(value: unknown, path: string): string {
	if (typeof value !== "string" || !ID.test(value)) throw new WrongField(path, "must be 1 to 200 printable characters without spaces");
	return value;
}

function amount(value: unknown, path: string): bigint {
	if (typeof value !== "string" || !AMOUNT.test(value)) throw new WrongField(path, "must be a decimal string of whole nano-USD, not negative");
	const nanoUsd = BigInt(value);
	if (nanoUsd > MAX_PRICE) throw new WrongField(path, `must not be above ${MAX_PRICE}`);
	return nanoUsd;
}

function count(value: unknown, path: string): number {
	if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_COUNT)
		throw new WrongField(path, `must be a whole number from 0 to ${MAX_COUNT}`);
	return value;
}

function optionalCount(json: Record<string, unknown>, name: (typeof OPTIONAL_COUNTS)[number]): number | undefined {
	if (json[name] === undefined) return undefined;
	const value = count(json[name], name);
	if (value === 0) throw new WrongField(name, "must be above 0; leave it out where it is unknown");
	return value;
}

/** An image is never billed as less than the window it takes up: text there is not either. */
function imageWindowPermille(json: Record<string, unknown>): number | undefined {
	const permille = optionalCount(json, "imageWindowPermille");
	if (permille !== undefined && permille < 1_000) throw new WrongField("imageWindowPermille", "must be 1000 or more; leave it out where it is unknown");
	return permille;
}

function flag(value: unknown, path: string): boolean {
	if (typeof value !== "boolean") throw new WrongField(path, "must be true or false");
	return value;
}

function oneOf<const T extends readonly string[]>(allowed: T, value: unknown, path: string): T[number] {
	if (typeof value !== "string" || !allowed.includes(value)) throw new WrongField(path, `must be one of ${allowed.join(", ")}`);
	return value;
}
