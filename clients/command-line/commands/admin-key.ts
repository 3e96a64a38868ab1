import type { Command } from "commander";
import { ADMIN_ROLES, type AdminRole } from "#domain/access/admin-role.ts";
import type { AdminGrantRequest } from "../../administration-client.ts";
import { addCommand, addGroup, type OptionDefinition } from "../command.ts";
import { cell, type Terminal, table } from "../output.ts";
import { oneOf, someText } from "../values.ts";

/** Options of who gets which rights. */
export const GRANT_OPTIONS: Readonly<Record<string, OptionDefinition>> = {
	"--role <ROLE>": ["what it may do; default operator, which is everything", oneOf(ADMIN_ROLES)],
	"--team <IDS>": ["teams of a team-owner, parted by commas", someText],
};
export type GrantOptions = { readonly role?: AdminRole; readonly team?: string };

export function grantFrom({ role, team }: GrantOptions): AdminGrantRequest {
	return { ...(role !== undefined && { role }), ...(team !== undefined && { teamIds: team.split(",").map((id) => id.trim()) }) };
}

export function addAdminKeyCommands(program: Command, terminal: Terminal): void {
	const adminKey = addGroup(program, "admin-key", {
		summary: "admin keys, one per person: create, list, revoke",
		example: "npx tollgate admin-key create ada",
	});
	addCommand<GrantOptions>(adminKey, terminal, {
		usage: "create <NAME>",
		summary: "create an admin key; every change made with it carries the name",
		example: "npx tollgate admin-key create ada --role team-owner --team search",
		options: GRANT_OPTIONS,
		run: async ({ system, print, options, arguments: [name = ""] }) => {
			const created = await system().adminKeys.create(name, grantFrom(options));
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
					["KEY", "NAME", "ROLE", "TEAMS", "CREATED", "BY", "REVOKED"],
					keys.map((key) => [
						key.id,
						key.name,
						key.role,
						key.teamIds === null ? "all" : key.teamIds.join(","),
						key.createdAt,
						key.createdBy,
						cell(key.revokedAt),
					]),
				),
			);
		},
	});
	addCommand(adminKey, terminal, {
		usage: "revoke <KEY_ID>",
		summary: "revoke an admin key; the last one of an operator stays",
		example: "npx tollgate admin-key revoke adm_0123456789abcdef",
		run: async ({ system, print, arguments: [keyId = ""] }) => {
			await system().adminKeys.revoke(keyId);
			print({ id: keyId, revoked: true }, `Admin key ${keyId} is revoked.`);
		},
	});
}
