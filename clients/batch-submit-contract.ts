import { z } from "zod";
import { amount, teamId, time } from "./administration-contract.ts";

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
