import type { Command } from "commander";
import { WINDOW_KINDS } from "#domain/budget/scope.ts";
import type { FrozenTeam, Team, TeamToday } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, type Terminal, table } from "../output.ts";
import { oneOf, readJsonObject, someText, timeZone, wholeNumber } from "../values.ts";

type TeamOptions = {
	limit?: string;
	window?: string;
	timeZone?: string;
	unlimited?: boolean;
	policy?: string;
	limits?: string;
	admissionWaitMs?: string;
	reason?: string;
};

export function addTeamCommands(program: Command, terminal: Terminal): void {
	const team = addGroup(program, "team", {
		summary: "teams: create, show, change, freeze",
		example: "npx tollgate team create search --limit 100 --window day",
	});
	addCreate(team, terminal);
	addCommand(team, terminal, {
		usage: "list",
		summary: "all teams",
		example: "npx tollgate team list",
		run: async ({ system, print }) => {
			const teams = await system().teams.list();
			print(teams, teamTable(teams));
		},
	});
	addCommand(team, terminal, {
		usage: "show <NAME>",
		summary: "one team, and what it spent today",
		example: "npx tollgate team show search",
		run: async ({ system, print, arguments: [name = ""] }) => {
			const { teams } = system();
			const found = await teams.read(name);
			const today = await teams.today(name);
			print({ ...found, today }, `${teamTable([found])}\n\n${describeToday(today)}`);
		},
	});
	addSet(team, terminal);
	addCommand<TeamOptions>(team, terminal, {
		usage: "freeze <NAME>",
		summary: "stop all spending of a team at once",
		example: 'npx tollgate team freeze search --reason "runaway agent"',
		options: { "!--reason <TEXT>": ["why, for the audit log", someText] },
		run: async ({ system, print, options, arguments: [name = ""] }) =>
			printFreeze(
				print,
				await system().teams.freeze(name, options.reason ?? ""),
				`Team ${name} is frozen: every call is refused until: npx tollgate team unfreeze ${name}`,
			),
	});
	addCommand(team, terminal, {
		usage: "unfreeze <NAME>",
		summary: "let a frozen team spend again",
		example: "npx tollgate team unfreeze search",
		run: async ({ system, print, arguments: [name = ""] }) => printFreeze(print, await system().teams.unfreeze(name), `Team ${name} may spend again.`),
	});
	addCommand(team, terminal, {
		usage: "delete <NAME>",
		summary: "end a team and its keys; its books stay",
		example: "npx tollgate team delete search",
		run: async ({ system, print, arguments: [name = ""] }) => print(await system().teams.delete(name), `Team ${name} is deleted.`),
	});
}

function addSet(team: Command, terminal: Terminal): void {
	addCommand<TeamOptions>(team, terminal, {
		usage: "set <NAME>",
		summary: "change a team's policy or limits",
		example: "npx tollgate team set search --admission-wait-ms 0",
		options: {
			"--admission-wait-ms <N>": ["how long a call waits for money that is held, not spent", wholeNumber(0, 86_400_000)],
			"--policy <JSON>": "policy fields as JSON (docs/policy.md)",
			"--limits <JSON>": "caps and rates as JSON, replaced as a whole (docs/limits.md)",
			"--unlimited": "may spend without a budget",
			"--no-unlimited": "may not",
		},
		run: async ({ system, print, options, arguments: [name = ""] }) => {
			const policy = { ...readPolicy(options.policy), ...(options.admissionWaitMs === undefined ? {} : { admissionWaitMs: Number(options.admissionWaitMs) }) };
			const changed = await system().teams.change(name, {
				policy,
				...(options.limits === undefined ? {} : { limits: readJsonObject(options.limits, "--limits") }),
				...(options.unlimited === undefined ? {} : { isUnlimited: options.unlimited }),
			});
			print(changed, teamTable([changed]));
		},
	});
}

function addCreate(team: Command, terminal: Terminal): void {
	addCommand<TeamOptions>(team, terminal, {
		usage: "create <NAME>",
		summary: "create a team with its first budget",
		example: "npx tollgate team create search --limit 100 --window day",
		options: {
			"--limit <USD>": "limit of its budget in dollars",
			"--window <KIND>": ["hour, day, week, month, quarter or lifetime", oneOf(WINDOW_KINDS)],
			"--time-zone <ZONE>": ["IANA name; default UTC", timeZone],
			"--unlimited": "may spend without a budget",
			"--policy <JSON>": "policy fields as JSON (docs/policy.md)",
		},
		run: async ({ system, print, options, arguments: [name = ""] }) => {
			if ((options.limit === undefined) !== (options.window === undefined)) throw new CommandFailure(2, "--limit and --window belong together");
			const budget =
				options.limit === undefined || options.window === undefined
					? undefined
					: { limitUsd: options.limit, windowKind: options.window, timeZone: options.timeZone };
			const created = await system().teams.create({
				id: name,
				isUnlimited: options.unlimited,
				policy: options.policy === undefined ? undefined : readPolicy(options.policy),
				budget,
			});
			const may = created.budget
				? `may spend ${amount(created.budget.limitAmount)} per ${created.budget.windowKind}`
				: created.team.isUnlimited
					? "is unlimited"
					: "may not spend until it has a budget";
			print(created, `Team ${name} ${may}. Give it a key with: npx tollgate key create --team ${name}`);
		},
	});
}

function printFreeze(print: (value: unknown, text: string) => void, team: FrozenTeam, done: string): void {
	print(team, team.isWorkflowTold ? done : `${done}\nTemporal does not answer; it is in force all the same, and the Temporal UI shows it later.`);
}

function readPolicy(json: string | undefined): Record<string, unknown> {
	return json === undefined ? {} : readJsonObject(json, "--policy");
}

function teamTable(teams: readonly Team[]): string {
	return table(
		["TEAM", "STATE", "UNLIMITED", "POLICY", "LIMITS"],
		teams.map((team) => [
			team.id,
			team.isFrozen ? "frozen" : "ok",
			team.isUnlimited ? "yes" : "no",
			JSON.stringify(team.policy),
			team.limits.caps.length + team.limits.rates.length === 0 ? "none" : JSON.stringify(team.limits),
		]),
	);
}

function describeToday({ date, timeZone, spentNanoUsd, expectedNanoUsd, expectedFrom, isAboveExpected }: TeamToday): string {
	const day = `Today (${date}, ${timeZone}): ${amount(spentNanoUsd)} spent`;
	if (expectedNanoUsd === null) return `${day}; nothing to expect: no 14 days of history, no budget that renews.`;
	const from = expectedFrom === "history" ? "the same weekday of the last six weeks" : "what its budgets allow per day";
	return `${day}, ${amount(expectedNanoUsd)} expected (${from})${isAboveExpected ? ": above twice of that" : ""}.`;
}
