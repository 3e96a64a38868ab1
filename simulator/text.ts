/**
 * Deterministic filler. A text is a list of pieces, one piece being one output token;
 * it begins with "[simulated]" so that nobody takes it for an answer.
 */

export const SIMULATED_MARK = "[simulated]";

const WORDS =
	"the cost of a call is known before it is sent and a budget that was given is never passed while every line stays in the books where people can read why so ask count hold pay settle keep plan meter gate ledger team model price token month day limit"
		.split(" ")
		.map((word) => ` ${word}`);
/** Two, three and four byte characters, for cutting in the middle. */
const MULTIBYTE_WORDS = [" né", " übrig", " 予算", " €uro", " 🙂", " naïve"];
const WORDS_PER_SENTENCE = 12;
const MULTIBYTE_EVERY = 3;
const JSON_PIECE_CHARACTERS = 4;

/** 32-bit xorshift: the same seed gives the same sequence on every machine. */
export function randomSequence(seed: number): () => number {
	let state = seed >>> 0 || 0x9e3779b9;
	return () => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return state;
	};
}

/** `count` pieces of prose, the first one being the mark. */
export function prosePieces(options: { readonly seed: number; readonly count: number; readonly hasMultibyte: boolean }): string[] {
	const next = randomSequence(options.seed);
	const pieces: string[] = options.count > 0 ? [SIMULATED_MARK] : [];
	while (pieces.length < options.count) pieces.push(wordPiece(next(), pieces.length, options.hasMultibyte));
	return pieces;
}

function wordPiece(random: number, position: number, hasMultibyte: boolean): string {
	const words = hasMultibyte && position % MULTIBYTE_EVERY === 0 ? MULTIBYTE_WORDS : WORDS;
	const word = words[random % words.length] ?? " so";
	return position % WORDS_PER_SENTENCE === 0 ? `${word}.` : word;
}

/** A whole JSON object of exactly `count` pieces (at least 3), the words in its `answer`. */
export function jsonObjectPieces(seed: number, count: number): string[] {
	const words = prosePieces({ seed, count: Math.max(1, count - 2), hasMultibyte: false });
	return ['{"simulated":true,"answer":"', ...words, '"}'];
}

/** Any text cut into pieces of four characters; at least one piece. A surrogate pair is never cut. */
export function cutIntoPieces(text: string): string[] {
	const characters = [...text];
	const pieces: string[] = [];
	for (let start = 0; start < characters.length; start += JSON_PIECE_CHARACTERS) {
		pieces.push(characters.slice(start, start + JSON_PIECE_CHARACTERS).join(""));
	}
	return pieces.length > 0 ? pieces : [""];
}
