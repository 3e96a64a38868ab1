import type { Command } from "commander";
import { addCommand } from "../command.ts";
import { describeRequest } from "../describe-request.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { oneOf, time } from "../values.ts";

const DIMENSIONS = ["team", "model", "askedModel", "feature", "user", "key", "environment", "provider", "day"];

type SpendOptions = { by?: string; team?: string; from?: string; to?: string };

/** What was spent, and why. */
export function addSpendCommands(program: Command, terminal: Terminal): void {
	addCommand<SpendOptions>(program, terminal, {
		usage: "spend",
		summary: "what was spent, by one dimension",
		example: "npx tollgate spend --by model --from 2026-11-01",
		options: {
			"!--by <DIMENSION>": ["team, model, askedModel (before a line degraded it), feature, user, key, environment, provider or day", oneOf(DIMENSIONS)],
			"--team <TEAM>": "of one team",
			"--from <TIME>": ["default start of this month, UTC", time],
			"--to <TIME>": ["default now", time],
		},
		run: async ({ system, print, options }) => {
			const report = await system().spend({ by: options.by ?? "", teamId: options.team, from: options.from, to: options.to });
			const rows = report.rows.map((row) => [
				row.name === undefined ? cell(row.group) : `${cell(row.group)} (${row.name})`,
				String(row.calls),
				row.inputTokens,
				row.outputTokens,
				amount(row.costNanoUsd),
				amount(row.unresolvedNanoUsd),
			]);
			print(
				report,
				`${table([report.by.toUpperCase(), "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST", "OF IT UNRESOLVED"], rows)}\ntotal ${amount(report.totalNanoUsd)}`,
			);
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
