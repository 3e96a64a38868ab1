import type { Command } from "commander";
import { type FocusPeriod, toFocusRow } from "#domain/focus/charge.ts";
import type { AdministrationClient } from "../../administration-client.ts";
import { type ExportedRow, writeCsv, writeParquet } from "../../focus/files.ts";
import { UnreadableFocusFile, validateFocusFile } from "../../focus/validate.ts";
import { addCommand, addGroup } from "../command.ts";
import { CommandFailure, cell, type Terminal, table } from "../output.ts";
import { oneOf, someText, wholeNumber } from "../values.ts";

type ExportOptions = { from: string; to: string; file: string; format?: "csv" | "parquet"; runs?: true; billingAccount?: string };

const DAY_MS = 86_400_000;
const DAYS_MAX = 400;
const PROBLEMS_SHOWN = "100";

/** Spend in the format that tools of finance read: FOCUS 1.2. */
export function addFocusCommands(program: Command, terminal: Terminal): void {
	const group = addGroup(program, "focus", {
		summary: "export spend as FOCUS 1.2, and check such files",
		example: "npx tollgate focus validate october.parquet",
	});
	addCommand<ExportOptions>(group, terminal, {
		usage: "export",
		summary: "what was spent, as a FOCUS 1.2 file with a row per day and dimensions",
		example: "npx tollgate focus export --from 2026-10-01 --to 2026-11-01 --file october.parquet",
		options: {
			"!--from <DAY>": ["the first day, UTC, like 2026-10-01", someText],
			"!--to <DAY>": ["the day after the last", someText],
			"!--file <FILE>": ["written whole or not at all", someText],
			"--format <FORMAT>": ["csv or parquet; default by the name of the file, else csv", oneOf(["csv", "parquet"])],
			"--runs": "also by agent run (x_RunId)",
			"--billing-account <ID>": ["BillingAccountId and BillingAccountName; default organization", someText],
		},
		run: async ({ system, print, options }) => {
			const days = daysBetween(options.from, options.to);
			const format = options.format ?? (options.file.endsWith(".parquet") ? "parquet" : "csv");
			const write = format === "parquet" ? writeParquet : writeCsv;
			const rows = await write(options.file, rowsOf(system(), days, options));
			print({ file: options.file, format, days: days.length, rows }, `${rows} rows of ${days.length} days written to ${options.file} (${format})`);
		},
	});
	addCommand<{ most?: string }>(group, terminal, {
		usage: "validate <FILE>",
		summary: "what is wrong with a FOCUS 1.2 file, CSV or Parquet, ours or anybody's; exit code 1 where anything is",
		example: "npx tollgate focus validate october.csv",
		options: { "--most <COUNT>": [`problems shown; default ${PROBLEMS_SHOWN}`, wholeNumber(1, 1_000_000)] },
		run: async ({ print, options: { most = PROBLEMS_SHOWN }, arguments: [file = ""] }) => {
			const judged = await validateFocusFile(file, Number(most)).catch((error: unknown) => {
				if (error instanceof UnreadableFocusFile) throw new CommandFailure(2, `${file}: ${error.message}`);
				throw error;
			});
			const isValid = judged.problemCount === 0;
			const lines = judged.problems.map(({ row, column, problem }) => [cell(row), column, problem]);
			const head = `${file} (${judged.format}): ${judged.rows} rows, ${isValid ? "as FOCUS 1.2 asks" : `${judged.problemCount} problems`}`;
			const more = judged.problemCount > judged.problems.length ? `\nThe first ${judged.problems.length} of them: --most shows more.` : "";
			print({ ok: isValid, file, ...judged }, isValid ? head : `${head}\n${table(["ROW", "COLUMN", "PROBLEM"], lines)}${more}`);
			if (!isValid) throw new CommandFailure(1, `${file} is no FOCUS 1.2`);
		},
	});
}

function daysBetween(from: string, to: string): readonly string[] {
	const [start, end] = [readDay(from, "--from"), readDay(to, "--to")];
	if (start >= end) throw new CommandFailure(2, "--to must be after --from: it is the day after the last");
	const count = (end - start) / DAY_MS;
	if (count > DAYS_MAX) throw new CommandFailure(2, `--from is ${count} days before --to: ask for ${DAYS_MAX} at most`);
	return Array.from({ length: count }, (_, index) => new Date(start + index * DAY_MS).toISOString().slice(0, 10));
}

function readDay(text: string, option: string): number {
	const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
	if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
		throw new CommandFailure(2, `${option}: ${JSON.stringify(text)} is no day like 2026-10-01`);
	return ms;
}

async function* rowsOf(
	system: AdministrationClient,
	days: readonly string[],
	{ runs, billingAccount = "organization" }: ExportOptions,
): AsyncGenerator<ExportedRow> {
	for (const day of days) {
		const period: FocusPeriod = { day, billingAccount };
		for await (const charges of system.charges(day, { hasRuns: runs === true })) for (const charge of charges) yield toFocusRow(charge, period);
	}
}
