import { parseJson } from "./json.ts";

/**
 * An embeddings answer can be 30 MB of numbers, and parsing them all would stop every other call for
 * a third of a second. Model and usage are cut out instead: between the keys of such a body stand
 * only numbers and base64, so a quoted key name occurs nowhere else. Smaller bodies are parsed whole.
 */
export const WHOLE_PARSE_MAX_BYTES = 64 * 1024;

/** Model and usage of an embeddings answer as an object, or undefined when the body is not JSON. */
export function parseEmbeddingsBody(body: Buffer): unknown {
	if (body.length > WHOLE_PARSE_MAX_BYTES) {
		const usage = valueAfter(body, '"usage"', "}");
		const model = valueAfter(body, '"model"', '"');
		if (usage !== undefined) return { usage, model };
	}
	return parseJson(body.toString("utf8"));
}

/** Parses the value after the last occurrence of a key, up to the first `closing` that makes it whole. */
function valueAfter(body: Buffer, key: string, closing: string): unknown {
	const at = body.lastIndexOf(key);
	const colon = at === -1 ? -1 : body.indexOf(":", at + key.length);
	if (colon === -1) return undefined;
	// Usage nests one level of details; a longer value is no usage and is left to the whole parse.
	const text = body.toString("utf8", colon + 1, colon + 1 + 2048);
	for (let end = text.indexOf(closing); end !== -1; end = text.indexOf(closing, end + 1)) {
		const value = parseJson(text.slice(0, end + 1));
		if (value !== undefined) return value;
	}
	return undefined;
}
