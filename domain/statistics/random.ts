/**
 * Random numbers that a series of amounts decides itself, so that the same spend gives the same forecast, whoever makes it and how often. For simulation
 * only: nothing secret is drawn from it.
 */
export type Random = {
	/** Uniform in [0, 1). */
	share(): number;
	/** Of mean 0 and variance 1 (Box and Muller 1958). */
	normal(): number;
};

/** Mulberry32. Any integer is a seed. */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	const share = (): number => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
	};
	return { share, normal: () => Math.sqrt(-2 * Math.log(1 - share())) * Math.cos(2 * Math.PI * share()) };
}

/** FNV-1a of what the numbers look like, 32 bits. */
export function seedOfSeries(values: readonly number[]): number {
	let hash = 0x811c9dc5;
	for (const value of values) for (const letter of `${value},`) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
	return hash;
}
