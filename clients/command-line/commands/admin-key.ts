import type { Command } from "commander";
import { addCommand, addGroup } from "../command.ts";
import { cell, type Terminal, table } from "../output.ts";

export function addAdminKeyCommands(program: Command, terminal: Terminal): void {
	const adminKey = addGroup(program, "admin-key", {
		summary: "admin keys, one per person: create, list, revoke",
		example: "npx tollgate admin-key create ada",
	});
	addCommand(adminKey, terminal, {
		usage: "create <NAME>",
		summary: "create an admin key; every change made with it carries the name",
		example: "npx tollgate admin-key create ada",
		run: async ({ system, print, arguments: [name = ""] }) => {
			const created = await system().adminKeys.create(name);
			print(created, `Admin key ${created.id} of ${name}. It is shown this once:\n${created.key}`);
		},
	});
	addCommand(adminKey, terminal, {
		usage: "list",
		summary: "admin keys, without secrets",
		example: "npx tollgate admin-key list",
		run: async ({ system, print }) => {
			const keys = await system().adminKeys.list();
			print(
				keys,
				table(
					["KEY", "NAME", "CREATED", "BY", "REVOKED"],
					keys.map((key) => [key.id, key.name, key.createdAt, key.createdBy, cell(key.revokedAt)]),
				),
			);
		},
	});
	addCommand(adminKey, terminal, {
		usage: "revoke <KEY_ID>",
		summary: "revoke an admin key; the last one stays",
		example: "npx tollgate admin-key revoke adm_0123456789abcdef",
		run: async ({ system, print, arguments: [keyId = ""] }) => {
			await system().adminKeys.revoke(keyId);
			print({ id: keyId, revoked: true }, `Admin key ${keyId} is revoked.`);
		},
	});
}
