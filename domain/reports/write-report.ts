import type { ReportFacts } from "./facts.ts";
import type { Report, ReportSection } from "./report.ts";
import { describePeriod, type ReportKind } from "./report-period.ts";
import { writeAllowances } from "./sections/allowances.ts";
import { writeAnomalies } from "./sections/anomalies.ts";
import { writeBatches } from "./sections/batches.ts";
import { writeBudgets } from "./sections/budgets.ts";
import { writeDearestCalls } from "./sections/dearest-calls.ts";
import { writeDecisions } from "./sections/decisions.ts";
import { writeForecast, writeForecastErrors } from "./sections/forecast.ts";
import { writeMovers } from "./sections/movers.ts";
import { writeOverview } from "./sections/overview.ts";
import { writeRefusals } from "./sections/refusals.ts";
import { writeSavings } from "./sections/savings.ts";
import { writeFeatures, writeModels, writeTeams } from "./sections/spend-tables.ts";

/** In the order of a page. One that has nothing to say is null, and is not there. Another section is another line. */
const SECTIONS: readonly ((facts: ReportFacts) => ReportSection | null)[] = [
	writeOverview,
	writeAnomalies,
	writeDecisions,
	writeForecast,
	writeForecastErrors,
	writeAllowances,
	writeMovers,
	writeTeams,
	writeModels,
	writeFeatures,
	writeBudgets,
	writeDearestCalls,
	writeSavings,
	writeRefusals,
	writeBatches,
];

const NAMES: Readonly<Record<ReportKind, string>> = { daily: "Daily report", weekly: "Weekly report", monthly: "Monthly review" };

/** A pure function of the facts: the same books make the same report. */
export function writeReport(facts: ReportFacts): Report {
	const { period, teamId, cut } = facts;
	return {
		schemaVersion: 1,
		...{ kind: period.kind, teamId, date: period.date, timeZone: period.timeZone, fromMs: period.fromMs, toMs: period.toMs, cut },
		title: `${NAMES[period.kind]}: ${teamId === null ? "the organisation" : `team ${teamId}`}`,
		periodText: describePeriod(period),
		sections: SECTIONS.flatMap((write) => write(facts) ?? []),
	};
}
