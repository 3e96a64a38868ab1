import type { Refusal } from "#activities/request/port.ts";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/** Errors become HTTP once, here, in the caller's own protocol shape. */

export type Problem = {
	readonly code: ErrorCode;
	readonly message: string;
	/** JSON path or header the caller should look at. */
	readonly field?: string;
	readonly refusal?: Refusal;
	readonly retryAfterSeconds?: number;
	/** The limit that refused the call, for the header x-tollgate-limit: what tells our 429 from a provider's. */
	readonly limit?: string;
	/** Overrides the code's own status (431, 405). */
	readonly httpStatus?: number;
};

export type RenderedProblem = { readonly status: number; readonly headers: readonly string[]; readonly body: string };

const DEFAULT_RETRY_AFTER_SECONDS = 1;

/**
 * Status, headers and body. `x-should-retry` is honoured by both official SDKs; the code is `error.code` of OpenAI's client and
 * `error.errorCode` of Anthropic's, which reads it from `details.error_code` (@anthropic-ai/sdk, core/error.ts).
 */
export function renderProblem(problem: Problem, protocol: Protocol, requestId: string): RenderedProblem {
	const { httpStatus, isRetryable } = ERROR_CODES[problem.code];
	const status = problem.httpStatus ?? httpStatus;
	const error = { message: problem.message, ...shapeOf(problem, protocol, status), code: problem.code, ...refusalFields(problem.refusal) };
	const body =
		protocol === "openai"
			? { error: { param: problem.field ?? null, ...error } }
			: { type: "error", error: { ...error, details: { error_code: problem.code } }, request_id: requestId };
	const headers = ["content-type", "application/json", "x-tollgate-request-id", requestId, requestIdHeader(protocol), requestId];
	if (!isRetryable) headers.push("x-should-retry", "false");
	if (status === 429) headers.push("x-should-retry", "true");
	if (problem.limit !== undefined) headers.push("x-tollgate-limit", problem.limit);
	const isWorthWaiting = status === 503 || status === 429 || problem.code === "idempotency.in_flight";
	if (isWorthWaiting) headers.push("retry-after", String(problem.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS));
	return { status, headers, body: JSON.stringify(body) };
}

export function refusalProblem(refusal: Refusal): Problem {
	const retryAfter = refusal.retryAfterSeconds === null ? {} : { retryAfterSeconds: refusal.retryAfterSeconds };
	return { code: refusal.code, message: refusal.message, refusal, ...retryAfter };
}

/** Anything thrown: operational errors keep their code, everything else is our fault and says nothing more. */
export function problemOf(error: unknown): Problem {
	if (error instanceof CostControlError) return { code: error.code, message: error.publicMessage };
	return { code: "internal.invariant", message: "Tollgate failed to serve this call. The request id finds it in the logs." };
}

function requestIdHeader(protocol: Protocol): string {
	return protocol === "openai" ? "x-request-id" : "request-id";
}

function shapeOf(problem: Problem, protocol: Protocol, status: number): { readonly type: string; readonly param?: string } {
	const field = protocol === "anthropic" && problem.field !== undefined ? { param: problem.field } : {};
	if (status === 402) return { type: "budget_exceeded", ...field };
	return { type: (protocol === "openai" ? OPENAI_TYPES : ANTHROPIC_TYPES)[status] ?? fallbackType(protocol, status), ...field };
}

/** Error types the providers themselves use for a status, so that callers' handlers keep working. */
const OPENAI_TYPES: Readonly<Record<number, string>> = {
	401: "authentication_error",
	403: "permission_error",
	404: "not_found_error",
	409: "conflict_error",
	429: "rate_limit_error",
	503: "service_unavailable_error",
};
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
	401: "authentication_error",
	403: "permission_error",
	404: "not_found_error",
	409: "conflict_error",
	413: "request_too_large",
	429: "rate_limit_error",
	503: "overloaded_error",
	504: "timeout_error",
};

function fallbackType(protocol: Protocol, status: number): string {
	if (status < 500) return "invalid_request_error";
	return protocol === "openai" ? "server_error" : "api_error";
}

function refusalFields(refusal: Refusal | undefined): Readonly<Record<string, string | null>> {
	if (refusal === undefined) return {};
	const isMoney = refusal.unit !== "tokens";
	const limit = refusal.limitAmount?.toString() ?? null;
	const left = refusal.leftAmount?.toString() ?? null;
	return {
		budget: refusal.budget,
		limitNanoUsd: isMoney ? limit : null,
		leftNanoUsd: isMoney ? left : null,
		...(isMoney ? {} : { limitTokens: limit, leftTokens: left }),
		...(refusal.heldAmount === null ? {} : { held: refusal.heldAmount.toString() }),
		...(refusal.heldUntil === null ? {} : { heldUntil: refusal.heldUntil }),
		resetsAt: refusal.resetsAt,
		howToAsk: refusal.howToAsk,
	};
}
