import { isObject } from "./json.ts";

/**
 * What a test asks of one call, as JSON in the header `x-simulate` or as `[[simulate:{…}]]` anywhere in the
 * prompt (a gateway need not forward unknown headers). The header wins field by field.
 */

export const FAULTS = [
	"hang",
	"hang_mid_stream",
	"cut_before_headers",
	"cut_after_headers",
	"cut_mid_stream",
	"missing_usage",
	"negative_usage",
	"huge_usage",
	"fractional_usage",
	"zero_usage",
	"wrong_model",
	"error_event_mid_stream",
	"one_byte_slices",
	"split_utf8",
	"duplicate_chunk",
	"no_done",
	"redirect",
] as const;

export type Fault = (typeof FAULTS)[number];

/** `arguments` absent: the plainest that its schema accepts. `times`, default 1: so many calls in a row. */
export type ScriptedCall = { readonly name: string; readonly arguments?: Readonly<Record<string, unknown>>; readonly times?: number };

export type Directive = {
	/** Output tokens of one answer, reasoning included; the request's cap still cuts it. */
	readonly outputTokens?: number;
	/** Lets `outputTokens` pass the request's cap: a provider that breaks its promise. */
	readonly ignoreCap?: boolean;
	/** Total input tokens billed, cache reads and writes included. */
	readonly inputTokens?: number;
	readonly cachedTokens?: number;
	/** Cache writes (Anthropic: of 5 minutes). */
	readonly cacheWriteTokens?: number;
	/** Anthropic only. */
	readonly cacheWrite1hTokens?: number;
	/** Part of the output. */
	readonly reasoningTokens?: number;
	readonly latencyMs?: number;
	readonly tokensPerSecond?: number;
	/** The call waits until `POST /simulator/release {"name": …}`. */
	readonly holdUntil?: string;
	/** An HTTP error instead of an answer; such calls are not billed. */
	readonly status?: number;
	readonly retryAfterSeconds?: number;
	/** Code in the error body, e.g. `organization_spend_limit_exceeded`. */
	readonly errorCode?: string;
	readonly fault?: Fault;
	/** Bills the full cap as output (with `inputTokens`, usage exactly at a bound). */
	readonly usageAtBound?: boolean;
	readonly answeredModel?: string;
	readonly answeredTier?: string;
	/** Name of the tool to call; true for the first one offered; false for none. */
	readonly toolCall?: string | boolean;
	/** Calls of a whole conversation in order: the answer to n results of tools in the prompt is call n + 1; words once all were made. */
	readonly toolCalls?: readonly ScriptedCall[];
};

export const NO_DIRECTIVE: Directive = {};

type Check = { readonly expected: string; readonly accepts: (value: unknown) => boolean };

const COUNT: Check = { expected: "an integer of at least 0", accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0 };
const SPEED: Check = { expected: "a number above 0", accepts: (value) => typeof value === "number" && value > 0 };
const DURATION: Check = { expected: "a number of at least 0", accepts: (value) => typeof value === "number" && value >= 0 };
const TEXT: Check = { expected: "a non-empty string", accepts: (value) => typeof value === "string" && value !== "" };
const FLAG: Check = { expected: "true or false", accepts: (value) => typeof value === "boolean" };

const CHECKS: Readonly<Record<keyof Directive, Check>> = {
	outputTokens: COUNT,
	ignoreCap: FLAG,
	inputTokens: COUNT,
	cachedTokens: COUNT,
	cacheWriteTokens: COUNT,
	cacheWrite1hTokens: COUNT,
	reasoningTokens: COUNT,
	latencyMs: DURATION,
	tokensPerSecond: SPEED,
	holdUntil: TEXT,
	status: { expected: "a status from 400 to 599", accepts: (value) => Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599 },
	retryAfterSeconds: DURATION,
	errorCode: TEXT,
	fault: { expected: `one of ${FAULTS.join(", ")}`, accepts: isFault },
	usageAtBound: FLAG,
	answeredModel: TEXT,
	answeredTier: TEXT,
	toolCall: { expected: "a tool's name, true or false", accepts: (value) => FLAG.accepts(value) || TEXT.accepts(value) },
	toolCalls: { expected: "a list of {name, arguments, times}", accepts: (value) => Array.isArray(value) && value.every(isScriptedCall) },
};

/** A directive nobody can read: answered with 400, so that a test with a typing error fails loudly. */
export class DirectiveError extends Error {
	override readonly name = "DirectiveError";
}

function isScriptedCall(value: unknown): boolean {
	if (!isObject(value) || !TEXT.accepts(value["name"])) return false;
	const { times = 1, arguments: given = {} } = value;
	return Object.keys(value).every((field) => ["name", "arguments", "times"].includes(field)) && isObject(given) && COUNT.accepts(times) && times !== 0;
}

export function isFault(value: unknown): value is Fault {
	return (FAULTS as readonly unknown[]).includes(value);
}

/** Parses one directive. Throws DirectiveError naming the field. */
export function parseDirective(json: string): Directive {
	let value: unknown;
	try {
		value = JSON.parse(json);
	} catch (cause) {
		throw new DirectiveError(`simulate: not JSON: ${json.slice(0, 200)}`, { cause });
	}
	if (!isObject(value)) throw new DirectiveError("simulate: expected a JSON object");
	for (const [field, given] of Object.entries(value)) {
		const check = Object.hasOwn(CHECKS, field) ? CHECKS[field as keyof Directive] : undefined;
		if (check === undefined) throw new DirectiveError(`simulate: unknown field ${field}`);
		if (!check.accepts(given)) throw new DirectiveError(`simulate: ${field} must be ${check.expected}`);
	}
	return value as Directive;
}

const MARKER_START = "[[simulate:";
const MARKER_END = "]]";

export function mayHoldMarker(body: Buffer): boolean {
	return body.includes(MARKER_START);
}

/** The last marker in the texts, undefined where there is none: in a conversation the newest message speaks. */
export function findMarker(texts: readonly string[]): Directive | undefined {
	for (let index = texts.length - 1; index >= 0; index -= 1) {
		const text = texts[index] ?? "";
		const start = text.lastIndexOf(MARKER_START);
		if (start < 0) continue;
		const end = text.indexOf(MARKER_END, start);
		if (end < 0) throw new DirectiveError("simulate: the marker is not closed by ]]");
		return parseDirective(text.slice(start + MARKER_START.length, end));
	}
	return undefined;
}
