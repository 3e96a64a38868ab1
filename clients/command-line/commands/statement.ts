import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { parse as parseYaml } from "yaml";
import { isMonth } from "#domain/chargeback/month.ts";
import type { AdministrationClient } from "../../administration-client.ts";
import type { ChargebackRulesRequest, StatementLine, StatementMonth, StatementReport } from "../../statement-client.ts";
import { statementLinesToCsv } from "../../statement-csv.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, cell, type Terminal, table } from "../output.ts";
import { oneOf, readNamedFile, someText, wholeNumber } from "../values.ts";

type TeamOptions = { team?: string };
type DecisionOptions = { reason: string; draft?: string };
type ExportOptions = TeamOptions & { file?: string; format?: "csv" | "json" };

const TEAMS_SHOWN_MAX = 1_000;
const LINES_SHOWN_MAX = 200;

/** What teams owe for a month. */
export function addStatementCommands(program: Command, terminal: Terminal): void {
	const group = addGroup(program, "statement", { summary: "what teams owe for a month, and closing it", example: "npx tollgate statement show 2026-10" });
	addReading(group, terminal);
	addClosing(group, terminal);
	addCommand<{ file?: string }>(group, terminal, {
		usage: "rules",
		summary: "how months are charged back: shared costs, margins, approval; with --file they are set",
		example: "npx tollgate statement rules --file chargeback.yaml",
		options: { "--file <FILE>": ["YAML or JSON with the rules as a whole; what is left out has its default", someText] },
		run: async ({ system, print, options: { file } }) => {
			const rules = file === undefined ? await system().statements.rules() : await system().statements.setRules(readRules(file));
			const by = rules.setBy === null ? "Nobody has set any: these are the defaults." : `Revision ${rules.revision}, set by ${rules.setBy} at ${rules.setAt}.`;
			print(rules, `${by}\n${JSON.stringify(rules.rules, undefined, 2)}`);
		},
	});
}

function addReading(group: Command, terminal: Terminal): void {
	addCommand(group, terminal, {
		usage: "list",
		summary: "months with statements, the newest first",
		example: "npx tollgate statement list",
		run: async ({ system, print }) => {
			const months = await system().statements.months();
			const rows = months.map((month) => [
				month.month,
				describeState(month),
				String(month.teams),
				...money(month),
				cell(month.decidedBy),
				cell(month.closedAt),
			]);
			print(months, table(["MONTH", "STATE", "TEAMS", "COST", "MARGIN", "CHARGE", "DECIDED BY", "CLOSED AT"], rows));
		},
	});
	addCommand<TeamOptions>(group, terminal, {
		usage: "show <MONTH>",
		summary: "what each team owes for a month; with --team its lines",
		example: "npx tollgate statement show 2026-10 --team search",
		options: { "--team <TEAM>": ["of one team alone", someText] },
		run: async ({ system, print, options: { team }, arguments: [month = ""] }) => {
			const { statements } = system();
			const report = await statements.read(readMonth(month), { teamId: team, limit: TEAMS_SHOWN_MAX });
			if (team === undefined) return print(report, describeReport(report));
			const { value: lines = [] } = await statements.pages(month, team).next();
			print({ ...report, lines }, `${describeReport(report)}\n\n${describeLines(lines ?? [])}`);
		},
	});
	addCommand<ExportOptions>(group, terminal, {
		usage: "export <MONTH>",
		summary: "every line of a month's statements, as CSV or JSON lines",
		example: "npx tollgate statement export 2026-10 --file october.csv",
		options: {
			"--team <TEAM>": ["of one team alone", someText],
			"--file <FILE>": ["written whole or not at all; default: to the terminal", someText],
			"--format <FORMAT>": ["csv (default), or json: one line of JSON each", oneOf(["csv", "json"])],
		},
		run: async ({ system, options: { team, file, format = "csv" }, terminal: to, arguments: [month = ""] }) => {
			const texts = exported(system(), { month: readMonth(month), team, format });
			if (file === undefined) for await (const text of texts) to.writeLine(text.trimEnd());
			else to.writeLine(`${await writeWhole(file, texts)} lines written to ${file}`);
		},
	});
}

function addClosing(group: Command, terminal: Terminal): void {
	addCommand(group, terminal, {
		usage: "close <MONTH>",
		summary: "draft the statements of a month that is over, and close it; where the rules say so, after approval",
		example: "npx tollgate statement close 2026-10",
		run: async ({ system, print, arguments: [month = ""] }) => {
			const now = await system().statements.close(readMonth(month));
			print(now, describeMonth(now));
		},
	});
	const decisions = [
		["approve", "close a month as it is drafted: it never changes from then on"],
		["reject", "keep a month open; closing it makes another draft"],
	] as const;
	for (const [decision, summary] of decisions) {
		addCommand<DecisionOptions>(group, terminal, {
			usage: `${decision} <MONTH>`,
			summary,
			example: `npx tollgate statement ${decision} 2026-10 --reason "as discussed"`,
			options: {
				"!--reason <TEXT>": ["why; it stands beside the decision", someText],
				"--draft <NUMBER>": ["the draft that was looked at; refused where another one waits", wholeNumber(1, 1_000_000)],
			},
			run: async ({ system, print, options: { reason, draft }, arguments: [month = ""] }) => {
				const now = await system().statements[decision](readMonth(month), { reason, ...(draft !== undefined && { draft: Number(draft) }) });
				print(now, describeMonth(now));
			},
		});
	}
}

function readMonth(text: string): string {
	if (!isMonth(text)) throw new CommandFailure(2, `${JSON.stringify(text)} is no month like 2026-10`);
	return text;
}

function readRules(file: string): ChargebackRulesRequest {
	const text = readNamedFile(file, "--file");
	try {
		return parseYaml(text) as ChargebackRulesRequest;
	} catch (error) {
		throw new CommandFailure(2, `--file: ${file} is neither YAML nor JSON: ${error instanceof Error ? error.message : String(error)}`);
	}
}

const STATES: Readonly<Record<StatementMonth["state"], string>> = {
	drafting: "drafting",
	drafted: "waits for approval",
	rejected: "rejected",
	closed: "closed",
};

function describeState({ state }: StatementMonth): string {
	return STATES[state];
}

function money({ costNanoUsd, marginNanoUsd, chargeNanoUsd }: Pick<StatementMonth, "costNanoUsd" | "marginNanoUsd" | "chargeNanoUsd">): string[] {
	return [costNanoUsd, marginNanoUsd, chargeNanoUsd].map((value) => amount(value));
}

function describeMonth(month: StatementMonth): string {
	const { decidedBy, decisionReason, draft, teams } = month;
	const [cost = "", margin = "", charge = ""] = money(month);
	const decided = decidedBy === null ? "" : `\nDecided by ${decidedBy}: ${cell(decisionReason)}`;
	return `Month ${month.month} (${month.startsAt} to ${month.endsAt}): ${describeState(month)}, draft ${draft}, ${teams} teams\ncost ${cost}, margin ${margin}, charge ${charge}${decided}`;
}

function describeReport({ month, statements }: StatementReport): string {
	const rows = statements.map((statement) => [statement.teamId, statement.calls, amount(statement.ownNanoUsd), ...money(statement)]);
	const more = statements.length < TEAMS_SHOWN_MAX ? "" : `\nThe first ${TEAMS_SHOWN_MAX} teams: npx tollgate statement export ${month.month} has all.`;
	return `${describeMonth(month)}\n\n${table(["TEAM", "CALLS", "OWN", "COST", "MARGIN", "CHARGE"], rows)}${more}`;
}

function describeLines(lines: readonly StatementLine[]): string {
	const rows = lines
		.slice(0, LINES_SHOWN_MAX)
		.map(({ kind, feature, user, model, provider, ofMonth, pool, calls, amountNanoUsd }) => [
			...[kind, cell(feature), cell(user), cell(model), cell(provider), cell(pool ?? ofMonth), calls, amount(amountNanoUsd)],
		]);
	const more = lines.length <= LINES_SHOWN_MAX ? "" : `\nThe first ${LINES_SHOWN_MAX} lines: npx tollgate statement export has all.`;
	return `${table(["KIND", "FEATURE", "USER", "MODEL", "PROVIDER", "POOL OR MONTH", "CALLS", "AMOUNT"], rows)}${more}`;
}

type Exported = { readonly month: string; readonly team: string | undefined; readonly format: "csv" | "json" };

async function* exported(system: AdministrationClient, { month, team, format }: Exported): AsyncGenerator<string> {
	let isFirst = true;
	for await (const lines of system.statements.pages(month, team)) {
		yield format === "csv" ? statementLinesToCsv(month, lines, { header: isFirst }) : lines.map((line) => `${JSON.stringify({ month, ...line })}\n`).join("");
		isFirst = false;
	}
	if (!isFirst) return;
	// Of a month or team without lines: what is wrong is said, and what is empty has its column names.
	await system.statements.read(month, { teamId: team, limit: 1 });
	if (format === "csv") yield statementLinesToCsv(month, [], { header: true });
}

/** Beside the file first, so that one that is cut is never taken for the whole. Answers how many lines it has. */
async function writeWhole(file: string, texts: AsyncIterable<string>): Promise<number> {
	const draft = `${file}.part`;
	let lines = 0;
	async function* counted(): AsyncGenerator<string> {
		for await (const text of texts) {
			lines += text.split("\n").length - 1;
			yield text;
		}
	}
	try {
		await pipeline(Readable.from(counted()), createWriteStream(draft));
		await rename(draft, file);
	} catch (error) {
		await rm(draft, { force: true });
		throw error;
	}
	return lines;
}
