import { type Amounts, amountIn, type MatchedBudget } from "#domain/budget/lease-book.ts";
import type { Shortage } from "./grant-evidence.ts";

/**
 * Refusals that no open reservation could have averted, kept for at most 1 s so that a refused caller who tries
 * again in a tight loop costs no SQL. Holds only for calls that need at least as much (money-path §3).
 */
const MAX_AGE_MS = 1_000;

export class RefusalMemory {
	/** The longest ago first. */
	private readonly byBudget = new Map<string, { shortage: Shortage; atMs: number }>();
	/** Window → budget: money that comes free asks for its window alone, however many agent runs stand at their ceilings. */
	private readonly budgetOf = new Map<string, string>();

	get size(): number {
		return this.byBudget.size;
	}

	remember(shortage: Shortage, nowMs: number): void {
		const { budgetId, windowId } = shortage.item;
		this.drop(budgetId);
		this.dropOld(nowMs);
		this.byBudget.set(budgetId, { shortage: { ...shortage, isRemembered: true }, atMs: nowMs });
		this.budgetOf.set(windowId, budgetId);
	}

	find(budgets: readonly MatchedBudget[], least: Amounts, nowMs: number): Shortage | undefined {
		if (this.byBudget.size === 0) return undefined;
		for (const { budgetId, unit } of budgets) {
			const entry = this.byBudget.get(budgetId);
			if (!entry) continue;
			const ageMs = nowMs - entry.atMs;
			if (ageMs > MAX_AGE_MS || nowMs >= entry.shortage.endsAtMs) this.drop(budgetId);
			else if (amountIn(unit, least) >= entry.shortage.need) return { ...entry.shortage, need: amountIn(unit, least) };
		}
		return undefined;
	}

	/** Money or limit of a window changed. Without a window: of any. */
	forget(windowId?: string): void {
		if (windowId !== undefined) {
			const budgetId = this.budgetOf.get(windowId);
			if (budgetId !== undefined) this.drop(budgetId);
			return;
		}
		this.byBudget.clear();
		this.budgetOf.clear();
	}

	private drop(budgetId: string): void {
		const entry = this.byBudget.get(budgetId);
		if (!entry) return;
		this.byBudget.delete(budgetId);
		this.budgetOf.delete(entry.shortage.item.windowId);
	}

	/** Runs come and go: nobody may ever ask for the ceiling of one again. */
	private dropOld(nowMs: number): void {
		for (const [budgetId, { atMs }] of this.byBudget) {
			if (nowMs - atMs <= MAX_AGE_MS) return;
			this.drop(budgetId);
		}
	}
}
