import { z } from "zod";
import { isMonth } from "#domain/chargeback/month.ts";
import { BASIS_POINTS, SHARED_BY, SPLIT_RULES } from "#domain/chargeback/rules.ts";
import { LINE_KINDS } from "#domain/chargeback/statement.ts";
import { amount, nanoUsd, teamId, text, time, Workflow } from "./administration-contract.ts";

/** Statements of months, and the rules they are made by. */
export const month = z.string().refine(isMonth, "must be a month like 2026-10");

const Split = {
	split: z.enum(SPLIT_RULES),
	among: z.array(teamId).nullable().default(null).describe("teams it is split among; null: those that spent in the month"),
	shares: z.record(teamId, z.int().min(0).max(BASIS_POINTS)).default({}).describe("of fixed: basis points by team, together 10000"),
};
const margin = z.int().min(-BASIS_POINTS).max(1_000_000).describe("basis points of the cost; negative: a discount");

export const ChargebackRules = z.strictObject({
	timeZone: z.string().max(64).default("UTC").describe("months are of this calendar"),
	approval: z.enum(["required", "none"]).default("required"),
	remindAfterHours: z.int().min(1).max(8_760).default(72),
	pools: z
		.array(z.strictObject({ name: text, of: z.strictObject(Object.fromEntries(SHARED_BY.map((by) => [by, text.optional()]))), ...Split }))
		.default([])
		.describe("what is shared; the first that matches takes a cost"),
	unattributed: z.strictObject(Split).default({ split: "proportional", among: null, shares: {} }).describe("how what no team stands for is split"),
	marginBasisPoints: margin.default(0),
	margins: z.record(teamId, margin).default({}).describe("of single teams"),
});

export const RulesInForce = z.object({
	revision: z.string().describe('"0": nobody ever set any'),
	setAt: time.nullable(),
	setBy: z.string().nullable(),
	rules: ChargebackRules,
});

export const StatementMonth = z.object({
	month: z.string(),
	state: z.enum(["drafting", "drafted", "rejected", "closed"]).describe("drafted: it waits for approval, or is closed at once"),
	startsAt: time,
	endsAt: time,
	draft: z.int().describe("0: none is whole yet"),
	draftedAt: time.nullable(),
	askedBy: z.string().nullable(),
	rulesRevision: z.string().nullable(),
	teams: z.int(),
	costNanoUsd: nanoUsd.describe("what the ledger booked in the month"),
	marginNanoUsd: nanoUsd,
	chargeNanoUsd: nanoUsd,
	decidedBy: z.string().nullable(),
	decisionReason: z.string().nullable(),
	closedAt: time.nullable(),
});
export const StatementMonthList = z.object({ months: z.array(StatementMonth) });

export const Statement = z.object({
	teamId: z.string().describe('"@unknown", "@organization": what no team stands for'),
	calls: amount,
	inputTokens: amount,
	outputTokens: amount,
	ownNanoUsd: nanoUsd.describe("of its own, without what is shared"),
	costNanoUsd: nanoUsd.describe("with its shares"),
	marginNanoUsd: nanoUsd,
	chargeNanoUsd: nanoUsd,
});
export const StatementReport = z.object({ month: StatementMonth, workflow: Workflow, statements: z.array(Statement) });

export const StatementLine = z.object({
	teamId: z.string(),
	line: z.int(),
	kind: z.enum(LINE_KINDS),
	feature: z.string().nullable().describe("null: not attributed, as the next three"),
	user: z.string().nullable(),
	model: z.string().nullable(),
	provider: z.string().nullable(),
	ofMonth: z.string().nullable().describe("of an adjustment: the earlier month"),
	pool: z.string().nullable().describe("of pooled and share"),
	calls: amount,
	inputTokens: amount,
	outputTokens: amount,
	amountNanoUsd: nanoUsd,
});
export const StatementLines = z.object({ lines: z.array(StatementLine) });

export const LINES_AT_ONCE = 5_000;
const limit = z.coerce.number().int().min(1).max(LINES_AT_ONCE);
export const StatementQuery = z.strictObject({ teamId: teamId.optional(), afterTeam: z.string().max(64).optional(), limit: limit.default(1_000) });
export const StatementLineQuery = z.strictObject({
	teamId: teamId.optional(),
	afterTeam: z.string().max(64).optional(),
	afterLine: z.coerce.number().int().min(0).max(1_000_000_000).optional(),
	limit: limit.default(LINES_AT_ONCE),
	format: z.enum(["json", "csv"]).default("json"),
});

export const DecideStatementsRequest = z.strictObject({
	reason: text,
	draft: z.int().min(1).optional().describe("the draft that was looked at; left out: whichever waits"),
});
