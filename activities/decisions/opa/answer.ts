import { cleanText } from "#activities/ledger/clean-text.ts";
import { readJson } from "#domain/text/read-json.ts";
import type { Decision } from "../port.ts";

/**
 * Reads what OPA's data API answers (`POST /v1/data/…`): 200 with `{"result": …}`, and without `result` where the rule is undefined for
 * this input. A rule that is undefined allows nothing. Whatever else is said is no decision.
 */
const REASONS_MAX = 8;
const REASON_LENGTH_MAX = 200;
const UNDEFINED_REASON = "The policy has no rule that allows this call.";

export function readOpaAnswer(status: number, text: string): Decision {
	if (status !== 200) return undecided(`status ${status}`);
	const answer = parse(text);
	if (!isObject(answer)) return undecided("the answer is not a JSON object");
	const { result } = answer;
	if (result === undefined) return denied([UNDEFINED_REASON]);
	if (typeof result === "boolean") return result ? ALLOWED : denied([]);
	if (!isObject(result)) return undecided("the result is neither true, false nor an object");
	return readResult(result);
}

const ALLOWED: Decision = { kind: "allowed" };

/** A package as the result holds its other rules too; they mean nothing here. */
function readResult({ allow, reasons }: { readonly allow?: unknown; readonly reasons?: unknown }): Decision {
	if (allow !== undefined && typeof allow !== "boolean") return undecided("result.allow is neither true nor false");
	if (reasons !== undefined && !isTextArray(reasons)) return undecided("result.reasons is not a set or an array of strings");
	if (allow === true) return ALLOWED;
	const told = cleanReasons(reasons ?? []);
	return denied(allow === undefined && told.length === 0 ? [UNDEFINED_REASON] : told);
}

/** A policy may build its reasons from what the caller claims. */
function cleanReasons(reasons: readonly string[]): readonly string[] {
	const cleaned = reasons.map((reason) => cleanText(reason.replace(/\p{Cc}+/gu, " ").trim(), REASON_LENGTH_MAX)).filter((reason) => reason !== "");
	return cleaned.slice(0, REASONS_MAX);
}

function isTextArray(value: unknown): value is readonly string[] {
	return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
	try {
		return readJson(text);
	} catch {
		// Said to be unreadable by the caller of this function, whatever it is.
		return undefined;
	}
}

function denied(reasons: readonly string[]): Decision {
	return { kind: "denied", reasons };
}

function undecided(problem: string): Decision {
	return { kind: "undecided", problem };
}
