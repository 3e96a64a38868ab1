import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { readJson } from "#domain/text/read-json.ts";
import type { RunStanding } from "./run-contract.ts";

/** Why a run stands still, and what helps. */
export type RunHold = {
	/** The run that stands still: the one whose call was refused, or one above it. */
	readonly runId: string;
	/** What to wait on; null where it is not known. */
	readonly version: string | null;
	readonly state: "paused" | "stopped";
	/** `loop.…`, `ceiling.…`, `person` or `parent`. */
	readonly guard: string;
	/** Of a ceiling on tool calls. */
	readonly tool: string | null;
	/** What was seen, in one sentence without a full stop. */
	readonly evidence: string;
	/** Decimal strings in the unit of the guard: nano-USD, tokens, steps, milliseconds, calls, bytes, repeats. */
	readonly measured: string;
	readonly threshold: string;
	/** The run whose ceiling it is. */
	readonly ofRunId: string;
	/** What people and logs call this pause; null where a person stopped the run. */
	readonly pauseId: string | null;
	/** Milliseconds until asking again may help; null = a person has to act, and nobody can say when. */
	readonly askAgainMs: number | null;
	/** All of it in one sentence. */
	readonly message: string;
	/** The command with which a person lets it go on. */
	readonly howToAsk: string;
};

/** The run stands still: `run.paused` or `run.stopped`. Sending the same again does not help; `run.whenResumed()` waits. */
export class RunHeldError extends CostControlError {
	readonly hold: RunHold;

	constructor(hold: RunHold, options: { readonly cause?: unknown } = {}) {
		super(hold.state === "paused" ? "run.paused" : "run.stopped", hold.message, { details: { runId: hold.runId, guard: hold.guard }, cause: options.cause });
		this.name = "RunHeldError";
		this.hold = hold;
	}
}

/**
 * The hold inside an error of the official `openai` or `@anthropic-ai/sdk` client, of the Vercel AI SDK or of LangChain.js, or inside a parsed
 * body; undefined for any other error: `catch (error) { const hold = readRunHold(error); … }`.
 */
export function readRunHold(error: unknown): RunHold | undefined {
	const found = findHeld(error, DEPTH_MAX);
	return found instanceof RunHeldError ? found.hold : found && holdOfBody(found);
}

/** The error of an answer of the gateway's own routes; `details.field` names the field to look at, `details.retryAfterMs` when to ask again. */
export function errorOfGatewayAnswer(status: number, body: unknown, retryAfter: string | null): CostControlError {
	const hold = readRunHold(body);
	if (hold !== undefined) return new RunHeldError(hold);
	const error = fieldsOf(fieldsOf(body)?.["error"]);
	const code = error?.["code"];
	const known = typeof code === "string" && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "internal.invariant";
	const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
	return new CostControlError(known, textOf(error, "message") ?? `the gateway answered ${status} without saying why`, {
		details: { httpStatus: status, field: textOf(error, "param"), retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : null },
		// For readRefusal: what is left, until when, and how to ask for more.
		cause: status === PAYMENT_REQUIRED ? body : undefined,
	});
}

/** The hold of a run whose standing was asked for. */
export function holdOfStanding({ runId, version, hold }: RunStanding): RunHold | undefined {
	if (hold === null) return undefined;
	const { tool = null, by: _by, ...seen } = hold;
	const message = `The run ${runId} is ${seen.state} by ${seen.guard}: ${seen.evidence}.`;
	return { ...seen, runId, version, tool, message, howToAsk: resumeCommand(seen.ofRunId) };
}

type Fields = Readonly<Record<string, unknown>>;

const PAYMENT_REQUIRED = 402;
/** Wrappers of wrappers: AI SDK's retry error, LangChain's, a user's own. */
const DEPTH_MAX = 8;
const LIST_MAX = 16;
const BODY_LENGTH_MAX = 65_536;
/** Where errors keep what they are about: the official clients, the AI SDK (the body as text), whoever wraps an error in another. */
const PLACES = ["error", "responseBody", "cause", "lastError", "errors"] as const;

function findHeld(value: unknown, depth: number): Fields | RunHeldError | undefined {
	if (value instanceof RunHeldError) return value;
	if (depth === 0) return undefined;
	if (typeof value === "string") return findHeld(parseBody(value), depth - 1);
	if (Array.isArray(value)) return findFirst(value.slice(0, LIST_MAX), depth - 1);
	const fields = fieldsOf(value);
	if (fields === undefined) return undefined;
	const isHeld = (fields["code"] === "run.paused" || fields["code"] === "run.stopped") && typeof fields["run"] === "string";
	return isHeld ? fields : findFirst(Object.values(pick(fields)), depth - 1);
}

function findFirst(values: readonly unknown[], depth: number): Fields | RunHeldError | undefined {
	for (const value of values) {
		const found = findHeld(value, depth);
		if (found !== undefined) return found;
	}
	return undefined;
}

function pick(fields: Fields): Fields {
	return Object.fromEntries(PLACES.map((place) => [place, fields[place]]));
}

/** undefined for a text that is no JSON, or cannot be a refusal of ours. */
function parseBody(text: string): unknown {
	if (text.length > BODY_LENGTH_MAX || !text.includes('"run.')) return undefined;
	try {
		return readJson(text);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

function holdOfBody(body: Fields): RunHold {
	const runId = textOf(body, "run") ?? "";
	const askAgainMs = body["askAgainInMs"];
	return {
		runId,
		version: /[?&]version=(\d+)/.exec(textOf(body, "watch") ?? "")?.[1] ?? null,
		state: body["code"] === "run.paused" ? "paused" : "stopped",
		guard: textOf(body, "guard") ?? "",
		tool: textOf(body, "tool"),
		evidence: textOf(body, "evidence") ?? "",
		measured: textOf(body, "measured") ?? "",
		threshold: textOf(body, "threshold") ?? "",
		ofRunId: textOf(body, "ofRun") ?? runId,
		pauseId: textOf(body, "pauseId"),
		askAgainMs: typeof askAgainMs === "number" ? askAgainMs : null,
		message: textOf(body, "message") ?? "",
		howToAsk: textOf(body, "howToAsk") ?? resumeCommand(runId),
	};
}

function resumeCommand(runId: string): string {
	return `npx tollgate run resume ${runId} --reason WHY`;
}

function fieldsOf(value: unknown): Fields | undefined {
	return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function textOf(fields: Fields | undefined, name: string): string | null {
	const value = fields?.[name];
	return typeof value === "string" ? value : null;
}
