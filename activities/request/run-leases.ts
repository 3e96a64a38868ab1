import type { LeaseBook } from "#domain/budget/lease-book.ts";
import type { EnteredRun, RunStore } from "../runs/port.ts";

export type RunLeasesDependencies = {
	readonly book: Pick<LeaseBook, "adopt" | "forgetResting">;
	/** A row shows less than this gateway was granted (money-path §3). */
	readonly onLostCommits: (windowId: string) => void;
	/** A change is known of. */
	readonly onRevision: (revision: bigint) => void;
};

/** The leases of one gateway as the guard of its agent runs uses them. */
export class RunLeases {
	readonly #dependencies: RunLeasesDependencies;

	constructor(dependencies: RunLeasesDependencies) {
		this.#dependencies = dependencies;
	}

	/** The store, whose openings bring the first leases of their budgets: taken before anybody hears of the run. */
	over(store: RunStore): RunStore {
		return {
			enter: async (ask) => this.#take(await store.enter(ask)),
			register: async (ask) => this.#take(await store.register(ask)),
			hold: (holds) => store.hold(holds),
			read: (numbers) => store.read(numbers),
			find: (teamId, runId) => store.find(teamId, runId),
			finish: (input) => store.finish(input),
		};
	}

	/**
	 * Forgets the leases of budgets whose runs rest, those of which nothing is held or on its way back; answers which. Called where nothing of
	 * them is unflushed, and between two grants: the answer of one in flight would speak of leases that are known no more.
	 */
	forgetResting(budgetIds: ReadonlySet<string>): readonly string[] {
		return this.#dependencies.book.forgetResting(budgetIds);
	}

	onRevision(revision: bigint): void {
		this.#dependencies.onRevision(revision);
	}

	#take(entered: EnteredRun): EnteredRun {
		if (entered.kind === "refused" || entered.leases.length === 0) return entered;
		const { book, onLostCommits } = this.#dependencies;
		const units = new Map(entered.chain.flatMap(({ budgets }) => budgets.map(({ budgetId, unit }) => [budgetId, unit] as const)));
		// The windows of runs last as long as they do.
		for (const lease of entered.leases)
			if (!book.adopt(units.get(lease.budgetId) ?? "nano_usd", lease, Number.POSITIVE_INFINITY)) onLostCommits(lease.windowId);
		return entered;
	}
}
