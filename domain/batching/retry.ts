import type { Protocol } from "../pricing/price-book.ts";
import { readJson } from "../text/read-json.ts";

/**
 * What becomes of an item that its batch brought no answer for: another batch where the time allows it, else real time, else it ends. A
 * provider's error goes again only where another try can help. Whether a try was billed is not asked here: it is booked as the provider says.
 */
export type RetryQuestion = {
	/** `cancelled`: we cancelled its batch (hedge.ts). What the caller cancels does not come here. */
	readonly ended: "errored" | "expired" | "cancelled";
	/** Of an `errored` item. */
	readonly problem?: ItemProblem;
	/** Tries so far, in batches and in all; the one that just ended is among them. */
	readonly batchTries: number;
	readonly tries: number;
	/** Until the deadline; null = whenever the provider is done. */
	readonly slackMs: number | null;
	/** What another batch needs (`neededMs` of lane.ts). */
	readonly neededMs: number;
	/** Of a caller's own batch: the key's rules (`mayResubmit`, `mayRelane`); of collected items both. */
	readonly mayBatch: boolean;
	readonly mayRealTime: boolean;
	/** Defaults `BATCH_TRIES_MAX`, `TRIES_MAX`. */
	readonly batchTriesMax?: number;
	readonly triesMax?: number;
};

/** The first, and one more. */
export const BATCH_TRIES_MAX = 2;
/** A last one in real time after them. */
export const TRIES_MAX = 3;

export type RetryReason =
	/** Why it goes again. */
	| "slack_allows"
	| "no_deadline"
	/** Why not with a batch (in real time, or not at all where that is not allowed). */
	| "slack_short"
	| "batch_tries_used"
	| "batch_not_allowed"
	/** Why it ends in any case. */
	| "tries_used"
	| "request_refused"
	| "account_stopped";

export type RetryDecision = {
	readonly kind: "batch" | "real_time" | "end";
	readonly reason: RetryReason;
	/** The deadline is past: whatever comes is late. */
	readonly isPastDeadline: boolean;
};

export function decideRetry(question: RetryQuestion): RetryDecision {
	const { slackMs, mayRealTime, tries, triesMax = TRIES_MAX, problem } = question;
	const isPastDeadline = slackMs !== null && slackMs <= 0;
	if (question.ended === "errored" && problem?.isWorthAnother === false)
		return { kind: "end", reason: problem.isOfAccount ? "account_stopped" : "request_refused", isPastDeadline };
	if (tries >= triesMax) return { kind: "end", reason: "tries_used", isPastDeadline };
	const obstacle = obstacleToBatch(question);
	if (obstacle === undefined) return { kind: "batch", reason: slackMs === null ? "no_deadline" : "slack_allows", isPastDeadline };
	return { kind: mayRealTime ? "real_time" : "end", reason: obstacle, isPastDeadline };
}

function obstacleToBatch({ mayBatch, batchTries, batchTriesMax = BATCH_TRIES_MAX, slackMs, neededMs }: RetryQuestion): RetryReason | undefined {
	if (!mayBatch) return "batch_not_allowed";
	if (batchTries >= batchTriesMax) return "batch_tries_used";
	return slackMs !== null && slackMs < neededMs ? "slack_short" : undefined;
}

/** What an item's error says about trying again. `code`: the most exact name it has, null where it names nothing. */
export type ItemProblem = {
	readonly isWorthAnother: boolean;
	/** Money or credit of the account is at its end: no item of it can succeed. Stop and tell an operator. */
	readonly isOfAccount: boolean;
	readonly code: string | null;
};

/**
 * OpenAI: type `insufficient_quota` and its codes (error guide, 2026). Anthropic: `error.details.error_code` and `billing_error` (platform
 * errors, 2026). They come with statuses that are else worth another try.
 */
const OF_ACCOUNT: ReadonlySet<string> = new Set([
	"insufficient_quota",
	"credit_balance_exhausted",
	"organization_spend_limit_exceeded",
	"project_spend_limit_exceeded",
	"organization_usage_limit_exceeded",
	"billing_hard_limit_reached",
	"billing_error",
	"enforced_spend_limit_reached",
	"contract_spend_limit_reached",
	"linked_organization_spend_limit_reached",
]);

/** Names that say more than a status: an error line of a batch may have none. */
const PASSING: Readonly<Record<Protocol, ReadonlySet<string>>> = {
	openai: new Set([
		"rate_limit_exceeded",
		"rate_limit_error",
		"slow_down",
		"server_is_overloaded",
		"service_unavailable_error",
		"server_error",
		"batch_expired",
	]),
	anthropic: new Set(["rate_limit_error", "ramp_limit_exceeded", "api_error", "timeout_error", "overloaded_error"]),
};

const LASTING: Readonly<Record<Protocol, ReadonlySet<string>>> = {
	openai: new Set(["invalid_request_error", "authentication_error", "permission_error", "not_found_error"]),
	anthropic: new Set(["invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large", "conflict_error"]),
};

/** Timeout, conflict, locked, too early, too many; and whatever is the provider's own fault. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 423, 425, 429]);
const PAYMENT_REQUIRED = 402;

/** Of an `errored` result (item-result.ts). A body that cannot be read is judged by its status alone. */
export function judgeItemError(protocol: Protocol, error: { readonly httpStatus: number; readonly body: string }): ItemProblem {
	const names = namesOf(error.body);
	const code = names[0] ?? null;
	if (error.httpStatus === PAYMENT_REQUIRED || names.some((name) => OF_ACCOUNT.has(name))) return { isWorthAnother: false, isOfAccount: true, code };
	const known = names.find((name) => PASSING[protocol].has(name) || LASTING[protocol].has(name));
	const isPassingStatus = error.httpStatus >= 500 || PASSING_STATUSES.has(error.httpStatus);
	return { isWorthAnother: known === undefined ? isPassingStatus : PASSING[protocol].has(known), isOfAccount: false, code };
}

/** Codes before types, the more exact first. */
function namesOf(body: string): string[] {
	const root = objectOf(parsed(body));
	const error = objectOf(root["error"] ?? root);
	return [objectOf(error["details"])["error_code"], error["code"], error["type"]].filter((name) => typeof name === "string" && name !== "") as string[];
}

/** undefined for what is no JSON. */
function parsed(text: string): unknown {
	try {
		return readJson(text);
	} catch {
		// A proxy's page or a cut line: it names no error, which is what undefined says.
		return undefined;
	}
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
