import { asObject, asText, type JsonObject, parseJson } from "#activities/providers/json.ts";

/**
 * What callers and models said, in the form of the GenAI semantic conventions (gen-ai-input-messages.json and gen-ai-output-messages.json of
 * open-telemetry/semantic-conventions-genai): a message is a role and parts. Texts, tool calls, their results and reasoning are shown; of
 * images, sound and files only their kind and, where they are not inside the body, their address.
 */
export type Part = { readonly type: string } & Readonly<Record<string, unknown>>;
export type Message = { readonly role: string; readonly parts: readonly Part[]; readonly finish_reason?: string };

/** The content of one message: a text, or blocks of either protocol. */
export function partsOf(content: unknown): Part[] {
	if (typeof content === "string") return content === "" ? [] : [textPart(content)];
	return listOf(content).flatMap((block) => (typeof block === "string" ? [textPart(block)] : blockParts(asObject(block))));
}

export function textPart(content: string): Part {
	return { type: "text", content };
}

export function toolCallPart(id: unknown, name: unknown, args: unknown): Part {
	return {
		type: "tool_call",
		id: asText(id) ?? null,
		name: asText(name) ?? "",
		arguments: typeof args === "string" ? (parseJson(args) ?? args) : (args ?? null),
	};
}

export function toolResultPart(id: unknown, response: unknown): Part {
	return { type: "tool_call_response", id: asText(id) ?? null, response: typeof response === "string" ? response : textsOf(response) };
}

export function listOf(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? (value as unknown[]) : [];
}

/** Words of a vocabulary, as reasons and codes are; never what a person wrote. */
const WORD = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

export function wordOf(value: unknown): string | undefined {
	return typeof value === "string" && WORD.test(value) ? value : undefined;
}

/** Blocks of OpenAI (chat.completions, responses) and Anthropic: their names do not collide. */
function blockParts(block: JsonObject | undefined): Part[] {
	const type = asText(block?.["type"]);
	if (block === undefined || type === undefined) return [];
	switch (type) {
		case "text":
		case "input_text":
		case "output_text":
			return [textPart(asText(block["text"]) ?? "")];
		case "refusal":
			return [textPart(asText(block["refusal"]) ?? "")];
		case "thinking":
			return [{ type: "reasoning", content: asText(block["thinking"]) ?? "" }];
		case "tool_use":
			return [toolCallPart(block["id"], block["name"], block["input"])];
		case "tool_result":
			return [toolResultPart(block["tool_use_id"], block["content"])];
		case "image":
		case "document":
			return [mediumPart(type, asObject(block["source"]))];
		case "image_url":
			return [mediumPart("image", { url: asObject(block["image_url"])?.["url"] })];
		case "input_image":
			return [mediumPart("image", { url: block["image_url"], file_id: block["file_id"] })];
		case "input_audio":
			return [mediumPart("audio", undefined)];
		case "file":
			return [mediumPart("document", asObject(block["file"]))];
		case "input_file":
			return [mediumPart("document", { url: block["file_url"], file_id: block["file_id"] })];
		default:
			return [{ type }];
	}
}

/** Its address where it has one; never its bytes. */
function mediumPart(modality: string, source: JsonObject | undefined): Part {
	const fileId = asText(source?.["file_id"]);
	if (fileId !== undefined) return { type: "file", modality, file_id: fileId };
	const url = asText(source?.["url"]);
	if (url !== undefined && /^https?:/i.test(url)) return { type: "uri", modality, uri: url };
	return { type: modality, content: "[left out]" };
}

function textsOf(value: unknown): unknown {
	return Array.isArray(value) ? partsOf(value) : (value ?? null);
}

/** Room that a message needs beside its texts before it is worth showing a piece of it. */
const PIECE_BYTES_MIN = 256;

export type Bounding = {
	readonly bytesMax: number;
	/** Takes credentials out; before anything is cut, since half of a key would no longer be found. */
	clean(text: string): string;
};

/**
 * The messages as JSON of at most `bytesMax` bytes. Newest messages are kept; the one that does not fit whole is shown with its longest
 * texts cut, older ones are left out. undefined where there is nothing to show.
 */
export function boundedJson(
	messages: readonly (Message | Part)[],
	{ bytesMax, clean }: Bounding,
): { readonly json: string; readonly isCut: boolean } | undefined {
	if (messages.length === 0) return undefined;
	const kept: string[] = [];
	let left = bytesMax - 2;
	let isCut = false;
	for (let index = messages.length - 1; index >= 0; index--) {
		const json = clean(JSON.stringify(messages[index]));
		const bytes = Buffer.byteLength(json) + 1;
		if (bytes <= left) {
			kept.push(json);
			left -= bytes;
			continue;
		}
		isCut = true;
		const piece = left < PIECE_BYTES_MIN ? undefined : cutTo(messages[index], { bytesMax: left - 1, clean });
		if (piece !== undefined) kept.push(piece);
		break;
	}
	return { json: `[${kept.reverse().join(",")}]`, isCut };
}

/** Texts shortened by halves until it fits; undefined when it is large by its structure. */
function cutTo(message: unknown, { bytesMax, clean }: Bounding): string | undefined {
	const cleaned = parseJson(JSON.stringify(message, (_key, value: unknown) => (typeof value === "string" ? clean(value) : value)));
	for (let charactersMax = bytesMax; charactersMax >= 16; charactersMax = Math.floor(charactersMax / 2)) {
		const json = clean(JSON.stringify(cleaned, (_key, value: unknown) => (typeof value === "string" ? shorten(value, charactersMax) : value)));
		if (Buffer.byteLength(json) <= bytesMax) return json;
	}
	return undefined;
}

function shorten(text: string, charactersMax: number): string {
	if (text.length <= charactersMax) return text;
	return `${text.slice(0, charactersMax).toWellFormed()}… [${text.length - charactersMax} more characters]`;
}
