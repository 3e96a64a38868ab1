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
	/** Number of messages of the body that ended with it: with the ids of the calls it tells a turn from the same one sent again. */
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

type Dialect = {
	/** Of the body, where its messages stand. */
	readonly field: "messages" | "input";
	/** Only a model writes it. */
	isSaidByModel(message: Fields): boolean;
	results(message: Fields): readonly ToolResult[];
	/** Adds the ids of the calls that `results` would answer, for less. */
	addResultIds(message: Fields, ids: string[]): void;
	calls(message: Fields): readonly ToolCall[];
};

const CHAT: Dialect = {
	field: "messages",
	isSaidByModel: isAssistant,
	results(message) {
		if (message["role"] !== "tool" && message["role"] !== "function") return [];
		const observation = contentText(message["content"]);
		return [{ callId: chatResultId(message), observation, isError: readsAsFailure(observation) }];
	},
	addResultIds(message, ids) {
		if (message["role"] === "tool" || message["role"] === "function") ids.push(chatResultId(message));
	},
	calls: chatCalls,
};

const ANTHROPIC: Dialect = {
	field: "messages",
	isSaidByModel: isAssistant,
	results(message) {
		return listOf(message["content"]).flatMap((part) => {
			const fields = fieldsOf(part);
			if (fields?.["type"] !== "tool_result") return [];
			const observation = contentText(fields["content"]);
			return [{ callId: textOf(fields["tool_use_id"]), observation, isError: fields["is_error"] === true || readsAsFailure(observation) }];
		});
	},
	addResultIds(message, ids) {
		for (const part of listOf(message["content"])) {
			const fields = fieldsOf(part);
			if (fields?.["type"] === "tool_result") ids.push(textOf(fields["tool_use_id"]));
		}
	},
	calls: (message) => anthropicCalls(message["content"]),
};

const RESPONSES: Dialect = {
	field: "input",
	isSaidByModel: (item) => textOf(item["type"]).endsWith("_call") || item["type"] === "reasoning" || isAssistant(item),
	results: (item) => (textOf(item["type"]).endsWith("_output") ? [itemResult(item)] : []),
	addResultIds(item, ids) {
		if (textOf(item["type"]).endsWith("_output")) ids.push(textOf(item["call_id"]));
	},
	calls: (item) => itemCalls([item]),
};

const DIALECTS: Partial<Record<Endpoint, Dialect>> = { "chat.completions": CHAT, messages: ANTHROPIC, responses: RESPONSES };

function isAssistant(message: Fields): boolean {
	return message["role"] === "assistant";
}

function chatResultId(message: Fields): string {
	return textOf(message["tool_call_id"]) || textOf(message["name"]);
}

function itemResult(item: Fields): ToolResult {
	const observation = contentText(item["output"]);
	return { callId: textOf(item["call_id"]), observation, isError: item["status"] === "failed" || readsAsFailure(observation) };
}

/** Turns, and messages, that are looked at where a body holds more than was seen of it. */
export const TURNS_MAX = 64;
const MISSED_MESSAGES_MAX = 2_048;
const NO_TURNS: readonly Turn[] = [];
const NO_CALL_IDS: readonly (readonly string[])[] = [];

/** Which turns of a body are read. */
export type TurnRange = {
	/** Those for which the model spoke after so many messages of the body. 0: all there are, also one whose calls are not in the body. */
	readonly afterMessages: number;
	/** The last so many of them. Default 64. */
	readonly most?: number | undefined;
};

/** Turns of a body, oldest first. A turn ends where the model speaks again, so it counts the messages that the body had when the turn was its last. */
export function readTurns(endpoint: Endpoint, body: unknown, range: TurnRange): readonly Turn[] {
	return eachTurn(endpoint, body, range, turnAfter) ?? NO_TURNS;
}

/** Of the same turns the ids of the calls that each answers, for a fraction of the work. */
export function readTurnCalls(endpoint: Endpoint, body: unknown, range: TurnRange): readonly (readonly string[])[] {
	return eachTurn(endpoint, body, range, callIdsAfter) ?? NO_CALL_IDS;
}

type ReadTurn<Read> = (dialect: Dialect, messages: readonly unknown[], at: Spoken & { readonly end: number }) => Read | undefined;

function eachTurn<Read>(endpoint: Endpoint, body: unknown, { afterMessages, most = TURNS_MAX }: TurnRange, read: ReadTurn<Read>): Read[] | undefined {
	const dialect = DIALECTS[endpoint];
	if (dialect === undefined) return undefined;
	const messages = listOf(fieldsOf(body)?.[dialect.field]);
	if (messages.length <= afterMessages) return undefined;
	const turns: Read[] = [];
	for (let end = messages.length; end > 0 && turns.length < most && messages.length - end < MISSED_MESSAGES_MAX; ) {
		const spoken = spokenBefore(dialect, messages, end);
		if (afterMessages > 0 && spoken.from < afterMessages) break;
		const turn = read(dialect, messages, { ...spoken, end });
		if (turn !== undefined) turns.push(turn);
		end = spoken.from;
	}
	return turns.reverse();
}

/** Ids of the calls that the turn answers with which a body of so many messages ended; undefined where this body has fewer. */
export function resultIdsAt(endpoint: Endpoint, body: unknown, end: number): readonly string[] | undefined {
	const dialect = DIALECTS[endpoint];
	const messages = dialect === undefined ? [] : listOf(fieldsOf(body)?.[dialect.field]);
	if (dialect === undefined || messages.length < end) return undefined;
	return resultIdsBetween(dialect, messages, { to: spokenBefore(dialect, messages, end).to, end });
}

function resultIdsBetween(dialect: Dialect, messages: readonly unknown[], { to, end }: { readonly to: number; readonly end: number }): readonly string[] {
	const ids: string[] = [];
	for (let at = to; at < end; at += 1) {
		const message = fieldsOf(messages[at]);
		if (message !== undefined) dialect.addResultIds(message, ids);
	}
	return ids.length > RESULTS_MAX ? ids.slice(-RESULTS_MAX) : ids;
}

function callIdsAfter(dialect: Dialect, messages: readonly unknown[], at: Spoken & { readonly end: number }): readonly string[] | undefined {
	const ids = resultIdsBetween(dialect, messages, at);
	return ids.length === 0 ? undefined : ids;
}

/** Where the model spoke last before `end`. */
type Spoken = { readonly from: number; readonly to: number };

function spokenBefore(dialect: Dialect, messages: readonly unknown[], end: number): Spoken {
	const lowest = Math.max(0, end - MESSAGES_MAX);
	let to = end;
	while (to > lowest && !isModels(dialect, messages[to - 1])) to -= 1;
	let from = to;
	while (from > lowest && isModels(dialect, messages[from - 1])) from -= 1;
	return { from, to };
}

function isModels(dialect: Dialect, message: unknown): boolean {
	const fields = fieldsOf(message);
	return fields !== undefined && dialect.isSaidByModel(fields);
}

function turnAfter(dialect: Dialect, messages: readonly unknown[], { from, to, end }: Spoken & { readonly end: number }): Turn | undefined {
	const results: ToolResult[] = [];
	for (let at = to; at < end; at += 1) {
		const message = fieldsOf(messages[at]);
		if (message !== undefined) results.push(...dialect.results(message));
	}
	if (results.length === 0) return undefined;
	const calls: ToolCall[] = [];
	for (let at = from; at < to; at += 1) {
		const message = fieldsOf(messages[at]);
		if (message !== undefined) calls.push(...dialect.calls(message));
	}
	return turnOf(results, calls, end);
}

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
			results.unshift(itemResult(item));
		} else if (type.endsWith("_call")) calls.push(...itemCalls([item]));
		else if (type !== "reasoning" && (results.length === 0 || calls.length > 0 || item["role"] === "assistant")) break;
	}
	return turnOf(results, calls, items.length);
}

function turnOf(results: readonly ToolResult[], calls: readonly ToolCall[], messages: number): Turn | undefined {
	if (results.length === 0) return undefined;
	const [only] = calls;
	const byId = calls.length > 1 ? new Map(calls.map((call) => [call.callId, call])) : undefined;
	const answered: Turn["results"][number][] = [];
	for (let at = Math.max(0, results.length - RESULTS_MAX); at < results.length; at += 1) {
		const { callId, observation, isError } = results[at] as ToolResult;
		const call = byId === undefined ? (only?.callId === callId ? only : undefined) : byId.get(callId);
		answered.push({ callId, observation, isError, call });
	}
	return { results: answered, messages };
}

/** Calls of an assistant's message of chat completions, the older `function_call` among them. */
export function chatCalls(message: Fields): readonly ToolCall[] {
	const calls: ToolCall[] = [];
	for (const call of listOf(message["tool_calls"])) {
		const fields = fieldsOf(call);
		const made = fieldsOf(fields?.["function"]) ?? fieldsOf(fields?.["custom"]);
		calls.push({ callId: textOf(fields?.["id"]), tool: textOf(made?.["name"]), argsText: textOf(made?.["arguments"]) || textOf(made?.["input"]) });
	}
	const older = fieldsOf(message["function_call"]);
	if (older !== undefined) calls.push({ callId: textOf(older["name"]), tool: textOf(older["name"]), argsText: textOf(older["arguments"]) });
	return calls;
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
