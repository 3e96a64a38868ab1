import { closeSync, openSync } from "node:fs";
import { parseHeader, segmentFile } from "./journal-files.ts";
import { type FramesEnd, readFrames } from "./journal-frame.ts";
import type { JournalRecord } from "./record.ts";

/**
 * How a journal ends. `clean` and `torn`: everything that was ever sent is in it (a torn record was never acted upon).
 * `corrupt`: records that were written are missing, so what the journal lacks proves nothing.
 */
export type JournalEnd = { readonly kind: FramesEnd["kind"]; readonly segment: number; readonly offset: number; readonly problem: string | null };

export type JournalSource = { readonly gatewayPath: string; readonly epoch: bigint; readonly segments: readonly number[] };

/**
 * Intact records of a finished journal in the order they were written, up to the first torn or corrupt one; returns how it
 * ended. Segments missing at the front were resolved, flushed and deleted; one missing in between is corruption.
 */
export function* readJournal(source: JournalSource): Generator<JournalRecord, JournalEnd> {
	let expected = source.segments[0] ?? 0;
	for (const [index, segment] of source.segments.entries()) {
		if (segment !== expected) return { kind: "corrupt", segment: expected, offset: 0, problem: `segment ${expected} is missing` };
		expected = segment + 1;
		const end = yield* readSegment(source, segment);
		const isLast = index === source.segments.length - 1;
		if (end.kind === "corrupt" || (end.kind === "torn" && isLast)) return end;
		if (end.kind === "torn") return { ...end, kind: "corrupt", problem: `segment ${segment} is cut at ${end.offset}, yet another follows` };
		if (isLast) return end;
	}
	return { kind: "corrupt", segment: expected, offset: 0, problem: "no segment is left" };
}

function* readSegment(source: JournalSource, segment: number): Generator<JournalRecord, JournalEnd> {
	const fileDescriptor = openSync(segmentFile(source.gatewayPath, source.epoch, segment), "r");
	try {
		const frames = readFrames(fileDescriptor);
		const first = frames.next();
		// A crash between making the file and writing its header leaves nothing that was ever acted upon.
		if (first.done)
			return { kind: first.value.kind === "corrupt" ? "corrupt" : "torn", segment, offset: 0, problem: `segment ${segment} has no intact header` };
		if (!parseHeader(first.value.json)) return { kind: "corrupt", segment, offset: 0, problem: `segment ${segment} does not begin with a header` };
		for (;;) {
			const next = frames.next();
			if (!next.done) {
				yield JSON.parse(next.value.json) as JournalRecord;
				continue;
			}
			const problem = next.value.kind === "corrupt" ? `segment ${segment} is damaged at ${next.value.offset}, intact records follow` : null;
			return { kind: next.value.kind, segment, offset: next.value.offset, problem };
		}
	} finally {
		closeSync(fileDescriptor);
	}
}
