import { z } from "zod";
import { amount, teamId, time, Workflow } from "./administration-contract.ts";

/** Answers about batches for operators, `/admin/v1/batches`; see administration-contract.ts. */
const state = z.enum(["collecting", "held", "running", "cancelling", "finalizing", "completed", "expired", "cancelled", "failed"]);
const counts = z
	.object({ open: z.number(), succeeded: z.number(), errored: z.number(), expired: z.number(), cancelled: z.number() })
	.describe("items by how they ended; open: not yet");

export const BatchSummary = z.object({
	batchId: z.string(),
	teamId,
	state,
	protocol: z.string(),
	endpoint: z.string(),
	model: z.string(),
	provider: z.string(),
	items: z.number(),
	counts,
	heldNanoUsd: amount.describe("reserved for items that have not ended"),
	settledNanoUsd: amount.describe("booked for items that have"),
	problem: z.string().nullable(),
	createdAt: time,
	endedAt: time.nullable(),
	cancelAskedAt: time.nullable(),
});
export const BatchList = z.object({ batches: z.array(BatchSummary) });

export const BatchView = BatchSummary.extend({
	deployment: z.string(),
	origin: z.string(),
	keyId: z.string().nullable().describe("null = of items that were handed in alone, each with a key of its own"),
	mayResubmit: z.boolean().describe("whether items that did not run go into another batch"),
	mayRelane: z.boolean().describe("whether items that no batch may carry any more go in real time"),
	inputFileId: z.string().nullable(),
	outputFileId: z.string().nullable(),
	errorFileId: z.string().nullable(),
	runningSince: time.nullable(),
	workflow: Workflow,
	deadline: time.nullable().describe("when its results are wanted; null = whenever the provider is done"),
	parts: z
		.array(
			z.object({
				part: z.number(),
				state: z.enum(["written", "submitting", "running", "ended", "collected", "failed"]),
				items: z.number(),
				bytes: z.number(),
				providerBatchId: z.string().nullable(),
				submittedAt: time.nullable(),
				endedAt: time.nullable(),
				doneAtProvider: z.number().nullable().describe("items the provider has finished, as it said last; null = it does not say"),
				expiresAt: time.nullable().describe("when the provider gives it up"),
			}),
		)
		.describe("batches of the provider, in order"),
	progress: z
		.object({
			next: z.string(),
			nextAt: time.nullable(),
			retries: z.number(),
			unresolved: z.number().describe("items charged at their bounds, because nobody knows what they cost"),
			unknownLines: z.number().describe("results that name no item of it"),
			trouble: z.object({ since: time, step: z.string(), message: z.string() }).nullable().describe("what holds it up"),
		})
		.nullable()
		.describe("what its workflow says; null = it has ended, or Temporal does not answer"),
});

const savings = {
	items: z.number().describe("that were billed"),
	costNanoUsd: amount.describe("with all of their tries, as the ledger booked them"),
	realTimeNanoUsd: amount.describe("what the same usage costs in real time"),
	savedNanoUsd: amount.describe("the difference; below zero where tries beside others cost more than was saved"),
	lateItems: z.number().describe("of those handed in alone: answered after their deadline"),
};
export const BatchSavings = z.object({
	since: time,
	until: time,
	teams: z
		.array(z.object({ teamId, origin: z.enum(["caller", "collected"]).describe("caller: batches of files; collected: of items handed in alone"), ...savings }))
		.readonly(),
	total: z.object(savings),
});
