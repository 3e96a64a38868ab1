import { type Amounts, amountIn, type MatchedBudget } from "#domain/budget/lease-book.ts";
import type { Shortage } from "./grant-evidence.ts";

/**
 * Refusals that no open reservation could have averted, kept for at most 1 s so that a refused caller who tries
 * again in a tight loop costs no SQL. Holds only for calls that need at least as much (money-path §3).
 */
const MAX_AGE_MS = 1_000;

export class RefusalMemory {
	private readonly byBudget = new Map<string, { shortage: Shortage; atMs: number }>();

	remember(shortage: Shortage, nowMs: number): void {
		this.byBudget.set(shortage.item.budgetId, { shortage: { ...shortage, isRemembered: true }, atMs: nowMs });
	}

	find(budgets: readonly MatchedBudget[], least: Amounts, nowMs: number): Shortage | undefined {
		if (this.byBudget.size === 0) return undefined;
		for (const { budgetId, unit } of budgets) {
			const entry = this.byBudget.get(budgetId);
			if (!entry) continue;
			const ageMs = nowMs - entry.atMs;
			if (ageMs > MAX_AGE_MS || nowMs >= entry.shortage.endsAtMs) this.byBudget.delete(budgetId);
			else if (amountIn(unit, least) >= entry.shortage.need) return { ...entry.shortage, need: amountIn(unit, least) };
		}
		return undefined;
	}

	/** Money or limit of a window changed. Without a window: of any. */
	forget(windowId?: string): void {
		if (windowId === undefined) return this.byBudget.clear();
		for (const [budgetId, entry] of this.byBudget) if (entry.shortage.item.windowId === windowId) this.byBudget.delete(budgetId);
	}
}
