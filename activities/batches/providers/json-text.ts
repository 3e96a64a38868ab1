/**
 * The members of a JSON object as the text of their values, by name; of a name that stands twice the last one, as JSON.parse takes it.
 * `text` is JSON: whoever asks has parsed it. For anything but an object there are none.
 */
export function membersOf(text: string): ReadonlyMap<string, string> {
	const members = new Map<string, string>();
	let at = skipSpace(text, 0);
	if (text[at] !== "{") return members;
	at = skipSpace(text, at + 1);
	while (text[at] === QUOTE) {
		const nameEnd = endOfString(text, at);
		const name = JSON.parse(text.slice(at, nameEnd)) as string;
		// Behind the colon.
		const start = skipSpace(text, skipSpace(text, nameEnd) + 1);
		const end = endOfValue(text, start);
		members.set(name, text.slice(start, end));
		at = skipSpace(text, end);
		if (text[at] === ",") at = skipSpace(text, at + 1);
	}
	return members;
}

const QUOTE = '"';
const BACKSLASH = 92;

function skipSpace(text: string, from: number): number {
	let at = from;
	while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at += 1;
	return at;
}

/** Behind the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
	let quote = text.indexOf(QUOTE, start + 1);
	while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf(QUOTE, quote + 1);
	return quote === -1 ? text.length : quote + 1;
}

function isEscaped(text: string, quote: number): boolean {
	let backslashes = 0;
	while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
	return backslashes % 2 === 1;
}

function endOfValue(text: string, start: number): number {
	const first = text[start];
	if (first === QUOTE) return endOfString(text, start);
	if (first === "{" || first === "[") return endOfNested(text, start);
	let at = start;
	while (at < text.length && !",}] \t\n\r".includes(text[at] ?? "")) at += 1;
	return at;
}

function endOfNested(text: string, start: number): number {
	let depth = 0;
	let at = start;
	while (at < text.length) {
		const character = text[at];
		if (character === QUOTE) {
			at = endOfString(text, at);
			continue;
		}
		at += 1;
		if (character === "{" || character === "[") depth += 1;
		else if (character === "}" || character === "]") {
			depth -= 1;
			if (depth === 0) return at;
		}
	}
	return at;
}
