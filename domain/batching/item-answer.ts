import type { Protocol } from "../pricing/price-book.ts";
import type { ItemOutcome } from "./batch.ts";
import type { ItemResult } from "./item-result.ts";
import { wholeErrorOf } from "./render-output.ts";

/** What whoever handed an item in alone reads: the answer that a call would have had. `body` is JSON text. */
export type ItemAnswer = { readonly httpStatus: number; readonly body: string };

/** What we say ourselves, of an item that the provider said nothing of. */
export type OwnError = { readonly httpStatus: 409 | 413 | 500 | 502 | 504; readonly code: string; readonly message: string };

const UNANSWERED: Readonly<Record<"expired" | "cancelled" | "lost", OwnError>> = {
	expired: { httpStatus: 504, code: "deferred.expired", message: "This request was not executed in the time there was for it. It is not charged." },
	cancelled: { httpStatus: 409, code: "deferred.cancelled", message: "This request was cancelled before it was executed. It is not charged." },
	lost: {
		httpStatus: 502,
		code: "deferred.lost",
		message: "There is no answer to this request: the provider gave none, or it is not kept any more. It may have been executed, and is charged then.",
	},
};

/** The types that providers give to such errors, where they differ from those of all others. */
const TYPES: Readonly<Record<Protocol, Readonly<Partial<Record<OwnError["httpStatus"], string>>>>> = {
	openai: { 409: "conflict_error", 413: "invalid_request_error" },
	anthropic: { 409: "conflict_error", 413: "request_too_large", 504: "timeout_error" },
};

/** An answer of the provider stands as it wrote it; an error that it gave without the object around it gets that. */
export function answerOf(result: ItemResult, protocol: Protocol): ItemAnswer {
	if (result.kind === "expired" || result.kind === "cancelled") return unansweredOf(result.kind, protocol);
	const { httpStatus, body, requestId } = result;
	if (result.kind === "succeeded") return { httpStatus, body };
	return { httpStatus, body: wholeErrorOf(body, protocol === "anthropic" ? { type: "error", request_id: requestId } : {}) };
}

/** Of an item that ended so, and of which there is no result. */
export function unansweredOf(outcome: ItemOutcome, protocol: Protocol): ItemAnswer {
	return ownErrorOf(UNANSWERED[outcome === "expired" || outcome === "cancelled" ? outcome : "lost"], protocol);
}

export function ownErrorOf({ httpStatus, code, message }: OwnError, protocol: Protocol): ItemAnswer {
	const type = TYPES[protocol][httpStatus] ?? (protocol === "anthropic" ? "api_error" : "server_error");
	const body = protocol === "anthropic" ? { type: "error", error: { type, message } } : { error: { message, type, param: null, code } };
	return { httpStatus, body: JSON.stringify(body) };
}
