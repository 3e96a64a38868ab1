import { assert } from "#domain/assert.ts";
import type { PartToSubmit } from "./provider-port.ts";

/**
 * The lines of a part on their way to the provider, piece by piece. A part that does not hold as many lines as it says breaks off before
 * its end is sent, so that the provider cannot take it for whole.
 */

const LINE_FEED = 10;

/** Rejects with what went wrong while the lines were read, where that is why `send` failed: it is no answer of the provider. */
export async function sendPart<Answer>(part: PartToSubmit, send: (lines: AsyncIterable<Uint8Array>) => Promise<Answer>): Promise<Answer> {
	const source = new PartSource(part);
	try {
		return await send(source.read());
	} catch (error) {
		throw source.failure ?? error;
	}
}

class PartSource {
	readonly #part: PartToSubmit;
	failure: unknown;

	constructor(part: PartToSubmit) {
		this.#part = part;
	}

	async *read(): AsyncGenerator<Uint8Array> {
		try {
			yield* countedLines(this.#part);
		} catch (error) {
			this.failure = error;
			throw error;
		}
	}
}

async function* countedLines({ openLines, items, token }: PartToSubmit): AsyncGenerator<Uint8Array> {
	let lines = 0;
	let last = LINE_FEED;
	for await (const chunk of openLines()) {
		if (chunk.length === 0) continue;
		for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) lines += 1;
		last = chunk[chunk.length - 1] ?? LINE_FEED;
		yield chunk;
	}
	if (last !== LINE_FEED) lines += 1;
	assert(lines === items, `part ${token} has ${lines} lines where ${items} were written`);
}

const BEGINNING = Buffer.from(`{"requests":[`);
const COMMA = Buffer.from(",");
const END = Buffer.from("]}");

/** Lines of JSON objects as the body of Anthropic's creation: what stands between two lines becomes a comma. */
export async function* asRequests(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	yield BEGINNING;
	let isWithinLine = false;
	let isFirst = true;
	for await (const chunk of lines) {
		let from = 0;
		while (from < chunk.length) {
			const feed = chunk.indexOf(LINE_FEED, from);
			const end = feed === -1 ? chunk.length : feed;
			if (end > from) {
				if (!isWithinLine && !isFirst) yield COMMA;
				isFirst = false;
				isWithinLine = true;
				yield chunk.subarray(from, end);
			}
			if (feed !== -1) isWithinLine = false;
			from = end + 1;
		}
	}
	yield END;
}
