import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEventSplitter, type RawEvent } from "#activities/providers/server-sent-events.ts";

const line = fc.oneof(
	fc.constantFrom("", "data: [DONE]", ": ping", "event: message_delta", "data", "id: 1"),
	fc.string({ unit: "binary", maxLength: 12 }).map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
	fc.json().map((json) => `data: ${json}`),
);
const stream = fc
	.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 40 })
	.map((lines) => Buffer.from(lines.map(([text, lineEnd]) => text + lineEnd).join("")));

function split(chunks: readonly Buffer[]): { raw: string; isTerminated: boolean }[] {
	const events: RawEvent[] = [];
	const splitter = createEventSplitter((event) => events.push(event));
	for (const chunk of chunks) splitter.push(chunk);
	splitter.end();
	return events.map(({ raw, isTerminated }) => ({ raw: raw.toString("latin1"), isTerminated }));
}

function slice(bytes: Buffer, cuts: readonly number[]): Buffer[] {
	const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((left, right) => left - right);
	return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length)).filter((chunk) => chunk.length > 0);
}

describe("event splitter under any slicing", () => {
	it("finds the same events, and their bytes are the stream", () => {
		fc.assert(
			fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
				const whole = split([bytes]);
				expect(split(slice(bytes, cuts))).toEqual(whole);
				expect(whole.map(({ raw }) => raw).join("")).toBe(bytes.toString("latin1"));
			}),
			{ numRuns: 2000 },
		);
	});

	it("finds the same events byte by byte, all but the last terminated", () => {
		fc.assert(
			fc.property(stream, (bytes) => {
				const events = split([...bytes].map((byte) => Buffer.of(byte)));
				expect(events).toEqual(split([bytes]));
				expect(events.slice(0, -1).every(({ isTerminated }) => isTerminated)).toBe(true);
			}),
			{ numRuns: 500 },
		);
	});
});
