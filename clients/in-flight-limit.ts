/** At most `limit` calls at once per key; the others wait in order. */
export class InFlightLimit {
	private readonly limit: number;
	private readonly waiting = new Map<string, (() => void)[]>();
	private readonly running = new Map<string, number>();

	constructor(limit: number) {
		this.limit = limit;
	}

	async run<Result>(key: string, call: () => Promise<Result>): Promise<Result> {
		await this.enter(key);
		try {
			return await call();
		} finally {
			this.leave(key);
		}
	}

	private enter(key: string): Promise<void> {
		const running = this.running.get(key) ?? 0;
		if (running < this.limit) {
			this.running.set(key, running + 1);
			return Promise.resolve();
		}
		const { promise, resolve } = Promise.withResolvers<void>();
		this.waiting.set(key, [...(this.waiting.get(key) ?? []), resolve]);
		return promise;
	}

	/** The place is handed on, not given back, so that nobody slips in between. */
	private leave(key: string): void {
		const [next, ...rest] = this.waiting.get(key) ?? [];
		if (rest.length > 0) this.waiting.set(key, rest);
		else this.waiting.delete(key);
		if (next !== undefined) return next();
		const running = (this.running.get(key) ?? 1) - 1;
		if (running > 0) this.running.set(key, running);
		else this.running.delete(key);
	}
}
