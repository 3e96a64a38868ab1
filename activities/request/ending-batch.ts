/** A whole answer whose attempt is to be ended before it is sent. */
export type WholeAnswer = {
	/** Ends the attempt. What goes wrong is kept for `conclude`. */
	book(): void;
	/** Sends the answer, now that its ending is journaled. `problem`: it is not, and the answer is not sent. */
	conclude(problem?: { readonly error: unknown }): void;
};

/**
 * Answers that became whole in one turn of the event loop: all their endings are journaled with one write at its end, and
 * then all are sent. Under load that is one write for many calls and callers are woken once; a single call waits for no timer.
 */
export class EndingBatch {
	private readonly journalTogether: (work: () => void) => void;
	private waiting: WholeAnswer[] = [];

	/** `journalTogether` throws when the endings booked in it could not be journaled. */
	constructor(journalTogether: (work: () => void) => void) {
		this.journalTogether = journalTogether;
	}

	add(answer: WholeAnswer): void {
		this.waiting.push(answer);
		if (this.waiting.length === 1) setImmediate(() => this.end());
	}

	private end(): void {
		const answers = this.waiting;
		this.waiting = [];
		let problem: { readonly error: unknown } | undefined;
		try {
			this.journalTogether(() => {
				for (const answer of answers) answer.book();
			});
		} catch (error) {
			problem = { error };
		}
		for (const answer of answers) answer.conclude(problem);
	}
}
