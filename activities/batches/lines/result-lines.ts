import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import { isObject } from "#domain/bound/walk.ts";
import { type LineLimits, readLines } from "./read-lines.ts";

/**
 * Results of a part as we keep them until the batch is joined: one JSON object a line, our custom id beside an `ItemResult`. What could not be
 * read is not kept: whoever collects has counted it.
 */
export type KeptResult = { readonly customId: string; readonly result: ItemResult };

const START_LENGTH = 200;

/** With the newline at its end. */
export function writeResultLine({ customId, result }: KeptResult): Buffer {
	return Buffer.from(`${JSON.stringify({ customId, ...result })}\n`);
}

/** Lines that are not ours come back as unreadable, like those of a provider. */
export async function* readResultLines(stored: AsyncIterable<Uint8Array>, limits: LineLimits): AsyncGenerator<ResultLine> {
	for await (const read of readLines(stored, limits)) {
		if (read.kind === "line") yield toResultLine(read.line, read.bytes.toString("utf8"));
		else if (read.kind !== "empty") yield { kind: "unreadable", line: read.line, problem: read.kind, start: "" };
	}
}

function toResultLine(line: number, text: string): ResultLine {
	const unreadable: ResultLine = { kind: "unreadable", line, problem: "is no kept result", start: text.slice(0, START_LENGTH) };
	const parsed = parse(text);
	if (!isObject(parsed)) return unreadable;
	const { customId, kind, httpStatus, requestId, body } = parsed;
	if (typeof customId !== "string") return unreadable;
	if (kind === "expired" || kind === "cancelled") return { kind: "item", customId, result: { kind } };
	const isAnswer = kind === "succeeded" || kind === "errored";
	if (!isAnswer || typeof httpStatus !== "number" || typeof body !== "string") return unreadable;
	return { kind: "item", customId, result: { kind, httpStatus, requestId: typeof requestId === "string" ? requestId : null, body } };
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		// Told as unreadable, with how it starts.
		return undefined;
	}
}
