/** Random numbers from a seed, so that the order of a run can be repeated. */
export type Random = () => number;

/** Mulberry32: uniform in [0, 1). Any integer is a seed. */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}

/** A shuffled copy (Fisher–Yates). */
export function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
	const shuffled = [...items];
	for (let last = shuffled.length - 1; last > 0; last -= 1) {
		const chosen = Math.floor(random() * (last + 1));
		[shuffled[last], shuffled[chosen]] = [shuffled[chosen] as Item, shuffled[last] as Item];
	}
	return shuffled;
}
