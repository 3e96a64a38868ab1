import { z } from "zod";
import { Attribution, amount, teamId, text, time, usd } from "./administration-contract.ts";

/** Requests and answers about increases of limits, `/admin/v1/increases`; see administration-contract.ts. */
const reason = text.describe("why, for whoever decides and for the audit log; at most 200 characters");

export const RequestIncreaseRequest = z.strictObject({
	teamId,
	kind: z
		.enum(["increase", "line"])
		.optional()
		.describe("increase (default): a higher limit; line: to spend beyond the next line at which the budget needs approval, with neither amount nor until"),
	dimension: z.string().optional().describe("team (default), feature, user, model, provider, key, environment, organization"),
	dimensionValue: Attribution.optional().describe("which feature, user, model …; absent for team and organization"),
	unit: z.string().optional().describe("nano_usd (default) or tokens"),
	windowKind: z.string().optional().describe("absent where one budget fits the rest"),
	amountUsd: usd.optional().describe("what is added to the limit, in dollars"),
	amount: z.string().optional().describe("the same as decimal string in the unit of the budget; this or amountUsd"),
	until: z.string().optional().describe("2026-12-01 = to the end of that day in the budget's time zone, or an instant; absent = to the end of the window"),
	reason,
	expiresInMs: z.int().optional().describe("how long it waits for a decision; default 14 days, at most 90"),
});
export const ApproveIncreaseRequest = z.strictObject({
	amountUsd: usd.optional().describe("less than was asked, in dollars"),
	amount: z.string().optional().describe("the same in the unit of the budget"),
	reason: reason.optional(),
});
export const RejectIncreaseRequest = z.strictObject({ reason });
export const EndIncreaseRequest = z.strictObject({ reason: reason.optional() });

export const Increase = z.object({
	id: z.string(),
	teamId,
	kind: z.string().describe("increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount"),
	status: z.string().describe("pending, approved (in force), rejected, withdrawn, expired, refused, ended"),
	dimension: z.string(),
	dimensionValue: z.string(),
	unit: z.string(),
	windowKind: z.string(),
	askedAmount: amount,
	grantedAmount: amount.nullable(),
	until: time.nullable().describe("null: to the end of the window in which it is approved"),
	reason: z.string(),
	requestedBy: z.string(),
	isRequestedByHand: z.boolean().describe("the name was typed into the workflow's update, not proven by an admin key"),
	requestedAt: time,
	expiresAt: time,
	decidedBy: z.string().nullable(),
	isDecidedByHand: z.boolean().nullable(),
	decidedAt: time.nullable(),
	decisionReason: z.string().nullable(),
	endedAt: time.nullable().describe("when its date or a person ended it"),
	endedBy: z.string().nullable().describe("who ended it before its date"),
	isEndedByHand: z.boolean().nullable(),
	endReason: z.string().nullable(),
	limitBefore: amount.nullable().describe("in force before the raise"),
	limitAfter: amount.nullable().describe("what then held"),
});
export const IncreaseList = z.object({ increases: z.array(Increase) });
