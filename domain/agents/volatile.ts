import { hashToken } from "./token-scanner.ts";

/**
 * What changes from call to call without meaning anything: times, ids of requests, numbers of attempts. Nothing here may hide what a run
 * works on or what came of it; where a value could be either, its field's name decides, and without a name it counts.
 */

const VOLATILE_NAMES = [
	"timestamp",
	"time_stamp",
	"ts",
	"now",
	"current_time",
	"client_time",
	"server_time",
	"request_time",
	"requested_at",
	"fetched_at",
	"generated_at",
	"checked_at",
	"sent_at",
	"called_at",
	"nonce",
	"salt",
	"request_id",
	"req_id",
	"x_request_id",
	"trace_id",
	"span_id",
	"correlation_id",
	"invocation_id",
	"client_request_id",
	"idempotency_key",
	"dedup_id",
	"cache_buster",
	"cb",
	"rand",
	"random",
	"random_seed",
	"uuid",
	"guid",
	"attempt",
	"attempts",
	"attempt_no",
	"attempt_number",
	"retry",
	"retries",
	"retry_count",
	"retry_after",
	"try_count",
	"duration_ms",
	"elapsed_ms",
	"took",
	"took_ms",
	"latency",
	"latency_ms",
	"epoch_ms",
	"etag",
	"rid",
];

const CURSOR_NAMES = [
	"page",
	"page_no",
	"page_number",
	"page_token",
	"next_token",
	"next_page",
	"offset",
	"cursor",
	"skip",
	"start_index",
	"iteration",
	"turn",
	"seed",
	"seq",
	"sequence",
	"step",
	"counter",
	"tick",
	"limit",
	"top_k",
	"k",
	"n",
	"max_results",
	"num_results",
	"per_page",
	"page_size",
	"jitter",
];

/** Fields that are noise beside a question, and name what a call is about without one. */
const SESSION_NAMES = ["session", "session_id", "session_key", "uid", "run_id", "call_id", "conversation_id", "client_id", "t", "time", "_"];

/** Fields that hold what is asked for, in words. */
const QUERY_NAMES = [
	"q",
	"query",
	"queries",
	"question",
	"search",
	"search_query",
	"search_term",
	"keyword",
	"keywords",
	"term",
	"terms",
	"phrase",
	"prompt",
	"topic",
	"subject",
	"about",
	"goal",
	"task",
	"instruction",
	"instructions",
	"intent",
	"thought",
	"thoughts",
	"message",
];

/** A time in one of these is what the call is about. */
const SPAN_NAMES = [
	"from",
	"to",
	"since",
	"until",
	"start",
	"end",
	"begin",
	"after",
	"before",
	"day",
	"date",
	"start_time",
	"end_time",
	"start_date",
	"end_date",
];

/** Names compare without case and separators: `requestId`, `request_id`, `REQUEST-ID`. */
function foldName(name: string): string {
	return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

const foldedSet = (names: readonly string[]): ReadonlySet<string> => new Set(names.map(foldName));
const VOLATILE = foldedSet(VOLATILE_NAMES);
const CURSORS = foldedSet(CURSOR_NAMES);
const SESSIONS = foldedSet(SESSION_NAMES);
const QUERIES = foldedSet(QUERY_NAMES);
const SPANS = foldedSet(SPAN_NAMES);

export type FieldClass = "volatile" | "cursor" | "session" | "query" | "span" | "other";

const CLASSES_KEPT_MAX = 2_000;
const classes = new Map<string, FieldClass>();

export function fieldClass(name: string): FieldClass {
	const known = classes.get(name);
	if (known !== undefined) return known;
	const found = classify(foldName(name));
	if (classes.size < CLASSES_KEPT_MAX && name.length <= 64) classes.set(name, found);
	return found;
}

function classify(folded: string): FieldClass {
	if (VOLATILE.has(folded) || VOLATILE_PARTS.test(folded)) return "volatile";
	if (CURSORS.has(folded)) return "cursor";
	if (QUERIES.has(folded)) return "query";
	if (SESSIONS.has(folded)) return "session";
	return SPANS.has(folded) ? "span" : "other";
}

const VOLATILE_PARTS = /timestamp|nonce|requestid|traceid|correlationid|cachebust/;

/** Names in running text and in JSON text, after which one token is volatile, whatever it is: `"requestId": "abc"`. */
export const STRONG_LABELS: ReadonlySet<number> = hashesOf(
	VOLATILE_NAMES.filter((name) => name.includes("_") || name === "nonce" || name === "rid" || name === "timestamp" || name === "ts"),
);
/** Words after which one number or identifier is volatile: `attempt 3`, `request 8f3a`, `pid 4711`. */
export const WEAK_LABELS: ReadonlySet<number> = hashesOf(["attempt", "retry", "request", "req", "trace", "correlation", "nonce", "pid", "port", "try"]);
/** The same in what a model writes: it counts how often it has asked. */
export const COUNTING_WORDS: ReadonlySet<number> = new Set([
	...WEAK_LABELS,
	...hashesOf(["variant", "variation", "rephrased", "rephrasing", "paraphrase", "phrasing", "wording", "take", "round", "iteration"]),
]);
/** May stand between a label and its value. */
export const LINKS: ReadonlySet<number> = hashesOf(["id", "no", "number", "nr", "is", "in", "after"]);
/** Units behind a number that says how long something took. */
export const FINE_UNITS: ReadonlySet<number> = hashesOf(["ms", "us", "ns", "msec", "millis", "milliseconds", "microseconds"]);
export const COARSE_UNITS: ReadonlySet<number> = hashesOf(["s", "sec", "secs", "second", "seconds", "minutes", "minute"]);

/** As they are written in texts: with `_`, with `-`, in camel case (which is the same without separators). */
function hashesOf(names: readonly string[]): ReadonlySet<number> {
	return new Set(names.flatMap((name) => [name, name.replaceAll("_", "-"), name.replaceAll("_", "")]).map(hashToken));
}

const DATE_AND_TIME = /^\d{4}-\d\d-\d\dt\d\d:\d\d/;
const CLOCK = /^\d{1,2}:\d\d:\d\d(?:\.\d+)?z?$/;
/** Seconds, milliseconds, microseconds or nanoseconds since 1970, from 2014 on. */
const EPOCH = /^(?:1[4-9]|2[0-2])\d{8}(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?$/;
const DURATION = /^(?:\d+\.\d+(?:s|sec|secs|m|min)|\d+(?:\.\d+)?(?:ms|us|ns))$/;
const TEMPORARY = /^(?:tmp|var\/folders|private\/tmp)\//;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RANDOM_HEX = /^(?:0x)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,}$/;
const ADDRESS = /^0x[0-9a-f]{6,}$/;

/** Digits that a moment has at least where nothing stands between them. */
export const MOMENT_CHARS_MIN = 10;

/** A moment or a duration, by its form. */
export function isMoment(token: string): boolean {
	return EPOCH.test(token) || CLOCK.test(token) || DATE_AND_TIME.test(token) || DURATION.test(token);
}

/** Volatile wherever it stands in a result. */
export function isVolatileInResult(token: string, isError: boolean): boolean {
	return isMoment(token) || TEMPORARY.test(token) || ADDRESS.test(token) || (isError && (UUID.test(token) || RANDOM_HEX.test(token)));
}

export function isDecimal(token: string): boolean {
	return token.includes(".");
}
