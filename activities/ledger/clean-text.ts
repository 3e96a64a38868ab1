/** Stands for what PostgreSQL cannot store: U+0000 and halves of surrogate pairs. */
const REPLACEMENT = "\uFFFD";

/**
 * Text that every store accepts: NUL and lone surrogates replaced by U+FFFD, at most `maxLength` UTF-16 units, never
 * cut inside a pair. One such character would fail a whole chunk of ledger rows (money-path §7).
 */
export function cleanText(text: string, maxLength = 1_024): string {
	const storable = replaceUnstorable(text);
	return storable.length <= maxLength
		? storable
		: storable
				.slice(0, maxLength)
				.toWellFormed()
				.replace(/\uFFFD$/, "");
}

/** `JSON.stringify` with every string in it storable. Costs one scan when nothing has to be replaced. */
export function stringifyClean(value: unknown): string {
	const json = JSON.stringify(value);
	// Both NUL and lone surrogates are written as \uXXXX (ECMA-262, QuoteJSONString).
	return json.includes("\\u") ? JSON.stringify(cleanValue(value)) : json;
}

/** Visible ASCII only, for text that a database rejected once already. */
export function plainText(text: string, maxLength = 200): string {
	return text.replace(/[^\x20-\x7e]/g, "?").slice(0, maxLength);
}

function replaceUnstorable(text: string): string {
	return text.toWellFormed().replaceAll("\u0000", REPLACEMENT);
}

function cleanValue(value: unknown): unknown {
	if (typeof value === "string") return replaceUnstorable(value);
	if (Array.isArray(value)) return value.map(cleanValue);
	if (value === null || typeof value !== "object") return value;
	return Object.fromEntries(Object.entries(value).map(([name, item]) => [replaceUnstorable(name), cleanValue(item)]));
}
