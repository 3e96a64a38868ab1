import type { Command } from "commander";
import { describeSelector, selectorFromKey, WINDOW_KINDS } from "#domain/budget/scope.ts";
import type { Increase } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, cell, type Terminal, table } from "../output.ts";
import { duration, oneOf, someText } from "../values.ts";
import { SELECTOR_OPTIONS, type SelectorOptions, selectorOf } from "./selector.ts";

type RequestOptions = SelectorOptions & { amount?: string; beyondLine?: true; until?: string; reason?: string; expires?: number };
type ListOptions = { team?: string; organization?: boolean; all?: boolean };
type DecisionOptions = { amount?: string; reason?: string };

export function addIncreaseCommands(budget: Command, terminal: Terminal): void {
	const increase = addGroup(budget, "increase", {
		summary: "temporarily higher limits: request, list, approve, reject, withdraw, end",
		example: 'npx tollgate budget increase request --team search --amount 50 --until 2026-12-01 --reason "launch week"',
	});
	addRequest(increase, terminal);
	addReading(increase, terminal);
	addDecisions(increase, terminal);
}

function addRequest(increase: Command, terminal: Terminal): void {
	addCommand<RequestOptions>(increase, terminal, {
		usage: "request",
		summary: "ask for a temporarily higher limit, or to spend beyond a line that needs approval; somebody else decides",
		example: 'npx tollgate budget increase request --team search --amount 50 --until 2026-12-01 --reason "launch week"',
		options: {
			...SELECTOR_OPTIONS,
			"--window <KIND>": ["its window; not needed where one budget fits the rest", oneOf(WINDOW_KINDS)],
			"--amount <USD>": "what is added to the limit, in dollars (a number of tokens with --unit tokens)",
			"--beyond-line": "instead: leave to spend beyond the next line at which the budget needs approval, to the end of its window",
			"--until <DATE>": "to the end of this day in the budget's time zone, or an instant like 2026-12-01T12:00:00Z; default: to the end of the window",
			"!--reason <TEXT>": ["why, for whoever decides and for the audit log", someText],
			"--expires <DURATION>": ["how long it waits for a decision, like 7d; default 14d, at most 90d", duration],
		},
		run: async ({ system, print, options }) => {
			const { windowKind, ...selector } = selectorOf(options);
			if ((options.amount === undefined) === (options.beyondLine === undefined)) throw new CommandFailure(2, "name either --amount or --beyond-line");
			if (options.beyondLine && options.until !== undefined)
				throw new CommandFailure(2, "--until belongs to --amount: a line is passed to the end of its window");
			const asked = await system().increases.request({
				...selector,
				...(windowKind === "" ? {} : { windowKind }),
				...(options.beyondLine ? { kind: "line" } : { ...amountOf(options.amount, options.unit), until: options.until }),
				reason: options.reason ?? "",
				expiresInMs: options.expires,
			});
			print(asked, `${asked.id} waits for a decision until ${asked.expiresAt}. Somebody else decides: npx tollgate budget increase approve ${asked.id}`);
		},
	});
}

function addReading(increase: Command, terminal: Terminal): void {
	addCommand<ListOptions>(increase, terminal, {
		usage: "list",
		summary: "increases that wait for a decision or are in force",
		example: "npx tollgate budget increase list --team search",
		options: { "--team <TEAM>": "of one team; default all", "--organization": "of the organisation", "--all": "those that are closed, too" },
		run: async ({ system, print, options }) => {
			const increases = await system().increases.list({ teamId: options.organization ? "@organization" : options.team, isAll: options.all === true });
			print(increases, increaseTable(increases));
		},
	});
	addCommand(increase, terminal, {
		usage: "show <ID>",
		summary: "one increase: who asked, why, who decided, what then held",
		example: "npx tollgate budget increase show inc_0123456789ab",
		run: async ({ system, print, arguments: [id = ""] }) => {
			const found = await system().increases.read(id);
			print(found, increaseText(found));
		},
	});
}

function addDecisions(increase: Command, terminal: Terminal): void {
	addCommand<DecisionOptions>(increase, terminal, {
		usage: "approve <ID>",
		summary: "raise the limit as asked, or by less; returns when it is in force",
		example: "npx tollgate budget increase approve inc_0123456789ab --amount 30",
		options: { "--amount <USD>": "less than was asked, in dollars (a number of tokens of a budget in tokens)", "--reason <TEXT>": ["why", someText] },
		run: async ({ system, print, options, arguments: [id = ""] }) => {
			const unit = options.amount === undefined ? undefined : (await system().increases.read(id)).unit;
			const approved = await system().increases.approve(id, { ...amountOf(options.amount, unit), reason: options.reason });
			print(approved, increaseText(approved));
		},
	});
	addCommand<DecisionOptions>(increase, terminal, {
		usage: "reject <ID>",
		summary: "refuse an increase",
		example: 'npx tollgate budget increase reject inc_0123456789ab --reason "wait for December"',
		options: { "!--reason <TEXT>": ["why, for whoever asked", someText] },
		run: async ({ system, print, options, arguments: [id = ""] }) => print(await system().increases.reject(id, options.reason ?? ""), `${id} is rejected.`),
	});
	addCommand(increase, terminal, {
		usage: "withdraw <ID>",
		summary: "take back what you asked for",
		example: "npx tollgate budget increase withdraw inc_0123456789ab",
		run: async ({ system, print, arguments: [id = ""] }) => print(await system().increases.withdraw(id), `${id} is withdrawn.`),
	});
	addCommand<DecisionOptions>(increase, terminal, {
		usage: "end <ID>",
		summary: "end a raise before its date; returns when the lower limit is in force",
		example: 'npx tollgate budget increase end inc_0123456789ab --reason "the launch is over"',
		options: { "--reason <TEXT>": ["why", someText] },
		run: async ({ system, print, options, arguments: [id = ""] }) => {
			const ended = await system().increases.end(id, options.reason);
			print(ended, increaseText(ended));
		},
	});
}

function amountOf(given: string | undefined, unit: string | undefined): { amount?: string; amountUsd?: string } {
	if (given === undefined) return {};
	return unit === "tokens" ? { amount: given } : { amountUsd: given };
}

function increaseTable(increases: readonly Increase[]): string {
	return table(
		["ID", "TEAM", "BUDGET", "ASKED", "STATE", "UNTIL", "BY", "REASON"],
		increases.map((increase) => [
			increase.id,
			increase.teamId,
			budgetOf(increase),
			askedOf(increase),
			increase.status === "approved" && increase.kind === "increase" ? `+${amount(increase.grantedAmount ?? "0", increase.unit)} in force` : increase.status,
			increase.until ?? "end of its window",
			increase.requestedBy,
			increase.reason,
		]),
	);
}

/** What a line asks for is leave to spend beyond it. */
function askedOf({ kind, askedAmount, unit }: Increase): string {
	return kind === "line" ? `to spend beyond ${amount(askedAmount, unit)}` : amount(askedAmount, unit);
}

function increaseText(increase: Increase): string {
	const { id, teamId, unit, grantedAmount, status, until, limitBefore, limitAfter } = increase;
	const raised = limitBefore !== null && limitAfter !== null ? `, limit ${amount(limitBefore, unit)} → ${amount(limitAfter, unit)}` : "";
	const byHand = (isByHand: boolean | null): string => (isByHand ? " (by hand)" : "");
	const ended =
		increase.endedBy === null
			? []
			: [
					`  ended    by ${increase.endedBy}${byHand(increase.isEndedByHand)} at ${cell(increase.endedAt)}${increase.endReason ? `: ${increase.endReason}` : ""}`,
				];
	return [
		`${id}: ${status}${grantedAmount === null || increase.kind === "line" ? "" : `, ${amount(grantedAmount, unit)} granted`}${raised}`,
		`  budget   ${teamId}: ${budgetOf(increase)}`,
		`  asked    ${askedOf(increase)} until ${until ?? "its window ends"}, by ${increase.requestedBy}${byHand(increase.isRequestedByHand)} at ${increase.requestedAt}`,
		`  why      ${increase.reason}`,
		increase.decidedBy === null
			? `  decision none yet; it expires ${increase.expiresAt}`
			: `  decision by ${increase.decidedBy}${byHand(increase.isDecidedByHand)} at ${cell(increase.decidedAt)}${increase.decisionReason ? `: ${increase.decisionReason}` : ""}`,
		...ended,
	].join("\n");
}

function budgetOf({ dimension, dimensionValue, unit, windowKind }: Increase): string {
	return describeSelector(selectorFromKey(`${dimension}|${dimensionValue}|${unit}|${windowKind}`));
}
