import type { Command } from "commander";
import { addCommand, addGroup } from "../command.ts";
import { CommandFailure, type Terminal, table } from "../output.ts";
import { someText } from "../values.ts";

type ThrottleOptions = { team?: string; key?: string; user?: string };

export function addThrottleCommands(program: Command, terminal: Terminal): void {
	const throttle = addGroup(program, "throttle", {
		summary: "keys and users slowed down because their spending left its own history",
		example: "npx tollgate throttle list",
	});
	addCommand<ThrottleOptions>(throttle, terminal, {
		usage: "list",
		summary: "throttles in force",
		example: "npx tollgate throttle list --team search",
		options: { "--team <NAME>": ["only of this team", someText] },
		run: async ({ system, print, options }) => {
			const throttles = await system().throttles.list(options.team);
			print(
				throttles,
				table(
					["TEAM", "WHO", "REQUESTS/MIN", "UNTIL", "WHY"],
					throttles.map((one) => [one.teamId, `${one.dimension} ${one.value}`, String(one.requestsPerMinute), one.until, one.reason]),
				),
			);
		},
	});
	addCommand<ThrottleOptions>(throttle, terminal, {
		usage: "end <TEAM>",
		summary: "end a throttle before its time",
		example: "npx tollgate throttle end search --user ann",
		options: { "--key <KEY_ID>": ["the key that is throttled", someText], "--user <ID>": ["or the user", someText] },
		run: async ({ system, print, options, arguments: [teamId = ""] }) => {
			if ((options.key === undefined) === (options.user === undefined)) throw new CommandFailure(2, "name either --key or --user");
			const whom = options.key === undefined ? { dimension: "user" as const, value: options.user ?? "" } : { dimension: "key" as const, value: options.key };
			print(await system().throttles.end({ teamId, ...whom }), `The throttle of ${whom.dimension} ${whom.value} of team ${teamId} has ended.`);
		},
	});
}
