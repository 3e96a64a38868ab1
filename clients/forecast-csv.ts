import { stringify } from "csv-stringify/sync";
import type { z } from "zod";
import { EXCESS_DIMENSIONS, EXCESS_MOVEMENTS } from "#domain/anomaly/explain-excess.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { csvText } from "./csv-text.ts";
import type { AnomalyReport, ForecastReport } from "./forecast-contract.ts";

const AMOUNTS = ["knownNanoUsd", "expectedNanoUsd", "low80NanoUsd", "high80NanoUsd", "low95NanoUsd", "high95NanoUsd"] as const;

/** Forecasts as CSV (RFC 4180, with a line of names); amounts stand in nano-USD, exact, what is expected in dollars too. */
export function forecastsToCsv({ by, rows }: z.output<typeof ForecastReport>): string {
	const figures = [
		"daysOver",
		"daysOfMonth",
		"method",
		"confidence",
		"isRecentChange",
		...AMOUNTS,
		"expectedUsd",
		"budgetNanoUsd",
		"aboveBasisPoints",
		"crossedOn",
		"crossedEarlyOn",
	];
	const records = rows.map(({ budget, isRecentChange, ...row }) => ({
		...named(row),
		isRecentChange: String(isRecentChange),
		expectedUsd: formatUsd(BigInt(row.expectedNanoUsd)),
		...(budget !== null && { ...budget, budgetNanoUsd: budget.amountNanoUsd }),
	}));
	return stringify(records, { header: true, columns: ["teamId", ...(by === "feature" ? ["feature"] : []), "timeZone", "month", ...figures] });
}

/** Anomalies as CSV, one line each with its cause; amounts stand in nano-USD, exact, what was spent in dollars too. */
export function anomaliesToCsv({ by, rows }: z.output<typeof AnomalyReport>): string {
	const figures = ["day", "kind", "since", "spentNanoUsd", "spentUsd", "expectedNanoUsd", "z"];
	const causes = [
		...EXCESS_DIMENSIONS.map((dimension) => `cause_${dimension}`),
		"causeUsualNanoUsd",
		"causeExcessNanoUsd",
		...EXCESS_MOVEMENTS.map((movement) => `${movement}NanoUsd`),
		"largest",
	];
	const records = rows.map(({ cause, ...row }) => ({
		...named(row),
		spentUsd: formatUsd(BigInt(row.spentNanoUsd)),
		...(cause !== null && {
			...Object.fromEntries(EXCESS_DIMENSIONS.map((dimension) => [`cause_${dimension}`, csvText(cause.groups[dimension])])),
			...Object.fromEntries(EXCESS_MOVEMENTS.map((movement) => [`${movement}NanoUsd`, cause.movements[movement]])),
			...{ causeUsualNanoUsd: cause.usualNanoUsd, causeExcessNanoUsd: cause.excessNanoUsd, largest: cause.largest },
		}),
	}));
	return stringify(records, { header: true, columns: ["teamId", ...(by === "feature" ? ["feature"] : []), "timeZone", ...figures, ...causes] });
}

function named<Row extends { readonly teamId: string; readonly feature?: string | null | undefined }>(row: Row) {
	return { ...row, teamId: csvText(row.teamId), feature: csvText(row.feature) };
}
