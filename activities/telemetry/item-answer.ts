import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { boundedJson } from "./message-parts.ts";
import { withoutOwnKeys } from "./own-secrets.ts";
import { readWholeAnswer } from "./read-answer.ts";
import { READ_BODY_BYTES_MAX } from "./read-request.ts";

/** What a span shows of the answer to an item of a batch, kept from when it is priced until it is booked. */
export type ItemAnswer = {
	readonly id: string | undefined;
	/** In the provider's own words, as the code. */
	readonly finishReasons: readonly string[];
	readonly errorCode: string | undefined;
	/** Its messages as bounded JSON; undefined: not asked for, or it has none. */
	readonly output: { readonly json: string; readonly isCut: boolean } | undefined;
};

export type AnswerReader = (endpoint: BatchEndpoint, result: Extract<ItemResult, { kind: "succeeded" | "errored" }>) => ItemAnswer;

const UNREAD: ItemAnswer = { id: undefined, finishReasons: [], errorCode: undefined, output: undefined };

/** Providers' keys are not in `result` any more: what comes from a provider is without them. An answer above a mebibyte is not read. */
export function createAnswerReader(contentBytesMax: number | undefined): AnswerReader {
	return (endpoint, { kind, body }) => {
		if (body.length > READ_BODY_BYTES_MAX) return UNREAD;
		const { id, finishReasons, errorCode, messages } = readWholeAnswer(endpoint, { text: body, isError: kind === "errored" }, contentBytesMax !== undefined);
		const output = contentBytesMax === undefined ? undefined : boundedJson(messages, { bytesMax: contentBytesMax, clean: withoutOwnKeys });
		return { id, finishReasons, errorCode, output };
	};
}
