import { z } from "zod";
import { TASK_KINDS } from "#domain/audit/task-kind.ts";
import { amount, nanoUsd, text } from "./administration-contract.ts";

/** The audit of model usage in the administration API. */

const Cheaper = z
	.string()
	.describe('for this question alone: "gpt-5=gpt-5-mini,o3=o4-mini", a model as callers name it and the cheaper one')
	.transform((list, context): Record<string, string> => {
		const pairs = list.split(",").map((pair) => pair.split("=").map((name) => name.trim()));
		const isWhole = pairs.every((pair) => pair.length === 2 && pair.every((name) => name !== ""));
		if (isWhole) return Object.fromEntries(pairs);
		context.addIssue({ code: "custom", message: "is no list like gpt-5=gpt-5-mini,o3=o4-mini" });
		return z.NEVER;
	});

export const AuditQuery = z.strictObject({
	teamId: text.optional(),
	feature: text.optional(),
	from: z.string().optional().describe("YYYY-MM-DD, UTC; default 28 days before to"),
	to: z.string().optional().describe("YYYY-MM-DD, UTC, exclusive; default today"),
	cheaper: Cheaper.optional(),
	format: z.enum(["json", "csv"]).default("json"),
});

const KindOfUse = z.object({
	taskKind: z
		.string()
		.nullable()
		.describe(`one of ${Object.keys(TASK_KINDS).join(", ")}; null: not known, as of batches`),
	isSimple: z.boolean(),
	calls: z.int(),
	inputTokens: amount,
	outputTokens: amount,
	costNanoUsd: nanoUsd,
});

const Saving = z.object({
	model: z.string(),
	chosenBy: z.enum(["asked", "policy", "table"]).describe("the question, a degrade line of a budget, or the table that comes with Tollgate"),
	costNanoUsd: nanoUsd.describe("of the simple calls"),
	cheaperNanoUsd: nanoUsd.describe("of the same tokens, at the cheaper model"),
	savedNanoUsd: nanoUsd,
	monthly: z
		.object({ expectedNanoUsd: nanoUsd, lowNanoUsd: nanoUsd, highNanoUsd: nanoUsd })
		.describe("in 30 days; four of five months lie between low and high"),
	retryShareMax: z.number().nullable().describe("share of the simple calls that may be asked again of the dearer model before nothing is saved"),
	isRecommended: z.boolean(),
});

export const ModelAudit = z.object({
	from: z.string(),
	to: z.string(),
	criteria: z.array(z.object({ taskKind: z.string(), isSimple: z.boolean(), criteria: z.string() })).describe("the first that fits, in this order"),
	uses: z.array(
		z.object({
			teamId: z.string(),
			feature: z.string().nullable(),
			provider: z.string(),
			model: z.string(),
			pricedModel: z.string(),
			calls: z.int(),
			simpleCalls: z.int(),
			kinds: z.array(KindOfUse),
			cheaper: Saving.optional().describe("absent: no cheaper model is known"),
		}),
	),
	monthlySavingNanoUsd: nanoUsd.describe("expected, of everything that is recommended"),
	isComplete: z.boolean().describe("false: of the newest calls some are not counted yet"),
});
