import fc from "fast-check";
import { createEventSplitter, readEvent } from "#activities/providers/server-sent-events.ts";
import { createStreamTap } from "#activities/providers/stream-tap.ts";
import { withoutStreamUsage } from "#activities/providers/stream-usage-filter.ts";
import { eventStream } from "../answers.ts";
import { cuts, mutated, slicings, toBytes } from "../bytes.ts";
import { holds, pureTarget } from "../target.ts";
import { checkReported } from "./usage.ts";

const ENDPOINTS = ["chat.completions", "responses", "messages"] as const;

/** The stream a caller receives and what the books take from it: the same under every slicing, nothing added, nothing lost but the usage we asked for. */
export const streamTap = pureTarget({
	name: "stream-tap",
	cases: fc.record({ endpoint: fc.constantFrom(...ENDPOINTS), bytes: mutated(eventStream), cuts, removesUsage: fc.boolean() }),
	check({ endpoint, bytes: text, cuts: at, removesUsage }) {
		const bytes = toBytes(text);
		const readings = slicings(bytes, at).map((chunks) => {
			const tap = createStreamTap(endpoint, { removesUsage, countsText: true });
			const out = Buffer.concat([...chunks.map((chunk) => tap.push(chunk)), tap.end()]).toString("latin1");
			checkReported(tap.result());
			holds(Number.isSafeInteger(tap.textBytes) && tap.textBytes >= 0, "a count of text bytes", tap.textBytes);
			const { isComplete, isFailed, answerId, itemIds, textBytes } = tap;
			return { out, result: tap.result(), isComplete, isFailed, answerId, itemIds, textBytes };
		});
		for (const reading of readings) holds(JSON.stringify(reading) === JSON.stringify(readings[0]), "the same under every slicing", reading, readings[0]);
		const out = readings[0]?.out ?? "";
		const expected = removesUsage ? eventsOf(bytes).map(withoutUsage).join("") : text;
		holds(out === expected, "the caller receives every byte but the usage nobody asked for", out, expected);
	},
});

function eventsOf(bytes: Buffer): Buffer[] {
	const events: Buffer[] = [];
	const splitter = createEventSplitter(({ raw }) => events.push(raw));
	splitter.push(bytes);
	splitter.end();
	return events;
}

/** One event as the filter leaves it, judged: untouched, without its usage and otherwise the same, or, with usage and no choices, gone. */
function withoutUsage(event: Buffer): string {
	const before = event.toString("latin1");
	const after = Buffer.concat(withoutStreamUsage(event)).toString("latin1");
	if (after === before) return after;
	holds(before.includes('"usage"'), "only events that name usage are changed", before, after);
	const given = jsonOf(event);
	if (given === undefined) holds(after === "" || isCutOnce(before, after), "at most one piece is cut out", before, after);
	else if (after === "") holds(Array.isArray(given["choices"]) && given["choices"].length === 0, "only events without choices are gone", before);
	else checkSameButUsage(given, jsonOf(Buffer.from(after, "latin1")), before);
	return after;
}

function checkSameButUsage(given: Record<string, unknown>, left: Record<string, unknown> | undefined, before: string): void {
	const { usage: _, ...rest } = given;
	// A provider that names it twice keeps one of them.
	const isTwice = before.split('"usage"').length > 2;
	holds(
		left !== undefined && (JSON.stringify(left) === JSON.stringify(rest) || (isTwice && JSON.stringify(left) === JSON.stringify(given))),
		"an event loses its usage alone",
		before,
		left,
	);
}

function isCutOnce(before: string, after: string): boolean {
	let prefix = 0;
	while (prefix < after.length && before[prefix] === after[prefix]) prefix += 1;
	return before.endsWith(after.slice(prefix));
}

function jsonOf(event: Buffer): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(readEvent(event).dataText);
		return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
