import type { Directive } from "../directive.ts";
import type { ToolChoice, ToolOffer } from "../generation.ts";
import { arrayOrEmpty, isObject, type JsonObject, objectOrEmpty, textOrEmpty } from "../json.ts";
import { ProviderError } from "../provider-error.ts";

/** Rules of the request that chat completions, responses and embeddings share. */

export function invalid(message: string, param: string | null = null, code: string | null = null): ProviderError {
	return new ProviderError(400, message, { param, code });
}

export function requireModel(body: JsonObject): string {
	const model = body["model"];
	if (typeof model !== "string" || model === "") throw invalid("you must provide a model parameter", "model", "missing_required_parameter");
	return model;
}

/** o-series, GPT-5 and later reason before they answer. */
export function isReasoningModel(model: string): boolean {
	return /^(o\d|gpt-[5-9])/.test(model) && !model.includes("-chat");
}

/** From GPT-5.6 on, cache writes are counted and charged. */
export function countsCacheWrites(model: string): boolean {
	return /^gpt-(5\.[6-9]|[6-9])/.test(model);
}

/** A cap on output tokens: absent or null means none. Throws the provider's 400 for anything but a positive integer. */
export function readCap(body: JsonObject, field: string): number | undefined {
	const value = body[field];
	if (value === undefined || value === null) return undefined;
	if (!Number.isSafeInteger(value)) throw invalid(`Invalid type for '${field}': expected an integer.`, field, "invalid_type");
	if ((value as number) < 1) throw invalid(`Invalid '${field}': integer below minimum value. Expected a value >= 1.`, field, "integer_below_min_value");
	return value as number;
}

/** `fast` and `priority` are one product and always answered `priority`; `auto` and unset run at the default tier. */
export function answeredTier(body: JsonObject, directive: Directive): string {
	if (directive.answeredTier !== undefined) return directive.answeredTier;
	const asked = body["service_tier"];
	if (asked === "fast" || asked === "priority") return "priority";
	return asked === "flex" ? "flex" : "default";
}

/** Function tools in the chat shape (`function.name`) or the responses shape (`name`). */
export function readTools(body: JsonObject): ToolOffer[] {
	return arrayOrEmpty(body["tools"])
		.map((tool) => (isObject(tool) && isObject(tool["function"]) ? tool["function"] : objectOrEmpty(tool)))
		.filter((tool) => typeof tool["name"] === "string")
		.map((tool) => ({ name: textOrEmpty(tool["name"]), schema: tool["parameters"] }));
}

export function readToolChoice(body: JsonObject): ToolChoice {
	const choice = body["tool_choice"];
	if (choice === "none" || choice === "required") return { kind: choice };
	if (!isObject(choice)) return { kind: "auto" };
	const name = textOrEmpty(objectOrEmpty(choice["function"])["name"]) || textOrEmpty(choice["name"]);
	return name === "" ? { kind: "auto" } : { kind: "named", name };
}

/** `response_format` (chat) or `text.format` (responses). */
export function readJsonFormat(format: unknown): { readonly schema: unknown } | undefined {
	const { type, schema, json_schema: nested } = objectOrEmpty(format) as { type?: unknown; schema?: unknown; json_schema?: unknown };
	if (type === "json_object") return { schema: undefined };
	if (type === "json_schema") return { schema: schema ?? objectOrEmpty(nested)["schema"] ?? {} };
	return undefined;
}

export function readStops(value: unknown): string[] {
	return typeof value === "string" ? [value] : arrayOrEmpty(value).filter((stop) => typeof stop === "string");
}
