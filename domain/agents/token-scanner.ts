/**
 * Cuts text into words, numbers, identifiers and punctuation, and hashes each in any letter case. Blanks never count, so neither indentation
 * nor pretty-printing makes two texts different; punctuation does, because a progress bar is made of it. One pass, nothing is allocated.
 */
export const TOKEN_KINDS = { word: 0, number: 1, identifier: 2, punctuation: 3 } as const;
export type TokenKind = (typeof TOKEN_KINDS)[keyof typeof TOKEN_KINDS];

const BLANK = 0;
const LETTER = 1;
const DIGIT = 2;
const SIGN = 3;
/** Of a token where it stands between two letters or digits. */
const JOINER = 4;

const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;
const NON_ASCII = /[^\0-\x7f]/;
/** Drawn by nothing: they would tell two texts apart that read alike. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

const CLASS_OF = Uint8Array.from({ length: 128 }, (_, code) => {
	if (code <= 0x20 || code === 0x7f) return BLANK;
	if (code >= 0x30 && code <= 0x39) return DIGIT;
	const folded = code | 0x20;
	if (folded >= 0x61 && folded <= 0x7a) return LETTER;
	return "_./@-':".includes(String.fromCharCode(code)) ? JOINER : SIGN;
});

/** Text of one form: compatible characters, such as full-width letters, become the plain ones. */
export function plainForm(text: string): string {
	return NON_ASCII.test(text) ? text.normalize("NFKC").replace(INVISIBLE, "").toLowerCase() : text;
}

export function mixHash(hash: number, value: number): number {
	return mixBits(hash, value) >>> 0;
}

/** The same bits as a signed number: whoever mixes for each token keeps small integers, which cost no room of their own. */
export function mixBits(hash: number, value: number): number {
	let mixed = Math.imul(hash ^ value, 0x85ebca6b);
	mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
	return mixed ^ (mixed >>> 16);
}

/** The hash that the scanner gives a single token of this text: 32 bits, signed. */
export function hashToken(text: string): number {
	let hash = FNV_OFFSET;
	for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ foldCase(text.charCodeAt(at)), FNV_PRIME);
	return hash;
}

export class TokenScanner {
	/** 32 bits, signed. */
	hash = 0;
	kind: TokenKind = TOKEN_KINDS.word;
	/** A sign other than `-` and `'` stands within it. */
	isJoined = false;
	#text = "";
	#start = 0;
	#end = 0;

	/** `text` in plain form. */
	start(text: string): void {
		this.#text = text;
		this.#end = 0;
	}

	/** Moves to the next token; false at the end of the text. */
	next(): boolean {
		const text = this.#text;
		const { length } = text;
		let at = this.#end;
		let kind = BLANK;
		for (; at < length; at += 1) {
			kind = classOf(text.charCodeAt(at));
			if (kind !== BLANK) break;
		}
		if (at >= length) return false;
		this.#start = at;
		if (kind >= SIGN) this.#punctuation(at);
		else this.#token(at);
		return true;
	}

	get length(): number {
		return this.#end - this.#start;
	}

	/** The token as it stands in the text, in lower case. */
	get text(): string {
		return this.#text.slice(this.#start, this.#end).toLowerCase();
	}

	#punctuation(from: number): void {
		const text = this.#text;
		let at = from;
		let hash = FNV_OFFSET;
		for (; at < text.length; at += 1) {
			const code = text.charCodeAt(at);
			if (classOf(code) < SIGN) break;
			hash = Math.imul(hash ^ code, FNV_PRIME);
		}
		this.#end = at;
		this.hash = hash;
		this.kind = TOKEN_KINDS.punctuation;
	}

	#token(from: number): void {
		const text = this.#text;
		let at = from;
		let hash = FNV_OFFSET;
		let hasLetter = false;
		let hasDigit = false;
		let isJoined = false;
		for (const { length } = text; at < length; at += 1) {
			const code = text.charCodeAt(at);
			const kind = classOf(code);
			if (kind === LETTER) {
				hasLetter = true;
				hash = Math.imul(hash ^ foldCase(code), FNV_PRIME);
				continue;
			}
			if (kind === DIGIT) hasDigit = true;
			else if (kind === JOINER && joins(text, at, code)) isJoined ||= code !== HYPHEN && code !== APOSTROPHE;
			else break;
			hash = Math.imul(hash ^ code, FNV_PRIME);
		}
		this.#end = at;
		this.hash = hash;
		this.isJoined = isJoined;
		if (!hasLetter) this.kind = TOKEN_KINDS.number;
		else this.kind = hasDigit || isJoined ? TOKEN_KINDS.identifier : TOKEN_KINDS.word;
	}
}

const HYPHEN = 0x2d;
const APOSTROPHE = 0x27;
const COLON = 0x3a;
/** A colon joins digits only: it is part of a time, and otherwise stands between a name and its value. */
function joins(text: string, at: number, code: number): boolean {
	const next = classOf(text.charCodeAt(at + 1));
	if (code === COLON) return next === DIGIT && classOf(text.charCodeAt(at - 1)) === DIGIT;
	return next === LETTER || next === DIGIT;
}

/** Beyond ASCII everything is a letter but the blanks of other scripts; past the end of the text (NaN) nothing is. */
function classOf(code: number): number {
	if (code < 128) return CLASS_OF[code] ?? BLANK;
	if (Number.isNaN(code)) return BLANK;
	return code === 0xa0 || code === 0x3000 || (code >= 0x2000 && code <= 0x200a) || code === 0x2028 || code === 0x2029 ? BLANK : LETTER;
}

function foldCase(code: number): number {
	return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}
