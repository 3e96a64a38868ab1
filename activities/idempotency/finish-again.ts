/**
 * Endings PostgreSQL did not take at once, tried again while the gateway lives: a short outage must not turn answers that
 * are known into unknown ones. Bounded in number and time; what is dropped later reads as outcome unknown.
 */
const RETRY_MS = 2_000;
const TRIES = 90;
/** Each may hold an answer of 1 MiB. */
const WAITING_MAX = 64;

export class FinishAgain {
	private readonly waiting = new Set<NodeJS.Timeout>();
	private isStopped = false;

	/** Tries until it works; `onOver` is called once, when it did or never will. */
	start(work: () => Promise<void>, onOver: () => void, triesLeft = TRIES): void {
		if (this.isStopped || triesLeft === 0 || this.waiting.size >= WAITING_MAX) {
			onOver();
			return;
		}
		const timer = setTimeout(() => {
			this.waiting.delete(timer);
			// The first failure was reported; a later one only means: not yet.
			work().then(onOver, () => this.start(work, onOver, triesLeft - 1));
		}, RETRY_MS);
		timer.unref();
		this.waiting.add(timer);
	}

	stop(): void {
		this.isStopped = true;
		for (const timer of this.waiting) clearTimeout(timer);
		this.waiting.clear();
	}
}
