import type { CorpusEvent } from "./corpus-run.ts";

/** A run's events as an agent sends them: the conversation so far, which every call carries whole. */
export const CONVERSATION_ENDPOINTS = ["chat.completions", "messages", "responses"] as const;
export type ConversationEndpoint = (typeof CONVERSATION_ENDPOINTS)[number];

/** The id of the call that the model makes in its step `step`, from 1. */
export function callIdOf(step: number): string {
	return `call_${step}`;
}

/** A call of a tool as the model writes it: an entry of `tool_calls`, a content block, an item. */
export function modelCall(endpoint: ConversationEndpoint, { tool, args }: Pick<CorpusEvent, "tool" | "args">, id: string): Readonly<Record<string, unknown>> {
	const argsText = typeof args === "string" ? args : JSON.stringify(args);
	if (endpoint === "chat.completions") return { id, type: "function", function: { name: tool, arguments: argsText } };
	if (endpoint === "messages") return { type: "tool_use", id, name: tool, input: typeof args === "string" ? { input: args } : args };
	return { type: "function_call", call_id: id, name: tool, arguments: argsText };
}

export class Conversation {
	private readonly endpoint: ConversationEndpoint;
	private readonly items: unknown[];
	private steps = 0;

	constructor(endpoint: ConversationEndpoint, task: string) {
		this.endpoint = endpoint;
		this.items = [{ role: "user", content: task }];
	}

	/** The model's call and what the tool brought back. Chat completions and responses have no field for a failure. */
	add(event: CorpusEvent): void {
		this.steps += 1;
		const id = callIdOf(this.steps);
		const call = modelCall(this.endpoint, event, id);
		const content = event.observation ?? "";
		if (this.endpoint === "chat.completions") {
			this.items.push({ role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: id, content });
		} else if (this.endpoint === "messages") {
			const result = { type: "tool_result", tool_use_id: id, content, ...(event.isError && { is_error: true }) };
			this.items.push({ role: "assistant", content: [call] }, { role: "user", content: [result] });
		} else {
			this.items.push(call, { type: "function_call_output", call_id: id, output: content });
		}
	}

	/** The part of the next request's body that holds the conversation. */
	get body(): Readonly<Record<string, unknown>> {
		return this.endpoint === "responses" ? { input: this.items } : { messages: this.items };
	}
}
