import { asObject, asText, type JsonObject, parseJson } from "#activities/providers/json.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { type Member, scanJson } from "#domain/bound/scan-json.ts";
import { listOf, type Message, type Part, partsOf, toolCallPart, toolResultPart } from "./message-parts.ts";

/** What a span says of a request's body. */
export type RequestFacts = {
	/** As asked for. */
	readonly model: string | undefined;
	/** By the attribute's name. */
	readonly parameters: Readonly<Record<string, number | boolean | string | readonly string[]>>;
	/** Absent unless asked for. */
	readonly content?: { readonly system: readonly Part[]; readonly messages: readonly Message[]; readonly stopSequences: readonly string[] };
};

const NO_FACTS: RequestFacts = { model: undefined, parameters: {} };
/** Of the value of one parameter; the conversation is never parsed for them. */
const PARAMETER_BYTES_MAX = 4_096;
/** A longer body is not read: it would hold up the calls that are being served. */
export const READ_BODY_BYTES_MAX = 1024 * 1024;

type Kind = "number" | "integer" | "boolean";
const PARAMETERS: Readonly<Record<string, { readonly attribute: string; readonly kind: Kind }>> = {
	temperature: { attribute: "gen_ai.request.temperature", kind: "number" },
	top_p: { attribute: "gen_ai.request.top_p", kind: "number" },
	top_k: { attribute: "gen_ai.request.top_k", kind: "number" },
	frequency_penalty: { attribute: "gen_ai.request.frequency_penalty", kind: "number" },
	presence_penalty: { attribute: "gen_ai.request.presence_penalty", kind: "number" },
	seed: { attribute: "gen_ai.request.seed", kind: "integer" },
	max_tokens: { attribute: "gen_ai.request.max_tokens", kind: "integer" },
	max_completion_tokens: { attribute: "gen_ai.request.max_tokens", kind: "integer" },
	max_output_tokens: { attribute: "gen_ai.request.max_tokens", kind: "integer" },
	dimensions: { attribute: "gen_ai.embeddings.dimension.count", kind: "integer" },
};
const READ_BESIDE: ReadonlySet<string> = new Set(["model", "stream", "n", "response_format", "text", "encoding_format"]);
const CONTENT: ReadonlySet<string> = new Set(["messages", "input", "system", "instructions", "stop", "stop_sequences"]);

export function readRequest(endpoint: Endpoint, body: Buffer, wantsContent: boolean): RequestFacts {
	if (body.length === 0 || body.length > READ_BODY_BYTES_MAX) return NO_FACTS;
	const scanned = scanJson(body);
	if (scanned.kind === "refused") return NO_FACTS;
	const { members } = scanned.scan;
	const fields = readMembers(body, members, (key) => key in PARAMETERS || READ_BESIDE.has(key), PARAMETER_BYTES_MAX);
	const facts = { model: asText(fields["model"]), parameters: parametersOf(endpoint, fields) };
	if (!wantsContent || endpoint === "embeddings") return facts;
	return { ...facts, content: contentOf(readMembers(body, members, (key) => CONTENT.has(key), READ_BODY_BYTES_MAX)) };
}

function readMembers(body: Buffer, members: readonly Member[], isWanted: (key: string) => boolean, bytesMax: number): JsonObject {
	const read: Record<string, unknown> = {};
	for (const { key, valueStart, valueEnd } of members)
		if (isWanted(key) && valueEnd - valueStart <= bytesMax) read[key] = parseJson(body.toString("utf8", valueStart, valueEnd));
	return read;
}

function parametersOf(endpoint: Endpoint, fields: JsonObject): RequestFacts["parameters"] {
	const parameters: Record<string, number | boolean | string | readonly string[]> = {};
	for (const [key, { attribute, kind }] of Object.entries(PARAMETERS)) {
		const value = fields[key];
		if (kind === "integer" ? Number.isSafeInteger(value) : Number.isFinite(value)) parameters[attribute] = value as number;
	}
	// Conventions: only where the request is streaming, and only where more than one answer is asked for.
	if (fields["stream"] === true) parameters["gen_ai.request.stream"] = true;
	if (Number.isSafeInteger(fields["n"]) && fields["n"] !== 1) parameters["gen_ai.request.choice.count"] = fields["n"] as number;
	const format = asText(asObject(fields["response_format"])?.["type"]) ?? asText(asObject(asObject(fields["text"])?.["format"])?.["type"]);
	if (format !== undefined) parameters["gen_ai.output.type"] = format.startsWith("json") ? "json" : "text";
	const encoding = asText(fields["encoding_format"]);
	if (endpoint === "embeddings" && (encoding === "float" || encoding === "base64")) parameters["gen_ai.request.encoding_formats"] = [encoding];
	return parameters;
}

function contentOf(fields: JsonObject): NonNullable<RequestFacts["content"]> {
	const stop = fields["stop"] ?? fields["stop_sequences"];
	return {
		system: partsOf(fields["system"] ?? fields["instructions"]),
		messages: [...listOf(fields["messages"]).flatMap(chatMessage), ...inputMessages(fields["input"])],
		stopSequences: (typeof stop === "string" ? [stop] : listOf(stop)).filter((text) => typeof text === "string"),
	};
}

/** A message of chat.completions or of Anthropic. */
function chatMessage(value: unknown): Message[] {
	const message = asObject(value);
	if (message === undefined) return [];
	const role = asText(message["role"]) ?? "user";
	const calls = listOf(message["tool_calls"]).map((call) => {
		const called = asObject(asObject(call)?.["function"]) ?? asObject(asObject(call)?.["custom"]);
		return toolCallPart(asObject(call)?.["id"], called?.["name"], called?.["arguments"] ?? called?.["input"]);
	});
	if (role === "tool") return [{ role, parts: [toolResultPart(message["tool_call_id"], message["content"])] }];
	return [{ role, parts: [...partsOf(message["content"]), ...calls] }];
}

/** `input` of the Responses API: a text, or items. */
function inputMessages(input: unknown): Message[] {
	if (typeof input === "string") return [{ role: "user", parts: partsOf(input) }];
	return listOf(input).flatMap((item) => itemMessage(asObject(item)));
}

export function itemMessage(item: JsonObject | undefined): Message[] {
	if (item === undefined) return [];
	const type = asText(item["type"]) ?? "message";
	switch (type) {
		case "message":
			return [{ role: asText(item["role"]) ?? "user", parts: partsOf(item["content"]) }];
		case "function_call":
			return [{ role: "assistant", parts: [toolCallPart(item["call_id"], item["name"], item["arguments"])] }];
		case "custom_tool_call":
			return [{ role: "assistant", parts: [toolCallPart(item["call_id"], item["name"], item["input"])] }];
		case "function_call_output":
		case "custom_tool_call_output":
			return [{ role: "tool", parts: [toolResultPart(item["call_id"], item["output"])] }];
		case "reasoning":
			return [
				{ role: "assistant", parts: listOf(item["summary"]).map((summary) => ({ type: "reasoning", content: asText(asObject(summary)?.["text"]) ?? "" })) },
			];
		default:
			return [{ role: "assistant", parts: [{ type }] }];
	}
}
