import type { BudgetUnit } from "#domain/budget/scope.ts";
import { formatUsd } from "#domain/money/wire.ts";

/** Amounts and texts of people as they stand in the Markdown of the Temporal UI. */
export function formatAmount(amount: bigint, unit: BudgetUnit): string {
	return unit === "tokens" ? `${amount} tokens` : `${formatUsd(amount)} USD`;
}

/** Texts come from people and callers: nothing in them may become Markdown, break a line or turn the direction of reading. */
export function plain(text: string, lengthMax: number): string {
	const shortened = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
	return shortened.replaceAll(/[|`*<>[\]\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ");
}
