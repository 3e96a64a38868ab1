import type { Frame } from "../answer.ts";
import type { Generation, OutputPart } from "../generation.ts";
import type { JsonObject } from "../json.ts";
import type { ResponseBase } from "./responses.ts";

/** Events of a streamed response, in the order of the real one; the last event carries the whole response with its usage. */

export type ResponseStream = {
	readonly base: ResponseBase;
	readonly generation: Generation;
	readonly items: readonly JsonObject[];
	readonly finished: JsonObject;
};

export function* responseFrames({ base, generation, items, finished }: ResponseStream): Generator<Frame> {
	let sequence = 0;
	const frame = (kind: Frame["kind"], outputTokens: number, event: JsonObject & { readonly type: string }): Frame => {
		const data = JSON.stringify({ ...event, sequence_number: sequence });
		sequence += 1;
		return { kind, outputTokens, text: `event: ${event.type}\ndata: ${data}\n\n` };
	};
	yield frame("content", 0, { type: "response.created", response: base });
	yield frame("content", 0, { type: "response.in_progress", response: base });
	const total = generation.outputTokens;
	let generated = 0;
	for (const [index, item] of items.entries()) {
		if (item["type"] === "reasoning") {
			yield frame("content", 0, { type: "response.output_item.added", output_index: index, item });
			generated = Math.min(total, generation.reasoningTokens);
			yield frame("content", generated, { type: "response.output_item.done", output_index: index, item });
			continue;
		}
		for (const { outputTokens, event } of itemEvents({ item, index, part: generation.parts[0], generated, total })) yield frame("content", outputTokens, event);
	}
	const type = finished["status"] === "incomplete" ? "response.incomplete" : "response.completed";
	yield frame("end", total, { type, response: finished });
}

type TypedEvent = JsonObject & { readonly type: string };
type ItemStream = {
	readonly item: JsonObject;
	readonly index: number;
	readonly part: OutputPart | undefined;
	readonly generated: number;
	readonly total: number;
};

function* itemEvents({ item, index, part, generated, total }: ItemStream): Generator<{ readonly outputTokens: number; readonly event: TypedEvent }> {
	const isCall = part?.kind === "tool";
	const place = { item_id: item["id"], output_index: index };
	const textPlace = { ...place, content_index: 0 };
	const begun = isCall ? { ...item, status: "in_progress", arguments: "" } : { ...item, status: "in_progress", content: [] };
	yield { outputTokens: generated, event: { type: "response.output_item.added", output_index: index, item: begun } };
	if (!isCall) yield { outputTokens: generated, event: { type: "response.content_part.added", ...textPlace, part: outputText("") } };
	let tokens = generated;
	for (const piece of part?.pieces ?? []) {
		tokens = Math.min(total, tokens + 1);
		const event = isCall
			? { type: "response.function_call_arguments.delta", ...place, delta: piece }
			: { type: "response.output_text.delta", ...textPlace, delta: piece, logprobs: [] };
		yield { outputTokens: tokens, event };
	}
	const whole = part?.pieces.join("") ?? "";
	if (isCall) {
		yield { outputTokens: total, event: { type: "response.function_call_arguments.done", ...place, name: part.name, arguments: whole } };
	} else {
		yield { outputTokens: total, event: { type: "response.output_text.done", ...textPlace, text: whole, logprobs: [] } };
		yield { outputTokens: total, event: { type: "response.content_part.done", ...textPlace, part: outputText(whole) } };
	}
	yield { outputTokens: total, event: { type: "response.output_item.done", output_index: index, item } };
}

function outputText(text: string): JsonObject {
	return { type: "output_text", text, annotations: [], logprobs: [] };
}
