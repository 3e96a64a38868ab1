import type { Endpoint } from "../bound/request.ts";
import type { ToolCall, ToolResult } from "./run-event.ts";
import { contentText, type Fields, fieldsOf, jsonText, listOf, readsAsFailure, textOf } from "./wire-text.ts";

/**
 * What tools brought back since the model last spoke, read from the parsed body of a request: the results at its end, with the calls they
 * answer where the conversation holds them. Older turns are not looked at, so that a long conversation costs no more than its last turn, and
 * a call without tools one look at its last message.
 */
export type Turn = {
	readonly results: readonly (ToolResult & {
		/** undefined: the call is not in the body (`previous_response_id`); who remembers the answer knows it. */
		readonly call: ToolCall | undefined;
	})[];
	/** Number of messages of the body: with the ids of the calls it tells a turn from the same one sent again. */
	readonly messages: number;
};

const RESULTS_MAX = 64;
/** Messages looked at from the end: parallel calls with their results and remarks between them. */
const MESSAGES_MAX = 160;

/** undefined: nothing came back since the model last spoke. */
export function readTurn(endpoint: Endpoint, body: unknown): Turn | undefined {
	const fields = fieldsOf(body);
	if (fields === undefined) return undefined;
	if (endpoint === "chat.completions") return readMessages(listOf(fields["messages"]), CHAT);
	if (endpoint === "messages") return readMessages(listOf(fields["messages"]), ANTHROPIC);
	return endpoint === "responses" ? readItems(listOf(fields["input"])) : undefined;
}

type Dialect = { results(message: Fields): readonly ToolResult[]; calls(message: Fields): readonly ToolCall[] };

const CHAT: Dialect = {
	results(message) {
		if (message["role"] !== "tool" && message["role"] !== "function") return [];
		const observation = contentText(message["content"]);
		return [{ callId: textOf(message["tool_call_id"]) || textOf(message["name"]), observation, isError: readsAsFailure(observation) }];
	},
	calls: chatCalls,
};

const ANTHROPIC: Dialect = {
	results(message) {
		return listOf(message["content"]).flatMap((part) => {
			const fields = fieldsOf(part);
			if (fields?.["type"] !== "tool_result") return [];
			const observation = contentText(fields["content"]);
			return [{ callId: textOf(fields["tool_use_id"]), observation, isError: fields["is_error"] === true || readsAsFailure(observation) }];
		});
	},
	calls: (message) => anthropicCalls(message["content"]),
};

function readMessages(messages: readonly unknown[], dialect: Dialect): Turn | undefined {
	const results: ToolResult[] = [];
	for (let at = messages.length - 1; at >= 0 && at >= messages.length - MESSAGES_MAX; at -= 1) {
		const message = fieldsOf(messages[at]);
		if (message === undefined) continue;
		if (message["role"] === "assistant") return turnOf(results, dialect.calls(message), messages.length);
		results.unshift(...dialect.results(message));
	}
	return turnOf(results, [], messages.length);
}

/** Items of the Responses API: calls first, then their outputs; between them only what the model thought. */
function readItems(items: readonly unknown[]): Turn | undefined {
	const results: ToolResult[] = [];
	const calls: ToolCall[] = [];
	for (let at = items.length - 1; at >= 0 && at >= items.length - MESSAGES_MAX; at -= 1) {
		const item = fieldsOf(items[at]);
		const type = textOf(item?.["type"]);
		if (item === undefined) continue;
		if (type.endsWith("_output")) {
			if (calls.length > 0) break;
			const observation = contentText(item["output"]);
			const isError = item["status"] === "failed" || readsAsFailure(observation);
			results.unshift({ callId: textOf(item["call_id"]), observation, isError });
		} else if (type.endsWith("_call")) calls.push(...itemCalls([item]));
		else if (type !== "reasoning" && (results.length === 0 || calls.length > 0 || item["role"] === "assistant")) break;
	}
	return turnOf(results, calls, items.length);
}

function turnOf(results: readonly ToolResult[], calls: readonly ToolCall[], messages: number): Turn | undefined {
	if (results.length === 0) return undefined;
	const byId = new Map(calls.map((call) => [call.callId, call]));
	return { results: results.slice(-RESULTS_MAX).map((result) => ({ ...result, call: byId.get(result.callId) })), messages };
}

/** Calls of an assistant's message of chat completions, the older `function_call` among them. */
export function chatCalls(message: Fields): readonly ToolCall[] {
	const calls = listOf(message["tool_calls"]).map((call) => {
		const fields = fieldsOf(call);
		const made = fieldsOf(fields?.["function"]) ?? fieldsOf(fields?.["custom"]);
		return { callId: textOf(fields?.["id"]), tool: textOf(made?.["name"]), argsText: textOf(made?.["arguments"]) || textOf(made?.["input"]) };
	});
	const older = fieldsOf(message["function_call"]);
	if (older === undefined) return calls;
	return [...calls, { callId: textOf(older["name"]), tool: textOf(older["name"]), argsText: textOf(older["arguments"]) }];
}

/** Calls among the content of an Anthropic message; tools that the provider runs itself are not among them. */
export function anthropicCalls(content: unknown): readonly ToolCall[] {
	return listOf(content).flatMap((part) => {
		const fields = fieldsOf(part);
		if (fields?.["type"] !== "tool_use") return [];
		return [{ callId: textOf(fields["id"]), tool: textOf(fields["name"]), argsText: jsonText(fields["input"] ?? {}) }];
	});
}

/** Calls among items of the Responses API that the caller's side answers; a tool without a name is named by its type. */
export function itemCalls(items: readonly unknown[]): readonly ToolCall[] {
	return items.flatMap((item) => {
		const fields = fieldsOf(item);
		const type = textOf(fields?.["type"]);
		const callId = textOf(fields?.["call_id"]);
		if (fields === undefined || callId === "" || !type.endsWith("_call")) return [];
		const args = fields["arguments"] ?? fields["input"] ?? fields["action"] ?? fields["operation"] ?? "";
		return [{ callId, tool: textOf(fields["name"]) || type.slice(0, -"_call".length), argsText: typeof args === "string" ? args : jsonText(args) }];
	});
}
