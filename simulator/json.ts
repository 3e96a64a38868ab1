/** Reading of bodies whose shape nobody has promised. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object, or an empty one: lets optional nested fields be read without ceremony. */
export function objectOrEmpty(value: unknown): JsonObject {
	return isObject(value) ? value : {};
}

export function arrayOrEmpty(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}

export function textOrEmpty(value: unknown): string {
	return typeof value === "string" ? value : "";
}
