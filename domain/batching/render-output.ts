import { isObject, type JsonObject } from "../bound/walk.ts";
import { readJson } from "../text/read-json.ts";
import type { ItemOutcome } from "./batch.ts";
import type { ItemResult } from "./item-result.ts";
import type { LineForm } from "./line-problem.ts";

/**
 * A line of what a caller reads: what became of his item, in the form in which he handed it in and under his own custom id. Answers and errors
 * stand in it as the provider wrote them.
 */
export type OutputLine = {
	/** Ours, for the item: OpenAI has one for every line. */
	readonly id: string;
	/** The caller's. */
	readonly customId: string;
	readonly result: ItemResult | LostResult;
};

/** It may have run and been billed, and nothing is known of its answer. */
export type LostResult = { readonly kind: "lost" };

type NotRun = Exclude<OutputLine["result"]["kind"], "succeeded" | "errored">;

const NOT_RUN: Readonly<Record<NotRun, { readonly code: string; readonly message: string }>> = {
	expired: { code: "batch_expired", message: "This request could not be executed before the completion window expired." },
	cancelled: { code: "batch_cancelled", message: "This request was not executed before the batch was cancelled." },
	lost: {
		code: "batch_result_lost",
		message: "The provider gave no result for this request. It may have been executed, and is charged at the most it could cost.",
	},
};

/** Whose counts it adds to: what was lost counts as an error. */
export function outcomeOf(kind: OutputLine["result"]["kind"]): ItemOutcome {
	return kind === "lost" ? "errored" : kind;
}

/** With the newline at its end. */
export function renderOutputLine(line: OutputLine, form: LineForm): string {
	return `${form === "openai" ? openAiLine(line) : anthropicLine(line)}\n`;
}

function openAiLine({ id, customId, result }: OutputLine): string {
	const start = `{"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)}`;
	if (result.kind !== "succeeded" && result.kind !== "errored") return `${start},"response":null,"error":${JSON.stringify(NOT_RUN[result.kind])}}`;
	const body = result.kind === "succeeded" ? oneLine(result.body) : errorBody(result.body);
	const { httpStatus, requestId } = result;
	return `${start},"response":{"status_code":${httpStatus},"request_id":${JSON.stringify(requestId ?? "")},"body":${body}},"error":null}`;
}

function anthropicLine({ customId, result }: OutputLine): string {
	return `{"custom_id":${JSON.stringify(customId)},"result":${anthropicResult(result)}}`;
}

function anthropicResult(result: OutputLine["result"]): string {
	switch (result.kind) {
		case "succeeded":
			return `{"type":"succeeded","message":${oneLine(result.body)}}`;
		case "errored":
			return `{"type":"errored","error":${errorBody(result.body, { type: "error", request_id: result.requestId })}}`;
		case "lost":
			return `{"type":"errored","error":${JSON.stringify({ type: "error", error: { type: "api_error", message: NOT_RUN.lost.message }, request_id: null })}}`;
		case "expired":
			return '{"type":"expired"}';
		case "cancelled":
			return '{"type":"canceled"}';
	}
}

function errorBody(text: string, around: JsonObject = {}): string {
	return oneLine(wholeErrorOf(text, around));
}

/** The whole error as an endpoint answers it: an object with the error itself under `error`, put around it where it stands alone. */
export function wholeErrorOf(text: string, around: JsonObject): string {
	const parsed = parse(text);
	if (isObject(parsed) && isObject(parsed["error"])) return text;
	return JSON.stringify({ ...around, error: isObject(parsed) ? parsed : { message: text } });
}

function parse(text: string): unknown {
	try {
		return readJson(text);
	} catch {
		// A body that is no JSON, like the page of a proxy: told as it is.
		return undefined;
	}
}

/** Valid JSON has line breaks between tokens alone, where a blank says the same. */
function oneLine(json: string): string {
	return json.trim().replaceAll(/[\r\n]/g, " ");
}
