import type { CorpusEvent } from "./corpus-run.ts";

/** A run's events as an agent sends them: the conversation so far, which every call carries whole. */
export type ConversationEndpoint = "chat.completions" | "messages" | "responses";

export class Conversation {
	private readonly endpoint: ConversationEndpoint;
	private readonly items: unknown[];
	private steps = 0;

	constructor(endpoint: ConversationEndpoint, task: string) {
		this.endpoint = endpoint;
		this.items = [{ role: "user", content: task }];
	}

	/** The model's call and what the tool brought back. Chat completions and responses have no field for a failure. */
	add({ tool, args, observation, isError }: CorpusEvent): void {
		this.steps += 1;
		const id = `call_${this.steps}`;
		const content = observation ?? "";
		const argsText = typeof args === "string" ? args : JSON.stringify(args);
		if (this.endpoint === "chat.completions") {
			const call = { id, type: "function", function: { name: tool, arguments: argsText } };
			this.items.push({ role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: id, content });
		} else if (this.endpoint === "messages") {
			const input = typeof args === "string" ? { input: args } : args;
			const result = { type: "tool_result", tool_use_id: id, content, ...(isError && { is_error: true }) };
			this.items.push({ role: "assistant", content: [{ type: "tool_use", id, name: tool, input }] }, { role: "user", content: [result] });
		} else {
			const call = { type: "function_call", call_id: id, name: tool, arguments: argsText };
			this.items.push(call, { type: "function_call_output", call_id: id, output: content });
		}
	}

	/** The part of the next request's body that holds the conversation. */
	get body(): Readonly<Record<string, unknown>> {
		return this.endpoint === "responses" ? { input: this.items } : { messages: this.items };
	}
}
