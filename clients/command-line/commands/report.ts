import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { renderHtml } from "#domain/reports/rendering/render-html.ts";
import { renderMarkdown } from "#domain/reports/rendering/render-markdown.ts";
import { reportFromWire, type WireReport } from "#domain/reports/report-codec.ts";
import { REPORT_KINDS, type ReportKind } from "#domain/reports/report-period.ts";
import type { StoredReport } from "../../administration-client.ts";
import { type ActionContext, addCommand, addGroup, type OptionDefinition } from "../command.ts";
import { amount, CommandFailure, cell, type Terminal, table } from "../output.ts";
import { oneOf, someText, wholeNumber } from "../values.ts";

type ShowOptions = { format?: "html" | "markdown" | "json"; out?: string; edition?: string };
type MakeOptions = Omit<ShowOptions, "edition"> & { date?: string; team?: string; again?: true; tell?: true };
type ListOptions = { kind?: ReportKind; team?: string; organization?: true; before?: string; limit?: string };

const SHOWN_AS: Readonly<Record<string, OptionDefinition>> = {
	"--format <FORMAT>": ["html, markdown or json; default markdown", oneOf(["html", "markdown", "json"])],
	"--out <FILE>": ["write it to this file, not to the terminal", someText],
};

const PERIODS: Readonly<Record<ReportKind, string>> = { daily: "day", weekly: "week from Monday", monthly: "month" };

/** Reports of what is over. */
export function addReportCommands(program: Command, terminal: Terminal): void {
	const reports = addGroup(program, "report", {
		summary: "reports of days, weeks and months: daily, weekly, monthly, list, show",
		example: "npx tollgate report daily --format html --out yesterday.html",
	});
	for (const kind of REPORT_KINDS) addMaking(reports, terminal, kind);
	addCommand<ListOptions>(reports, terminal, {
		usage: "list",
		summary: "reports that were written, the newest period first",
		example: "npx tollgate report list --kind monthly --team search",
		options: {
			"--kind <KIND>": [`one of ${REPORT_KINDS.join(", ")}`, oneOf(REPORT_KINDS)],
			"--team <TEAM>": ["of one team alone", someText],
			"--organization": "of the organisation alone",
			"--before <DATE>": ["of periods that began before this day", someText],
			"--limit <N>": ["how many, 1 to 1000; default 50", wholeNumber(1, 1_000)],
		},
		run: async ({ system, print, options: { kind, team, organization, before, limit } }) => {
			if (team !== undefined && organization) throw new CommandFailure(2, "give --team or --organization, not both");
			const teamId = organization ? "@organization" : team;
			const found = await system().reports.list({ kind, teamId, before, ...(limit !== undefined && { limit: Number(limit) }) });
			const rows = found.map((one) => [
				one.id,
				cell(one.teamId ?? "the organisation"),
				amount(one.spentNanoUsd),
				String(one.edition),
				one.writtenAt,
				one.writtenBy,
			]);
			print(found, table(["REPORT", "TEAM", "SPENT", "EDITION", "WRITTEN", "BY"], rows));
		},
	});
	addCommand<ShowOptions>(reports, terminal, {
		usage: "show <REPORT>",
		summary: "one report that was written",
		example: "npx tollgate report show daily-2026-11-26-search --format html --out search.html",
		options: { "--edition <N>": ["default the newest", wholeNumber(1, 1_000_000)], ...SHOWN_AS },
		run: async (context) => {
			const {
				system,
				options,
				arguments: [reportId = ""],
			} = context;
			show(context, await system().reports.read(reportId, options.edition === undefined ? undefined : Number(options.edition)));
		},
	});
}

function addMaking(reports: Command, terminal: Terminal, kind: ReportKind): void {
	addCommand<MakeOptions>(reports, terminal, {
		usage: kind,
		summary: `what a ${PERIODS[kind]} cost, once it is over; one that was written before is shown as it is`,
		example: `npx tollgate report ${kind} --date 2026-11-02 --team search`,
		options: {
			"--date <DATE>": [`a day of the ${kind === "daily" ? "calendar" : PERIODS[kind]}; default the newest that is over`, someText],
			"--team <TEAM>": ["of one team; default the organisation", someText],
			"--again": "write it anew; another edition, beside the first, where it says something else now",
			"--tell": "tell the channels of it, once of each report",
			...SHOWN_AS,
		},
		run: async (context) => {
			const {
				system,
				terminal: to,
				options: { date, team: teamId, again, tell },
			} = context;
			const client = system();
			const made = await client.reports.make({ kind, date, teamId, again, tell });
			show(context, await client.reports.read(made.id, made.edition));
			if (again && !made.isNew) to.writeError(`Nothing has changed since edition ${made.edition} of ${made.id}, written ${made.writtenAt}: it stays.`);
			else if (made.isNew) to.writeError(`Written: ${made.id}, edition ${made.edition}.`);
			else to.writeError(`It was written before: ${made.id}, edition ${made.edition}, ${made.writtenAt}. --again writes it anew.`);
			if (tell) to.writeError(made.isTold ? "Channels are told of it." : "Channels were told of it before.");
		},
	});
}

function show({ options, print }: Pick<ActionContext<ShowOptions>, "options" | "print">, stored: StoredReport): void {
	const { format = "markdown", out } = options;
	const report = reportFromWire(stored.report as WireReport);
	const written = format === "html" ? renderHtml(report) : format === "json" ? `${JSON.stringify(stored)}\n` : renderMarkdown(report);
	if (out === undefined) print(stored, written.trimEnd());
	else {
		writeNamedFile(out, written);
		print(stored, `${report.title}, ${report.periodText}: ${out}`);
	}
}

function writeNamedFile(file: string, content: string): void {
	try {
		writeFileSync(file, content);
	} catch (error) {
		throw new CommandFailure(2, `--out: ${file} cannot be written (${error instanceof Error ? error.message : String(error)})`);
	}
}
