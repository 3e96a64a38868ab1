import type { Command } from "commander";
import type { AuditQuestion, ModelAudit } from "../../administration-client.ts";
import { auditToCsv } from "../../audit-csv.ts";
import { addCommand } from "../command.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { someText } from "../values.ts";

type AuditOptions = { team?: string; feature?: string; from?: string; to?: string; cheaper?: string; csv?: true; all?: true };

/** Which calls a cheaper model would serve. */
export function addAuditCommands(program: Command, terminal: Terminal): void {
	addCommand<AuditOptions>(program, terminal, {
		usage: "audit",
		summary: "which calls of each feature a cheaper model would serve, and what that would save",
		example: "npx tollgate audit --team search",
		options: {
			"--team <TEAM>": ["of one team alone", someText],
			"--feature <FEATURE>": ["of one feature alone", someText],
			"--from <DAY>": ["like 2026-11-01, UTC; default 28 days before --to", someText],
			"--to <DAY>": ["exclusive; default today", someText],
			"--cheaper <MODELS>": ["compare with these, like gpt-5=gpt-5-mini,o3=o4-mini; default degrade lines of budgets, then Tollgate's own table", someText],
			"--all": "also where nothing is recommended",
			"--csv": "print CSV, amounts in nano-USD",
		},
		run: async ({ system, print, options: { team, feature, from, to: until, cheaper, csv, all }, terminal: to }) => {
			const audit = await system().audit({ teamId: team, feature, from, to: until, cheaper } satisfies AuditQuestion);
			if (csv === undefined) print(audit, describeAudit(audit, all === true));
			else to.writeLine(auditToCsv(audit).trimEnd());
		},
	});
}

function describeAudit({ from, to, criteria, uses, monthlySavingNanoUsd, isComplete }: ModelAudit, isAll: boolean): string {
	const shown = uses.filter(({ cheaper }) => isAll || cheaper?.isRecommended === true);
	const lines = shown.map(({ teamId, feature, model, calls, simpleCalls, cheaper }) => [
		...[teamId, cell(feature), model, String(calls), share(simpleCalls / Math.max(1, calls)), cheaper?.model ?? "-"],
		...(cheaper === undefined
			? ["-", "-", "-", "no cheaper model is known"]
			: [
					amount(cheaper.monthly.expectedNanoUsd),
					`${amount(cheaper.monthly.lowNanoUsd)} to ${amount(cheaper.monthly.highNanoUsd)}`,
					cheaper.retryShareMax === null ? "-" : share(cheaper.retryShareMax),
					cheaper.isRecommended ? "try it" : "too little to say",
				]),
	]);
	const heads = ["TEAM", "FEATURE", "MODEL", "CALLS", "SIMPLE", "CHEAPER", "SAVED IN 30 DAYS", "FOUR OF FIVE MONTHS", "MAY BE ASKED AGAIN", ""];
	const simple = criteria.filter(({ isSimple }) => isSimple).map((kind) => `  ${kind.taskKind.replace("_", " ")}: ${kind.criteria}`);
	return [
		`${from} to ${to}, UTC. ${shown.length === 0 ? "Nothing is recommended." : ""}`.trimEnd(),
		...(shown.length === 0 ? [] : [table(heads, lines), `expected ${amount(monthlySavingNanoUsd)} in 30 days`]),
		"Simple by length and structure alone, whether a cheaper model is good enough is for an evaluation to say; nothing is changed:",
		...simple,
		...(isComplete ? [] : ["Of the newest calls some are not counted yet."]),
	].join("\n");
}

function share(of: number): string {
	return `${Math.round(of * 100)} %`;
}
