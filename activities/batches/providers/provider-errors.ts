import { APIError as AnthropicApiError } from "@anthropic-ai/sdk";
import { APIError as OpenAiApiError } from "openai";
import { InvariantViolation } from "#domain/assert.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { asObject, asText, type JsonObject } from "../../providers/json.ts";
import { boundedText } from "./bounded-text.ts";

/**
 * What went wrong at a provider, in our codes. Both providers count: OpenAI says it in `error.code` and `error.type`, Anthropic in
 * `error.details.error_code` and `error.type`. The rule behind the table: whatever leaves it open whether a batch was made is
 * "provider.unreachable", so that nobody makes it a second time without looking.
 */

/** What was asked of the provider, and how a person says so. */
const ASKED = {
	upload: "to take the request file",
	create: "to make the batch",
	find: "for its batches",
	poll: "how the batch stands",
	cancel: "to cancel the batch",
	results: "for the results",
	forget: "to delete what is done",
} as const;

export type Asked = keyof typeof ASKED;

/** Who was asked for what. */
export type Question = { readonly provider: string; readonly asked: Asked };

/** Runs what asks the provider; rejects with a CostControlError whose details hold `provider`, `asked` and what is known of the answer. */
export async function ask<Answer>(question: Question, run: () => Promise<Answer>): Promise<Answer> {
	try {
		return await run();
	} catch (error) {
		throw toProviderError(error, question);
	}
}

/** Errors of our own, a broken invariant or a blob that cannot be read, pass as they are. */
export function toProviderError(error: unknown, question: Question): Error {
	if (error instanceof CostControlError || error instanceof InvariantViolation) return error;
	const said = readAnswer(error);
	if (said !== undefined) return judge(said, question);
	const reason = reasonOf(error);
	return new CostControlError("provider.unreachable", `${question.provider}, asked ${ASKED[question.asked]}, gave no answer (${reason})`, {
		details: { ...question, reason, retryAfterMs: null },
		cause: error,
	});
}

/** An answer with a good status that is not what was asked for: what became of the request is not known. */
export function unreadableAnswer(question: Question, problem: string): CostControlError {
	return new CostControlError("provider.unreachable", `${question.provider}, asked ${ASKED[question.asked]}, gave an answer that cannot be read: ${problem}`, {
		details: { ...question, reason: "unreadable", retryAfterMs: null },
	});
}

export function isHttpStatus(error: unknown, statuses: readonly number[]): boolean {
	return error instanceof CostControlError && statuses.includes(Number(error.details["status"] ?? 0));
}

type Said = {
	readonly status: number;
	readonly headers: Headers;
	readonly code: string | null;
	readonly type: string | null;
	readonly param: string | null;
	readonly message: string;
	readonly requestId: string | null;
};

function readAnswer(error: unknown): Said | undefined {
	if (!(error instanceof OpenAiApiError || error instanceof AnthropicApiError)) return undefined;
	const { status, headers, requestID } = error;
	if (typeof status !== "number" || headers === undefined) return undefined;
	// The SDK of OpenAI gives the error object, that of Anthropic the body around it.
	const body = asObject(error.error);
	const inner: JsonObject | undefined = asObject(body?.["error"]) ?? body;
	const details = asObject(inner?.["details"]);
	const code = asText(details?.["error_code"]) ?? asText(inner?.["code"]);
	const type = asText(inner?.["type"]);
	return {
		status,
		headers,
		code: code === undefined ? null : boundedText(code, 100),
		type: type === undefined ? null : boundedText(type, 100),
		param: boundedText(asText(inner?.["param"]) ?? "", 100) || null,
		message: boundedText(asText(inner?.["message"]) ?? error.message, 500),
		requestId: boundedText(asText(requestID) ?? "", 200) || null,
	};
}

function judge(said: Said, question: Question): CostControlError {
	const code = codeOf(said, question.asked);
	const verb = code === "provider.refused" && said.status >= 300 && said.status < 400 ? "answered with a redirect, which is not followed:" : "said";
	return new CostControlError(code, `${question.provider}, asked ${ASKED[question.asked]}, ${verb} ${said.status}: ${said.message}`, {
		details: {
			...question,
			status: said.status,
			code: said.code,
			type: said.type,
			param: said.param,
			requestId: said.requestId,
			retryAfterMs: ERRORS_TO_WAIT_FOR.has(code) ? retryAfterMs(said.headers) : null,
		},
	});
}

const ERRORS_TO_WAIT_FOR: ReadonlySet<ErrorCode> = new Set(["provider.overloaded", "provider.unreachable"]);

/**
 * Codes and types of a credit or spend limit, whatever the status (OpenAI 429, Anthropic 429 and 402). None gets better by asking again
 * before somebody did something about it.
 */
const QUOTA = /^(insufficient_quota|credit_balance_exhausted|billing_\w+|organization_usage_limit_exceeded)$|spend_limit/;
/** Anthropic answers 400 `invalid_request_error` when a limit that the customer set himself is reached; only the text tells it. */
const QUOTA_IN_WORDS = /credit balance is too low|reached your specified API usage limits/i;

function codeOf(said: Said, asked: Asked): ErrorCode {
	const { status } = said;
	const mayRetry = said.headers.get("x-should-retry");
	if (isQuota(said)) return "provider.quota";
	if (asked === "results" && (status === 404 || status === 410)) return "provider.results_gone";
	if (status === 429 || status === 409 || saysOverloaded(said)) return mayRetry === "false" ? "provider.refused" : "provider.overloaded";
	if (status >= 500 || status === 408) return "provider.unreachable";
	return mayRetry === "true" ? "provider.overloaded" : "provider.refused";
}

/** Before it did anything. A 503 in other words may come from something in front of the provider, which passed the request on. */
function saysOverloaded({ status, code, type }: Said): boolean {
	return (status === 503 || status === 529) && [code, type].some((word) => word !== null && OVERLOADED.test(word));
}

const OVERLOADED = /^(overloaded_error|service_unavailable_error|server_is_overloaded|slow_down)$/;

function isQuota({ status, code, type, message }: Said): boolean {
	if (status === 402) return true;
	if (status < 400 || status >= 500) return false;
	return [code, type].some((word) => word !== null && QUOTA.test(word)) || (status === 400 && QUOTA_IN_WORDS.test(message));
}

/** A day; who asks for more is asked sooner. */
const RETRY_AFTER_MS_MAX = 86_400_000;

/** `retry-after-ms`, else `retry-after` in seconds or as a date, which is held against the date of the answer itself. null: not said. */
export function retryAfterMs(headers: Headers): number | null {
	const milliseconds = Number.parseFloat(headers.get("retry-after-ms") ?? "");
	const after = headers.get("retry-after") ?? "";
	const seconds = /^\s*\d+(\.\d+)?\s*$/.test(after) ? Number.parseFloat(after) : Number.NaN;
	const untilDate = Date.parse(after) - (Date.parse(headers.get("date") ?? "") || Date.now());
	const asked = [milliseconds, seconds * 1_000, untilDate].find((value) => Number.isFinite(value) && value >= 0);
	return asked === undefined ? null : Math.min(Math.ceil(asked), RETRY_AFTER_MS_MAX);
}

/** A word without addresses: the code of the innermost cause, else its name. */
function reasonOf(error: unknown): string {
	let innermost = error;
	for (let depth = 0; depth < 5 && innermost instanceof Error && innermost.cause instanceof Error; depth += 1) innermost = innermost.cause;
	if (!(innermost instanceof Error)) return "an error";
	const { code, name } = innermost as Error & { code?: unknown };
	const word = typeof code === "string" ? code : name;
	return /^[A-Za-z0-9_]{1,60}$/.test(word) ? word : "an error";
}
