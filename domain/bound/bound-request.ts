import { divideRoundingUp, MAX_ATTEMPT_NANO_USD, type NanoUsd } from "../money/nano-usd.ts";
import type { PriceLine, PriceTier } from "../pricing/price-book.ts";
import { LIST_PRICE_PERMILLE } from "../pricing/select-prices.ts";
import { type BoundedInput, boundInput } from "./bound-input.ts";
import { dearestPrices, findUnpricedTier, pricesUnlockedWindow, reachablePriceTiers, STANDARD_ONLY } from "./dearest-prices.ts";
import { THINKING_BUDGET_TOKENS_MIN } from "./inspect-limits.ts";
import type { Bound, BoundResult, ClampRoom, InspectedRequest, PriceReach, RequestProblem } from "./request.ts";
import { factsOf, type RequestFacts, unbounded, unknownTier } from "./request-facts.ts";

export type BoundOptions = {
	/** Lowest cap a clamp may set (policy, default 256). */
	readonly clampFloorTokens: number;
	/** The same for reasoning models (policy, default 4,096). */
	readonly clampFloorReasoningTokens: number;
	/** Tiers the provider account's default may bill a request that names none (default standard only). */
	readonly defaultTiers?: readonly PriceTier[];
	/** What the dearest geography the provider account may serve from does to token prices, in thousandths (default 1,000). */
	readonly tokenPermille?: number;
	/** Policy: a clamp may lower the caller's own cap (default false). */
	readonly mayLowerCallerCap?: boolean;
	/** Cap fields the deployment is known to enforce; default: every cap field of the endpoint where the line names one. */
	readonly enforcedCapFields?: readonly string[];
	/** Tokens by which exactly counted message text is below its bytes (default 0: bytes are the bound). */
	readonly textTokensSaved?: number;
	/** The only tiers it is billed at, whatever the account's default is: those of a batch (default: what the request can reach). */
	readonly onlyTiers?: readonly PriceTier[];
};

const PRICE_UNIT_TOKENS = 1_000_000n;

/**
 * The most a request can cost on a price line: money-path §2. Every token of the input counts at
 * the dearest input class, context tier and price tier it can fall in; `n` multiplies the output,
 * a prediction adds to it, hosted tools multiply the input and add their fees.
 *
 * `unbounded` (422) names the field that cannot be bounded on this line, or the cap to set.
 */
export function boundRequest(request: InspectedRequest, line: PriceLine, options: BoundOptions): BoundResult {
	if (request.endpoint === "count_tokens") return { kind: "bounded", bound: FREE };
	const facts = factsOf(request);
	const tiers = billedTiers(request, facts, line, options);
	if ("code" in tiers) return { kind: "unbounded", problem: tiers };
	const reach = { tiers, tokenPermille: options.tokenPermille ?? LIST_PRICE_PERMILLE };
	if (!pricesUnlockedWindow(facts, line, reach.tiers)) return { kind: "unbounded", problem: unpricedWindow(line) };
	const input = boundInput({ endpoint: request.endpoint, facts, line, textTokensSaved: options.textTokensSaved ?? 0 });
	if (input.kind === "unbounded") return input;
	const outputTokens = boundOutput(request, facts, line, options);
	if (typeof outputTokens !== "number") return { kind: "unbounded", problem: outputTokens };
	const bound = new LinearBound(costLine(request, facts, line, { input, reach }), {
		outputTokens,
		reach,
		clampFloorTokens: clampFloor(request, facts, line, { outputTokens, options }),
	});
	if (bound.nanoUsd > MAX_ATTEMPT_NANO_USD) return { kind: "unbounded", problem: tooLarge(request, line) };
	return { kind: "bounded", bound };
}

/** Price tiers it can be billed at, or why one of them cannot be bounded. */
function billedTiers(request: InspectedRequest, facts: RequestFacts, line: PriceLine, options: BoundOptions): readonly PriceTier[] | RequestProblem {
	const { onlyTiers } = options;
	if (onlyTiers !== undefined) return findTierBeyond(facts, line, onlyTiers) ?? reachOf(facts, line, onlyTiers);
	const defaultTiers = defaultTiersOf(request, options);
	const unpriced = findUnpricedTier(facts, line, defaultTiers);
	return unpriced === undefined ? reachablePriceTiers(facts, line, defaultTiers) : unpricedTier(unpriced, line);
}

/** What policy let pass unknown may cost anything, here too. */
function reachOf(facts: RequestFacts, line: PriceLine, onlyTiers: readonly PriceTier[]): readonly PriceTier[] {
	return facts.isDearest ? reachablePriceTiers(facts, line, onlyTiers) : onlyTiers;
}

/** A tier that is asked for although only these are billed, or one of these that the line has no price for. */
function findTierBeyond(facts: RequestFacts, line: PriceLine, onlyTiers: readonly PriceTier[]): RequestProblem | undefined {
	const asked = facts.askedTiers.find(({ tier }) => tier !== "project" && !onlyTiers.includes(tier));
	if (asked !== undefined) return unknownTier(asked.field, `this is billed at ${onlyTiers.join(", ")} prices alone; leave it out`);
	const unpriced = onlyTiers.find((tier) => line.tiers[tier] === undefined);
	return unpriced === undefined ? undefined : unknownTier("model", `the price book has no ${unpriced} price for ${line.model}`);
}

/** Embeddings have no service tier (EmbeddingCreateParams, openai 7.57.0): a default there changes nothing. */
function defaultTiersOf(request: InspectedRequest, options: BoundOptions): readonly PriceTier[] {
	return request.endpoint === "embeddings" ? STANDARD_ONLY : (options.defaultTiers ?? STANDARD_ONLY);
}

function unpricedTier({ field, tier, isDefault }: { field: string; tier: PriceTier; isDefault: boolean }, line: PriceLine): RequestProblem {
	const lacks = `the price book has no ${tier} price for ${line.model}`;
	if (!isDefault) return unknownTier(field, lacks);
	const standard = line.protocol === "openai" ? "default" : "standard_only";
	return unknownTier(field, `${lacks}, which the provider account may bill a request that names no tier; ask for ${JSON.stringify(standard)}`);
}

function unpricedWindow(line: PriceLine): RequestProblem {
	return unbounded("anthropic-beta", `it unlocks a longer context window, and the price book has no price for inputs beyond the window of ${line.model}`);
}

/** Money = ceil((fixed + outputTokens × perOutputToken) / 10⁶) + fees; tokens likewise linear. */
type CostLine = {
	readonly inputTokens: number;
	readonly choices: number;
	readonly predictedTokens: number;
	readonly fixed: bigint;
	readonly perOutputToken: bigint;
	readonly fees: NanoUsd;
};

function costLine(request: InspectedRequest, facts: RequestFacts, line: PriceLine, { input, reach }: { input: BoundedInput; reach: PriceReach }): CostLine {
	const prices = dearestPrices(facts, line, { inputTokens: input.tokens, reach });
	const choices = BigInt(request.choices);
	const predictedTokens = facts.predictionBytes;
	return {
		inputTokens: input.tokens,
		choices: request.choices,
		predictedTokens,
		fixed: BigInt(input.tokens) * prices.input + BigInt(predictedTokens) * choices * prices.output,
		perOutputToken: choices * prices.output,
		fees: input.feesNanoUsd,
	};
}

class LinearBound implements Bound {
	readonly inputTokens: number;
	readonly outputTokens: number;
	readonly nanoUsd: NanoUsd;
	readonly tokens: number;
	readonly reach: PriceReach;
	readonly clampFloorTokens: number | undefined;
	readonly #cost: CostLine;

	constructor(cost: CostLine, { outputTokens, reach, clampFloorTokens }: Pick<Bound, "outputTokens" | "reach" | "clampFloorTokens">) {
		this.#cost = cost;
		this.reach = reach;
		this.inputTokens = cost.inputTokens;
		this.outputTokens = outputTokens;
		this.clampFloorTokens = clampFloorTokens;
		const untouched = this.at(outputTokens);
		this.nanoUsd = untouched.nanoUsd;
		this.tokens = untouched.tokens;
	}

	at(outputTokens: number): { readonly nanoUsd: NanoUsd; readonly tokens: number } {
		const { fixed, perOutputToken, fees, inputTokens, choices, predictedTokens } = this.#cost;
		return {
			nanoUsd: divideRoundingUp(fixed + BigInt(outputTokens) * perOutputToken, PRICE_UNIT_TOKENS) + fees,
			tokens: inputTokens + (outputTokens + predictedTokens) * choices,
		};
	}

	clampTo({ nanoUsd, tokens, outputTokens }: ClampRoom): number | undefined {
		const cap = Math.min(this.outputTokens, this.#byMoney(nanoUsd), this.#byTokens(tokens), this.#byOutput(outputTokens));
		return cap >= (this.clampFloorTokens ?? this.outputTokens) ? cap : undefined;
	}

	#byMoney(nanoUsd: NanoUsd | undefined): number {
		if (nanoUsd === undefined) return this.outputTokens;
		const { fixed, perOutputToken, fees } = this.#cost;
		const room = (nanoUsd - fees) * PRICE_UNIT_TOKENS - fixed;
		if (room < 0n) return -1;
		if (perOutputToken === 0n) return this.outputTokens;
		const affordable = room / perOutputToken;
		return affordable >= BigInt(this.outputTokens) ? this.outputTokens : Number(affordable);
	}

	#byTokens(tokens: number | undefined): number {
		return this.#byOutput(tokens === undefined ? undefined : tokens - this.inputTokens);
	}

	/** Of all choices together, a prediction among them. */
	#byOutput(outputTokens: number | undefined): number {
		if (outputTokens === undefined) return this.outputTokens;
		const { choices, predictedTokens } = this.#cost;
		return Math.floor(outputTokens / choices) - predictedTokens;
	}
}

/** Output cap that holds if the body is sent untouched, or the problem that names the cap to set. */
function boundOutput(request: InspectedRequest, facts: RequestFacts, line: PriceLine, options: BoundOptions): number | RequestProblem {
	if (request.endpoint === "embeddings") return 0;
	const callerCap = enforcedCallerCap(request, line, options);
	if (callerCap !== undefined) return Math.max(callerCap, facts.thinkingBudgetTokens ?? 0);
	const largest = line.maxOutputTokens ?? line.contextWindowTokens;
	if (largest !== undefined) return largest;
	const field = capFieldOf(request, line);
	return unbounded(field, `the price book knows neither the maximum output nor the context window of ${line.model}; set ${field}`);
}

/** A cap the deployment does not enforce bounds nothing. */
function enforcedCallerCap(request: InspectedRequest, line: PriceLine, options: BoundOptions): number | undefined {
	if (request.outputCapTokens === undefined || request.outputCapField === undefined) return undefined;
	const isEnforced = options.enforcedCapFields?.includes(request.outputCapField) ?? line.outputCapField !== undefined;
	return isEnforced ? request.outputCapTokens : undefined;
}

/** A clamp is written into the cap field the caller used, else into the endpoint's own: the deployment must enforce that one. */
function canEnforceCap(request: InspectedRequest, line: PriceLine, options: BoundOptions): boolean {
	return options.enforcedCapFields?.includes(request.outputCapField ?? capFieldOf(request, line)) ?? true;
}

function clampFloor(
	request: InspectedRequest,
	facts: RequestFacts,
	line: PriceLine,
	{ outputTokens, options }: { outputTokens: number; options: BoundOptions },
): number | undefined {
	if (request.endpoint === "embeddings" || line.outputCapField === undefined) return undefined;
	if (!canEnforceCap(request, line, options)) return undefined;
	const hasOwnCap = request.outputCapField !== undefined;
	if (hasOwnCap && options.mayLowerCallerCap !== true) return undefined;
	const policyFloor = line.isReasoning ? options.clampFloorReasoningTokens : options.clampFloorTokens;
	// The thinking budget is lowered with the cap, to no less than the provider's own minimum.
	const thinkingFloor = facts.thinkingBudgetTokens === undefined ? 1 : THINKING_BUDGET_TOKENS_MIN + 1;
	return Math.min(outputTokens, Math.max(policyFloor, thinkingFloor));
}

/**
 * Body field that caps the output of this request on this line. The line names the field of chat
 * completions; the two other endpoints have one each.
 */
export function capFieldOf(request: InspectedRequest, line: PriceLine): string {
	if (request.endpoint === "responses") return "max_output_tokens";
	if (request.endpoint === "messages") return "max_tokens";
	return line.outputCapField === "max_tokens" ? "max_tokens" : "max_completion_tokens";
}

function tooLarge(request: InspectedRequest, line: PriceLine): RequestProblem {
	return unbounded(request.outputCapField ?? capFieldOf(request, line), "at this cap the call could cost more than one call may (1,000,000 USD)");
}

/** Counting tokens is free on the provider's side (providers' documentation of `count_tokens`). */
const FREE: Bound = {
	inputTokens: 0,
	outputTokens: 0,
	nanoUsd: 0n,
	tokens: 0,
	reach: { tiers: STANDARD_ONLY, tokenPermille: LIST_PRICE_PERMILLE },
	clampFloorTokens: undefined,
	at: () => ({ nanoUsd: 0n, tokens: 0 }),
	clampTo: () => 0,
};
