import { z } from "zod";
import { SPEND_DIMENSIONS, SPEND_PERIODS, type SpendDimension } from "#domain/spend/dimensions.ts";
import { amount, nanoUsd, text } from "./administration-contract.ts";

/** Spend of the administration API. */

const DIMENSIONS_AT_ONCE = 4;

const Dimensions = z
	.string()
	.describe(`at most ${DIMENSIONS_AT_ONCE} of ${SPEND_DIMENSIONS.join(", ")}, with commas between; default team, and none where only "per" is given`)
	.transform((list, context): SpendDimension[] => {
		const names = list.split(",").map((name) => name.trim());
		const unknown = names.find((name) => !SPEND_DIMENSIONS.some((known) => known === name));
		const problem =
			unknown !== undefined
				? `${JSON.stringify(unknown.slice(0, 40))} is none of ${SPEND_DIMENSIONS.join(", ")}`
				: new Set(names).size < names.length
					? "names a dimension twice"
					: names.length > DIMENSIONS_AT_ONCE
						? `names more than ${DIMENSIONS_AT_ONCE} dimensions`
						: undefined;
		if (problem === undefined) return names as SpendDimension[];
		context.addIssue({ code: "custom", message: problem });
		return z.NEVER;
	});

const from = z.string().optional().describe("ISO 8601, on the hour; default the start of this month, UTC");
const to = z.string().optional().describe("ISO 8601, on the hour, exclusive; default now");

export const SpendQuery = z.strictObject({
	by: Dimensions.optional(),
	per: z.enum(SPEND_PERIODS).optional().describe("one row a period as well, UTC; weeks begin on Monday"),
	from,
	to,
	format: z.enum(["json", "csv"]).default("json"),
	teamId: text.optional(),
	feature: text.optional(),
	userId: text.optional(),
	model: text.optional(),
	askedModel: text.optional(),
	provider: text.optional(),
	keyId: text.optional(),
	environment: text.optional(),
	runId: text.optional(),
	batchId: text.optional(),
});

export const SpendRow = z.object({
	groups: z.partialRecord(z.enum(SPEND_DIMENSIONS), z.string().nullable()).describe("by dimension; null: not attributed"),
	userName: z.string().optional().describe("readable name of the user, where one is kept"),
	startsAt: z.string().optional().describe("of the period, ISO 8601"),
	calls: z.int(),
	inputTokens: amount,
	outputTokens: amount,
	costNanoUsd: nanoUsd,
	unresolvedNanoUsd: nanoUsd.describe("part of the cost that was charged without knowing and not yet resolved"),
});

export const SpendReport = z.object({
	by: z.array(z.enum(SPEND_DIMENSIONS)),
	per: z.enum(SPEND_PERIODS).nullable(),
	rows: z.array(SpendRow),
	totalNanoUsd: nanoUsd,
	isComplete: z.boolean().describe("false: of the newest calls some are not counted yet"),
});

export const RecountRequest = z.strictObject({
	from: z.iso.date().describe("first day of UTC"),
	to: z.iso.date().optional().describe("last day, counted too; default the first one alone; at most 400 days"),
});

export const Recount = z.object({
	from: z.string(),
	to: z.string(),
	workflowId: z.string().describe("in Temporal, which shows how far it is"),
});
