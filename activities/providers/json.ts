import { readJson } from "#domain/text/read-json.ts";

/** Reading of JSON that others wrote: nothing here trusts a shape. */
export type JsonObject = { readonly [key: string]: unknown };

/** Own, plain-object view of a value; undefined for null, arrays and primitives. */
export function asObject(value: unknown): JsonObject | undefined {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** A non-empty string, else undefined. */
export function asText(value: unknown): string | undefined {
	return typeof value === "string" && value !== "" ? value : undefined;
}

/** Parses text, undefined when it is not JSON: a provider's broken line is data, not our failure. */
export function parseJson(text: string): unknown {
	try {
		return readJson(text);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
