import type { Command } from "commander";
import { addCommand, addGroup } from "../command.ts";
import { type Terminal, table } from "../output.ts";

export function addUserCommands(program: Command, terminal: Terminal): void {
	const user = addGroup(program, "user", {
		summary: "readable names of users, whom the books know by id: name, list, erase",
		example: 'npx tollgate user name u-4711 "Ann Smith"',
	});
	addCommand(user, terminal, {
		usage: "name <USER_ID> <NAME>",
		summary: "give a user id a readable name",
		example: 'npx tollgate user name u-4711 "Ann Smith"',
		run: async ({ system, print, arguments: [userId = "", name = ""] }) => {
			await system().users.name(userId, name);
			print({ userId, name }, `User ${userId} is called ${name}.`);
		},
	});
	addCommand(user, terminal, {
		usage: "list",
		summary: "users that have a readable name",
		example: "npx tollgate user list",
		run: async ({ system, print }) => {
			const users = await system().users.list({ limit: 1_000 });
			const rows = users.map((found) => [found.userId, found.name, found.namedAt, found.namedBy]);
			print(users, table(["USER", "NAME", "NAMED", "BY"], rows));
		},
	});
	addCommand(user, terminal, {
		usage: "erase <USER_ID>",
		summary: "forget a user's readable name; what the id spent stays in the books",
		example: "npx tollgate user erase u-4711",
		run: async ({ system, print, arguments: [userId = ""] }) => {
			await system().users.erase(userId);
			print({ userId, erased: true }, `The readable name of user ${userId} is erased.`);
		},
	});
}
