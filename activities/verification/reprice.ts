/**
 * The checker's own arithmetic: raw provider usage and a stored price line to nano-USD. Written from
 * the rules (money-path §2, wire facts of OpenAI and Anthropic) and deliberately sharing nothing with
 * domain/pricing: a mistake there must not hide here. Plain rather than fast.
 */

/** A price line as stored in tollgate.price_line.line: amounts are decimal strings. */
export type StoredPriceLine = {
	readonly model: string;
	readonly aliases?: readonly string[];
	readonly tiers: Readonly<Record<string, readonly StoredContextTier[]>>;
	readonly perCall?: Readonly<Record<string, string>>;
};
export type StoredContextTier = { readonly aboveInputTokens: number; readonly prices: StoredPrices };
export type StoredPrices = {
	readonly input: string;
	readonly cachedInput: string;
	readonly cacheWrite5m: string;
	readonly cacheWrite1h: string;
	readonly output: string;
	readonly reasoning: string;
};

export type RawUsage = Readonly<Record<string, unknown>>;

/** Token counts that exclude one another: their sum is everything that is billed by token. */
type Billed = {
	plainInput: bigint;
	cached: bigint;
	write5m: bigint;
	write1h: bigint;
	plainOutput: bigint;
	reasoning: bigint;
	toolCalls: ReadonlyMap<string, bigint>;
};

/** `unusable`: such usage has no price by rule, so its attempt stays charged at the reservation and is not compared by price. */
export type Repricing = { readonly kind: "priced"; readonly nanoUsd: bigint } | { readonly kind: "unpriceable" | "unusable"; readonly problem: string };

export type PricedCall = {
	readonly protocol: string;
	/** As the provider names it; null means standard. */
	readonly serviceTier: string | null;
	readonly usage: RawUsage;
	/** Hosted calls that the usage itself does not count (OpenAI's stand in the answer), by fee name. */
	readonly hostedCalls?: Readonly<Record<string, number>> | undefined;
	/** The dearest price of every class over these tiers, whatever tier it names. */
	readonly dearestOf?: readonly string[];
};

/** Prices one logged call. */
export function reprice(call: PricedCall, line: StoredPriceLine): Repricing {
	const billed = call.protocol === "anthropic" ? billedByAnthropic(call.usage) : billedByOpenAi(call.usage, call.hostedCalls);
	if (typeof billed === "string") return { kind: "unusable", problem: billed };
	const inputTokens = billed.plainInput + billed.cached + billed.write5m + billed.write1h;
	const prices = pricesOf(line, call, inputTokens);
	if (!prices) return { kind: "unpriceable", problem: `price line of ${line.model} has no prices for ${inputTokens} input tokens` };
	let millionths =
		billed.plainInput * BigInt(prices.input) +
		billed.cached * BigInt(prices.cachedInput) +
		billed.write5m * BigInt(prices.cacheWrite5m) +
		billed.write1h * BigInt(prices.cacheWrite1h) +
		billed.plainOutput * BigInt(prices.output) +
		billed.reasoning * BigInt(prices.reasoning);
	for (const [tool, calls] of billed.toolCalls) {
		const fees = line.perCall ?? {};
		if (!Object.hasOwn(fees, tool)) return { kind: "unusable", problem: `price line of ${line.model} has no fee for ${tool}` };
		millionths += calls * BigInt(fees[tool] ?? 0) * 1_000_000n;
	}
	const whole = millionths / 1_000_000n;
	return { kind: "priced", nanoUsd: millionths % 1_000_000n === 0n ? whole : whole + 1n };
}

/** Input and output tokens of a logged call, for budgets counted in tokens; undefined when unusable. */
export function billedTokens(call: { protocol: string; usage: RawUsage }): bigint | undefined {
	const billed = billedBy(call);
	return billed && billed.plainInput + billed.cached + billed.write5m + billed.write1h + billed.plainOutput + billed.reasoning;
}

/** Its output tokens among them. */
export function billedOutputTokens(call: { protocol: string; usage: RawUsage }): bigint | undefined {
	const billed = billedBy(call);
	return billed && billed.plainOutput + billed.reasoning;
}

function billedBy(call: { protocol: string; usage: RawUsage }) {
	const billed = call.protocol === "anthropic" ? billedByAnthropic(call.usage) : billedByOpenAi(call.usage, undefined);
	return typeof billed === "string" ? undefined : billed;
}

/**
 * What each protocol's tier names cost. OpenAI answers "default" for standard and "priority" for its
 * fast product; "scale" is bought capacity at list price. Anthropic's "priority" is bought capacity too;
 * its dearer product is `speed: "fast"`, inside the usage.
 */
const TIER_NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	openai: {
		auto: "standard",
		default: "standard",
		standard: "standard",
		scale: "standard",
		flex: "flex",
		batch: "batch",
		fast: "priority",
		priority: "priority",
	},
	anthropic: { auto: "standard", standard: "standard", standard_only: "standard", priority: "standard", batch: "batch" },
};

/** Whether the call names a tier the line has a price of its own for; any other costs the dearest of what was reserved for. */
export function hasPriceOf(call: PricedCall, line: StoredPriceLine): boolean {
	const tier = tierName(call);
	return tier !== undefined && Object.hasOwn(line.tiers, tier);
}

/** Per cent of the list price by geography of an Anthropic answer; one that is not here is unknown and costs the dearest. */
const PERCENT_BY_GEOGRAPHY: Readonly<Record<string, bigint>> = { "": 100n, global: 100n, not_available: 100n, us: 110n };
const DEAREST_PERCENT = 110n;

function geographyPercent({ protocol, usage }: PricedCall): bigint {
	const geography = usage["inference_geo"];
	if (protocol !== "anthropic" || typeof geography !== "string") return 100n;
	return isGeographyKnown(geography) ? (PERCENT_BY_GEOGRAPHY[geography.toLowerCase()] ?? DEAREST_PERCENT) : DEAREST_PERCENT;
}

function isGeographyKnown(geography: string): boolean {
	return Object.hasOwn(PERCENT_BY_GEOGRAPHY, geography.toLowerCase());
}

/** undefined: the provider named a tier nobody knows. */
function tierName(call: PricedCall): string | undefined {
	if (call.protocol === "anthropic") {
		const { speed, inference_geo: geography } = call.usage;
		if (typeof geography === "string" && !isGeographyKnown(geography)) return undefined;
		if (typeof speed === "string" && speed !== "" && speed !== "standard") return speed.toLowerCase() === "fast" ? "priority" : undefined;
	}
	if (call.serviceTier === null || call.serviceTier === "") return "standard";
	const names = TIER_NAMES[call.protocol] ?? {};
	return Object.hasOwn(names, call.serviceTier.toLowerCase()) ? names[call.serviceTier.toLowerCase()] : undefined;
}

/** At the tier it names, or the dearest of the given tiers; an unknown tier without any given costs the dearest the line has. */
function pricesOf(line: StoredPriceLine, call: PricedCall, inputTokens: bigint): StoredPrices | undefined {
	const tier = tierName(call);
	const named = call.dearestOf ?? (tier !== undefined && Object.hasOwn(line.tiers, tier) ? [tier] : Object.keys(line.tiers));
	const all = named.map((name) => pricesAt(line.tiers[name] ?? [], inputTokens)).filter((prices) => prices !== undefined);
	if (all.length === 0) return undefined;
	const percent = geographyPercent(call);
	const dearest = (name: keyof StoredPrices) => {
		const list = all.map((prices) => BigInt(prices[name])).reduce((most, price) => (price > most ? price : most), 0n);
		return ((list * percent + 99n) / 100n).toString();
	};
	return {
		input: dearest("input"),
		cachedInput: dearest("cachedInput"),
		cacheWrite5m: dearest("cacheWrite5m"),
		cacheWrite1h: dearest("cacheWrite1h"),
		output: dearest("output"),
		reasoning: dearest("reasoning"),
	};
}

/** The context tier with the highest threshold that the input exceeds holds for the whole request. */
function pricesAt(contexts: readonly StoredContextTier[], inputTokens: bigint): StoredPrices | undefined {
	let best: StoredContextTier | undefined;
	for (const context of contexts) {
		const isReached = context.aboveInputTokens === 0 || inputTokens > BigInt(context.aboveInputTokens);
		if (isReached && (!best || context.aboveInputTokens > best.aboveInputTokens)) best = context;
	}
	return best?.prices;
}

/**
 * Anthropic: input_tokens excludes cache reads and writes, output_tokens includes thinking. Compactions
 * are counted beside the whole and add up; any other sub-inference ran on a model this line cannot price.
 */
function billedByAnthropic(usage: RawUsage): Billed | string {
	try {
		const tokens = [usage, ...compactions(usage)].map(anthropicTokens);
		const sum = (name: keyof AnthropicTokens) => tokens.reduce((total, part) => total + part[name], 0n);
		return {
			plainInput: sum("plainInput"),
			cached: sum("cached"),
			write5m: sum("write5m"),
			write1h: sum("write1h"),
			plainOutput: sum("plainOutput"),
			reasoning: sum("reasoning"),
			toolCalls: anthropicToolCalls(usage),
		};
	} catch (error) {
		return unusable(error);
	}
}

type AnthropicTokens = Omit<Billed, "toolCalls">;

/** A write that the split does not cover is a one-hour one where the split shows any such, else a five-minute one. */
function anthropicTokens(usage: RawUsage): AnthropicTokens {
	const split = group(usage, "cache_creation");
	const [named5m, named1h] = [count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")];
	const rest = isNamed(usage, "cache_creation_input_tokens") ? count(usage, "cache_creation_input_tokens") - named5m - named1h : 0n;
	const output = count(usage, "output_tokens");
	const reasoning = count(group(usage, "output_tokens_details"), "thinking_tokens");
	if (rest < 0n || output < reasoning) throw new UnusableCount("a part is larger than its whole");
	return {
		plainInput: count(usage, "input_tokens"),
		cached: count(usage, "cache_read_input_tokens"),
		write5m: named1h === 0n ? named5m + rest : named5m,
		write1h: named1h === 0n ? 0n : named1h + rest,
		plainOutput: output - reasoning,
		reasoning,
	};
}

function compactions(usage: RawUsage): readonly RawUsage[] {
	const parts = usage["iterations"] ?? [];
	if (!Array.isArray(parts)) throw new UnusableCount("iterations is no list");
	return parts.filter((part: RawUsage | null) => {
		if (part?.["type"] !== "message" && part?.["type"] !== "compaction") throw new UnusableCount("an iteration ran on another model");
		return part["type"] === "compaction";
	});
}

/** Every count of server_tool_use is a hosted tool with a fee, like web_search_requests and web_fetch_requests. */
function anthropicToolCalls(usage: RawUsage): ReadonlyMap<string, bigint> {
	const counts = group(usage, "server_tool_use");
	return new Map(
		Object.keys(counts)
			.map((name): [string, bigint] => [name.endsWith("_requests") ? name.slice(0, -"_requests".length) : name, count(counts, name)])
			.filter(([, calls]) => calls > 0n),
	);
}

/** OpenAI: chat says prompt/completion, responses say input/output; both include cached, written and reasoning tokens. */
function billedByOpenAi(usage: RawUsage, hostedCalls: PricedCall["hostedCalls"]): Billed | string {
	try {
		const isResponses = usage["input_tokens"] !== undefined;
		const input = count(usage, isResponses ? "input_tokens" : "prompt_tokens");
		const output = count(usage, isResponses ? "output_tokens" : "completion_tokens");
		const inputDetails = group(usage, isResponses ? "input_tokens_details" : "prompt_tokens_details");
		const outputDetails = group(usage, isResponses ? "output_tokens_details" : "completion_tokens_details");
		const cached = count(inputDetails, "cached_tokens");
		const written = count(inputDetails, "cache_write_tokens");
		const reasoning = count(outputDetails, "reasoning_tokens");
		if (input < cached + written || output < reasoning) return "a part is larger than its whole";
		if (isNamed(usage, "total_tokens") && count(usage, "total_tokens") !== input + output) return "total_tokens is not the sum of its parts";
		const unpriced = unpricedPart(isResponses, inputDetails, outputDetails);
		if (unpriced) return unpriced;
		return {
			plainInput: input - cached - written,
			cached,
			write5m: written,
			write1h: 0n,
			plainOutput: output - reasoning,
			reasoning,
			toolCalls: new Map(Object.entries(hostedCalls ?? {}).map(([tool, calls]) => [tool, BigInt(calls)])),
		};
	} catch (error) {
		return unusable(error);
	}
}

/** Audio has a price of its own that no line carries, and what is written for 12 hours one that is not published. */
function unpricedPart(isResponses: boolean, inputDetails: RawUsage, outputDetails: RawUsage): string | undefined {
	if (isResponses) return count(group(inputDetails, "cache_write_tokens_details"), "ttl_12h_tokens") > 0n ? "writes for 12 hours have no price" : undefined;
	return count(inputDetails, "audio_tokens") + count(outputDetails, "audio_tokens") > 0n ? "audio tokens have no price" : undefined;
}

class UnusableCount extends Error {}

function unusable(error: unknown): string {
	if (error instanceof UnusableCount) return error.message;
	throw error;
}

function isNamed(from: RawUsage, name: string): boolean {
	return from[name] !== undefined && from[name] !== null;
}

/** Absent and null mean none; anything that is no whole number of tokens makes the usage unusable. */
function count(from: RawUsage, name: string): bigint {
	const value = from[name];
	if (value === undefined || value === null) return 0n;
	if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > 2_147_483_647)
		throw new UnusableCount(`${name} is ${JSON.stringify(value)}`);
	return BigInt(value);
}

function group(from: RawUsage, name: string): RawUsage {
	const value = from[name];
	if (value === undefined || value === null) return {};
	if (typeof value !== "object" || Array.isArray(value)) throw new UnusableCount(`${name} is no object`);
	return value as RawUsage;
}
