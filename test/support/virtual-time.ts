/** Time of a test that stands still between timers: hours of them pass as fast as they can be worked off. */
export type VirtualTime = {
	nowMs(): number;
	/** Works off what is due until then, each timer to its end before the next. */
	advanceTo(atMs: number): Promise<void>;
	/** The timers of the machine hold again. */
	restore(): void;
};

type Timer = { readonly atMs: number; readonly order: number; readonly run: () => void };

export function startVirtualTime(): VirtualTime {
	const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
	const timers = new Map<number, Timer>();
	let nowMs = 0;
	let order = 0;
	globalThis.setTimeout = ((run: () => void, waitMs = 0) => {
		order += 1;
		timers.set(order, { atMs: nowMs + Math.max(0, waitMs), order, run });
		return order;
	}) as unknown as typeof setTimeout;
	globalThis.clearTimeout = ((id: number | undefined) => void timers.delete(id ?? 0)) as unknown as typeof clearTimeout;
	/** What the timer set off, promises above all, is done. */
	const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
	return {
		nowMs: () => nowMs,
		async advanceTo(atMs) {
			await settle();
			for (;;) {
				const due = earliest(timers);
				if (due === undefined || due.atMs > atMs) break;
				timers.delete(due.order);
				nowMs = Math.max(nowMs, due.atMs);
				due.run();
				await settle();
			}
			nowMs = Math.max(nowMs, atMs);
		},
		restore() {
			globalThis.setTimeout = real.setTimeout;
			globalThis.clearTimeout = real.clearTimeout;
		},
	};
}

function earliest(timers: ReadonlyMap<number, Timer>): Timer | undefined {
	let first: Timer | undefined;
	for (const timer of timers.values()) if (first === undefined || timer.atMs < first.atMs) first = timer;
	return first;
}
