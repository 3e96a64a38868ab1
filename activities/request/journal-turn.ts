import type { Journal } from "../ledger/record.ts";

/** Something that is journaled and goes on once it is. */
export type JournalStep = {
	/** Appends. What goes wrong is kept for `conclude`. */
	append(): void;
	/** What was appended is in the journal; `problem`: it is not. */
	conclude(problem?: { readonly error: unknown }): void;
};

/**
 * What is to be journaled in one turn of the event loop, reservations and endings of whole answers: one write at its end, and then
 * all go on together. Under load that is one write for many calls, and provider and callers are woken once instead of for each;
 * a call alone waits for no timer. Streams journal their endings at once: their last bytes are at hand.
 */
export class JournalTurn {
	private readonly journal: Pick<Journal, "together">;
	private steps: JournalStep[] = [];

	constructor(journal: Pick<Journal, "together">) {
		this.journal = journal;
	}

	add(step: JournalStep): void {
		this.steps.push(step);
		if (this.steps.length === 1) setImmediate(() => this.end());
	}

	private end(): void {
		const steps = this.steps;
		this.steps = [];
		let problem: { readonly error: unknown } | undefined;
		try {
			this.journal.together(() => {
				for (const step of steps) step.append();
			});
		} catch (error) {
			problem = { error };
		}
		for (const step of steps) step.conclude(problem);
	}
}
