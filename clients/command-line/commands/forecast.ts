import type { Command } from "commander";
import { EXCESS_MOVEMENTS, type ExcessMovement } from "#domain/anomaly/explain-excess.ts";
import type { AnomalyReport, ForecastReport } from "../../administration-client.ts";
import { anomaliesToCsv, forecastsToCsv } from "../../forecast-csv.ts";
import { addCommand } from "../command.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { day, month, oneOf, someText } from "../values.ts";

type By = "team" | "feature";
type ForecastOptions = { by?: By; month?: string; asOf?: string; team?: string; feature?: string; csv?: true };
type AnomalyOptions = { by?: By; from?: string; to?: string; team?: string; feature?: string; csv?: true };

const BY = ["one row for each team (default), or each feature of each team", oneOf(["team", "feature"])] as const;

/** What will be spent, and what should not have been. */
export function addForecastCommands(program: Command, terminal: Terminal): void {
	addCommand<ForecastOptions>(program, terminal, {
		usage: "forecast",
		summary: "what the month will have cost, and when its budget is crossed",
		example: "npx tollgate forecast --by feature --team search",
		options: {
			"--by <team|feature>": BY,
			"--month <MONTH>": ["like 2026-11, from a year ago to two months ahead; default the running month", month],
			"--as-of <DAY>": ["as on the morning of that day; default now", day],
			"--team <TEAM>": ["of one team alone", someText],
			"--feature <FEATURE>": ["of one feature alone, with --by feature", someText],
			"--csv": "print CSV, amounts in nano-USD",
		},
		run: async ({ system, print, options: { by, month: of, asOf, team, feature, csv }, terminal: to }) => {
			const report = await system().forecast({ by, month: of, asOf, teamId: team, feature });
			if (csv === undefined) print(report, describeForecasts(report));
			else to.writeLine(forecastsToCsv(report).trimEnd());
		},
	});
	addCommand<AnomalyOptions>(program, terminal, {
		usage: "anomalies",
		summary: "days on which more was spent than should have been, and why",
		example: "npx tollgate anomalies --by feature --from 2026-11-01",
		options: {
			"--by <team|feature>": BY,
			"--from <DAY>": ["default 30 days ago", day],
			"--to <DAY>": ["exclusive; default: today is in it", day],
			"--team <TEAM>": ["of one team alone", someText],
			"--feature <FEATURE>": ["of one feature alone, with --by feature", someText],
			"--csv": "print CSV, amounts in nano-USD",
		},
		run: async ({ system, print, options: { by, from, to: until, team, feature, csv }, terminal: to }) => {
			const report = await system().anomalies({ by, from, to: until, teamId: team, feature });
			if (csv === undefined) print(report, describeAnomalies(report));
			else to.writeLine(anomaliesToCsv(report).trimEnd());
		},
	});
}

function describeForecasts({ by, rows, leftOut, isComplete }: ForecastReport): string {
	const heads = [
		"TEAM",
		...(by === "feature" ? ["FEATURE"] : []),
		"MONTH",
		"SPENT",
		"EXPECTED",
		"80 % FROM",
		"TO",
		"BUDGET",
		"ABOVE IT",
		"CROSSED",
		"EARLY",
		"NOTE",
	];
	const lines = rows.map((row) => [
		...[row.teamId, ...(by === "feature" ? [cell(row.feature)] : []), `${row.month} (${row.daysOver}/${row.daysOfMonth})`],
		...[row.knownNanoUsd, row.expectedNanoUsd, row.low80NanoUsd, row.high80NanoUsd].map(dollarsAndCents),
		...(row.budget === null
			? ["-", "-", "-", "-"]
			: [amount(row.budget.amountNanoUsd), `${(row.budget.aboveBasisPoints / 100).toFixed(0)} %`, cell(row.budget.crossedOn), cell(row.budget.crossedEarlyOn)]),
		cell([...(row.confidence === "low" ? ["low confidence"] : []), ...(row.isRecentChange ? ["recent change"] : [])].join(", ")),
	]);
	return `${table(heads, lines)}${ending(leftOut, isComplete)}`;
}

const MOVED: Readonly<Record<ExcessMovement, string>> = {
	volume: "more calls",
	mix: "other models",
	tokensPerCall: "more tokens a call",
	price: "dearer tokens",
};

function describeAnomalies({ by, rows, leftOut, isComplete }: AnomalyReport): string {
	const heads = ["DAY", "TEAM", ...(by === "feature" ? ["FEATURE"] : []), "KIND", "SINCE", "SPENT", "EXPECTED", "MOVED", "BY", "MOSTLY"];
	const lines = rows.map(({ day: date, teamId, feature, kind, since, spentNanoUsd, expectedNanoUsd, cause }) => [
		...[date, teamId, ...(by === "feature" ? [cell(feature)] : []), kind, since, dollarsAndCents(spentNanoUsd), dollarsAndCents(expectedNanoUsd)],
		...(cause === null ? ["-", "-", "-"] : [describeGroups(cause.groups), dollarsAndCents(cause.excessNanoUsd), describeMovements(cause.movements)]),
	]);
	return `${table(heads, lines)}${ending(leftOut, isComplete)}`;
}

type Cause = NonNullable<AnomalyReport["rows"][number]["cause"]>;

function describeGroups(groups: Cause["groups"]): string {
	const named = Object.entries(groups).map(([dimension, value]) => `${dimension} ${value ?? "(none)"}`);
	return named.length === 0 ? "everything alike" : named.join(", ");
}

/** Those of at least a fifth of the largest, which comes first. */
function describeMovements(movements: Cause["movements"]): string {
	const sorted = EXCESS_MOVEMENTS.map((name) => ({ name, part: BigInt(movements[name]) })).sort((left, right) => (left.part < right.part ? 1 : -1));
	const least = (sorted[0]?.part ?? 0n) / 5n;
	return sorted
		.filter(({ part }) => part > 0n && part >= least)
		.map(({ name }) => MOVED[name])
		.join(", ");
}

/** What is estimated is not known to the nano-dollar. */
function dollarsAndCents(nanoUsd: string): string {
	const cents = (BigInt(nanoUsd) + 5_000_000n) / 10_000_000n;
	return `${cents < 0n ? "-" : ""}${(cents < 0n ? -cents : cents) / 100n}.${String((cents < 0n ? -cents : cents) % 100n).padStart(2, "0")} USD`;
}

function ending(leftOut: number, isComplete: boolean): string {
	return `${leftOut === 0 ? "" : `\n${leftOut} more are left out: ask for one with --team.`}${isComplete ? "" : "\nOf the newest calls some are not counted yet."}`;
}
