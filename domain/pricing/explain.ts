import type { ErrorCode } from "../errors/codes.ts";
import { toWire } from "../money/wire.ts";
import type { Usage } from "../usage/usage.ts";
import { NO_USAGE } from "../usage/usage.ts";
import { findUsageProblem } from "../usage/validate-usage.ts";
import type { PricedAnswer } from "./price-answer.ts";
import type { PriceBook, PriceLine, PriceTier } from "./price-book.ts";
import { type CostLine, priceUsage } from "./price-usage.ts";

/** Usage as a person gives it: every field optional, wholes including their parts. */
export type UsageQuestion = Partial<Usage>;

/** A cost and how it was made, safe for JSON: amounts are decimal strings of nano-USD. */
export type PriceExplanation = {
	readonly kind: "priced";
	readonly costNanoUsd: string;
	readonly lines: readonly PriceExplanationLine[];
	readonly provider: string;
	/** Model id of the price line (the question may have used an alias). */
	readonly model: string;
	/** "dearest reserved": where an answer named no tier or model of the book. */
	readonly priceTier: PriceTier | "dearest reserved";
	readonly priceVersion: number;
};

/** `nanoUsd` is exact, with up to six decimals; only the total is rounded, up, once. */
export type PriceExplanationLine =
	| { readonly tokenClass: string; readonly quantity: number; readonly nanoUsdPerMillion: string; readonly nanoUsd: string }
	| { readonly tool: string; readonly quantity: number; readonly nanoUsdPerCall: string; readonly nanoUsd: string };

export type PriceProblem = { readonly kind: "problem"; readonly code: ErrorCode; readonly message: string; readonly field: string };

/** What `price check` answers: the cost of a usage and its addends, or what is wrong with the question. `tier` defaults to standard. */
export function checkPrice(question: {
	readonly book: PriceBook;
	readonly provider?: string | undefined;
	readonly model: string;
	readonly usage: UsageQuestion;
	readonly tier?: PriceTier | undefined;
}): PriceExplanation | PriceProblem {
	const found = findLine(question.book, question.provider, question.model);
	if ("problem" in found) return found.problem;
	const { line } = found;
	const tier = question.tier ?? "standard";
	if (!line.tiers[tier]) return problem("pricing.unknown_model", "tier", `${line.model} has no price for tier ${tier}`);
	const usage: Usage = { ...NO_USAGE, ...withoutUndefined(question.usage) };
	const unknown = Object.keys(usage).find((field) => !Object.hasOwn(NO_USAGE, field) && field !== "toolCalls");
	if (unknown !== undefined) return problem("admin.invalid", `usage.${unknown}`, `usage has no field ${unknown}`);
	const usageProblem = findUsageProblem(usage);
	if (usageProblem !== undefined) return problem("admin.invalid", "usage", usageProblem);
	const priced = priceUsage(usage, line, tier);
	if (priced.unpricedTools.length > 0)
		return problem("pricing.unknown_model", "usage.toolCalls", `${line.model} has no fee for ${priced.unpricedTools.join(", ")}`);
	return explainPriced({ costNanoUsd: priced.costNanoUsd, addends: priced.lines, line, tier }, question.book.version);
}

/** How a cost was made, as people and scripts read it. */
export function explainPriced(
	{ costNanoUsd, addends, line, tier }: Pick<PricedAnswer, "costNanoUsd" | "addends" | "line" | "tier">,
	priceVersion: number,
): PriceExplanation {
	return {
		kind: "priced",
		costNanoUsd: toWire(costNanoUsd),
		lines: addends.map(explainLine),
		provider: line.provider,
		model: line.model,
		priceTier: tier ?? "dearest reserved",
		priceVersion,
	};
}

function findLine(book: PriceBook, provider: string | undefined, model: string): { readonly line: PriceLine } | { readonly problem: PriceProblem } {
	const providers = provider === undefined ? [...new Set(book.lines.map((line) => line.provider))] : [provider];
	const found = providers.map((name) => book.find(name, model)).filter((line) => line !== undefined);
	const [first] = found;
	if (!first) return { problem: problem("pricing.unknown_model", "model", `no price for model ${model}; give it one with: npx tollgate price set --help`) };
	if (found.length > 1)
		return { problem: problem("admin.invalid", "provider", `${model} is priced for ${found.map((line) => line.provider).join(" and ")}; name the provider`) };
	return { line: first };
}

function explainLine(addend: CostLine): PriceExplanationLine {
	const nanoUsd = formatFemtoUsd(addend.femtoUsd);
	return addend.kind === "tokens"
		? { tokenClass: addend.tokenClass, quantity: addend.quantity, nanoUsdPerMillion: toWire(addend.nanoUsdPerMillion), nanoUsd }
		: { tool: addend.tool, quantity: addend.quantity, nanoUsdPerCall: toWire(addend.nanoUsdPerCall), nanoUsd };
}

/** Femto-USD as exact decimal nano-USD: 1500000n → "1.5". */
function formatFemtoUsd(femtoUsd: bigint): string {
	const fraction = (femtoUsd % 1_000_000n).toString().padStart(6, "0").replace(/0+$/, "");
	const whole = (femtoUsd / 1_000_000n).toString();
	return fraction === "" ? whole : `${whole}.${fraction}`;
}

function problem(code: ErrorCode, field: string, message: string): PriceProblem {
	return { kind: "problem", code, message, field };
}

function withoutUndefined(usage: UsageQuestion): UsageQuestion {
	return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined));
}
