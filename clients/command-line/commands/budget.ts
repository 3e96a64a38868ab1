import type { Command } from "commander";
import type { Budget } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, cell, type Terminal, table } from "../output.ts";

const SCOPES = ["feature", "user", "model", "provider", "key", "environment"] as const;

type BudgetOptions = Partial<Record<(typeof SCOPES)[number], string>> & {
	team?: string;
	organization?: boolean;
	limit?: string;
	stop?: string;
	window?: string;
	unit?: string;
	timeZone?: string;
	warn?: string;
};

const SELECTOR_OPTIONS = {
	"--team <TEAM>": "whose budget",
	"--organization": "a budget over all teams",
	"--feature <NAME>": "of one feature of the team",
	"--user <NAME>": "of one user",
	"--model <NAME>": "of one model",
	"--provider <NAME>": "of one provider",
	"--key <KEY_ID>": "of one virtual key",
	"--environment <NAME>": "of one environment",
	"--unit <UNIT>": "nano_usd (default) or tokens",
};

export function addBudgetCommands(program: Command, terminal: Terminal): void {
	const budget = addGroup(program, "budget", "budgets: set, show, remove");
	addCommand<BudgetOptions>(budget, terminal, {
		usage: "set",
		summary: "set one budget; returns when it is in force",
		example: "tollgate budget set --team search --user ann --limit 0.50 --window day",
		options: {
			...SELECTOR_OPTIONS,
			"!--limit <USD>": "limit in dollars (a number of tokens with --unit tokens)",
			"!--window <KIND>": "hour, day, week, month, quarter or lifetime",
			"--stop <USD>": "stop below the limit",
			"--warn <PERCENT>": "warn at this share of the limit; default 80",
			"--time-zone <ZONE>": "IANA name; default UTC",
		},
		run: async ({ system, print, options }) => {
			const isTokens = options.unit === "tokens";
			const limits = isTokens ? { limitAmount: options.limit, stopAmount: options.stop } : { limitUsd: options.limit, stopUsd: options.stop };
			const warnBasisPoints = options.warn === undefined ? undefined : Math.round(Number(options.warn) * 100);
			const set = await system().budgets.set({ ...selectorOf(options), ...limits, timeZone: options.timeZone, warnBasisPoints });
			print(set, budgetTable([set]));
		},
	});
	addCommand<BudgetOptions>(budget, terminal, {
		usage: "show",
		summary: "budgets with what is spent, held and left",
		example: "tollgate budget show --team search",
		options: { "--team <TEAM>": "of one team; default all", "--organization": "of the organisation" },
		run: async ({ system, print, options }) => {
			const budgets = await system().budgets.list(options.organization ? "@organization" : options.team);
			if (options.team !== undefined && budgets.length === 0) await system().teams.read(options.team);
			print(budgets, budgetTable(budgets));
		},
	});
	addCommand<BudgetOptions>(budget, terminal, {
		usage: "remove",
		summary: "end one budget; its books stay",
		example: "tollgate budget remove --team search --user ann --window day",
		options: { ...SELECTOR_OPTIONS, "!--window <KIND>": "its window" },
		run: async ({ system, print, options }) => {
			const selector = selectorOf(options);
			print(await system().budgets.remove(selector), `The ${selector.dimension ?? "team"} budget of ${selector.teamId} per ${selector.windowKind} is removed.`);
		},
	});
}

function selectorOf(options: BudgetOptions): { teamId: string; dimension?: string; dimensionValue?: string; unit: string | undefined; windowKind: string } {
	const given = SCOPES.filter((scope) => options[scope] !== undefined);
	if (given.length > 1) throw new CommandFailure(2, `a budget has one scope; got --${given.join(" and --")}`);
	if ((options.team === undefined) === !options.organization) throw new CommandFailure(2, "name either --team or --organization");
	const [scope] = given;
	const value = scope === undefined ? undefined : options[scope];
	return {
		teamId: options.team ?? "@organization",
		...(scope === undefined || value === undefined ? {} : { dimension: scope, dimensionValue: value }),
		unit: options.unit,
		windowKind: options.window ?? "",
	};
}

function budgetTable(budgets: readonly Budget[]): string {
	const heads = ["TEAM", "BUDGET", "WINDOW", "LIMIT", "SPENT", "HELD", "LEFT", "RESETS", "STATE"];
	const rows = budgets.map((budget) => {
		const scope = budget.dimensionValue === "" ? budget.dimension : `${budget.dimension} ${budget.dimensionValue}`;
		const state = budget.isFrozen ? "frozen" : budget.leftAmount === "0" ? "spent" : "ok";
		const inUnit = (value: string) => amount(value, budget.unit);
		return [
			budget.teamId,
			scope,
			budget.windowKind,
			inUnit(budget.limitAmount),
			inUnit(budget.postedAmount),
			inUnit(budget.pendingAmount),
			inUnit(budget.leftAmount),
			cell(budget.resetsAt),
			state,
		];
	});
	return table(heads, rows);
}
