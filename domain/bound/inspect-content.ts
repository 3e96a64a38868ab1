import { lookUp, type PartRule } from "./field-table.ts";
import { inspectTools } from "./inspect-tools.ts";
import type { RequestProblem } from "./request.ts";
import { addReference, invalid, type Reference, unbounded, unknownField } from "./request-facts.ts";
import { isObject, type JsonObject, type Walk } from "./walk.ts";

/** Chat and messages bodies: a non-empty list of objects with a role. */
export function inspectMessages(messages: unknown, walk: Walk): RequestProblem | undefined {
	if (!Array.isArray(messages) || messages.length === 0) return invalid("messages", "must be a non-empty array of messages");
	walk.facts.messages += messages.length;
	for (const [index, message] of messages.entries()) {
		const found = inspectMessage(message, `messages[${index}]`, walk);
		if (found !== undefined) return found;
	}
	return undefined;
}

function inspectMessage(message: unknown, path: string, walk: Walk): RequestProblem | undefined {
	if (!isObject(message)) return invalid(path, "must be an object");
	if (typeof message["role"] !== "string") return invalid(`${path}.role`, "must be a string");
	const { audio } = message;
	// An assistant turn may name an earlier spoken answer instead of carrying it.
	if (audio !== undefined && audio !== null) addReference(walk.facts, { field: `${path}.audio`, id: idOf(audio), kind: "stored" });
	return inspectContent(message["content"], `${path}.content`, walk);
}

/** Responses input: a string, or a list of items. */
export function inspectItems(input: unknown, walk: Walk): RequestProblem | undefined {
	if (typeof input === "string" || input === undefined) {
		walk.facts.messages += 1;
		return undefined;
	}
	if (!Array.isArray(input)) return invalid("input", "must be a string or an array");
	walk.facts.messages += input.length;
	for (const [index, item] of input.entries()) {
		const path = `input[${index}]`;
		if (!isObject(item)) return invalid(path, "must be an object");
		const type = item["type"] ?? (item["role"] === undefined ? "item_reference" : "message");
		const found = inspectTyped(item, type, path, { rules: walk.table.items, walk });
		if (found !== undefined) return found;
	}
	return undefined;
}

/** Embeddings input: a string, strings, tokens, or lists of tokens. Bytes bound tokens here too: a token number takes at least two bytes. */
export function inspectEmbeddingInput(input: unknown, walk: Walk): RequestProblem | undefined {
	const isText = typeof input === "string";
	const isList = Array.isArray(input) && input.length > 0 && input.every((item) => isEmbeddingItem(item));
	if (!isText && !isList) return invalid("input", "must be a string, a non-empty array of strings, or tokens");
	walk.facts.messages += isList ? input.length : 1;
	return undefined;
}

function isEmbeddingItem(item: unknown): boolean {
	return typeof item === "string" || isToken(item) || (Array.isArray(item) && item.every(isToken));
}

function isToken(item: unknown): boolean {
	return Number.isSafeInteger(item) && (item as number) >= 0;
}

/** Content is a string (bounded by its bytes) or a list of typed parts. */
export function inspectContent(content: unknown, path: string, walk: Walk): RequestProblem | undefined {
	if (content === undefined || content === null || typeof content === "string") return undefined;
	if (!Array.isArray(content)) return invalid(path, "must be a string or an array of content parts");
	for (const [index, part] of content.entries()) {
		const found = inspectPart(part, `${path}[${index}]`, walk);
		if (found !== undefined) return found;
	}
	return undefined;
}

function inspectPart(part: unknown, path: string, walk: Walk): RequestProblem | undefined {
	if (!isObject(part)) return invalid(path, "must be an object");
	return inspectTyped(part, part["type"], path, { rules: walk.table.parts, walk });
}

function inspectTyped(
	part: JsonObject,
	type: unknown,
	path: string,
	context: { readonly rules: Readonly<Record<string, PartRule>>; readonly walk: Walk },
): RequestProblem | undefined {
	const { rules, walk } = context;
	if (typeof type !== "string") return invalid(`${path}.type`, "must be a string");
	const rule = lookUp(rules, type);
	if (rule === undefined) {
		if (!walk.mayPassUnknown)
			return unknownField(`${path}.type`, `the type ${JSON.stringify(type.slice(0, 80))} is not known, so what it costs is not known either`);
		walk.facts.isDearest = true;
		return undefined;
	}
	return applyRule(part, rule, path, walk) ?? inspectNested(part, rule, path, walk);
}

function inspectNested(part: JsonObject, rule: PartRule, path: string, walk: Walk): RequestProblem | undefined {
	for (const key of rule.nested ?? []) {
		const value = part[key];
		// A tool's output may be one part instead of a list (computer screenshots, web results, errors).
		const found = isObject(value) ? inspectPart(value, `${path}.${key}`, walk) : inspectContent(value, `${path}.${key}`, walk);
		if (found !== undefined) return found;
	}
	return undefined;
}

function applyRule(part: JsonObject, rule: PartRule, path: string, walk: Walk): RequestProblem | undefined {
	const { facts } = walk;
	// The provider adds a prompt of its own and cuts the text into citable pieces: its bytes are no bound any more.
	if (isCited(part)) addReference(facts, { field: path, id: undefined, kind: "open" }, { isTextOnly: true });
	if (rule.rule === "image") {
		facts.images += 1;
		facts.firstImageField ??= path;
		const named = namedContent(part, path);
		if (named !== undefined) facts.named.push(named);
		facts.textBytes -= inlinePayloadLength(part);
	} else if (rule.rule === "audio") {
		const payload = inlinePayloadLength(part);
		facts.audioBytes += Math.ceil((payload * 3) / 4);
		facts.firstAudioField ??= path;
		facts.textBytes -= payload;
	} else if (rule.rule === "document") return applyDocument(part, path, walk);
	else if (rule.rule === "reference") addReference(facts, { field: path, id: idOf(part), kind: rule.owner ?? "open" }, rule);
	else if (rule.rule === "tools") return inspectTools(part["tools"], `${path}.tools`, walk, "item");
	else if (rule.rule === "unbounded") return unbounded(path, rule.note);
	return undefined;
}

/** Documents: text stands in the body, `content` holds parts, everything else has pages the bytes do not show. */
function applyDocument(part: JsonObject, path: string, walk: Walk): RequestProblem | undefined {
	const { source } = part;
	if (isObject(source) && source["type"] === "text") return undefined;
	if (isObject(source) && source["type"] === "content") return inspectContent(source["content"], `${path}.source.content`, walk);
	const named = namedContent(part, path);
	if (named === undefined) {
		walk.facts.documents += 1;
		walk.facts.firstDocumentField ??= path;
	} else addReference(walk.facts, named);
	walk.facts.textBytes -= inlinePayloadLength(part);
	return undefined;
}

function isCited({ citations }: JsonObject): boolean {
	return isObject(citations) && citations["enabled"] === true;
}

/** Length of media carried inline as base64. It is not text: the entry's maximum bounds it instead. */
function inlinePayloadLength(part: JsonObject): number {
	const { image_url: imageUrl, input_audio: inputAudio, file, source } = part;
	let length = dataUrlLength(imageUrl) + dataLength(part["file_data"]);
	if (isObject(imageUrl)) length += dataUrlLength(imageUrl["url"]);
	if (isObject(inputAudio)) length += dataLength(inputAudio["data"]);
	if (isObject(file)) length += dataLength(file["file_data"]);
	if (isObject(source) && source["type"] === "base64") length += dataLength(source["data"]);
	return length;
}

function dataLength(value: unknown): number {
	return typeof value === "string" ? value.length : 0;
}

function dataUrlLength(value: unknown): number {
	return typeof value === "string" && value.startsWith("data:") ? value.length : 0;
}

/** A document or image that is not in the body, by file id or URL; undefined when its bytes are. */
function namedContent(part: JsonObject, field: string): Reference | undefined {
	const { file, source } = part;
	for (const holder of [part, file, source]) {
		if (!isObject(holder)) continue;
		for (const key of ["file_id", "file_url", "url"]) {
			const id = holder[key];
			if (typeof id === "string") return { field, id, kind: key === "file_id" ? "stored" : "open" };
		}
	}
	return undefined;
}

function idOf(value: unknown): string | undefined {
	if (typeof value === "string") return value;
	if (!isObject(value)) return undefined;
	const id = value["id"] ?? value["file_id"];
	return typeof id === "string" ? id : undefined;
}
