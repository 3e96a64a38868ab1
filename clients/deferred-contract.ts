import { z } from "zod";
import { amount, teamId, time } from "./administration-contract.ts";

/** Answers about items handed in alone for operators, `/admin/v1/deferred`; see administration-contract.ts. */
export const DeferredView = z.object({
	deferredId: z.string(),
	teamId,
	keyId: z.string(),
	batchId: z.string().describe("the batch that collects it, or carried it"),
	status: z.enum(["collecting", "waiting", "running", "succeeded", "failed", "expired", "cancelled"]),
	lane: z.enum(["batch", "real_time"]).nullable().describe("of the try that answered, else of the one that carries it"),
	endpoint: z.string(),
	model: z.string(),
	isLate: z.boolean().describe("answered, or still open, after its deadline"),
	heldNanoUsd: amount.describe("reserved until it has ended"),
	costNanoUsd: amount.nullable().describe("of all its tries; null = nothing was billed"),
	httpStatus: z.number().nullable().describe("of its answer"),
	acceptedAt: time,
	deadline: time.nullable(),
	answeredAt: time.nullable(),
});
export const DeferredList = z.object({ items: z.array(DeferredView) });

const sums = {
	items: z.number().describe("that were answered"),
	costNanoUsd: amount.describe("with all of their tries"),
	realTimeNanoUsd: amount.describe("what the same usage costs in real time"),
	savedNanoUsd: amount.describe("the difference; below zero where second tries cost more than was saved"),
	lateItems: z.number().describe("answered after their deadline"),
	lateMsMax: z.number().describe("by how much the latest was late; 0 = none was"),
};
export const DeferredReport = z.object({
	since: time,
	until: time,
	lanes: z.array(z.object({ teamId, lane: z.enum(["batch", "real_time"]), ...sums })),
	total: z.object(sums),
});

export const DeferredWebhook = z.object({
	deferredId: z.string(),
	teamId,
	channel: z.string(),
	state: z.enum(["waiting", "delivered", "dead"]),
	attempts: z.number(),
	nextAttemptAt: time.nullable(),
	lastError: z.string().nullable(),
	answer: z.string().nullable().describe("what the receiver said when it took it"),
	endedAt: time.nullable(),
});
export const DeferredWebhookList = z.object({ webhooks: z.array(DeferredWebhook) });
export const RetryWebhooksRequest = z.strictObject({
	deferredId: z.string().optional().describe("of one item alone"),
	channel: z.string().optional().describe("of one channel alone"),
});
export const RetriedWebhooks = z.object({ waiting: z.int().describe("webhooks that wait again") });
