/** What one call came to; it never rejects, so that nobody has to be listening when it fails. */
type Ended<Result> = { readonly n: number; readonly outcome: { readonly value: Result } | { readonly error: unknown } };

/**
 * Calls `call` for each item, at most `most` at once, and gives what they return as they end. Items are taken, and calls begun, only as fast as the
 * caller takes results. The first error of a call ends it; one of the items does so once what is under way has ended.
 */
export async function* underWay<Item, Result>(
	items: AsyncIterable<Item> | Iterable<Item>,
	most: number,
	call: (item: Item, index: number) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
	const calls = new Map<number, Promise<Ended<Result>>>();
	let begun = 0;
	let failure: { readonly error: unknown } | undefined;
	const begin = (item: Item): void => {
		const n = begun;
		begun += 1;
		const settled = call(item, n).then(
			(value) => ({ value }),
			(error: unknown) => ({ error }),
		);
		calls.set(
			n,
			settled.then((outcome) => ({ n, outcome })),
		);
	};
	try {
		for await (const item of items) {
			begin(item);
			if (calls.size >= most) yield await takeEnded(calls);
		}
	} catch (error) {
		failure = { error };
	}
	while (calls.size > 0) yield await takeEnded(calls);
	if (failure !== undefined) throw failure.error;
}

async function takeEnded<Result>(calls: Map<number, Promise<Ended<Result>>>): Promise<Result> {
	const { n, outcome } = await Promise.race(calls.values());
	calls.delete(n);
	if ("error" in outcome) throw outcome.error;
	return outcome.value;
}

/** The same items until `signal` is aborted, then its reason is thrown, also where the source is asked and does not answer. */
export async function* untilAborted<Item>(items: AsyncIterable<Item> | Iterable<Item>, signal: AbortSignal | undefined): AsyncGenerator<Item, void, void> {
	const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
	let isOpen = true;
	try {
		for (;;) {
			const next = await orAborted(source.next(), signal);
			if (next.done === true) {
				isOpen = false;
				return;
			}
			yield next.value;
		}
	} catch (error) {
		// A source that failed has ended by itself.
		isOpen = signal?.aborted === true;
		throw error;
	} finally {
		if (isOpen) await endSource(source, signal);
	}
}

async function endSource(source: AsyncIterator<unknown> | Iterator<unknown>, signal: AbortSignal | undefined): Promise<void> {
	const ended = Promise.resolve(source.return?.());
	if (signal?.aborted !== true) return void (await ended);
	// Not waited for: a source that does not answer does not end either. The caller hears the reason of the signal, whatever this one says.
	ended.catch(() => undefined);
}

async function orAborted<Value>(value: Value | Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
	if (signal === undefined) return value;
	signal.throwIfAborted();
	let stop: () => void = () => undefined;
	const aborted = new Promise<never>((_resolve, reject) => {
		stop = () => reject(signal.reason as Error);
		signal.addEventListener("abort", stop, { once: true });
	});
	try {
		return await Promise.race([value, aborted]);
	} finally {
		signal.removeEventListener("abort", stop);
	}
}
