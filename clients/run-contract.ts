import { z } from "zod";
import { RUN_ID_PATTERN } from "#domain/agents/run.ts";

/** Requests and answers about agent runs, `/v1/runs`, as of a virtual key. Money is a decimal string of nano-USD. */
const runId = z
	.string("must be text")
	.regex(RUN_ID_PATTERN, "must be 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or a digit")
	.describe("1 to 128 of A-Z a-z 0-9 . _ : -; nobody else's in the whole deployment, like a UUID");
const limits = z
	.record(z.string(), z.unknown(), "must be an object with one entry per ceiling")
	.describe("costNanoUsd, inputTokens, outputTokens, steps, elapsedMs, toolCalls, depth, width, outputBytes, contextGrowthTokens; see docs/agent-runs.md");
/** What the header x-tollgate-feature can carry. */
const FEATURE = /^[\x21-\x2b\x2d-\x7e](?:[\x20-\x2b\x2d-\x7e]{0,126}[\x21-\x2b\x2d-\x7e])?$/;

export const RegisterRunRequest = z.strictObject({
	runId: runId.optional().describe("absent = one is made"),
	parentRunId: runId.optional().describe("a run of the same team that has not ended; it never changes"),
	teamId: z
		.string("must be text")
		.min(1, "must not be empty")
		.max(64, "must be 64 characters at most")
		.optional()
		.describe("refused where it is not the key's"),
	feature: z
		.string("must be text")
		.regex(FEATURE, "must be 1 to 128 printable ASCII characters without a comma")
		.optional()
		.describe("what its calls are booked on; for a key that may assert features, or has this one"),
	limits: limits.optional().describe("what a root does not name has the team's default; a child has no more than it names"),
});

/** The body of `POST /v1/runs/{runId}/finish`; may be left out. */
export const FinishRunRequest = z.strictObject({});

/** Longest a `wait` is held open. */
export const RUN_WAIT_MS_MAX = 60_000;

const waitMs = `must be a whole number of milliseconds from 0 to ${RUN_WAIT_MS_MAX}`;

/** The query of `GET /v1/runs/{runId}/wait`. */
export const WaitRunQuery = z.strictObject({
	version: z
		.string("must be given once")
		.regex(/^\d{1,19}$/, "must be a version, as an answer about the run has it")
		.optional()
		.describe("answered when the run has another one; absent = at once"),
	waitMs: z
		.string("must be given once")
		.regex(/^\d{1,5}$/, waitMs)
		.transform(Number)
		.refine((value) => value <= RUN_WAIT_MS_MAX, waitMs)
		.optional()
		.describe("answered after so many milliseconds in any case; default 60000"),
});

export const RunHoldAnswer = z.object({
	state: z.enum(["paused", "stopped"]),
	guard: z.string().describe("loop.*, ceiling.*, person or parent"),
	tool: z.string().optional(),
	evidence: z.string().describe("what was seen, in one sentence"),
	measured: z.string(),
	threshold: z.string(),
	ofRunId: z.string().describe("the run whose ceiling it is"),
	pauseId: z.string().nullable(),
	askAgainMs: z.number().nullable().describe("milliseconds until asking again may help; null = nobody can say"),
	by: z.string(),
});

export const RunTotalsAnswer = z.object({
	costNanoUsd: z.string(),
	inputTokens: z.number(),
	outputTokens: z.number(),
	steps: z.number(),
	outputBytes: z.number(),
	toolCalls: z.record(z.string(), z.number()),
});

/** How a run stands: the answer to whoever waits, and to its end. */
export const RunStanding = z.object({
	runId: z.string(),
	teamId: z.string(),
	state: z.enum(["running", "paused", "stopped", "finished"]),
	hold: RunHoldAnswer.nullable(),
	version: z.string().describe("grows with every change; what to wait on"),
});

export const Run = RunStanding.extend({
	parentRunId: z.string().nullable(),
	origin: z.enum(["header", "implicit", "registered"]),
	limits,
	openedMsAgo: z.number(),
	pausedMs: z.number(),
	children: z.number(),
	totals: RunTotalsAnswer.describe("of the run and of all below it"),
});

export const RegisteredRun = Run.extend({
	assertedFeature: z.string().nullable().describe("what its calls have to say in x-tollgate-feature; null = nothing, the key says it"),
});

export type RegisterRunRequest = z.infer<typeof RegisterRunRequest>;
export type Run = z.infer<typeof Run>;
export type RegisteredRun = z.infer<typeof RegisteredRun>;
export type RunStanding = z.infer<typeof RunStanding>;
export type RunHoldAnswer = z.infer<typeof RunHoldAnswer>;
