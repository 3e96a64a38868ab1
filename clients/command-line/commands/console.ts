import type { Command } from "commander";
import { addCommand } from "../command.ts";
import type { Terminal } from "../output.ts";
import { someText } from "../values.ts";
import { GRANT_OPTIONS, type GrantOptions, grantFrom } from "./admin-key.ts";

export function addConsoleCommand(program: Command, terminal: Terminal): void {
	addCommand<GrantOptions & { readonly name?: string }>(program, terminal, {
		usage: "console",
		summary: "a one-time link to the console: it opens one session, within ten minutes",
		example: "npx tollgate console --role team-owner --team search --name carol",
		options: { ...GRANT_OPTIONS, "--name <NAME>": ["whose session it opens, beside each of its changes; default whose admin key this is", someText] },
		run: async ({ system, print, options }) => {
			const { name, ...grant } = options;
			const link = await system().console.link({ ...grantFrom(grant), ...(name !== undefined && { name }) });
			const teams = link.teamIds === null ? "" : ` of ${link.teamIds.join(", ")}`;
			print(link, `Opens a session of ${link.name} (${link.role}${teams}), once, until ${link.expiresAt}:\n${link.url}`);
		},
	});
}
