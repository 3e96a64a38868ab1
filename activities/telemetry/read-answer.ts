import { asObject, asText, type JsonObject, parseJson } from "#activities/providers/json.ts";
import type { Redaction } from "#activities/providers/redaction.ts";
import { createEventSplitter, readEvent } from "#activities/providers/server-sent-events.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import { listOf, type Message, type Part, partsOf, toolCallPart, wordOf } from "./message-parts.ts";
import { itemMessage } from "./read-request.ts";
import { StreamedMessages } from "./streamed-messages.ts";

/** What a span says of an answer's body. */
export type AnswerFacts = {
	readonly id: string | undefined;
	/** One for each answer, in the provider's own words. */
	readonly finishReasons: readonly string[];
	/** Code of the error it is, in the provider's own words. */
	readonly errorCode: string | undefined;
	/** Empty unless asked for. */
	readonly messages: readonly Message[];
	/** Something of a stream was not kept: messages have a hole. */
	readonly hasGap: boolean;
};

export type KeptAnswer = { readonly kept: KeptBytes; readonly redaction: Redaction; readonly isStream: boolean; readonly status: number };

const NOTHING: AnswerFacts = { id: undefined, finishReasons: [], errorCode: undefined, messages: [], hasGap: false };
const IDENTIFIER = /^[\x21-\x7e]{1,256}$/;

export function readKeptAnswer(endpoint: Endpoint, answer: KeptAnswer, wantsContent: boolean): AnswerFacts {
	const { kept, redaction, isStream, status } = answer;
	if (kept.bytes === 0) return { ...NOTHING, hasGap: kept.hasGap };
	if (isStream) return readStream(endpoint, answer, wantsContent);
	if (kept.hasGap) return { ...NOTHING, hasGap: true };
	const tail = kept.tail;
	const bytes = redaction.body(tail.length === 0 ? kept.head : Buffer.concat([kept.head, tail]));
	return readWholeAnswer(endpoint, { text: bytes.toString("utf8"), isError: status >= 400 }, wantsContent);
}

/** Of an answer that came in one piece. */
export function readWholeAnswer(
	endpoint: Endpoint,
	{ text, isError }: { readonly text: string; readonly isError: boolean },
	wantsContent: boolean,
): AnswerFacts {
	if (isError) return { ...NOTHING, errorCode: errorCodeOf(parseJson(text)) };
	if (endpoint === "embeddings" || endpoint === "count_tokens") return NOTHING;
	return factsOf(endpoint, asObject(parseJson(text)), wantsContent);
}

/** A whole answer, or the `response` in the last event of a Responses stream. */
function factsOf(endpoint: Endpoint, answer: JsonObject | undefined, wantsContent: boolean): AnswerFacts {
	if (answer === undefined) return NOTHING;
	const facts = { ...NOTHING, id: identifier(answer["id"]) };
	if (endpoint === "responses") {
		const reason = responseReason(answer);
		const finishReasons = reason === undefined ? [] : [reason];
		return { ...facts, finishReasons, messages: wantsContent ? [responseMessage(answer, reason)] : [] };
	}
	if (endpoint === "messages") {
		const reason = wordOf(answer["stop_reason"]);
		const message = { role: "assistant", parts: partsOf(answer["content"]), finish_reason: reason ?? "" };
		return { ...facts, finishReasons: reason === undefined ? [] : [reason], messages: wantsContent ? [message] : [] };
	}
	const choices = listOf(answer["choices"]).map(asObject);
	const finishReasons = choices.map((choice) => wordOf(choice?.["finish_reason"])).filter((reason) => reason !== undefined);
	return { ...facts, finishReasons, messages: wantsContent ? choices.map(choiceMessage) : [] };
}

function choiceMessage(choice: JsonObject | undefined): Message {
	const message = asObject(choice?.["message"]);
	const calls = listOf(message?.["tool_calls"]).map((call): Part => {
		const called = asObject(asObject(call)?.["function"]) ?? asObject(asObject(call)?.["custom"]);
		return toolCallPart(asObject(call)?.["id"], called?.["name"], called?.["arguments"] ?? called?.["input"]);
	});
	const refusal = asText(message?.["refusal"]);
	const parts = [...partsOf(message?.["content"]), ...(refusal === undefined ? [] : partsOf(refusal)), ...calls];
	return { role: "assistant", parts, finish_reason: wordOf(choice?.["finish_reason"]) ?? "" };
}

/** "completed", or why it is not: one answer, so one reason. */
function responseReason(response: JsonObject): string | undefined {
	return wordOf(asObject(response["incomplete_details"])?.["reason"]) ?? wordOf(response["status"]);
}

function responseMessage(response: JsonObject, reason: string | undefined): Message {
	const parts = listOf(response["output"]).flatMap((item) => itemMessage(asObject(item)).flatMap((message) => message.parts));
	return { role: "assistant", parts, finish_reason: reason ?? "" };
}

/** Most events are deltas of text: without content only those are parsed that can say an id or an end. */
function readStream(endpoint: Endpoint, { kept, redaction }: KeptAnswer, wantsContent: boolean): AnswerFacts {
	const messages = new StreamedMessages();
	let id: string | undefined;
	let errorCode: string | undefined;
	let response: JsonObject | undefined;
	const take = (raw: Buffer): void => {
		if (id !== undefined && !wantsContent && !mayEnd(raw)) return;
		const event = asObject(parseJson(readEvent(raw).dataText));
		if (event === undefined) return;
		const ended = asObject(event["response"]);
		id ??= identifier(event["id"]) ?? identifier(asObject(event["message"])?.["id"]) ?? identifier(ended?.["id"]);
		if (endpoint === "responses" && ended !== undefined) response = ended;
		if (asObject(event["error"]) !== undefined || event["type"] === "error") errorCode = errorCodeOf(event) ?? "stream_error";
		messages.take(event);
	};
	for (const piece of [kept.head, kept.tail]) {
		const splitter = createEventSplitter(({ raw }) => take(raw));
		splitter.push(redaction.body(piece));
		splitter.end();
	}
	if (endpoint === "responses") return { ...factsOf(endpoint, response, wantsContent), id, errorCode, hasGap: kept.hasGap };
	return { id, finishReasons: messages.finishReasons, errorCode, messages: wantsContent ? messages.messages : [], hasGap: kept.hasGap };
}

const ENDS = [
	'finish_reason":"',
	'finish_reason": "',
	'stop_reason":"',
	'stop_reason": "',
	"response.completed",
	"response.incomplete",
	"response.failed",
	'error"',
	"event: error",
];

function mayEnd(raw: Buffer): boolean {
	return ENDS.some((text) => raw.includes(text));
}

function errorCodeOf(body: unknown): string | undefined {
	const error = asObject(asObject(body)?.["error"]) ?? asObject(body);
	return wordOf(error?.["code"]) ?? wordOf(error?.["type"]);
}

function identifier(value: unknown): string | undefined {
	return typeof value === "string" && IDENTIFIER.test(value) ? value : undefined;
}
