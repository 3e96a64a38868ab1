import type { DayLimit } from "../budget/expected-day.ts";
import type { WindowKind } from "../budget/scope.ts";
import type { ReportCut } from "./report.ts";
import type { ReportPeriod } from "./report-period.ts";

/**
 * What a report is written from, read in one snapshot of the books. Spans: the period itself first, then those it is compared with, newest first. A part
 * whose source does not exist is absent, and its section is not written.
 */
export type ReportFacts = {
	readonly period: ReportPeriod;
	readonly teamId: string | null;
	readonly cut: ReportCut;
	/** Of this team, or of anybody; null = never. */
	readonly firstBookedMs: number | null;
	/** By span. */
	readonly totals: readonly SpanTotal[];
	/** Oldest first, the days of the period last; a day without a booking is there with 0. */
	readonly days: readonly { readonly day: number; readonly nanoUsd: bigint }[];
	readonly teams?: readonly GroupSpend[];
	readonly models?: readonly GroupSpend[];
	readonly features?: readonly GroupSpend[];
	readonly expectations?: readonly ExpectationFacts[];
	readonly dearestCalls?: readonly DearCall[];
	readonly refusals?: RefusalFacts;
	readonly budgets?: readonly NearBudget[];
	readonly batches?: BatchFacts;
	readonly allowances?: readonly TeamAllowance[];
	readonly decisions?: DecisionFacts;
	readonly anomalies?: readonly AnomalyFacts[];
	readonly forecasts?: readonly ForecastFacts[];
	readonly forecastErrors?: readonly ForecastErrorFacts[];
	readonly savings?: readonly SavingFacts[];
};

/** Of a team, or where `feature` is given of a feature of it (null: what is attributed to none). Days are of the team, of features of UTC. */
export type AnomalyFacts = {
	readonly teamId: string;
	readonly feature?: string | null;
	readonly day: string;
	readonly spentNanoUsd: bigint;
	readonly expectedNanoUsd: bigint;
	/** "feature chat, model gpt-5"; "" where nothing narrower than all of it explains the day. */
	readonly cause: string;
	readonly movement: "volume" | "mix" | "tokensPerCall" | "price" | "unknown";
};

/** Of the month that runs when the period ends, like 2026-11; bounds of 80 %. */
export type ForecastFacts = {
	readonly teamId: string;
	readonly month: string;
	readonly expectedNanoUsd: bigint;
	readonly lowNanoUsd: bigint;
	readonly highNanoUsd: bigint;
	readonly budget: { readonly amountNanoUsd: bigint; readonly aboveBasisPoints: number; readonly crossedOn: string | null } | null;
	/** "" or what to know of it: "few days known", "changed lately". */
	readonly remark: string;
};

/** Of the month of the period: what was forecast for it on the 15th. */
export type ForecastErrorFacts = Pick<ForecastFacts, "teamId" | "expectedNanoUsd" | "lowNanoUsd" | "highNanoUsd"> & { readonly actualNanoUsd: bigint };

/** What a cheaper model would save in 30 days (domain/audit/audit-use.ts), of what is recommended. */
export type SavingFacts = {
	readonly teamId: string;
	readonly feature: string | null;
	readonly model: string;
	readonly cheaperModel: string;
	readonly calls: bigint;
	readonly simpleCalls: bigint;
	readonly expectedNanoUsd: bigint;
	readonly lowNanoUsd: bigint;
	readonly highNanoUsd: bigint;
};

export type SpanTotal = { readonly nanoUsd: bigint; readonly calls: bigint; readonly unresolvedNanoUsd: bigint };

/** `name` null: not attributed. Amounts and calls by span. */
export type GroupSpend = {
	readonly name: string | null;
	readonly nanoUsd: readonly bigint[];
	readonly calls: readonly bigint[];
	readonly unresolvedNanoUsd: bigint;
};

/** Beside the amounts of spans a week apart, what an expectation of a day is made of. `teamId` null: the organisation. */
export type ExpectationFacts = { readonly teamId: string | null; readonly firstDay: number | null; readonly limits: readonly DayLimit[] };

export type DearCall = {
	readonly nanoUsd: bigint;
	readonly teamId: string;
	readonly atMs: number;
	/** Absent where its month was archived. */
	readonly call?: {
		readonly requestId: string;
		readonly model: string;
		readonly feature: string | null;
		readonly inputTokens: bigint;
		readonly outputTokens: bigint;
	};
};

/** Codes of domain/errors/codes.ts. `isCapped`: there were more than are counted, and none is told by reason. */
export type RefusalFacts = {
	readonly rows: readonly { readonly teamId: string; readonly code: string; readonly calls: bigint }[];
	readonly isCapped: boolean;
};

export type NearBudget = {
	/** null: the organisation's. */
	readonly teamId: string | null;
	readonly dimension: string;
	readonly dimensionValue: string;
	readonly windowKind: WindowKind;
	readonly windowStartsAtMs: number;
	/** null: never. */
	readonly windowEndsAtMs: number | null;
	readonly spentNanoUsd: bigint;
	/** In force at the end of the period. */
	readonly limitNanoUsd: bigint;
	readonly isObserved: boolean;
};

/** Items of batches that ended in the period and whose cost in real time is known. */
export type BatchFacts = { readonly items: bigint; readonly costNanoUsd: bigint; readonly realTimeNanoUsd: bigint };

/** Money budgets of a whole team, as they were at the end of the period. */
export type TeamAllowance = { readonly teamId: string; readonly limits: readonly DayLimit[] };

export type DecisionFacts = {
	readonly increases: readonly {
		readonly id: string;
		readonly teamId: string;
		readonly askedAmount: bigint;
		readonly isMoney: boolean;
		readonly requestedBy: string;
		readonly reason: string;
		readonly expiresAtMs: number;
	}[];
	/** Budgets whose overrun nobody has cleared; `budget` is its key, the amount in its unit. */
	readonly overruns: readonly { readonly teamId: string; readonly budget: string; readonly sinceMs: number; readonly amount: bigint | null }[];
	/** Of gateways' epochs; of the organisation's report alone. */
	readonly unresolved: readonly { readonly gateway: string; readonly charges: string; readonly nanoUsd: bigint | null; readonly sinceMs: number }[];
};
