import type { Command } from "commander";
import { SPEND_DIMENSIONS, SPEND_PERIODS, type SpendDimension } from "#domain/spend/dimensions.ts";
import type { SpendQuestion, SpendReport } from "../../administration-client.ts";
import { spendToCsv } from "../../spend-csv.ts";
import { addCommand } from "../command.ts";
import { describeRequest } from "../describe-request.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { oneOf, someOf, someText, time } from "../values.ts";

type SpendOptions = Partial<Record<SpendDimension, string>> & {
	by?: string;
	per?: (typeof SPEND_PERIODS)[number];
	from?: string;
	to?: string;
	csv?: true;
};

/** What was spent, and why. */
export function addSpendCommands(program: Command, terminal: Terminal): void {
	addCommand<SpendOptions>(program, terminal, {
		usage: "spend",
		summary: "what was spent, by dimensions and periods",
		example: "npx tollgate spend --by team,model --per day --from 2026-11-01",
		options: {
			"--by <DIMENSIONS>": [
				`up to four of ${SPEND_DIMENSIONS.join(", ")}, with commas between; default team, and none with --per alone; askedModel is the one before a line degraded it`,
				someOf(SPEND_DIMENSIONS),
			],
			"--per <PERIOD>": ["one row per hour, day, week (from Monday) or month as well, UTC", oneOf(SPEND_PERIODS)],
			"--from <TIME>": ["on the hour; default start of this month, UTC", time],
			"--to <TIME>": ["on the hour; default now", time],
			"--team <TEAM>": ["of one team alone", someText],
			"--feature <FEATURE>": ["of one feature alone", someText],
			"--user <USER>": ["of one user alone", someText],
			"--model <MODEL>": ["of one model alone", someText],
			"--asked-model <MODEL>": ["of one model asked for alone", someText],
			"--provider <PROVIDER>": ["of one provider alone", someText],
			"--key <KEY_ID>": ["of one key alone", someText],
			"--environment <ENVIRONMENT>": ["of one environment alone", someText],
			"--run <RUN>": ["of one agent run alone", someText],
			"--batch <BATCH_ID>": ["of one batch alone", someText],
			"--csv": "print CSV, amounts in nano-USD and in dollars",
		},
		run: async ({ system, print, options, terminal: to }) => {
			const report = await system().spend(toQuestion(options));
			if (options.csv === undefined) print(report, describeSpend(report));
			else to.writeLine(spendToCsv(report).trimEnd());
		},
	});
	addCommand(program, terminal, {
		usage: "recount <DAY> [LAST_DAY]",
		summary: "make the sums of past days (UTC) anew from the ledger, where verify says that they are not its entries'",
		example: "npx tollgate recount 2026-10-01 2026-10-31",
		run: async ({ system, print, arguments: [from = "", to] }) => {
			const begun = await system().recountSpend({ from, ...(to && { to }) });
			const days = begun.from === begun.to ? begun.from : `${begun.from} to ${begun.to}`;
			print(begun, `The sums of ${days} are made anew, day by day; ${begun.workflowId} in the Temporal UI says how far it is.`);
		},
	});
	addCommand(program, terminal, {
		usage: "explain <REQUEST_ID>",
		summary: "what one request cost and why, or why it was refused",
		example: "npx tollgate explain req_0123456789",
		run: async ({ system, print, arguments: [requestId = ""] }) => {
			const explained = await system().explain(requestId);
			print(explained, describeRequest(explained));
		},
	});
}

function toQuestion({ by, per, from, to, team, user, key, run, batch, feature, model, askedModel, provider, environment }: SpendOptions): SpendQuestion {
	const only = { teamId: team, userId: user, keyId: key, runId: run, batchId: batch, feature, model, askedModel, provider, environment };
	return { by, per, from, to, ...only };
}

function describeSpend({ by, per, rows, totalNanoUsd, isComplete }: SpendReport): string {
	const heads = [...(per === null ? [] : [per.toUpperCase()]), ...by.map((dimension) => dimension.toUpperCase())];
	const lines = rows.map((row) => [
		...(per === null ? [] : [(row.startsAt ?? "").slice(0, per === "hour" ? 16 : 10)]),
		...by.map((dimension) => named(row.groups[dimension], dimension === "user" ? row.userName : undefined)),
		...[String(row.calls), row.inputTokens, row.outputTokens, amount(row.costNanoUsd), amount(row.unresolvedNanoUsd)],
	]);
	const total = `total ${amount(totalNanoUsd)}${isComplete ? "" : "\nOf the newest calls some are not counted yet."}`;
	return `${table([...heads, "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST", "OF IT UNRESOLVED"], lines)}\n${total}`;
}

function named(group: string | null | undefined, name: string | undefined): string {
	return name === undefined ? cell(group) : `${cell(group)} (${name})`;
}
