import type { Frame, WireUsage } from "../answer.ts";
import type { Generation, OutputPart } from "../generation.ts";
import type { JsonObject } from "../json.ts";
import { SIGNATURE } from "./signature.ts";

/**
 * Events of a streamed message. Usage is split as in the real one: input in `message_start`, cumulative
 * output in `message_delta`, which repeats the input counts but neither the cache split nor the tier.
 */

export type MessageStream = {
	readonly message: JsonObject;
	readonly generation: Generation;
	readonly idSuffix: string;
	/** undefined leaves usage out of every event. */
	readonly reported: WireUsage | undefined;
	/** Usage as known at the start, with the first output token. */
	readonly startUsage: WireUsage;
};

const DELTA_USAGE_FIELDS = [
	"input_tokens",
	"cache_creation_input_tokens",
	"cache_read_input_tokens",
	"output_tokens",
	"output_tokens_details",
	"server_tool_use",
];

export function* messageFrames({ message, generation, idSuffix, reported, startUsage }: MessageStream): Generator<Frame> {
	const total = generation.outputTokens;
	const started = { ...message, content: [], stop_reason: null, stop_sequence: null, ...(reported && { usage: startUsageOf(reported, startUsage) }) };
	yield frame("content", 0, { type: "message_start", message: started });
	let generated = 0;
	for (const [index, part] of generation.parts.entries()) {
		yield frame("content", generated, { type: "content_block_start", index, content_block: emptyBlock(part, idSuffix) });
		if (index === 0) yield frame("content", generated, { type: "ping" });
		for (const piece of part.pieces) {
			generated = Math.min(total, generated + 1);
			yield { kind: "content", outputTokens: generated, text: deltaText(index, part, piece) };
		}
		if (part.kind === "thinking")
			yield frame("content", generated, { type: "content_block_delta", index, delta: { type: "signature_delta", signature: SIGNATURE } });
		yield frame("content", generated, { type: "content_block_stop", index });
	}
	const delta = { stop_reason: message["stop_reason"], stop_sequence: message["stop_sequence"], stop_details: null, container: null };
	yield frame("usage", total, { type: "message_delta", delta, ...(reported && { usage: deltaUsageOf(reported) }) });
	yield frame("end", total, { type: "message_stop" });
}

function frame(kind: Frame["kind"], outputTokens: number, event: JsonObject & { readonly type: string }): Frame {
	return { kind, outputTokens, text: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n` };
}

/** A wrong report is wrong from its first event on; only the output is that of the first token. */
function startUsageOf(reported: WireUsage, startUsage: WireUsage): WireUsage {
	const outputTokens = reported["output_tokens"] === 0 ? 0 : startUsage["output_tokens"];
	return { ...reported, output_tokens: outputTokens, output_tokens_details: null };
}

function deltaUsageOf(reported: WireUsage): WireUsage {
	return Object.fromEntries(DELTA_USAGE_FIELDS.map((field) => [field, reported[field] ?? null]));
}

function emptyBlock(part: OutputPart, idSuffix: string): JsonObject {
	if (part.kind === "thinking") return { type: "thinking", thinking: "", signature: "" };
	if (part.kind === "text") return { type: "text", text: "", citations: null };
	return { type: "tool_use", id: `toolu_${idSuffix}`, name: part.name, input: {}, caller: { type: "direct" } };
}

function deltaText(index: number, part: OutputPart, piece: string): string {
	const text = JSON.stringify(piece);
	const delta =
		part.kind === "thinking"
			? `{"type":"thinking_delta","thinking":${text}}`
			: part.kind === "text"
				? `{"type":"text_delta","text":${text}}`
				: `{"type":"input_json_delta","partial_json":${text}}`;
	return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":${delta}}\n\n`;
}
