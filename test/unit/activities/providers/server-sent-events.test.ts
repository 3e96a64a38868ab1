import { describe, expect, it } from "vitest";
import { createEventSplitter, type RawEvent, readEvent } from "#activities/providers/server-sent-events.ts";

function split(chunks: readonly (string | Buffer)[], maxEventBytes?: number): RawEvent[] {
	const events: RawEvent[] = [];
	const splitter = createEventSplitter((event) => events.push(event), maxEventBytes === undefined ? {} : { maxEventBytes });
	for (const chunk of chunks) splitter.push(Buffer.from(chunk as string));
	splitter.end();
	return events;
}

const raws = (events: readonly RawEvent[]): string[] => events.map(({ raw }) => raw.toString("utf8"));

describe("event splitter", () => {
	it.each([
		["LF", "data: a\n\ndata: b\n\n", ["data: a\n\n", "data: b\n\n"]],
		["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", ["data: a\r\n\r\n", "data: b\r\n\r\n"]],
		["CR", "data: a\r\rdata: b\r\r", ["data: a\r\r", "data: b\r\r"]],
		["mixed line ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", ["data: a\r\n\n", "data: b\n\r\n", "data: c\r\r\n"]],
		["a comment alone", ": ping\n\ndata: a\n\n", [": ping\n\n", "data: a\n\n"]],
		["blank lines around events", "\n\ndata: a\n\n\n", ["\n", "\n", "data: a\n\n", "\n"]],
	])("cuts after the blank line with %s", (_name, stream, expected) => {
		expect(raws(split([stream]))).toEqual(expected);
		expect(raws(split([...stream]))).toEqual(expected);
	});

	it("completes an LF event with its last byte, without waiting for another", () => {
		const events: RawEvent[] = [];
		const splitter = createEventSplitter((event) => events.push(event));
		splitter.push(Buffer.from("data: a\n"));
		expect(events).toHaveLength(0);
		splitter.push(Buffer.from("\n"));
		expect(raws(events)).toEqual(["data: a\n\n"]);
	});

	it("hands over what is left at the end and says that it was not terminated", () => {
		expect(split(["data: a\n\ndata: [DO", "NE]"]).map(({ raw, isTerminated }) => [raw.toString(), isTerminated])).toEqual([
			["data: a\n\n", true],
			["data: [DONE]", false],
		]);
		expect(split(["data: a\r\n\r"]).at(-1)?.isTerminated).toBe(true);
	});

	it("keeps a character that was cut between two chunks", () => {
		const bytes = Buffer.from('data: {"text":"жар 🔥"}\n\n');
		const events = split([...bytes].map((byte) => Buffer.of(byte)));
		expect(events).toHaveLength(1);
		expect(readEvent(events[0]?.raw ?? Buffer.alloc(0)).dataText).toBe('{"text":"жар 🔥"}');
	});

	it("passes an oversized event on in unterminated pieces and recovers at the next", () => {
		const events = split(["data: 12345678", "90123456789", "01234\n", "\ndata: b\n\n"], 12);
		expect(raws(events).join("")).toBe("data: 12345678901234567890" + "1234\n\ndata: b\n\n");
		expect(events.filter(({ isTerminated }) => isTerminated).map(({ raw }) => raw.toString())).toEqual(["data: b\n\n"]);
	});
});

describe("reading an event", () => {
	it.each([
		["name and data", "event: message_stop\ndata: {}\n\n", "message_stop", "{}"],
		["data without a space", "data:x\n\n", undefined, "x"],
		["only one leading space taken off", "data:  x\n\n", undefined, " x"],
		["several data lines", "data: a\ndata: b\r\ndata\n\n", undefined, "a\nb\n"],
		["comments, ids and retries left out", ": hi\nid: 3\nretry: 10\ndata: a\n\n", undefined, "a"],
		["a byte order mark", "\uFEFFdata: a\n\n", undefined, "a"],
		["no data", ": ping\n\n", undefined, ""],
	])("understands %s", (_name, raw, eventName, dataText) => {
		expect(readEvent(Buffer.from(raw))).toEqual({ eventName, dataText });
	});
});
