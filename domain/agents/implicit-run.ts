import type { Endpoint } from "../bound/request.ts";
import { boundText } from "./bounded-text.ts";
import { mixHash, TOKEN_KINDS, TokenScanner } from "./token-scanner.ts";
import { isMoment } from "./volatile.ts";
import { contentText, type Fields, fieldsOf, listOf, textOf } from "./wire-text.ts";

/**
 * Which run a call belongs to that names none. A conversation is sent whole with every call, so how it begins stays the same: what the system
 * says and the first message of the user, without times. Where the provider keeps the conversation, the answer it goes on from names it.
 */
export type ImplicitRun =
	/** Goes on from this answer: it belongs to the run that received it. */
	| { readonly kind: "follows"; readonly answerId: string }
	| {
			readonly kind: "begins_with";
			/** Of key and beginning: 16 hexadecimal digits. */
			readonly prefix: string;
			/** The model has not spoken yet: either the run begins or its first call is sent again. */
			readonly isFirstCall: boolean;
	  };

const ID_LENGTH_MAX = 256;
const scanner = new TokenScanner();

/** The rule for a call of the key `keyId` without a run header; `body` is parsed. undefined: the call is no conversation. */
export function implicitRun(keyId: string, endpoint: Endpoint, body: unknown): ImplicitRun | undefined {
	const fields = fieldsOf(body);
	if (fields === undefined || endpoint === "embeddings" || endpoint === "count_tokens") return undefined;
	const answerId = textOf(fields["previous_response_id"]) || conversationOf(fields);
	if (endpoint === "responses" && answerId !== "") return { kind: "follows", answerId: answerId.slice(0, ID_LENGTH_MAX) };
	const { beginning, hasSpoken } = beginningOf(endpoint, fields);
	return { kind: "begins_with", prefix: hashTexts([keyId, ...beginning]), isFirstCall: !hasSpoken };
}

function conversationOf(fields: Fields): string {
	return textOf(fields["conversation"]) || textOf(fieldsOf(fields["conversation"])?.["id"]);
}

function beginningOf(endpoint: Endpoint, fields: Fields): { readonly beginning: readonly string[]; readonly hasSpoken: boolean } {
	const system = contentText(endpoint === "responses" ? fields["instructions"] : fields["system"]);
	const list = endpoint === "responses" ? fields["input"] : fields["messages"];
	if (typeof list === "string") return { beginning: [system, list], hasSpoken: false };
	const beginning = [system];
	let isUserKnown = false;
	for (const message of listOf(list)) {
		const item = fieldsOf(message);
		const role = textOf(item?.["role"]);
		if (role === "assistant" || isMadeByModel(item)) return { beginning, hasSpoken: true };
		if (isUserKnown) continue;
		beginning.push(role, contentText(item?.["content"]));
		isUserKnown = role === "user";
	}
	return { beginning, hasSpoken: false };
}

/** Items of the Responses API that only a model writes. */
function isMadeByModel(item: Fields | undefined): boolean {
	const type = textOf(item?.["type"]);
	return type === "reasoning" || type.endsWith("_call");
}

/** Two hashes in one pass: who could make them meet would join a run of his own key. */
function hashTexts(texts: readonly string[]): string {
	let [first, second] = [1, 2];
	const mix = (value: number): void => {
		first = mixHash(first, value);
		second = mixHash(second, value);
	};
	for (const text of texts) {
		const { head, tail, middleHash } = boundText(text);
		for (const part of [head, tail]) {
			scanner.start(part);
			while (scanner.next()) if (!isTime()) mix(scanner.hash);
		}
		mix(middleHash);
	}
	return hex(first) + hex(second);
}

function isTime(): boolean {
	const { kind } = scanner;
	return kind !== TOKEN_KINDS.word && kind !== TOKEN_KINDS.punctuation && isMoment(scanner.text);
}

function hex(hash: number): string {
	return hash.toString(16).padStart(8, "0");
}
