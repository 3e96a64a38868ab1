import { MAX_MATCHED_BUDGETS } from "#domain/budget/match.ts";
import { formatAmount, formatBudgetName, howToAsk } from "#domain/budget/refusal-text.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { Refusal } from "./port.ts";

/** What is refused: one call, or a batch as a whole. */
type Asker = "call" | "batch";

/** What a caller is told whom a budget refused. `rule` undefined: the budget is gone meanwhile. */
export function budgetRefusal(shortage: Shortage, teamId: string, rule: BudgetRule | undefined, asker: Asker = "call"): Refusal {
	const { code, item, unit, idle } = shortage;
	const budget = rule ? formatBudgetName(rule) : `budget ${item.budgetId}`;
	const bound = item.stop < item.limit ? item.stop : item.limit;
	const left = bound - item.granted + idle;
	const words = { budget, left: left > 0n ? left : 0n, howToAsk: howToAsk(teamId, rule, code), asker };
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
function messageOf({ code, item, need, unit }: Shortage, words: { budget: string; left: bigint; howToAsk: string; asker: Asker }): string {
	const resets = item.endsAt === null ? "" : ` It resets at ${item.endsAt}.`;
	if (code === "budget.frozen") return `The budget "${words.budget}" is frozen: nothing may be spent until a person unfreezes it. ${words.howToAsk}`;
	if (code === "budget.overrun")
		return `The budget "${words.budget}" was overrun by a call that cost more than it reserved: nothing is granted until a person or the next window clears that.${resets} ${words.howToAsk}`;
	const amount = (value: bigint): string => formatAmount(unit, value);
	const takes = `this ${words.asker} can ${unit === "nano_usd" || unit === "tokens" ? "cost" : "take"} up to ${amount(need)}`;
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

/** No budget of its own covers what a team asks for, or more budgets meet it than may: `met` of them. */
export function uncoveredRefusal(
	teamId: string,
	{ code, met, asker = "call" }: { readonly code: "budget.none" | "budget.too_many_windows"; readonly met: number; readonly asker?: Asker },
): Refusal {
	const message =
		code === "budget.none"
			? `Team ${teamId} has no budget that covers this ${asker}, so it may not spend.`
			: `This ${asker} meets ${met} budgets; a ${asker} may meet at most ${MAX_MATCHED_BUDGETS}.`;
	return { ...unreachable(), code, message, howToAsk: howToAsk(teamId, undefined, code), retryAfterSeconds: null };
}
