import { z } from "zod";
import { amount, nanoUsd } from "./administration-contract.ts";

/** What was spent on a day of UTC as finely as it is kept, for exports. */
export const FocusQuery = z.strictObject({
	day: z.iso.date().describe("of UTC, like 2026-10-05"),
	runs: z.enum(["true", "false"]).default("false").describe("also by agent run"),
	after: z.string().max(400).optional().describe('"next" of the page before'),
	limit: z.coerce.number().int().min(1).max(5_000).default(5_000),
});

const attributed = z.string().nullable();
export const FocusCharge = z.object({
	kind: z.enum(["usage", "adjustment"]).describe("adjustment: booked for an earlier month"),
	teamId: attributed.describe("null: no team stands for it"),
	provider: z.string(),
	model: attributed.describe("null: not attributed, as the next six"),
	askedModel: attributed,
	feature: attributed,
	userId: attributed,
	keyId: attributed,
	environment: attributed,
	runId: attributed,
	calls: amount,
	inputTokens: amount,
	outputTokens: amount,
	amountNanoUsd: nanoUsd,
});
export const FocusCharges = z.object({ charges: z.array(FocusCharge), next: z.string().nullable().describe("null: there are no more") });
