import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import { asObject, asText, type JsonObject, parseJson } from "../../providers/json.ts";
import { boundedText } from "./bounded-text.ts";
import { membersOf } from "./json-text.ts";

/**
 * Results of a provider batch, line by line as they arrive. A body is cut out of its line as it stands there: what is parsed and written
 * again would change numbers, escapes and the order of fields. A line that cannot be read is told and never ends the reading.
 */

/** An answer of 2,048 embeddings of 3,072 numbers each, the longest there is, has some 80 MB; a longer line is told as unreadable. */
export const RESULT_LINE_BYTES_MAX = 90_000_000;
const START_CHARACTERS = 200;
const LINE_FEED = 10;

export type ResultsOptions = {
	readonly protocol: Protocol;
	/** Names the file in what is told of unreadable lines: an OpenAI batch has two. */
	readonly file: string;
	/** Default RESULT_LINE_BYTES_MAX. */
	readonly lineBytesMax?: number;
};

export async function* readResults(source: AsyncIterable<Uint8Array>, options: ResultsOptions): AsyncGenerator<ResultLine> {
	const readLine = options.protocol === "openai" ? readOpenAiLine : readAnthropicLine;
	let line = 0;
	for await (const bytes of linesOf(source, options.lineBytesMax ?? RESULT_LINE_BYTES_MAX)) {
		line += 1;
		const unreadable = (problem: string, start: string): ResultLine => {
			return { kind: "unreadable", line, problem: `${options.file}: ${problem}`, start: boundedText(start, START_CHARACTERS) };
		};
		if (bytes.isCut) {
			yield unreadable("the line is too long", bytes.start.toString("utf8"));
			continue;
		}
		const text = decode(bytes.line);
		if (text === undefined) yield unreadable("the line is not UTF-8", bytes.line.subarray(0, 4 * START_CHARACTERS).toString("utf8"));
		else if (text.trim() !== "") {
			const read = readLine(text);
			yield typeof read === "string" ? unreadable(read, text) : { kind: "item", ...read };
		}
	}
}

type Line = { readonly isCut: false; readonly line: Buffer } | { readonly isCut: true; readonly start: Buffer };

/** Every line feed ends a line; what stands behind the last one is a line too. Of one that is too long the beginning is kept. */
async function* linesOf(source: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<Line> {
	let parts: Buffer[] = [];
	let size = 0;
	let start: Buffer | undefined;
	const add = (piece: Buffer): void => {
		size += piece.length;
		if (start !== undefined) return;
		parts.push(piece);
		if (size <= lineBytesMax) return;
		start = Buffer.concat(parts).subarray(0, 4 * START_CHARACTERS);
		parts = [];
	};
	const take = (): Line => {
		const line: Line = start === undefined ? { isCut: false, line: Buffer.concat(parts) } : { isCut: true, start: Buffer.from(start) };
		parts = [];
		size = 0;
		start = undefined;
		return line;
	};
	for await (const chunk of source) {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
		let from = 0;
		for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, from)) {
			add(bytes.subarray(from, end));
			yield take();
			from = end + 1;
		}
		if (from < bytes.length) add(bytes.subarray(from));
	}
	if (size > 0) yield take();
}

function decode(line: Buffer): string | undefined {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(line);
	} catch (error) {
		if (error instanceof TypeError) return undefined;
		throw error;
	}
}

type Item = { readonly customId: string; readonly result: ItemResult };
/** The item, or what is wrong with the line. */
type Read = Item | string;

/** `{"id","custom_id","response":{"status_code","request_id","body"},"error"}`; of the output file and of the error file alike. */
function readOpenAiLine(text: string): Read {
	const line = asObject(parseJson(text));
	if (line === undefined) return notAnObject(text);
	const customId = asText(line["custom_id"]);
	if (customId === undefined) return "the line has no custom_id";
	const response = asObject(line["response"]);
	const error = asObject(line["error"]);
	const result = response === undefined ? error && withoutResponse(error) : withResponse({ response, error }, text);
	if (result === undefined) return `the line of ${boundedText(customId, 64)} has neither response nor error`;
	return typeof result === "string" ? result : { customId, result };
}

function withResponse({ response, error }: { response: JsonObject; error: JsonObject | undefined }, text: string): ItemResult | string {
	const httpStatus = response["status_code"];
	if (typeof httpStatus !== "number" || !Number.isInteger(httpStatus) || httpStatus < 100 || httpStatus > 599) return "response.status_code is no HTTP status";
	const requestId = asText(response["request_id"]) ?? null;
	const body = membersOf(membersOf(text).get("response") ?? "{}").get("body") ?? "null";
	// Billed by its answer, whatever else the line says.
	if (httpStatus >= 200 && httpStatus < 300) return { kind: "succeeded", httpStatus, requestId, body };
	return { kind: "errored", httpStatus, requestId, body: body === "null" && error !== undefined ? openAiError(error, httpStatus) : body };
}

/** Codes of OpenAI for items that were not run; any other one is an error of its own making. */
const NOT_RUN: ReadonlyMap<string, ItemResult> = new Map([
	["batch_expired", { kind: "expired" }],
	["batch_cancelled", { kind: "cancelled" }],
	["batch_canceled", { kind: "cancelled" }],
]);

function withoutResponse(error: JsonObject): ItemResult {
	const code = asText(error["code"]);
	return NOT_RUN.get(code ?? "") ?? { kind: "errored", httpStatus: 500, requestId: null, body: openAiError(error, 500) };
}

/** The shape in which an endpoint of OpenAI would have said it. */
function openAiError(error: JsonObject, httpStatus: number): string {
	const type = asText(error["type"]) ?? (httpStatus >= 500 ? "server_error" : "invalid_request_error");
	return JSON.stringify({ error: { message: error["message"] ?? null, type, param: error["param"] ?? null, code: error["code"] ?? null } });
}

/** What an error type of Anthropic stands for where it is the answer to a call. */
const ANTHROPIC_STATUS: ReadonlyMap<string, number> = new Map([
	["invalid_request_error", 400],
	["authentication_error", 401],
	["billing_error", 402],
	["permission_error", 403],
	["not_found_error", 404],
	["conflict_error", 409],
	["request_too_large", 413],
	["rate_limit_error", 429],
	["api_error", 500],
	["timeout_error", 504],
	["overloaded_error", 529],
]);

/** `{"custom_id","result":{"type":"succeeded","message"} | {"type":"errored","error"} | {"type":"canceled"} | {"type":"expired"}}`. */
function readAnthropicLine(text: string): Read {
	const line = asObject(parseJson(text));
	if (line === undefined) return notAnObject(text);
	const customId = asText(line["custom_id"]);
	if (customId === undefined) return "the line has no custom_id";
	const result = asObject(line["result"]);
	const bodyOf = (member: string): string => membersOf(membersOf(text).get("result") ?? "{}").get(member) ?? "null";
	switch (result?.["type"]) {
		case "succeeded":
			return { customId, result: { kind: "succeeded", httpStatus: 200, requestId: null, body: bodyOf("message") } };
		case "errored": {
			const error = asObject(result["error"]);
			const httpStatus = ANTHROPIC_STATUS.get(asText(asObject(error?.["error"])?.["type"]) ?? "") ?? 500;
			return { customId, result: { kind: "errored", httpStatus, requestId: asText(error?.["request_id"]) ?? null, body: bodyOf("error") } };
		}
		case "expired":
			return { customId, result: { kind: "expired" } };
		case "canceled":
			return { customId, result: { kind: "cancelled" } };
		default:
			return `the line of ${boundedText(customId, 64)} has no result of a kind that is known`;
	}
}

/** A file that was cut ends within its last line. */
function notAnObject(text: string): string {
	return parseJson(text) === undefined ? "the line is not JSON; perhaps it was cut short" : "the line is no JSON object";
}
