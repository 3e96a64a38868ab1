/**
 * Takes out of an OpenAI chat stream what `stream_options.include_usage` put into it, when the caller did not
 * ask for it: the usage chunk (`"choices":[]`) and the `"usage"` member of every other chunk. Every other byte
 * passes unchanged. Source of the wire facts: ChatCompletionStreamOptions in the official SDK's types.
 */
const USAGE_KEY = Buffer.from('"usage"');
const CHOICES_KEY = Buffer.from('"choices"');

/** The pieces of one event the caller is to receive: all of it, all but the member, or none. */
export function withoutStreamUsage(event: Buffer): readonly Buffer[] {
	const usage = event.includes(USAGE_KEY) ? findMember(event, USAGE_KEY) : undefined;
	if (usage === undefined) return [event];
	const choices = findMember(event, CHOICES_KEY);
	const hasNoChoices = choices !== undefined && /^\[\s*\]$/.test(event.toString("latin1", choices.valueStart, choices.valueEnd).trim());
	if (hasNoChoices && event[usage.valueStart] === 0x7b) return [];
	return [event.subarray(0, usage.removeStart), event.subarray(usage.removeEnd)];
}

type Member = { readonly valueStart: number; readonly valueEnd: number; readonly removeStart: number; readonly removeEnd: number };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Finds a member of the event's outermost object; its removal takes one comma along. */
function findMember(event: Buffer, quotedKey: Buffer): Member | undefined {
	const objectStart = event.indexOf(0x7b);
	if (objectStart === -1) return undefined;
	let previousComma = -1;
	for (let index = objectStart + 1; index < event.length; ) {
		const keyStart = skipWhitespace(event, index);
		if (event[keyStart] !== QUOTE) return undefined;
		const keyEnd = skipString(event, keyStart);
		const colon = skipWhitespace(event, keyEnd);
		if (event[colon] !== COLON) return undefined;
		const valueStart = skipWhitespace(event, colon + 1);
		const valueEnd = skipValue(event, valueStart);
		if (event.compare(quotedKey, 0, quotedKey.length, keyStart, keyEnd) === 0) {
			const removeEnd = previousComma === -1 && event[valueEnd] === COMMA ? valueEnd + 1 : valueEnd;
			return { valueStart, valueEnd, removeStart: previousComma === -1 ? keyStart : previousComma, removeEnd };
		}
		if (event[valueEnd] !== COMMA) return undefined;
		previousComma = valueEnd;
		index = valueEnd + 1;
	}
	return undefined;
}

function skipWhitespace(bytes: Buffer, from: number): number {
	let index = from;
	while (bytes[index] === 0x20 || bytes[index] === 0x09 || bytes[index] === 0x0a || bytes[index] === 0x0d) index += 1;
	return index;
}

/** Index after the closing quote. */
function skipString(bytes: Buffer, from: number): number {
	let index = from + 1;
	while (index < bytes.length && bytes[index] !== QUOTE) index += bytes[index] === BACKSLASH ? 2 : 1;
	return index + 1;
}

/** Index of the comma or bracket that ends the value of the outermost object. */
function skipValue(bytes: Buffer, from: number): number {
	let depth = 0;
	for (let index = from; index < bytes.length; index += 1) {
		const byte = bytes[index];
		if (byte === QUOTE) index = skipString(bytes, index) - 1;
		else if (byte === 0x7b || byte === 0x5b) depth += 1;
		else if (byte === 0x7d || byte === 0x5d) {
			if (depth === 0) return index;
			depth -= 1;
		} else if (byte === COMMA && depth === 0) return index;
	}
	return bytes.length;
}
