/** Why a call was refused for money, from the body of a 402. */
export type BudgetRefusal = {
	/** `budget.exceeded`, `budget.none`, `budget.frozen`, `budget.overrun` or `budget.needs_approval`. */
	readonly code: string;
	readonly message: string;
	/** Human name of the budget, like "team demo, day"; null when there is none. */
	readonly budget: string | null;
	/** Decimal strings of nano-USD; null for a budget in tokens. */
	readonly limitNanoUsd: string | null;
	readonly leftNanoUsd: string | null;
	/** ISO 8601; null = the budget does not reset by itself. */
	readonly resetsAt: string | null;
	readonly howToAsk: string;
};

/**
 * The refusal inside an error thrown by the official `openai` or `@anthropic-ai/sdk` client, of an item that `batch.submit` was refused, or inside a
 * parsed body of a 402; undefined for any other error: `catch (error) { const refusal = readRefusal(error); … }`.
 */
export function readRefusal(error: unknown): BudgetRefusal | undefined {
	const inner = findRefusal(error, 3);
	if (!inner) return undefined;
	const text = (name: string) => (typeof inner[name] === "string" ? inner[name] : null);
	return {
		code: text("code") ?? "budget.exceeded",
		message: text("message") ?? "",
		budget: text("budget"),
		limitNanoUsd: text("limitNanoUsd"),
		leftNanoUsd: text("leftNanoUsd"),
		resetsAt: text("resetsAt"),
		howToAsk: text("howToAsk") ?? "",
	};
}

/** OpenAI's client unwraps the body's `error`, Anthropic's keeps the whole body, ours has it as cause: look at most `depth` errors deep. */
function findRefusal(value: unknown, depth: number): Record<string, unknown> | undefined {
	if (typeof value !== "object" || value === null || depth === 0) return undefined;
	const fields = value as Record<string, unknown>;
	const isRefusal = fields["type"] === "budget_exceeded" && "howToAsk" in fields;
	return isRefusal ? fields : findRefusal(fields["error"] ?? fields["cause"], depth - 1);
}
