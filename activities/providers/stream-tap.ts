import { mayHoldCall, readAnswerCalls, StreamedCalls } from "#domain/agents/read-answer-calls.ts";
import { NO_CALLS, type ToolCall } from "#domain/agents/run-event.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { ReportedUsage } from "#domain/usage/usage.ts";
import { parseJson } from "./json.ts";
import { receivedTextBytes } from "./received-text.ts";
import { createEventSplitter, readEvent } from "./server-sent-events.ts";
import { withoutStreamUsage } from "./stream-usage-filter.ts";
import { createUsageAccumulator, type StreamEndpoint } from "./usage-accumulator.ts";

/** Stands in a stream: reads the usage as events pass and gives back the bytes the caller is to receive. */
export type StreamTap = {
	/** The same chunk, or, where usage is removed, the complete events so far without it (possibly no byte). */
	push(chunk: Buffer): Buffer;
	/** What was held back when the stream ends. */
	end(): Buffer;
	readonly isComplete: boolean;
	readonly isFailed: boolean;
	result(): ReportedUsage;
	/** Id of an answer the provider keeps, when the stream has named it. */
	readonly answerId: string | undefined;
	readonly itemIds: readonly string[];
	/** Bytes of text so far; counted only where asked for. */
	readonly textBytes: number;
	/** Tool calls so far; read only where asked for. */
	readonly calls: readonly ToolCall[];
};

export type StreamTapOptions = {
	readonly removesUsage: boolean;
	readonly countsText: boolean;
	/** Default false. */
	readonly readsCalls?: boolean;
};

const EMPTY = Buffer.alloc(0);

export function canStream(endpoint: Endpoint): endpoint is StreamEndpoint {
	return endpoint === "chat.completions" || endpoint === "responses" || endpoint === "messages";
}

export function createStreamTap(endpoint: StreamEndpoint, options: StreamTapOptions): StreamTap {
	const usage = createUsageAccumulator(endpoint);
	let kept: Buffer[] = [];
	let textBytes = 0;
	const streamed = options.readsCalls === true ? new StreamedCalls(endpoint) : undefined;
	const splitter = createEventSplitter(({ raw }) => {
		usage.onRawEvent(raw);
		if (options.countsText) textBytes += receivedTextBytes(raw);
		if (streamed !== undefined && mayHoldCall(endpoint, raw)) streamed.take(parseJson(readEvent(raw).dataText));
		if (options.removesUsage) kept.push(...withoutStreamUsage(raw));
	});
	const take = (): Buffer => {
		const [first] = kept;
		const bytes = kept.length === 1 && first !== undefined ? first : Buffer.concat(kept);
		kept = [];
		return bytes;
	};
	return {
		push(chunk) {
			splitter.push(chunk);
			return options.removesUsage ? take() : chunk;
		},
		end() {
			splitter.end();
			return options.removesUsage ? take() : EMPTY;
		},
		get isComplete() {
			return usage.isComplete;
		},
		get isFailed() {
			return usage.isFailed;
		},
		result: () => usage.result(),
		get answerId() {
			return usage.answerId;
		},
		get itemIds() {
			return usage.itemIds;
		},
		get textBytes() {
			return textBytes;
		},
		get calls() {
			if (streamed === undefined) return NO_CALLS;
			return endpoint === "responses" ? readAnswerCalls(endpoint, usage.answer) : streamed.calls;
		},
	};
}
