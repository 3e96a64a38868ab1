/** A sequence that one seed decides, so that a failing run can be repeated. */
export type Random = {
	/** A whole number from `lowest` to `highest`, both included. */
	integer(lowest: number, highest: number): number;
	/** From 0 to below 1. */
	share(): number;
	pick<Item>(items: readonly Item[]): Item;
	/** Lower-case letters and digits. */
	text(length: number): string;
	/** A sequence of its own, so that what one part of a run draws does not move the others. */
	fork(): Random;
};

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789"];

/** Mulberry32. */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	const share = (): number => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
	};
	const integer = (lowest: number, highest: number): number => lowest + Math.floor(share() * (highest - lowest + 1));
	const pick = <Item>(items: readonly Item[]): Item => {
		if (items.length === 0) throw new RangeError("nothing to pick from");
		return items[integer(0, items.length - 1)] as Item;
	};
	return {
		integer,
		share,
		pick,
		text: (length) => Array.from({ length }, () => pick(LETTERS)).join(""),
		fork: () => createRandom(integer(0, 0xffff_ffff)),
	};
}
