import { asObject, asText, type JsonObject } from "#activities/providers/json.ts";
import { listOf, type Message, type Part, textPart, toolCallPart, wordOf } from "./message-parts.ts";

type Draft = { kind: "text" | "reasoning" | "tool_call"; text: string; id?: string; name?: string };
type Choice = { readonly drafts: Map<string, Draft>; finishReason: string | undefined };

/** Puts the answers of a chat.completions or Anthropic stream together from its parsed events. */
export class StreamedMessages {
	readonly #choices = new Map<number, Choice>();

	get finishReasons(): readonly string[] {
		return this.#inOrder().flatMap(({ finishReason }) => (finishReason === undefined ? [] : [finishReason]));
	}

	get messages(): readonly Message[] {
		return this.#inOrder().map(({ drafts, finishReason }) => ({
			role: "assistant",
			parts: [...drafts.values()].map(toPart),
			finish_reason: finishReason ?? "",
		}));
	}

	take(event: JsonObject): void {
		for (const choice of listOf(event["choices"])) this.#takeChoice(asObject(choice) ?? {});
		const type = asText(event["type"]);
		if (type === "content_block_start") this.#begin(event);
		else if (type === "content_block_delta") this.#continue(event);
		else if (type === "message_delta") this.#finish(0, asObject(event["delta"])?.["stop_reason"]);
	}

	#takeChoice(choice: JsonObject): void {
		const index = Number(choice["index"] ?? 0);
		const delta = asObject(choice["delta"]);
		const text = asText(delta?.["content"]) ?? asText(delta?.["refusal"]);
		if (text !== undefined) this.#draft(index, "text", "text").text += text;
		for (const call of listOf(delta?.["tool_calls"])) {
			const piece = asObject(call);
			const called = asObject(piece?.["function"]) ?? asObject(piece?.["custom"]);
			const draft = this.#draft(index, `call ${String(piece?.["index"] ?? 0)}`, "tool_call");
			draft.id ??= asText(piece?.["id"]) ?? "";
			draft.name ??= asText(called?.["name"]) ?? "";
			draft.text += asText(called?.["arguments"]) ?? asText(called?.["input"]) ?? "";
		}
		this.#finish(index, choice["finish_reason"]);
	}

	#begin(event: JsonObject): void {
		const block = asObject(event["content_block"]);
		const type = block?.["type"];
		const kind = type === "tool_use" ? "tool_call" : type === "thinking" ? "reasoning" : "text";
		const draft = this.#draft(0, String(event["index"]), kind);
		draft.id = asText(block?.["id"]) ?? "";
		draft.name = asText(block?.["name"]) ?? "";
		draft.text += asText(block?.["text"]) ?? "";
	}

	#continue(event: JsonObject): void {
		const delta = asObject(event["delta"]);
		const draft = this.#draft(0, String(event["index"]), "text");
		draft.text += asText(delta?.["text"]) ?? asText(delta?.["partial_json"]) ?? asText(delta?.["thinking"]) ?? "";
	}

	#finish(index: number, reason: unknown): void {
		const word = wordOf(reason);
		if (word !== undefined) this.#choice(index).finishReason = word;
	}

	#draft(index: number, name: string, kind: Draft["kind"]): Draft {
		const { drafts } = this.#choice(index);
		const draft = drafts.get(name) ?? { kind, text: "" };
		drafts.set(name, draft);
		return draft;
	}

	#choice(index: number): Choice {
		const choice = this.#choices.get(index) ?? { drafts: new Map<string, Draft>(), finishReason: undefined };
		this.#choices.set(index, choice);
		return choice;
	}

	#inOrder(): Choice[] {
		return [...this.#choices].sort(([left], [right]) => left - right).map(([, choice]) => choice);
	}
}

function toPart({ kind, text, id, name }: Draft): Part {
	if (kind === "tool_call") return toolCallPart(id, name, text);
	return kind === "reasoning" ? { type: "reasoning", content: text } : textPart(text);
}
