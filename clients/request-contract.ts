import { z } from "zod";
import { amount, nanoUsd, teamId, text, time, Workflow } from "./administration-contract.ts";

/** Single requests, and what was refused, of the administration API; see administration-contract.ts. */

export const RequestListQuery = z.strictObject({
	teamId: text,
	from: z.string().optional().describe("ISO 8601; default a day before to"),
	to: z.string().optional().describe("ISO 8601, exclusive; default now"),
	feature: text.optional(),
	userId: text.optional(),
	model: text.optional(),
	provider: text.optional(),
	keyId: text.optional(),
	environment: text.optional(),
	outcome: z.enum(["settled", "unresolved", "estimated", "quarantined"]).optional(),
	limit: z.coerce.number().int().min(1).max(1_000).default(50),
	after: z.string().optional().describe("the next of the page before"),
});

export const RequestList = z.object({
	requests: z
		.array(
			z.object({
				requestId: z.string(),
				attemptId: z.string(),
				at: time,
				feature: z.string().nullable(),
				userId: z.string().nullable(),
				keyId: z.string(),
				environment: z.string().nullable(),
				provider: z.string(),
				model: z.string(),
				outcome: z.string(),
				costNanoUsd: nanoUsd,
				inputTokens: amount.nullable(),
				outputTokens: amount.nullable(),
				durationMs: z.number().nullable(),
			}),
		)
		.readonly(),
	next: z.string().nullable().describe("where the next page begins, which may be empty too: one page looks at 20000 calls at most; null: there is none"),
});

export const RefusalSumQuery = z.strictObject({ teamId: text.optional(), days: z.coerce.number().int().min(1).max(31).default(7) });

export const RefusalSums = z.object({
	rows: z
		.array(
			z.object({
				teamId,
				code: z.string(),
				budget: z.string().nullable().describe('as "team, day"; null where no budget refused'),
				limitName: z.string().nullable().describe("as in x-tollgate-limit; null where no limit refused"),
				isObserved: z.boolean().describe("the budget is only observed: the calls were let pass"),
				calls: z.number().describe("those without a row of their own included"),
				lastAt: time,
			}),
		)
		.readonly()
		.describe("the most calls first, at most 500"),
	isComplete: z.boolean().describe("false: there were more than 100000 refusals, and so many were added up"),
});

const optionalText = z.string().nullable();
const optionalAmount = amount.nullable();

const PriceExplanation = z.looseObject({
	costNanoUsd: nanoUsd,
	lines: z
		.array(
			z.looseObject({
				tokenClass: z.string().optional(),
				tool: z.string().optional(),
				quantity: z.number(),
				nanoUsdPerMillion: z.string().optional(),
				nanoUsdPerCall: z.string().optional(),
				nanoUsd: z.string().describe("exact, with up to six decimals; only the total is rounded, up, once"),
			}),
		)
		.readonly(),
	provider: z.string(),
	model: z.string(),
	priceTier: z.string(),
	priceVersion: z.number(),
});

const ExplainedAttempt = z.looseObject({
	attemptId: z.string(),
	run: z.object({ runId: z.string(), workflow: Workflow }).nullable().describe("the agent run it was a step of"),
	batch: z
		.object({ batchId: z.string(), deferredId: optionalText.describe("of an item that was handed in alone"), workflow: Workflow })
		.nullable()
		.describe("the batch that carried it"),
	at: time,
	teamId: z.string(),
	keyId: z.string(),
	feature: optionalText,
	userId: optionalText,
	environment: optionalText,
	asserted: z.record(z.string(), z.string()).nullable(),
	claimed: z.record(z.string(), z.unknown()).nullable().describe("what the caller claimed; never attribution"),
	provider: z.string(),
	model: z.string(),
	askedModel: optionalText,
	degradedBy: z.record(z.string(), z.unknown()).nullable(),
	answeredModel: optionalText,
	serviceTier: optionalText,
	endpoint: z.string(),
	outcome: z.string(),
	reason: optionalText,
	reservedNanoUsd: nanoUsd,
	costNanoUsd: nanoUsd,
	overrunNanoUsd: nanoUsd,
	usage: z.record(z.string(), z.unknown()),
	priceVersion: z.number(),
	price: PriceExplanation.nullable().describe("how the cost was made; null where it was not priced from usage"),
	clampedOutputTokens: z.number().nullable(),
	providerRequestId: optionalText,
	httpStatus: z.number().nullable(),
	durationMs: z.number().nullable(),
	entries: z.array(z.object({ entryKey: z.string(), kind: z.string(), amountNanoUsd: nanoUsd, at: time, reason: optionalText })).readonly(),
	budgets: z.array(z.object({ budgetId: z.string(), name: z.string(), windowStartsAt: time.nullable() })).readonly(),
});

const ExplainedRefusal = z.looseObject({
	refusalId: z.string(),
	at: time,
	code: z.string(),
	teamId: z.string(),
	keyId: z.string(),
	budget: optionalText,
	unit: optionalText,
	limitAmount: optionalAmount,
	grantedAmount: optionalAmount,
	idleAmount: optionalAmount,
	needAmount: optionalAmount,
	waitedMs: z.number(),
	isObserved: z.boolean(),
	limitName: optionalText,
	stoodAtAmount: optionalAmount,
	unrecordedBefore: z.number(),
	line: z.number().nullable(),
});

/** Attempts and refusals of one request; open for more. */
export const RequestExplanation = z.object({
	requestId: z.string(),
	attempts: z.array(ExplainedAttempt).readonly(),
	refusals: z.array(ExplainedRefusal).readonly(),
	archivedMonths: z
		.array(z.object({ month: z.string(), file: z.string() }))
		.readonly()
		.describe("months of these attempts whose settled calls are in a file, where further attempts may be"),
});
