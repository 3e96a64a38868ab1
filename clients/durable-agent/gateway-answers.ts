import { ApplicationFailure } from "@temporalio/common";
import type { AgentHold, ModelAnswer } from "#workflows/durable-agent/messages.ts";

/**
 * What a refusal or failure of the gateway means to an agent. Whatever may pass later throws and is tried again by Temporal, under
 * the same key; what a person or time has to change comes back as a value.
 */
type Refused = Exclude<ModelAnswer, { kind: "answered" }>;

/** An error of either official client, or of `fetch`, taken apart. */
export type GatewayError = {
	/** undefined: nothing was answered. */
	readonly status: number | undefined;
	/** Fields of the error body: code, message and, of a refusal, more. */
	readonly fields: Readonly<Record<string, unknown>>;
	readonly retryAfterMs: number | undefined;
	readonly message: string;
};

/** The call may have been served, and its answer cannot be had under this key any more. */
const OUTCOME_UNKNOWN: ReadonlySet<string> = new Set(["idempotency.outcome_unknown", "idempotency.mismatch", "provider.timeout", "provider.cut"]);
/** Statuses below 500 that may be over when the same is asked again; 409 is a call still being served. */
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 409, 425, 429]);
const RETRY_AFTER_MS_MAX = 600_000;
const ERROR_DEPTH = 3;

export function readGatewayError(error: unknown): GatewayError {
	const { status, headers, error: body } = (error ?? {}) as { readonly status?: unknown; readonly headers?: unknown; readonly error?: unknown };
	const retryAfter = headers instanceof Headers ? Number(headers.get("retry-after") ?? Number.NaN) : Number.NaN;
	return {
		status: typeof status === "number" ? status : undefined,
		fields: innermost(body, ERROR_DEPTH),
		retryAfterMs: retryAfter > 0 ? Math.min(retryAfter * 1_000, RETRY_AFTER_MS_MAX) : undefined,
		message: error instanceof Error ? error.message : String(error),
	};
}

/** OpenAI's client unwraps the body's `error`, Anthropic's keeps the whole body. */
function innermost(body: unknown, depth: number): Readonly<Record<string, unknown>> {
	if (typeof body !== "object" || body === null) return {};
	const fields = body as Readonly<Record<string, unknown>>;
	return depth > 0 && typeof fields["error"] === "object" && fields["error"] !== null ? innermost(fields["error"], depth - 1) : fields;
}

/** @throws ApplicationFailure, to be tried again or not, where the answer is no outcome of a step. */
export function outcomeOf(error: GatewayError, runId: string, nowMs: number): Refused {
	const code = textOf(error.fields["code"]) ?? "";
	const message = textOf(error.fields["message"]) ?? error.message;
	if (code === "run.paused" || code === "run.stopped") return { kind: "held", hold: holdOfRefusal(error.fields, runId) };
	if (code === "run.finished") return { kind: "finished" };
	if (OUTCOME_UNKNOWN.has(code)) return { kind: "unknown", code };
	if (error.status === 402 && code.startsWith("budget.")) return { kind: "refused", code, message, askAgainMs: msUntil(error.fields["resetsAt"], nowMs) };
	throw failureOf(error);
}

/** Tried again, unless the gateway or the provider will say the same for ever. */
export function failureOf(error: GatewayError): ApplicationFailure {
	const { status, retryAfterMs } = error;
	const code = textOf(error.fields["code"]) ?? "";
	const isFinal = status !== undefined && status < 500 && !RETRYABLE_STATUSES.has(status);
	return ApplicationFailure.create({
		message: textOf(error.fields["message"]) ?? error.message,
		type: code === "" ? `http.${status ?? "unanswered"}` : code,
		nonRetryable: isFinal,
		details: [{ status: status ?? null, field: textOf(error.fields["field"]) ?? textOf(error.fields["param"]) ?? null }],
		...(retryAfterMs === undefined || isFinal ? {} : { nextRetryDelay: retryAfterMs }),
	});
}

/** From the body of a refusal, whose names are those of the wire. */
function holdOfRefusal(fields: Readonly<Record<string, unknown>>, runId: string): AgentHold {
	const { guard, evidence, measured, threshold, ofRun, pauseId, askAgainInMs } = fields;
	return {
		state: fields["code"] === "run.stopped" ? "stopped" : "paused",
		guard: textOf(guard) ?? "unknown",
		evidence: textOf(evidence) ?? textOf(fields["message"]) ?? "",
		measured: textOf(measured) ?? "",
		threshold: textOf(threshold) ?? "",
		ofRunId: textOf(ofRun) ?? runId,
		pauseId: textOf(pauseId) ?? null,
		askAgainMs: typeof askAgainInMs === "number" ? askAgainInMs : null,
	};
}

function msUntil(instant: unknown, nowMs: number): number | null {
	const atMs = typeof instant === "string" ? Date.parse(instant) : Number.NaN;
	return atMs > nowMs ? atMs - nowMs : null;
}

function textOf(value: unknown): string | undefined {
	return typeof value === "string" && value !== "" ? value : undefined;
}
