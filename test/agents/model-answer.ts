import { type ConversationEndpoint, callIdOf, modelCall } from "./conversation.ts";
import type { CorpusEvent } from "./corpus-run.ts";

/** What the scripted model says in one step: the call of the run's next event, or that it is done. */
export type ModelAnswer = {
	readonly endpoint: ConversationEndpoint;
	readonly model: string;
	/** From 1. */
	readonly step: number;
	readonly event: CorpusEvent | undefined;
	readonly inputTokens: number;
	readonly outputTokens: number;
};

/** The body of an answer that is sent whole. */
export function wholeAnswer(answer: ModelAnswer): Readonly<Record<string, unknown>> {
	const { endpoint, model, step, event, inputTokens, outputTokens } = answer;
	const id = `answer_${step}`;
	const call = event && modelCall(endpoint, event, callIdOf(step));
	if (endpoint === "chat.completions") {
		const message = call ? { role: "assistant", content: null, tool_calls: [call] } : { role: "assistant", content: DONE };
		const choices = [{ index: 0, message, finish_reason: call ? "tool_calls" : "stop" }];
		return { id, object: "chat.completion", created: CREATED, model, choices, usage: chatUsage(answer) };
	}
	if (endpoint === "messages") {
		const usage = { input_tokens: inputTokens, output_tokens: outputTokens };
		const content = call ? [call] : [{ type: "text", text: DONE }];
		return { id, type: "message", role: "assistant", model, content, stop_reason: call ? "tool_use" : "end_turn", stop_sequence: null, usage };
	}
	const output = [
		call
			? { ...call, id: `item_${step}`, status: "completed" }
			: { type: "message", id: `item_${step}`, role: "assistant", status: "completed", content: [{ type: "output_text", text: DONE, annotations: [] }] },
	];
	const usage = {
		input_tokens: inputTokens,
		input_tokens_details: { cached_tokens: 0 },
		output_tokens: outputTokens,
		output_tokens_details: { reasoning_tokens: 0 },
		total_tokens: inputTokens + outputTokens,
	};
	return { id, object: "response", created_at: CREATED, status: "completed", model, output, usage };
}

/** The same answer as the events of a stream, in the wire form of its protocol. */
export function streamedAnswer(answer: ModelAnswer): string {
	if (answer.endpoint === "chat.completions") return chatEvents(answer);
	if (answer.endpoint === "messages") return messageEvents(answer);
	return responseEvents(answer);
}

const DONE = "Done.";
const CREATED = 1_760_000_000;
/** A call's arguments come in pieces of so many characters. */
const PIECE = 24;

function chatUsage({ inputTokens, outputTokens }: ModelAnswer): Readonly<Record<string, unknown>> {
	return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}

function chatEvents(answer: ModelAnswer): string {
	const { model, step, event } = answer;
	const head = { id: `answer_${step}`, object: "chat.completion.chunk", created: CREATED, model };
	const delta = (content: unknown, reason: string | null = null): unknown => ({
		...head,
		choices: [{ index: 0, delta: content, finish_reason: reason }],
		usage: null,
	});
	const chunks: unknown[] = [];
	if (event === undefined) chunks.push(delta({ role: "assistant", content: DONE }), delta({}, "stop"));
	else {
		const { id, function: called } = modelCall("chat.completions", event, callIdOf(step)) as { id: string; function: { name: string; arguments: string } };
		chunks.push(delta({ role: "assistant", content: null, tool_calls: [{ index: 0, id, type: "function", function: { name: called.name, arguments: "" } }] }));
		for (const piece of piecesOf(called.arguments)) chunks.push(delta({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
		chunks.push(delta({}, "tool_calls"));
	}
	chunks.push({ ...head, choices: [], usage: chatUsage(answer) });
	return `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n`;
}

function messageEvents(answer: ModelAnswer): string {
	const { content, stop_reason: reason, ...message } = wholeAnswer(answer) as { content: readonly Record<string, unknown>[]; stop_reason: string };
	const [block = {}] = content;
	const { input, text, ...rest } = block;
	const isCall = block["type"] === "tool_use";
	const usage = { input_tokens: answer.inputTokens, output_tokens: 1 };
	return named([
		{ type: "message_start", message: { ...message, content: [], stop_reason: null, usage } },
		{ type: "content_block_start", index: 0, content_block: isCall ? { ...rest, input: {} } : { ...rest, text: "" } },
		...(isCall
			? piecesOf(JSON.stringify(input)).map((piece) => ({ type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: piece } }))
			: [{ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }]),
		{ type: "content_block_stop", index: 0 },
		{ type: "message_delta", delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: answer.outputTokens } },
		{ type: "message_stop" },
	]);
}

function responseEvents(answer: ModelAnswer): string {
	const whole = wholeAnswer(answer) as { output: readonly Record<string, unknown>[] };
	const [item = {}] = whole.output;
	const isCall = item["type"] === "function_call";
	const argsText = String(item["arguments"] ?? "");
	const itemId = item["id"];
	const inProgress = { ...whole, status: "in_progress", output: [], usage: null };
	const events = [
		{ type: "response.created", response: inProgress },
		{
			type: "response.output_item.added",
			output_index: 0,
			item: isCall ? { ...item, arguments: "", status: "in_progress" } : { ...item, content: [], status: "in_progress" },
		},
		...(isCall ? piecesOf(argsText).map((delta) => ({ type: "response.function_call_arguments.delta", item_id: itemId, output_index: 0, delta })) : []),
		...(isCall ? [{ type: "response.function_call_arguments.done", item_id: itemId, output_index: 0, arguments: argsText }] : []),
		{ type: "response.output_item.done", output_index: 0, item },
		{ type: "response.completed", response: whole },
	];
	return named(events.map((event, index) => ({ ...event, sequence_number: index })));
}

function named(events: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[]): string {
	return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}

function piecesOf(text: string): string[] {
	const pieces: string[] = [];
	for (let at = 0; at < text.length; at += PIECE) pieces.push(text.slice(at, at + PIECE));
	return pieces;
}
