/**
 * `JSON.parse` for text that others wrote. V8 (13.6, and newer ones: nodejs/node issue 63785) takes a key that is written with an escape for
 * one of an earlier object, where that has as many characters and begins as the raw text does: after `{"a":1,"\\":1}` it reads the `n` of
 * `{"a":1,"\u006e":9}` as a lone backslash. Who writes so could hide a field from a bound that a provider reads and bills. Text without
 * such a key goes to the runtime's parser; any other is read here, strictly and key by key, several times slower.
 */

/** Whoever nests deeper and writes keys in escapes is told that it is no JSON: the reading of it takes stack. */
const ESCAPED_NESTING_LEVELS_MAX = 500;

const QUOTE = '"';
const BACKSLASH_CODE = 0x5c;
const COLON_CODE = 0x3a;

/** What the text says, as `JSON.parse` returns it. @throws SyntaxError when it is no JSON. */
export function readJson(text: string): unknown {
	return hasEscapedKey(text) ? new KeyByKeyReader(text).read() : JSON.parse(text);
}

/** Whether a key is written with a backslash. A backslash stands in strings alone, so that the text between them is skipped. */
function hasEscapedKey(text: string): boolean {
	let at = text.indexOf("\\");
	while (at !== -1) {
		const end = endOfString(text, at);
		if (text.charCodeAt(skipBlanks(text, end)) === COLON_CODE) return true;
		at = text.indexOf("\\", end);
	}
	return false;
}

class KeyByKeyReader {
	readonly #text: string;
	#at = 0;
	#depth = 0;

	constructor(text: string) {
		this.#text = text;
	}

	read(): unknown {
		const value = this.#value();
		if (this.#next() !== undefined) throw this.#noJson();
		return value;
	}

	#value(): unknown {
		const first = this.#next();
		if (first === QUOTE) return this.#string();
		if (first !== "{" && first !== "[") return this.#scalar();
		this.#at += 1;
		this.#depth += 1;
		if (this.#depth > ESCAPED_NESTING_LEVELS_MAX) throw this.#noJson();
		const value = first === "{" ? this.#object() : this.#array();
		this.#depth -= 1;
		return value;
	}

	#object(): unknown {
		const object: Record<string, unknown> = {};
		if (this.#takes("}")) return object;
		do {
			if (this.#next() !== QUOTE) throw this.#noJson();
			const key = this.#string();
			if (!this.#takes(":")) throw this.#noJson();
			const value = this.#value();
			// By assignment it would become the prototype.
			if (key === "__proto__") Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
			else object[key] = value;
		} while (this.#takes(","));
		if (!this.#takes("}")) throw this.#noJson();
		return object;
	}

	#array(): unknown {
		const array: unknown[] = [];
		if (this.#takes("]")) return array;
		do array.push(this.#value());
		while (this.#takes(","));
		if (!this.#takes("]")) throw this.#noJson();
		return array;
	}

	/** The runtime's parser reads strings outside objects as they are written, and refuses what is none. */
	#string(): string {
		const start = this.#at;
		this.#at = endOfString(this.#text, start + 1);
		return JSON.parse(this.#text.slice(start, this.#at)) as string;
	}

	#scalar(): unknown {
		SCALAR.lastIndex = this.#at;
		const scalar = SCALAR.exec(this.#text)?.[0];
		if (scalar === undefined) throw this.#noJson();
		this.#at += scalar.length;
		return JSON.parse(scalar);
	}

	/** The next character that is no blank; undefined at the end. */
	#next(): string | undefined {
		this.#at = skipBlanks(this.#text, this.#at);
		return this.#text[this.#at];
	}

	#takes(character: string): boolean {
		if (this.#next() !== character) return false;
		this.#at += 1;
		return true;
	}

	#noJson(): SyntaxError {
		return new SyntaxError(`is no JSON at position ${this.#at}`);
	}
}

const SCALAR = /[-+.0-9A-Za-z]+/y;

function skipBlanks(text: string, from: number): number {
	let at = from;
	for (;;) {
		const code = text.charCodeAt(at);
		if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
		at += 1;
	}
}

/** Behind the quote that ends the string in which `within` lies; what stands before `within` ends with no backslash. */
function endOfString(text: string, within: number): number {
	let quote = text.indexOf(QUOTE, within);
	while (quote !== -1 && isEscaped(text, quote, within)) quote = text.indexOf(QUOTE, quote + 1);
	return quote === -1 ? text.length : quote + 1;
}

function isEscaped(text: string, quote: number, within: number): boolean {
	let at = quote;
	while (at > within && text.charCodeAt(at - 1) === BACKSLASH_CODE) at -= 1;
	return (quote - at) % 2 === 1;
}
