import type { Command } from "commander";
import { BUDGET_MODES, type BudgetThreshold, WINDOW_KINDS } from "#domain/budget/scope.ts";
import type { Budget } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, cell, type Terminal, table } from "../output.ts";
import { describeThreshold, highestReached, readThresholds } from "../threshold-line.ts";
import { oneOf, percent, timeZone, wholeNumber } from "../values.ts";
import { addIncreaseCommands } from "./increase.ts";
import { SELECTOR_OPTIONS, type SelectorOptions, selectorOf } from "./selector.ts";

type BudgetOptions = SelectorOptions & {
	limit?: string;
	stop?: string;
	timeZone?: string;
	warn?: string;
	threshold?: readonly string[];
	mode?: string;
	weekStart?: string;
	fiscalYearStart?: string;
};

const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

export function addBudgetCommands(program: Command, terminal: Terminal): void {
	const budget = addGroup(program, "budget", {
		summary: "budgets: set, show, remove",
		example: "npx tollgate budget set --team search --limit 100 --window day",
	});
	addCommand<BudgetOptions>(budget, terminal, {
		usage: "set",
		summary: "set one budget; returns when it is in force",
		example: "npx tollgate budget set --team search --user ann --limit 0.50 --window day",
		options: {
			...SELECTOR_OPTIONS,
			"!--limit <USD>": "limit in dollars (a number of tokens with --unit tokens)",
			"!--window <KIND>": ["hour, day, week, month, quarter or lifetime", oneOf(WINDOW_KINDS)],
			"--stop <USD>": "stop below the limit, or none; default: as it is",
			"--warn <PERCENT>": ["warn at this share of the limit; default: as it is, 80 for a new budget", percent],
			"--threshold <LINE...>":
				"AT:ACTION, AT a share like 90% or an amount, ACTION notify, needApproval, stop or degrade:ASKED=SERVED,…; all lines at once, or none; default: as they are",
			"--mode <MODE>": ["enforce, or observe: book everything, refuse nothing; default: as it is, enforce for a new budget", oneOf(BUDGET_MODES)],
			"--time-zone <ZONE>": ["IANA name; default: as it is, UTC for a new budget", timeZone],
			"--week-start <DAY>": ["first day of a week; default: as it is, monday for a new budget", oneOf(WEEKDAYS)],
			"--fiscal-year-start <MONTH>": ["1 to 12, the first month of a fiscal year; default: as it is, 1 for a new budget", wholeNumber(1, 12)],
		},
		run: async ({ system, print, options, terminal }) => {
			const isTokens = options.unit === "tokens";
			const stop = options.stop === "none" ? null : options.stop;
			const limits = isTokens ? { limitAmount: options.limit, stopAmount: stop } : { limitUsd: options.limit, stopUsd: stop };
			const warnBasisPoints = options.warn === undefined ? undefined : Math.round(Number(options.warn) * 100);
			const thresholds = options.threshold === undefined ? undefined : readThresholds(options.threshold, options.unit).map(toField);
			const rules = { timeZone: options.timeZone, mode: options.mode, ...calendarOf(options) };
			const set = await system().budgets.set({ ...selectorOf(options), ...limits, ...rules, warnBasisPoints, thresholds });
			if (options.model !== undefined && (await system().prices.list({ model: options.model })).lines.length === 0)
				terminal.writeError(`tollgate: warning: the price book knows no model ${options.model}; this budget counts only calls that ask for exactly that name`);
			print(set, budgetTable([set]));
		},
	});
	addCommand<BudgetOptions>(budget, terminal, {
		usage: "show",
		summary: "budgets with what is spent and left, and how much of that gateways have leased",
		example: "npx tollgate budget show --team search",
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
		example: "npx tollgate budget remove --team search --user ann --window day",
		options: { ...SELECTOR_OPTIONS, "!--window <KIND>": ["its window", oneOf(WINDOW_KINDS)] },
		run: async ({ system, print, options }) => {
			const selector = selectorOf(options);
			print(await system().budgets.remove(selector), `The ${selector.dimension ?? "team"} budget of ${selector.teamId} per ${selector.windowKind} is removed.`);
		},
	});
	addIncreaseCommands(budget, terminal);
}

function calendarOf({ weekStart, fiscalYearStart }: BudgetOptions): { weekStart: number | undefined; fiscalYearStart: number | undefined } {
	return {
		weekStart: weekStart === undefined ? undefined : WEEKDAYS.indexOf(weekStart) + 1,
		fiscalYearStart: fiscalYearStart === undefined ? undefined : Number(fiscalYearStart),
	};
}

function toField(threshold: BudgetThreshold): Budget["thresholds"][number] {
	return { ...threshold, at: { ...threshold.at } };
}

/** The most severe thing that is true, in the words of the team's workflow. */
function stateOf(budget: Budget): string {
	if (budget.isFrozen) return "frozen";
	const reached = highestReached(linesOf(budget), limitInForce(budget), BigInt(budget.postedAmount));
	if (budget.mode === "observe") return reached === undefined && budget.leftAmount !== "0" ? "observed" : "observed, warned";
	if (budget.isOverrun) return "overrun";
	if (budget.leftAmount === "0") return budget.needsApproval ? "awaiting approval" : "stopped";
	return reached === "degrade" ? "degraded" : reached === undefined ? "ok" : "warned";
}

function limitInForce({ limitAmount, raisedAmount }: Budget): bigint {
	return BigInt(limitAmount) + BigInt(raisedAmount);
}

/** The wire leaves the shape of a line open; who wrote it checked it. */
function linesOf(budget: Budget): readonly BudgetThreshold[] {
	return budget.thresholds as readonly BudgetThreshold[];
}

function budgetTable(budgets: readonly Budget[]): string {
	const heads = ["TEAM", "BUDGET", "WINDOW", "LIMIT", "SPENT", "LEFT", "OF IT LEASED", "RESETS", "STATE", "WOULD REFUSE", "THRESHOLDS"];
	const rows = budgets.map((budget) => {
		const scope = budget.dimensionValue === "" ? budget.dimension : `${budget.dimension} ${budget.dimensionValue}`;
		const inUnit = (value: string) => amount(value, budget.unit);
		return [
			budget.teamId,
			scope,
			budget.windowKind,
			inUnit(limitInForce(budget).toString()),
			inUnit(budget.postedAmount),
			inUnit(budget.leftAmount),
			inUnit(budget.pendingAmount),
			cell(budget.resetsAt),
			stateOf(budget),
			budget.mode === "observe" ? String(budget.wouldRefuse) : "-",
			cell(
				linesOf(budget)
					.map((line) => describeThreshold(line, budget.unit))
					.join("; "),
			),
		];
	});
	return table(heads, rows);
}
