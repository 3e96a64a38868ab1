import { z } from "zod";
import { amount, teamId, text, time, Workflow } from "./administration-contract.ts";
import { RunHoldAnswer, RunTotalsAnswer } from "./run-contract.ts";

/** Requests and answers about agent runs for people, `/admin/v1/runs`; see administration-contract.ts. */
const reason = text.describe("why, for the run's history; at most 200 characters");
const version = z
	.string()
	.regex(/^\d{1,18}$/)
	.describe("the run's version that was looked at: refused where it is another one by now; absent = whatever stands");
const limits = z
	.record(z.string(), z.unknown())
	.describe('new totals of ceilings the run states, like {costNanoUsd: "10000000000", steps: 500}; every ceiling: docs/agent-runs.md');

export const RunDecisionRequest = z.strictObject({ reason, knownVersion: version.optional() });
export const RaiseRunRequest = z.strictObject({ limits, reason, knownVersion: version.optional() });
export const ApproveRunRequest = z.strictObject({ limits, reason, knownVersion: version.optional() });

const state = z.enum(["running", "paused", "stopped", "finished"]);
const origin = z.enum(["header", "implicit", "registered"]);

export const RunListItem = z.object({
	number: z.string().describe("what `before` takes"),
	runId: z.string(),
	teamId,
	state,
	origin,
	hold: RunHoldAnswer.nullable().describe("why it stands still"),
	version: z.string(),
	costNanoUsd: amount.describe("of the run and of all below it"),
	steps: z.number(),
	openedAt: time,
});
export const RunList = z.object({ runs: z.array(RunListItem) });

export const RunView = z.object({
	runId: z.string(),
	teamId,
	keyId: z.string(),
	origin,
	state,
	hold: RunHoldAnswer.nullable(),
	heldAt: time.nullable(),
	endsAt: time.nullable().describe("when a pause that nobody answers becomes a stop"),
	version: z.string().describe("grows with every change"),
	rootRunId: z.string(),
	parentRunId: z.string().nullable(),
	workflow: Workflow,
	children: z.number(),
	forgiven: z.number().describe("times that its loops were forgiven"),
	openedAt: time,
	pausedMs: z.number(),
	limits: z.record(z.string(), z.unknown()).describe("what it states itself"),
	totals: RunTotalsAnswer.describe("of the run and of all below it"),
	ceilings: z
		.array(
			z.object({
				ofRunId: z.string().describe("the run itself, or one above it"),
				kind: z.string(),
				tool: z.string().optional(),
				at: z.string().describe("decimal string in the unit of the kind"),
				taken: z.string(),
				isSoft: z.literal(true).optional().describe("warns or degrades there, and does not hold"),
			}),
		)
		.describe("the run's own first"),
	steps: z
		.array(z.object({ at: time, requestId: z.string(), model: z.string(), costNanoUsd: amount, tokens: z.number(), outcome: z.string() }))
		.describe("the last 20 of the run itself, oldest first"),
	events: z.array(z.object({ at: time, kind: z.string(), detail: z.record(z.string(), z.unknown()) })).describe("the last 20, oldest first"),
});
