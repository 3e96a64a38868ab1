import { parentPort } from "node:worker_threads";
import { CL100K_TOKEN_SPLIT_REGEX, O200K_TOKEN_SPLIT_REGEX } from "gpt-tokenizer/encodingParams/constants";
import { messageTexts } from "#domain/bound/message-text.ts";
import { readJson } from "#domain/text/read-json.ts";
import type { CountQuestion, CountReply, Encoding } from "./exact-tokens.ts";

/** The thread in which message texts are counted; it may be ended at any moment. */

/** The encoder's time grows with the square of a run without a break (200 KB of one letter: 12 s). */
const LONGEST_RUN_BYTES = 1_024;

/** Special tokens in a message are text like any other. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

type Counter = { readonly pattern: RegExp; count(text: string): number };

const counters = new Map<Encoding, Promise<Counter>>();

function counterOf(encoding: Encoding): Promise<Counter> {
	const known = counters.get(encoding) ?? load(encoding);
	counters.set(encoding, known);
	return known;
}

async function load(encoding: Encoding): Promise<Counter> {
	const isCl100k = encoding === "cl100k_base";
	const { countTokens } = await (isCl100k ? import("gpt-tokenizer/encoding/cl100k_base") : import("gpt-tokenizer/encoding/o200k_base"));
	return { pattern: isCl100k ? CL100K_TOKEN_SPLIT_REGEX : O200K_TOKEN_SPLIT_REGEX, count: (text) => countTokens(text, AS_TEXT) };
}

/** Tokens by which the texts are fewer than their bytes. */
function savedTokens(question: CountQuestion, counter: Counter): number {
	const body: unknown = readJson(Buffer.from(question.body).toString("utf8"));
	return messageTexts(question.endpoint, body).reduce((saved, text) => saved + Buffer.byteLength(text) - tokensOf(text, counter), 0);
}

/**
 * The encoding splits a text into runs and encodes each alone, so the count of a text is the sum over its runs, and a
 * run that is too long can be left at its bytes.
 */
function tokensOf(text: string, counter: Counter): number {
	const runs = text.match(counter.pattern) ?? [];
	if (!runs.some((run) => Buffer.byteLength(run) > LONGEST_RUN_BYTES)) return counter.count(text);
	return runs.reduce((tokens, run) => tokens + (Buffer.byteLength(run) > LONGEST_RUN_BYTES ? Buffer.byteLength(run) : counter.count(run)), 0);
}

async function answer(question: CountQuestion): Promise<CountReply> {
	try {
		return { id: question.id, saved: savedTokens(question, await counterOf(question.encoding)) };
	} catch (error) {
		return { id: question.id, saved: 0, problem: error instanceof Error ? error.message : String(error) };
	}
}

const port = parentPort;
port?.on("message", (question: CountQuestion) => void answer(question).then((reply) => port.postMessage(reply)));
