import { isObject, type JsonObject } from "./walk.ts";

/**
 * Whether a body asks for an answer of a given structure: `response_format` of chat completions, `text.format` of responses,
 * `output_format` and `output_config.format` of messages; of types that name JSON, with a schema or without.
 */
export function asksForSchema(body: JsonObject): boolean {
	return (
		isJsonFormat(body["response_format"]) ||
		isJsonFormat(body["output_format"]) ||
		isJsonFormat(formatIn(body["text"])) ||
		isJsonFormat(formatIn(body["output_config"]))
	);
}

function formatIn(value: unknown): unknown {
	return isObject(value) ? value["format"] : undefined;
}

function isJsonFormat(format: unknown): boolean {
	return isObject(format) && (format["type"] === "json_schema" || format["type"] === "json_object");
}
