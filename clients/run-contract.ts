import { z } from "zod";

/** Requests and answers about agent runs, `/v1/runs`, as of a virtual key. */
const runId = z
	.string()
	.regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/)
	.describe("1 to 128 of A-Z a-z 0-9 . _ : -; nobody else's in the whole deployment, like a UUID");
const limits = z
	.record(z.string(), z.unknown())
	.describe("costNanoUsd, inputTokens, outputTokens, steps, elapsedMs, toolCalls, depth, width, outputBytes, contextGrowthTokens; see docs/agent-runs.md");

export const RegisterRunRequest = z.strictObject({
	runId: runId.optional().describe("absent = one is made"),
	parentRunId: runId.optional().describe("a run of the same team that has not ended; it never changes"),
	feature: z.string().min(1).max(256).optional(),
	limits: limits.optional().describe("absent = the team's default limits for a root, none of its own for a child"),
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

export const Run = z.object({
	runId: z.string(),
	teamId: z.string(),
	parentRunId: z.string().nullable(),
	origin: z.enum(["header", "implicit", "registered"]),
	state: z.enum(["running", "paused", "stopped", "finished"]),
	hold: RunHoldAnswer.nullable(),
	version: z.string().describe("grows with every change; what to wait on"),
	limits,
	openedMsAgo: z.number(),
	pausedMs: z.number(),
	children: z.number(),
	totals: RunTotalsAnswer.describe("of the run and of all below it"),
});

export type RegisterRunRequest = z.infer<typeof RegisterRunRequest>;
export type Run = z.infer<typeof Run>;
export type RunHoldAnswer = z.infer<typeof RunHoldAnswer>;

/** Longest a `wait` is held open. */
export const RUN_WAIT_MS_MAX = 60_000;
