/**
 * What is due after one and the same delay, so that a list in order of arrival is in order of its deadlines: one timer for all
 * of it, however much waits. A delay of 0 is due in this very turn.
 */
export class DeadlineQueue<Item> {
	private readonly onDue: (items: Item[]) => void;
	private readonly nowMs: () => number;
	private waiting: { readonly item: Item; readonly dueAtMs: number }[] = [];
	private timer: NodeJS.Timeout | undefined;

	constructor(onDue: (items: Item[]) => void, nowMs: () => number = () => performance.now()) {
		this.onDue = onDue;
		this.nowMs = nowMs;
	}

	/** `dueAtMs` must not be before that of what already waits. */
	add(item: Item, dueAtMs: number): void {
		this.waiting.push({ item, dueAtMs });
		if (this.timer === undefined) this.arm();
	}

	private arm(): void {
		const [first] = this.waiting;
		this.timer = first && setTimeout(() => this.release(), Math.max(0, first.dueAtMs - this.nowMs()));
	}

	private release(): void {
		const nowMs = this.nowMs();
		const still = this.waiting.findIndex(({ dueAtMs }) => dueAtMs > nowMs);
		const due = this.waiting.splice(0, still < 0 ? this.waiting.length : still);
		this.arm();
		if (due.length > 0) this.onDue(due.map(({ item }) => item));
	}
}
