import type { Refusal } from "#activities/request/port.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/** Errors become HTTP once, here, in the caller's own protocol shape. */

export type Problem = {
	readonly code: ErrorCode;
	readonly message: string;
	/** JSON path or header the caller should look at. */
	readonly field?: string;
	/** Line of a file, from 1. */
	readonly line?: number;
	/** Every mistake by its field, where a request has several parts of its own to be wrong in. */
	readonly problems?: readonly FieldProblem[];
	readonly refusal?: Refusal;
	readonly retryAfterSeconds?: number;
	/** The limit that refused the call, for the header x-tollgate-limit: what tells our 429 from a provider's. */
	readonly limit?: string;
	/** The id under which the books know it, where that is not the id of the request: what x-tollgate-request-id says then. */
	readonly bookedAs?: string;
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
	const { line, problems, refusal } = problem;
	const told = {
		...(line !== undefined && { line }),
		...(problems && { problems }),
		...refusalFields(refusal),
		...(refusal?.run && heldRunFields(refusal.run)),
	};
	const error = { message: problem.message, ...shapeOf(problem, protocol, status), code: problem.code, ...told };
	const body =
		protocol === "openai"
			? { error: { param: problem.field ?? null, ...error } }
			: { type: "error", error: { ...error, details: { error_code: problem.code } }, request_id: requestId };
	const headers = ["content-type", "application/json", "x-tollgate-request-id", problem.bookedAs ?? requestId, requestIdHeader(protocol), requestId];
	if (!isRetryable) headers.push("x-should-retry", "false");
	if (status === 429) headers.push("x-should-retry", "true");
	if (problem.limit !== undefined) headers.push("x-tollgate-limit", problem.limit);
	if (refusal?.run !== undefined) headers.push("x-tollgate-run", refusal.run.runId);
	const isWorthWaiting = status === 503 || status === 429 || problem.code === "idempotency.in_flight";
	if (isWorthWaiting) headers.push("retry-after", String(problem.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS));
	return { status, headers, body: JSON.stringify(body) };
}

export function refusalProblem(refusal: Refusal): Problem {
	const { code, message, field, problems, retryAfterSeconds } = refusal;
	const named = { ...(field !== undefined && { field }), ...(problems && { problems }) };
	return { code, message, refusal, ...named, ...(retryAfterSeconds !== null && { retryAfterSeconds }) };
}

/** Anything thrown: operational errors keep their code, everything else is our fault and says nothing more. */
export function problemOf(error: unknown): Problem {
	if (error instanceof CostControlError) return { code: error.code, message: error.publicMessage };
	return { code: "internal.invariant", message: "Tollgate failed to serve this call. The request id finds it in the logs." };
}

export const DRAINING: Problem = { code: "gateway.draining", message: "This gateway is shutting down; try again." };

export function bodyTooLarge(bytesMax: number): Problem {
	return { code: "request.too_large", message: `The request body is larger than ${bytesMax} bytes.` };
}

export function requestIdHeader(protocol: Protocol): string {
	return protocol === "openai" ? "x-request-id" : "request-id";
}

function shapeOf(problem: Problem, protocol: Protocol, status: number): { readonly type: string; readonly param?: string } {
	const field = protocol === "anthropic" && problem.field !== undefined ? { param: problem.field } : {};
	if (status === 402) return { type: TYPES_OF_402[problem.code] ?? "budget_exceeded", ...field };
	return { type: (protocol === "openai" ? OPENAI_TYPES : ANTHROPIC_TYPES)[status] ?? fallbackType(protocol, status), ...field };
}

/** The providers have none for 402. */
const TYPES_OF_402: Readonly<Partial<Record<ErrorCode, string>>> = { "run.paused": "run_paused", "run.stopped": "run_stopped" };

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

/** What is counted and is no money, by its unit. */
const COUNTED: Readonly<Record<string, string>> = { tokens: "Tokens", input_tokens: "InputTokens", output_tokens: "OutputTokens", steps: "Steps" };

/** Why the run stands still, and where to watch for its going on. */
function heldRunFields({ runId, version, hold }: NonNullable<Refusal["run"]>): Readonly<Record<string, string | number | null>> {
	const { guard, tool, evidence, measured, threshold, ofRunId, pauseId, askAgainMs } = hold;
	return {
		run: runId,
		guard,
		...(tool !== undefined && { tool }),
		evidence,
		measured,
		threshold,
		ofRun: ofRunId,
		pauseId,
		askAgainInMs: askAgainMs,
		watch: `/v1/runs/${runId}/wait?version=${version}`,
	};
}

function refusalFields(refusal: Refusal | undefined): Readonly<Record<string, string | null>> {
	if (refusal === undefined) return {};
	const unit = refusal.unit === null ? undefined : COUNTED[refusal.unit];
	const isMoney = unit === undefined;
	const limit = refusal.limitAmount?.toString() ?? null;
	const left = refusal.leftAmount?.toString() ?? null;
	return {
		budget: refusal.budget,
		limitNanoUsd: isMoney ? limit : null,
		leftNanoUsd: isMoney ? left : null,
		...(isMoney ? {} : { [`limit${unit}`]: limit, [`left${unit}`]: left }),
		...(refusal.heldAmount === null ? {} : { held: refusal.heldAmount.toString() }),
		...(refusal.heldUntil === null ? {} : { heldUntil: refusal.heldUntil }),
		resetsAt: refusal.resetsAt,
		howToAsk: refusal.howToAsk,
	};
}
