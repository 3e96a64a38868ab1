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
 * all go on together. Under load that is one write for many calls, and provider and callers are woken once instead of for each.
 * The first of a turn does not wait for the end where nothing shared the last turn with another either: a call alone would only lose
 * time, its request even a whole turn, because undici looks at an idle connection for one before it writes.
 * Streams journal their endings at once: their last bytes are at hand.
 */
export class JournalTurn {
	private readonly journal: Pick<Journal, "together">;
	private steps: JournalStep[] = [];
	/** Steps of this turn, and of the last turn that had any. */
	private added = 0;
	private addedBefore = 0;

	private readonly onTurnEnd = (): void => {
		const { steps } = this;
		this.addedBefore = this.added;
		this.added = 0;
		if (steps.length === 0) return;
		this.steps = [];
		this.write(steps);
	};

	constructor(journal: Pick<Journal, "together">) {
		this.journal = journal;
	}

	add(step: JournalStep): void {
		this.added += 1;
		if (this.added === 1) setImmediate(this.onTurnEnd);
		if (this.added === 1 && this.addedBefore <= 1) this.write([step]);
		else this.steps.push(step);
	}

	private write(steps: readonly JournalStep[]): void {
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
