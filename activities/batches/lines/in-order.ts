/** How much is under way at once. One piece of work alone may be larger than `bytesMax`. */
export type FlightBounds = { readonly countMax: number; readonly bytesMax: number };

type Settled<Result> = { readonly result: Result } | { readonly error: unknown };

/** What work on each brings, in order, while the next few are under way already. Rejects as the first work that does, once none is under way any more. */
export async function* inOrder<Item, Result>(
	items: Iterable<Item>,
	{ countMax, bytesMax, bytesOf }: FlightBounds & { readonly bytesOf: (item: Item) => number },
	work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
	const flying: { readonly bytes: number; readonly settled: Promise<Settled<Result>> }[] = [];
	const waiting = items[Symbol.iterator]();
	let next = waiting.next();
	let bytes = 0;
	try {
		while (next.done !== true || flying.length > 0) {
			while (next.done !== true && flying.length < countMax && (flying.length === 0 || bytes + bytesOf(next.value) <= bytesMax)) {
				bytes += bytesOf(next.value);
				flying.push({ bytes: bytesOf(next.value), settled: settle(work(next.value)) });
				next = waiting.next();
			}
			const first = flying.shift();
			if (first === undefined) return;
			const settled = await first.settled;
			bytes -= first.bytes;
			if ("error" in settled) throw settled.error;
			yield settled.result;
		}
	} finally {
		await Promise.all(flying.map(({ settled }) => settled));
	}
}

/** Work that fails while others are waited for is nobody's unhandled failure. */
function settle<Result>(work: Promise<Result>): Promise<Settled<Result>> {
	return work.then(
		(result) => ({ result }),
		(error: unknown) => ({ error }),
	);
}
