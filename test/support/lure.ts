/**
 * Leads the runtime's parser astray, as somebody can who sends two bodies: V8 takes a key in escapes for one of an earlier object, where that
 * has as many characters and begins as the raw text does. Parses such an earlier object, and returns the text with the key as it is written.
 */
export function lured(bodyWith: (key: string) => string, writtenKey: string): string {
	const { length } = JSON.parse(`"${writtenKey}"`) as string;
	JSON.parse(bodyWith(JSON.stringify(writtenKey.slice(0, length)).slice(1, -1)));
	return bodyWith(writtenKey);
}
