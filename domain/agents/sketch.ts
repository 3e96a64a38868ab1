/**
 * Which pairs of words a text is made of, in 32 bytes: the smallest of their hashes. What two texts share shows in what their sketches share,
 * exactly for texts of up to sixteen different pairs, and within about a tenth beyond.
 */
export const SKETCH_SIZE = 16;
/** Stands in the places a short text leaves free; no word has it. */
export const NO_WORD = 0xffff;

/** Words of one text while it is read: ascending, without repeats. */
export class Sketch {
	readonly words = new Uint16Array(SKETCH_SIZE).fill(NO_WORD);
	size = 0;
	/** Beyond it nothing is taken any more. */
	#largest = NO_WORD;

	clear(): void {
		this.words.fill(NO_WORD);
		this.size = 0;
		this.#largest = NO_WORD;
	}

	add(hash: number): void {
		this.addWord(wordOf(hash));
	}

	/** The same of `wordOf` its hash. */
	addWord(word: number): void {
		if (word > this.#largest) return;
		const { words } = this;
		let place = this.size;
		while (place > 0 && (words[place - 1] ?? 0) >= word) place -= 1;
		if (words[place] === word) return;
		if (this.size < SKETCH_SIZE) this.size += 1;
		// By hand: `copyWithin` takes longer than so few places.
		for (let at = this.size - 1; at > place; at -= 1) words[at] = words[at - 1] ?? NO_WORD;
		words[place] = word;
		this.#largest = words[SKETCH_SIZE - 1] ?? NO_WORD;
	}
}

/** A hash as it stands in sketches. */
export function wordOf(hash: number): number {
	const word = (hash ^ (hash >>> 16)) & 0xffff;
	return word === NO_WORD ? NO_WORD - 1 : word;
}

/** A sketch kept among others, from `at` on. */
type Kept = { readonly words: Uint16Array; readonly at: number };

/** Share of the words of both that stand in both, 0 to 1; 0 where one is empty. */
export function similarity(sketch: Sketch, { words, at }: Kept): number {
	let shared = 0;
	let seen = 0;
	let own = 0;
	let other = 0;
	for (; seen < SKETCH_SIZE; seen += 1) {
		const left = own < SKETCH_SIZE ? (sketch.words[own] ?? NO_WORD) : NO_WORD;
		const right = other < SKETCH_SIZE ? (words[at + other] ?? NO_WORD) : NO_WORD;
		if (left === NO_WORD && right === NO_WORD) break;
		if (left === right) shared += 1;
		if (left <= right) own += 1;
		if (right <= left) other += 1;
	}
	return sketch.size === 0 || words[at] === NO_WORD ? 0 : shared / seen;
}

/** Of fewer words their share says nothing: `path` and `No problems found.` have most in common with the next one. */
const JUDGED_MIN = 6;

/**
 * Share of the kept text's words that stand in the other, 0 to 1; 0 where too few can be compared. A longer text's sixteen smallest reach
 * less far: words beyond its largest say nothing and are left out.
 */
export function containment(sketch: Sketch, { words, at }: Kept): number {
	const reach = sketch.size < SKETCH_SIZE ? NO_WORD - 1 : (sketch.words[SKETCH_SIZE - 1] ?? 0);
	let judged = 0;
	let found = 0;
	for (let other = 0; other < SKETCH_SIZE; other += 1) {
		const word = words[at + other] ?? NO_WORD;
		if (word > reach) break;
		judged += 1;
		if (sketch.words.includes(word)) found += 1;
	}
	return judged < JUDGED_MIN ? 0 : found / judged;
}
