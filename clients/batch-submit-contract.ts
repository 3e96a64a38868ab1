import { z } from "zod";
import { DEFERRED_ID_PATTERN, DEFERRED_STATUSES } from "#domain/batching/deferred.ts";

/** Answers about items handed in alone, `/v1/deferred`, as of a virtual key: what the client reads of them. Money is a decimal string of nano-USD. */

/** What an item asks for, as in the path of the ordinary call. */
export const DEFERRED_ENDPOINTS = ["chat/completions", "responses", "embeddings", "messages"] as const;

/** Longest a `wait` is held open. */
export const DEFERRED_WAIT_SECONDS_MAX = 60;

export const DeferredAnswer = z.object({
	id: z.string().regex(DEFERRED_ID_PATTERN),
	status: z.enum(DEFERRED_STATUSES),
	lane: z.enum(["batch", "real_time"]).nullable().describe("null = none was chosen yet"),
	is_late: z.boolean(),
	cost_nano_usd: z.string().nullable().describe("of all its tries; null = nothing was billed"),
	answer: z.object({ status_code: z.number(), body: z.unknown() }).nullish().describe("lists leave it out"),
});

export const DeferredPage = z.object({ data: z.array(DeferredAnswer), has_more: z.boolean() });

export type DeferredAnswer = z.infer<typeof DeferredAnswer>;
export type DeferredPage = z.infer<typeof DeferredPage>;
