import fc from "fast-check";
import { createEventSplitter, readEvent } from "#activities/providers/server-sent-events.ts";
import { eventStream } from "../answers.ts";
import { cuts, mutated, slicings, toBytes } from "../bytes.ts";
import { holds, pureTarget } from "../target.ts";

type Split = { readonly raw: string; readonly isTerminated: boolean };

/**
 * The splitter against a second, slow reading of the rule: an event ends with a blank line. Its pieces are the input, byte
 * for byte, whatever the slicing and however little it may hold, and every event can be read.
 */
export const serverSentEvents = pureTarget({
	name: "server-sent-events",
	cases: fc.record({ bytes: mutated(eventStream), cuts, maxEventBytes: fc.integer({ min: 1, max: 64 }) }),
	check(input) {
		const bytes = toBytes(input.bytes);
		const expected = splitSlowly(input.bytes);
		for (const chunks of slicings(bytes, input.cuts)) {
			const found = split(chunks);
			holds(JSON.stringify(found) === JSON.stringify(expected), "the same events under every slicing", found, expected);
			const bounded = split(chunks, input.maxEventBytes);
			holds(bounded.map(({ raw }) => raw).join("") === input.bytes, "no byte is lost of events that are too large to hold");
		}
		for (const { raw } of expected) readEvent(toBytes(raw));
	},
});

function split(chunks: readonly Buffer[], maxEventBytes?: number): Split[] {
	const events: Split[] = [];
	const splitter = createEventSplitter(
		({ raw, isTerminated }) => events.push({ raw: raw.toString("latin1"), isTerminated }),
		maxEventBytes === undefined ? {} : { maxEventBytes },
	);
	for (const chunk of chunks) splitter.push(chunk);
	splitter.end();
	return events;
}

function splitSlowly(text: string): Split[] {
	const events: Split[] = [];
	let raw = "";
	for (const line of text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g) ?? []) {
		raw += line;
		if (!/^[\r\n]+$/.test(line)) continue;
		events.push({ raw, isTerminated: true });
		raw = "";
	}
	return raw === "" ? events : [...events, { raw, isTerminated: false }];
}
