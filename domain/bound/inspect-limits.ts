import { MAX_TOKENS_PER_FIELD } from "../usage/usage.ts";
import { lookUp } from "./field-table.ts";
import type { RequestProblem } from "./request.ts";
import { invalid, unknownTier } from "./request-facts.ts";
import { type FieldVisit, isObject } from "./walk.ts";

/** Smallest thinking budget Anthropic accepts ("Must be ≥1024", messages.d.ts of @anthropic-ai/sdk 1.12.0). */
export const THINKING_BUDGET_TOKENS_MIN = 1_024;

const CHOICES_MAX = 1_024;

/** A cap is a positive integer or the call is 400; of two caps the higher one is the bound. */
export function inspectCap({ key, value, draft }: FieldVisit): RequestProblem | undefined {
	if (!isCount(value, MAX_TOKENS_PER_FIELD)) return invalid(key, "must be a positive whole number of tokens");
	if (draft.outputCapTokens !== undefined && draft.outputCapTokens >= value) return undefined;
	draft.outputCapTokens = value;
	draft.outputCapField = key;
	return undefined;
}

export function inspectChoices({ key, value, draft }: FieldVisit): RequestProblem | undefined {
	if (value === null) return undefined;
	if (!isCount(value, CHOICES_MAX)) return invalid(key, `must be a whole number from 1 to ${CHOICES_MAX}`);
	draft.choices = value;
	return undefined;
}

/** Kept for hosted tools, which read it from the body; checked even where no such tool is given. */
export function inspectHostedCallCap({ key, value }: FieldVisit): RequestProblem | undefined {
	const isFine = value === null || (Number.isSafeInteger(value) && (value as number) >= 0);
	return isFine ? undefined : invalid(key, "must be a whole number of calls, 0 or more");
}

export function inspectStreamOptions({ key, value, draft }: FieldVisit): RequestProblem | undefined {
	if (!isObject(value)) return undefined;
	const asked = value["include_usage"];
	if (asked !== undefined && asked !== null && typeof asked !== "boolean") return invalid(`${key}.include_usage`, "must be a boolean");
	draft.asksStreamUsage = asked === true;
	return undefined;
}

/** Which price tiers the asked tier can be billed at; the answer names the real one. */
export function inspectTier({ key, value, rule, walk }: FieldVisit): RequestProblem | undefined {
	if (value === null) return undefined;
	const tiers = typeof value === "string" ? lookUp(rule.tiers ?? {}, value) : undefined;
	if (tiers === undefined) return unknownTier(key, `no price is known for the tier ${JSON.stringify(String(value).slice(0, 80))}`);
	walk.facts.askedTiers.push(...tiers.map((tier) => ({ field: key, tier })));
	return undefined;
}

export function inspectThinking({ key, value, walk }: FieldVisit): RequestProblem | undefined {
	if (!isObject(value)) return undefined;
	const budget = value["budget_tokens"];
	if (budget === undefined || budget === null) return undefined;
	if (!isCount(budget, MAX_TOKENS_PER_FIELD) || budget < THINKING_BUDGET_TOKENS_MIN)
		return invalid(`${key}.budget_tokens`, `must be a whole number of at least ${THINKING_BUDGET_TOKENS_MIN} tokens`);
	walk.facts.thinkingBudgetTokens = budget;
	return undefined;
}

function isCount(value: unknown, largest: number): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= largest;
}
