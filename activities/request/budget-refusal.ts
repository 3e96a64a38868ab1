import { formatAmount, formatBudgetName, howToAsk } from "#domain/budget/refusal-text.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { Refusal } from "./port.ts";

/** What a caller is told whom a budget refused. `rule` undefined: the budget is gone meanwhile. */
export function budgetRefusal(shortage: Shortage, teamId: string, rule: BudgetRule | undefined): Refusal {
	const { code, item, unit, idle } = shortage;
	const budget = rule ? formatBudgetName(rule) : `budget ${item.budgetId}`;
	const bound = item.stop < item.limit ? item.stop : item.limit;
	const left = bound - item.granted + idle;
	const words = { budget, left: left > 0n ? left : 0n, howToAsk: howToAsk(teamId, rule, code) };
	return {
		code,
		message: messageOf(shortage, words),
		budget,
		budgetId: item.budgetId,
		unit,
		limitAmount: item.limit,
		leftAmount: words.left,
		resetsAt: item.endsAt,
		heldAmount: item.granted - item.posted - idle,
		heldUntil: item.heldUntil,
		howToAsk: words.howToAsk,
		retryAfterSeconds: null,
	};
}

/** One message says it all: many clients show nothing but it. */
function messageOf({ code, item, need, unit }: Shortage, words: { budget: string; left: bigint; howToAsk: string }): string {
	const resets = item.endsAt === null ? "" : ` It resets at ${item.endsAt}.`;
	if (code === "budget.frozen") return `The budget "${words.budget}" is frozen: nothing may be spent until a person unfreezes it. ${words.howToAsk}`;
	if (code === "budget.overrun")
		return `The budget "${words.budget}" was overrun by a call that cost more than it reserved: nothing is granted until a person or the next window clears that.${resets} ${words.howToAsk}`;
	const amount = (value: bigint): string => formatAmount(unit, value);
	const takes = `this call can ${unit === "nano_usd" || unit === "tokens" ? "cost" : "take"} up to ${amount(need)}`;
	if (code === "budget.needs_approval")
		return `The budget "${words.budget}" needs the approval of a person to spend beyond ${amount(item.stop)} of ${amount(item.limit)}; ${takes}.${resets} ${words.howToAsk}`;
	return `The budget "${words.budget}" has ${amount(words.left)} left of ${amount(item.limit)}; ${takes}.${resets} ${words.howToAsk}`;
}

export function unreachable(): Refusal {
	return {
		code: "authority.unreachable",
		message: "The budget authority cannot be reached, so nothing may be spent. Money already leased was used first; try again shortly.",
		budget: null,
		unit: null,
		limitAmount: null,
		leftAmount: null,
		resetsAt: null,
		heldAmount: null,
		heldUntil: null,
		howToAsk: "Try again; an operator sees the cause under /readyz.",
		retryAfterSeconds: 2,
	};
}
