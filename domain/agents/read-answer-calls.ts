import type { Endpoint } from "../bound/request.ts";
import { anthropicCalls, chatCalls, itemCalls } from "./read-turn.ts";
import { NO_CALLS, type ToolCall } from "./run-event.ts";
import { type Fields, fieldsOf, jsonText, listOf, textOf } from "./wire-text.ts";

/** Calls beyond these are counted by nobody; no model makes so many in one answer. */
const CALLS_MAX = 128;
const ARGS_CHARS_MAX = 65_536;

/** Tool calls of a whole, parsed answer, or of the `response` in the last event of a Responses stream. */
export function readAnswerCalls(endpoint: Endpoint, answer: unknown): readonly ToolCall[] {
	const fields = fieldsOf(answer);
	if (fields === undefined) return NO_CALLS;
	const calls = callsIn(endpoint, fields);
	return calls.length > CALLS_MAX ? calls.slice(0, CALLS_MAX) : calls;
}

function callsIn(endpoint: Endpoint, answer: Fields): readonly ToolCall[] {
	if (endpoint === "messages") return anthropicCalls(answer["content"]);
	if (endpoint === "responses") return itemCalls(listOf(answer["output"]));
	if (endpoint !== "chat.completions") return NO_CALLS;
	const choices = listOf(answer["choices"]);
	return choices.length === 1 ? callsOfChoice(choices[0]) : choices.flatMap(callsOfChoice);
}

function callsOfChoice(choice: unknown): readonly ToolCall[] {
	const message = fieldsOf(fieldsOf(choice)?.["message"]);
	return message === undefined ? NO_CALLS : chatCalls(message);
}

/** Whether the bytes of a stream event can be part of a tool call; a false alarm costs one parse, and text deltas raise none. */
export function mayHoldCall(endpoint: Endpoint, raw: { includes(text: string): boolean }): boolean {
	if (endpoint === "chat.completions") return raw.includes('tool_calls"') || raw.includes('function_call"');
	if (endpoint === "messages") return raw.includes("tool_use") || raw.includes("input_json_delta");
	return false;
}

type Draft = { callId: string; tool: string; argsText: string };

/**
 * Puts the tool calls of a stream together from its parsed events, in the order in which they began. The Responses API sends whole answers
 * in its last event (`readAnswerCalls`). Arguments beyond 64 KiB are cut off, which makes them text to whoever compares them.
 */
export class StreamedCalls {
	readonly #endpoint: Endpoint;
	readonly #drafts = new Map<string, Draft>();

	constructor(endpoint: Endpoint) {
		this.#endpoint = endpoint;
	}

	get calls(): readonly ToolCall[] {
		return [...this.#drafts.values()];
	}

	take(event: unknown): void {
		const fields = fieldsOf(event);
		if (fields === undefined) return;
		if (this.#endpoint === "messages") this.#takeBlock(fields);
		else if (this.#endpoint === "chat.completions") for (const choice of listOf(fields["choices"])) this.#takeChoice(fieldsOf(choice) ?? {});
	}

	#takeChoice(choice: Readonly<Record<string, unknown>>): void {
		const delta = fieldsOf(choice["delta"]);
		for (const piece of listOf(delta?.["tool_calls"])) {
			const fields = fieldsOf(piece);
			const made = fieldsOf(fields?.["function"]) ?? fieldsOf(fields?.["custom"]);
			const draft = this.#draft(`${place(choice["index"])}/${place(fields?.["index"])}`);
			add(draft, { callId: textOf(fields?.["id"]), tool: textOf(made?.["name"]), argsText: textOf(made?.["arguments"]) || textOf(made?.["input"]) });
		}
		const older = fieldsOf(delta?.["function_call"]);
		if (older === undefined) return;
		const tool = textOf(older["name"]);
		add(this.#draft(`${place(choice["index"])}/function`), { callId: tool, tool, argsText: textOf(older["arguments"]) });
	}

	#takeBlock(event: Readonly<Record<string, unknown>>): void {
		const block = fieldsOf(event["content_block"]);
		if (event["type"] === "content_block_start" && block?.["type"] === "tool_use") {
			const input = fieldsOf(block["input"]) ?? {};
			const argsText = Object.keys(input).length === 0 ? "" : jsonText(input);
			add(this.#draft(place(event["index"])), { callId: textOf(block["id"]), tool: textOf(block["name"]), argsText });
			return;
		}
		const delta = fieldsOf(event["delta"]);
		const draft = this.#drafts.get(place(event["index"]));
		if (event["type"] === "content_block_delta" && delta?.["type"] === "input_json_delta" && draft !== undefined)
			add(draft, { callId: "", tool: "", argsText: textOf(delta["partial_json"]) });
	}

	#draft(key: string): Draft {
		const known = this.#drafts.get(key);
		if (known !== undefined) return known;
		const draft = { callId: "", tool: "", argsText: "" };
		if (this.#drafts.size < CALLS_MAX) this.#drafts.set(key, draft);
		return draft;
	}
}

/** An index of a stream; what is none stands for one place. */
function place(index: unknown): string {
	return typeof index === "number" ? index.toString() : "";
}

function add(draft: Draft, piece: ToolCall): void {
	draft.callId ||= piece.callId;
	draft.tool ||= piece.tool;
	if (draft.argsText.length < ARGS_CHARS_MAX) draft.argsText = (draft.argsText + piece.argsText).slice(0, ARGS_CHARS_MAX);
}
