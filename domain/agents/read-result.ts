import { boundText } from "./bounded-text.ts";
import { type Sketch, wordOf } from "./sketch.ts";
import { hashToken, mixBits, mixHash, TOKEN_KINDS, TokenScanner } from "./token-scanner.ts";
import { COARSE_UNITS, FINE_UNITS, isDecimal, isVolatileInResult, LINKS, MOMENT_CHARS_MIN, STRONG_LABELS, WEAK_LABELS } from "./volatile.ts";

/** What a tool brought back, reduced to what can be compared. */
export type ResultReading = {
	/** Equal for results that say the same; times, durations and ids of requests do not count, every other number does. */
	readonly hash: number;
	/** Equal for results that differ in numbers only. */
	readonly templateHash: number;
	/**
	 * `acknowledgement`: a few words that something was done, so that what was asked decides whether a call is new; `empty`: that there is
	 * nothing; `information`: everything else.
	 */
	readonly nature: "acknowledgement" | "empty" | "information";
	/** It says nothing but that it is done: `ok`, `message sent`. */
	readonly isReceipt: boolean;
};

/** So many words at most acknowledge. */
const ACKNOWLEDGEMENT_WORDS = 12;
/** Where more than this share of the tokens are times and ids, or all are, they are the content: a page of ids, a list of moments. */
const VOLATILE_SHARE_MAX = 0.25;
const VOLATILE_ALWAYS = 2;

const hashes = (words: string): ReadonlySet<number> => new Set(words.split(" ").map(hashToken));
const NOTHING_WORDS = hashes("no not none nothing empty null undefined nil without zero 0 never nobody nowhere");
const NEGATIVE_WORDS = hashes("unable failed failure error invalid denied unknown missing unavailable cannot can't couldn't timeout rejected forbidden");

/** What a word means to a reader, a bit each: one look-up a word instead of six. */
const MARK = { strongLabel: 1, weakLabel: 2, link: 4, fineUnit: 8, coarseUnit: 16, nothing: 32, negative: 64 } as const;
const MARKS = new Map<number, number>();
const MARKED_SLOTS = 8_192;
const MARKED_SLOT = MARKED_SLOTS - 1;
/** Slots of the hash in which some marked word lies: most words are told by it to have no mark. */
const MAY_BE_MARKED = new Uint8Array(MARKED_SLOTS);
for (const [words, mark] of [
	[STRONG_LABELS, MARK.strongLabel],
	[WEAK_LABELS, MARK.weakLabel],
	[LINKS, MARK.link],
	[FINE_UNITS, MARK.fineUnit],
	[COARSE_UNITS, MARK.coarseUnit],
	[NOTHING_WORDS, MARK.nothing],
	[NEGATIVE_WORDS, MARK.negative],
] as const)
	for (const hash of words) {
		MARKS.set(hash, (MARKS.get(hash) ?? 0) | mark);
		MAY_BE_MARKED[hash & MARKED_SLOT] = 1;
	}

function marksOf(hash: number): number {
	return MAY_BE_MARKED[hash & MARKED_SLOT] === 0 ? 0 : (MARKS.get(hash) ?? 0);
}

const RECEIPT =
	/^\W*(?:(?:the|a|your|message|note|request|file|it|was|has|been|is|successfully)\W+)*(?:ok|okay|done|sent|noted|saved|stored|success|successful|updated|accepted|posted|delivered|created|written|received|recorded|added|true|published)\W*(?:successfully\W*)?$/i;
const RECEIPT_CHARS_MAX = 64;
const STRUCTURE_ONLY = /^[\s[\]{}(),:"']+$/;

/** One for all texts: none is read while another is. */
const scanner = new TokenScanner();

class ResultReader {
	masked = 0;
	tokens = 0;
	words = 0;
	volatile = 0;
	saysNothing = false;
	isNegative = false;
	readonly #isError: boolean;
	readonly #result: Sketch;
	readonly #whole: Sketch;
	#before = 0;
	/** Of all tokens, and of those that are no numbers; the same as `masked` until a token says otherwise, and not mixed until then. */
	#raw = 0;
	#isRawMasked = true;
	#template = 0;
	#isTemplateMasked = true;
	/** 2: the next token is volatile whatever it is; 1: the next number or identifier; 0: none. */
	#label = 0;
	/** A number whose unit, if it has one, comes next. */
	#isPending = false;
	#pendingHash = 0;
	#isPendingVolatile = false;
	#isPendingDecimal = false;

	constructor(isError: boolean, result: Sketch, whole: Sketch) {
		this.#isError = isError;
		this.#result = result;
		this.#whole = whole;
	}

	get raw(): number {
		return this.#isRawMasked ? this.masked : this.#raw;
	}

	get template(): number {
		return this.#isTemplateMasked ? this.masked : this.#template;
	}

	read(text: string): void {
		scanner.start(text);
		while (scanner.next()) {
			if (scanner.kind === TOKEN_KINDS.punctuation) this.#addPunctuation(scanner.hash);
			else if (scanner.kind === TOKEN_KINDS.word) this.#addWord(scanner.hash);
			else this.#addNumberOrIdentifier();
		}
		this.#flush();
	}

	#addPunctuation(hash: number): void {
		if (this.#isPending) this.#flush();
		this.masked = mixBits(this.masked, hash);
		if (!this.#isRawMasked) this.#raw = mixBits(this.#raw, hash);
		if (!this.#isTemplateMasked) this.#template = mixBits(this.#template, hash);
	}

	#addWord(hash: number): void {
		const marks = marksOf(hash);
		if (this.#isPending) {
			if ((marks & (this.#isPendingDecimal ? MARK.fineUnit | MARK.coarseUnit : MARK.fineUnit)) !== 0) this.#isPendingVolatile = true;
			this.#flush();
		}
		const isVolatile = this.#label === 2;
		if ((marks & MARK.strongLabel) !== 0) this.#label = 2;
		else if ((marks & MARK.weakLabel) !== 0) this.#label = 1;
		else if (this.#label !== 1 || (marks & MARK.link) === 0) this.#label = 0;
		if ((marks & MARK.nothing) !== 0) this.saysNothing = true;
		if ((marks & MARK.negative) !== 0) this.isNegative = true;
		this.words += 1;
		this.#add(hash, isVolatile, hash);
	}

	#addNumberOrIdentifier(): void {
		this.#flush();
		const { hash, kind } = scanner;
		if (kind === TOKEN_KINDS.identifier && (marksOf(hash) & MARK.strongLabel) !== 0) {
			this.#label = 2;
			this.#add(hash, false, hash);
			return;
		}
		const isPlain = kind === TOKEN_KINDS.number && scanner.length < MOMENT_CHARS_MIN && !scanner.isJoined;
		const text = isPlain ? "" : scanner.text;
		const isVolatile = this.#label > 0 || (!isPlain && isVolatileInResult(text, this.#isError));
		this.#label = 0;
		this.words += 1;
		if (kind === TOKEN_KINDS.identifier) {
			this.#add(hash, isVolatile, ANY_NUMBER);
			return;
		}
		if ((marksOf(hash) & MARK.nothing) !== 0) this.saysNothing = true;
		this.#isPending = true;
		this.#pendingHash = hash;
		this.#isPendingVolatile = isVolatile;
		this.#isPendingDecimal = isDecimal(text);
	}

	#flush(): void {
		if (!this.#isPending) return;
		this.#isPending = false;
		this.#add(this.#pendingHash, this.#isPendingVolatile, ANY_NUMBER);
	}

	#add(hash: number, isVolatile: boolean, templateHash: number): void {
		this.tokens += 1;
		const maskedHash = isVolatile ? ANY_NUMBER : hash;
		if (maskedHash !== hash || !this.#isRawMasked) this.#addRaw(hash);
		if (maskedHash !== templateHash || !this.#isTemplateMasked) this.#addTemplate(templateHash);
		this.masked = mixBits(this.masked, maskedHash);
		if (isVolatile) {
			this.volatile += 1;
			return;
		}
		const pair = wordOf(mixBits(this.#before, hash));
		this.#result.addWord(pair);
		this.#whole.addWord(pair);
		this.#before = hash;
	}

	#addRaw(hash: number): void {
		this.#raw = mixBits(this.raw, hash);
		this.#isRawMasked = false;
	}

	#addTemplate(hash: number): void {
		this.#template = mixBits(this.template, hash);
		this.#isTemplateMasked = false;
	}
}

const ANY_NUMBER = hashToken("#");

/** Adds the result to both sketches, by pairs of neighbouring words: different texts on one subject share words, but not those. */
export function readResult(
	observation: string | undefined,
	isError: boolean,
	{ result, whole }: { readonly result: Sketch; readonly whole: Sketch },
): ResultReading {
	const text = observation ?? "";
	const reader = new ResultReader(isError, result, whole);
	const { head, tail, middleHash } = boundText(text);
	reader.read(head);
	if (tail !== "") reader.read(tail);
	const isMany = reader.volatile > VOLATILE_ALWAYS && reader.volatile > reader.tokens * VOLATILE_SHARE_MAX;
	const isContent = isMany || reader.volatile === reader.tokens;
	return {
		hash: mixHash(mixHash(isContent ? reader.raw : reader.masked, middleHash), isError ? 1 : 0),
		templateHash: mixHash(reader.template, isError ? 1 : 0),
		nature: natureOf(reader, text, isError),
		isReceipt: text.length <= RECEIPT_CHARS_MAX && RECEIPT.test(text),
	};
}

function natureOf({ words, tokens, saysNothing, isNegative }: ResultReader, text: string, isError: boolean): ResultReading["nature"] {
	if (isError || isNegative) return "information";
	if (tokens === 0) return text === "" || !STRUCTURE_ONLY.test(text) ? "acknowledgement" : "empty";
	if (words > ACKNOWLEDGEMENT_WORDS) return "information";
	if (saysNothing) return "empty";
	return "acknowledgement";
}
