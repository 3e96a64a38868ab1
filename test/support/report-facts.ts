import type { GroupSpend, ReportFacts } from "#domain/reports/facts.ts";
import { dayOfDate, periodOfDay, type ReportKind } from "#domain/reports/report-period.ts";

/** Facts of a report as PostgreSQL would tell them, of a team or of the organisation, with given names. */
export type NamedFacts = { readonly kind?: ReportKind; readonly teamId?: string | null; readonly name?: string; readonly more?: Partial<ReportFacts> };

const SPANS = { daily: 7, weekly: 5, monthly: 2 } as const;

export function factsOf({ kind = "daily", teamId = null, name = "chat", more = {} }: NamedFacts = {}): ReportFacts {
	const period = periodOfDay(kind, dayOfDate("2026-11-12") ?? 0, "UTC");
	const spans = Array.from({ length: SPANS[kind] }, (_, index) => BigInt(12_000_000_000 - index * 1_000_000_000));
	const group = (named: string | null): GroupSpend => ({ name: named, nanoUsd: spans, calls: spans.map(() => 40n), unresolvedNanoUsd: 0n });
	return {
		period,
		teamId,
		cut: { chunks: "7", bookedUpToMs: Date.parse("2026-11-13T05:59:30Z") },
		firstBookedMs: Date.parse("2026-01-05T09:00Z"),
		totals: spans.map((nanoUsd) => ({ nanoUsd, calls: 40n, unresolvedNanoUsd: 1_000_000n })),
		days: Array.from({ length: 28 }, (_, index) => ({ day: period.endDay - 28 + index, nanoUsd: BigInt(index) * 500_000_000n })),
		...(teamId === null && { teams: [group(name)] }),
		models: [group(name)],
		features: [group(name)],
		...(kind === "daily" && {
			expectations: [
				{ teamId: null, firstDay: 0, limits: [] },
				{ teamId: name, firstDay: 0, limits: [] },
			],
		}),
		dearestCalls: [
			{ nanoUsd: 38_650_001n, teamId: name, atMs: period.fromMs, call: { requestId: name, model: name, feature: name, inputTokens: 5n, outputTokens: 6n } },
			{ nanoUsd: 1_000_001n, teamId: name, atMs: period.fromMs },
		],
		refusals: { rows: [{ teamId: name, code: "budget.exceeded", calls: 3n }], isCapped: false },
		budgets: [
			{
				...{ teamId: name, dimension: "feature", dimensionValue: name, windowKind: "month", isObserved: false },
				...{ windowStartsAtMs: period.fromMs, windowEndsAtMs: period.toMs, spentNanoUsd: 9_000_000_000n, limitNanoUsd: 10_000_000_000n },
			},
		],
		batches: { items: 10n, costNanoUsd: 5_000_000_000n, realTimeNanoUsd: 10_000_000_000n },
		...(kind === "monthly" && { allowances: [{ teamId: name, limits: [{ windowKind: "month", timeZone: "UTC", limitAmount: 10_000_000_000n }] }] }),
		...(kind !== "daily" && {
			decisions: {
				increases: [{ id: "inc_0", teamId: name, askedAmount: 5n, isMoney: true, requestedBy: name, reason: name, expiresAtMs: period.toMs }],
				overruns: [{ teamId: name, budget: `feature|${name}|nano_usd|day`, sinceMs: period.toMs, amount: 5n }],
				unresolved: [{ gateway: name, charges: "2", nanoUsd: 5n, sinceMs: period.toMs }],
			},
		}),
		anomalies: [
			{ teamId: name, day: "2026-11-12", spentNanoUsd: 9_000_000_000n, expectedNanoUsd: 3_000_000_000n, cause: `feature ${name}`, movement: "volume" },
			{ teamId: name, feature: name, day: "2026-11-12", spentNanoUsd: 2_000_000_000n, expectedNanoUsd: 1_000_000_000n, cause: "", movement: "unknown" },
		],
		...(kind === "monthly"
			? { forecastErrors: [{ teamId: name, expectedNanoUsd: 90n, lowNanoUsd: 80n, highNanoUsd: 100n, actualNanoUsd: 120n }] }
			: {
					forecasts: [
						{
							...{ teamId: name, month: "2026-11", expectedNanoUsd: 90n, lowNanoUsd: 80n, highNanoUsd: 100n, remark: "changed lately" },
							budget: { amountNanoUsd: 95n, aboveBasisPoints: 2_500, crossedOn: "2026-11-29" },
						},
					],
				}),
		savings: [
			{ teamId: name, feature: name, model: name, cheaperModel: name, calls: 9n, simpleCalls: 6n, expectedNanoUsd: 90n, lowNanoUsd: 80n, highNanoUsd: 100n },
		],
		...more,
	};
}
