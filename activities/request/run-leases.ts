import type { LeaseBook } from "#domain/budget/lease-book.ts";
import type { EnteredRun } from "../runs/port.ts";

export type RunLeasesDependencies = {
	readonly book: Pick<LeaseBook, "adopt" | "forgetResting">;
	/** A row shows less than this gateway was granted (money-path §3). */
	readonly onLostCommits: (windowId: string) => void;
	/** Nothing is settled here that PostgreSQL does not know. */
	readonly isFlushed: () => boolean;
};

/** The leases of one gateway as the guard of its agent runs uses them. */
export class RunLeases {
	readonly #dependencies: RunLeasesDependencies;
	/** Budgets of runs that rest and whose leases are still here. */
	readonly #resting = new Set<string>();

	constructor(dependencies: RunLeasesDependencies) {
		this.#dependencies = dependencies;
	}

	/** Takes the first leases of budgets that were opened with a run; they end with no window. */
	adopt({ chain, leases }: Pick<Extract<EnteredRun, { kind: "entered" }>, "chain" | "leases">): void {
		if (leases.length === 0) return;
		const units = new Map(chain.flatMap(({ budgets }) => budgets.map(({ budgetId, unit }) => [budgetId, unit] as const)));
		for (const lease of leases) {
			const { book, onLostCommits } = this.#dependencies;
			if (!book.adopt(units.get(lease.budgetId) ?? "nano_usd", lease, Number.POSITIVE_INFINITY)) onLostCommits(lease.windowId);
		}
	}

	/** The runs of these budgets rest: their leases are forgotten as soon as nothing of them is held, on its way back or unflushed. */
	rest(budgetIds: Iterable<string>): void {
		for (const budgetId of budgetIds) this.#resting.add(budgetId);
	}

	/** They go on. */
	wake(budgetIds: Iterable<string>): void {
		if (this.#resting.size === 0) return;
		for (const budgetId of budgetIds) this.#resting.delete(budgetId);
	}

	/** Called between two grants: the answer of one in flight would speak of leases that are known no more. */
	forgetResting(): void {
		const { book, isFlushed } = this.#dependencies;
		if (this.#resting.size === 0 || !isFlushed()) return;
		for (const budgetId of book.forgetResting(this.#resting)) this.#resting.delete(budgetId);
	}
}
