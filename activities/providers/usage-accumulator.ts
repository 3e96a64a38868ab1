import type { Endpoint } from "#domain/bound/request.ts";
import type { ReportedUsage } from "#domain/usage/usage.ts";
import { asObject, asText, type JsonObject, parseJson } from "./json.ts";
import { readEvent } from "./server-sent-events.ts";
import { unusable } from "./token-counts.ts";
import { usageOfMessageParts } from "./usage-anthropic.ts";
import { answerIdOf, itemIdsOf, usageOfChatCompletion, usageOfResponse } from "./usage-openai.ts";

export type StreamEndpoint = Extract<Endpoint, "chat.completions" | "responses" | "messages">;

/**
 * Watches a stream for its usage. Most events are text deltas: bytes that cannot matter are
 * recognised by a search and never decoded or parsed.
 */
export type UsageAccumulator = {
	/** One event as received (`RawEvent.raw`). Decodes and parses it only when it can matter. */
	onRawEvent(raw: Buffer): void;
	/** One decoded event. */
	onEvent(eventName: string | undefined, dataText: string): void;
	/** Usage so far; unusable with the reason until the provider has sent its final counts, and after an error event. */
	result(): ReportedUsage;
	/** Id of an answer the provider keeps, once the final event named it (responses only). */
	readonly answerId: string | undefined;
	/** Ids of its items, likewise. */
	readonly itemIds: readonly string[];
	/** The whole answer, once the final event carried it (responses only). */
	readonly answer: unknown;
	/** The provider closed the stream in order: [DONE], a final response event, message_stop. */
	readonly isComplete: boolean;
	/** The provider sent an error after the stream began: the call may have run, so it is charged. */
	readonly isFailed: boolean;
	/** Events parsed as JSON so far, for tests of the cheap path. */
	readonly parsedEvents: number;
};

type StreamReader = {
	isRelevant(raw: Buffer): boolean;
	/** Takes the parsed data of a relevant event. */
	read(type: string | undefined, data: JsonObject): void;
	result(): ReportedUsage;
	isComplete: boolean;
	answerId?: string | undefined;
	itemIds?: readonly string[];
	answer?: unknown;
};

export function createUsageAccumulator(endpoint: StreamEndpoint): UsageAccumulator {
	const reader = READERS[endpoint]();
	let failure: string | undefined;
	let parsedEvents = 0;

	function onEvent(eventName: string | undefined, dataText: string): void {
		if (dataText.startsWith("[DONE]")) {
			if (endpoint === "chat.completions") reader.isComplete = true;
			return;
		}
		const data = asObject(parseJson(dataText));
		parsedEvents += 1;
		if (!data) return;
		const type = asText(data["type"]) ?? eventName;
		const error = asObject(data["error"]);
		if (error || type === "error")
			failure = `the provider sent an error in the stream: ${asText((error ?? data)["type"]) ?? asText((error ?? data)["code"]) ?? "unnamed"}`;
		else reader.read(type, data);
	}

	return {
		onRawEvent(raw) {
			if (!reader.isRelevant(raw)) return;
			const { eventName, dataText } = readEvent(raw);
			onEvent(eventName, dataText);
		},
		onEvent,
		result: () => (failure === undefined ? reader.result() : unusable(failure)),
		get answerId() {
			return reader.answerId;
		},
		get itemIds() {
			return reader.itemIds ?? [];
		},
		get answer() {
			return reader.answer;
		},
		get isComplete() {
			return reader.isComplete && failure === undefined;
		},
		get isFailed() {
			return failure !== undefined;
		},
		get parsedEvents() {
			return parsedEvents;
		},
	};
}

const READERS: Readonly<Record<StreamEndpoint, () => StreamReader>> = {
	"chat.completions": createChatReader,
	responses: createResponsesReader,
	messages: createMessagesReader,
};

/**
 * OpenAI chat: usage in one extra chunk with empty `choices` before [DONE], every other chunk carries `usage: null`.
 * Some compatible servers repeat running counts on every chunk, so counts on a chunk with choices are final only with [DONE].
 * Tier and model stand on every chunk; the first is remembered in case the last leaves them out.
 */
function createChatReader(): StreamReader {
	let first: JsonObject | undefined;
	let last: JsonObject | undefined;
	let isFinal = false;
	const reader: StreamReader = {
		isComplete: false,
		isRelevant: (raw) => first === undefined || hasValue(raw, USAGE_KEY) || isDone(raw) || hasValue(raw, ERROR_KEY),
		read(_type, data) {
			first ??= { model: data["model"], service_tier: data["service_tier"] };
			if (data["usage"] === undefined || data["usage"] === null) return;
			const choices = data["choices"];
			isFinal = !Array.isArray(choices) || choices.length === 0;
			last = { model: data["model"] ?? first["model"], service_tier: data["service_tier"] ?? first["service_tier"], usage: data["usage"] };
		},
		result() {
			if (!last) return unusable("the stream carried no usage");
			if (!isFinal && !reader.isComplete) return unusable("the stream was cut before its final usage");
			return usageOfChatCompletion(last);
		},
	};
	return reader;
}

/** OpenAI Responses: the final event carries the whole response, usage and hosted tool calls included. */
function createResponsesReader(): StreamReader {
	const reader: StreamReader = {
		isComplete: false,
		isRelevant: (raw) => FINAL_RESPONSE_EVENTS.some((type) => raw.includes(type)) || isErrorEvent(raw),
		read(type, data) {
			if (type === undefined || !FINAL_RESPONSE_EVENTS.includes(type)) return;
			const response = data["response"];
			reader.answer = response;
			reader.answerId = answerIdOf(response);
			reader.itemIds = itemIdsOf(response);
			reader.isComplete = true;
		},
		result: () => (reader.isComplete ? usageOfResponse(reader.answer) : unusable("the stream was cut before its final usage")),
	};
	return reader;
}

/**
 * Anthropic: `message_start` opens the counts, each `message_delta` replaces those it repeats (they are
 * cumulative). The split of cache writes, tier, speed and geography stand in `message_start` alone.
 */
function createMessagesReader(): StreamReader {
	let model: string | undefined;
	let usage: JsonObject | undefined;
	let hasFinalCounts = false;
	let hasDelta = false;
	const reader: StreamReader = {
		isComplete: false,
		isRelevant: (raw) => hasValue(raw, USAGE_KEY) || raw.includes("message_stop") || isErrorEvent(raw),
		read(type, data) {
			if (type === "message_start") {
				const message = asObject(data["message"]);
				model = asText(message?.["model"]);
				usage = asObject(message?.["usage"]);
			} else if (type === "message_delta") {
				const delta = asObject(data["usage"]);
				if (!delta) return;
				usage = { ...usage, ...withoutNulls(delta) };
				hasDelta = true;
				if (asText(asObject(data["delta"])?.["stop_reason"])) hasFinalCounts = true;
			} else if (type === "message_stop") {
				reader.isComplete = true;
				hasFinalCounts = hasDelta;
			}
		},
		result() {
			if (!usage) return unusable("the stream carried no usage");
			if (!hasFinalCounts) return unusable("the stream was cut before its final usage");
			return usageOfMessageParts(model, usage);
		},
	};
	return reader;
}

/** Without the opening quote: a search that starts at every quote of a JSON text takes twice as long. */
const USAGE_KEY = Buffer.from('usage"');
const ERROR_KEY = Buffer.from('error"');
const FINAL_RESPONSE_EVENTS: readonly string[] = ["response.completed", "response.incomplete", "response.failed"];
/** `data: [DONE]` with any spacing is shorter than any JSON chunk. */
const MAX_DONE_BYTES = 64;

function isDone(raw: Buffer): boolean {
	return raw.length <= MAX_DONE_BYTES && raw.includes("[DONE]");
}

/** An event whose name, type or key says error; a false alarm costs one parse. */
function isErrorEvent(raw: Buffer): boolean {
	return raw.includes(ERROR_KEY) || raw.includes("event: error") || raw.includes("event:error");
}

/**
 * Whether the bytes hold the key with a value other than null. Inside a JSON string a quote is
 * escaped, so the quoted name followed by a colon is a key and never a piece of text.
 */
function hasValue(raw: Buffer, key: Buffer): boolean {
	for (let at = raw.indexOf(key); at !== -1; at = raw.indexOf(key, at + key.length)) {
		const colon = skipSpace(raw, at + key.length);
		if (raw[at - 1] === QUOTE && raw[colon] === COLON && raw[skipSpace(raw, colon + 1)] !== LOWER_N) return true;
	}
	return false;
}

const QUOTE = 34;
const COLON = 58;
const LOWER_N = 110;

function skipSpace(raw: Buffer, start: number): number {
	let at = start;
	while (raw[at] === 32 || raw[at] === 9 || raw[at] === 10 || raw[at] === 13) at += 1;
	return at;
}

function withoutNulls(object: JsonObject): JsonObject {
	return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined));
}
