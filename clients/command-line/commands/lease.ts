import type { Command } from "commander";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, type Terminal, table } from "../output.ts";

type LeaseOptions = { all?: boolean; spent?: string };

export function addLeaseCommands(program: Command, terminal: Terminal): void {
	const lease = addGroup(program, "lease", { summary: "leases: list, resolve", example: "npx tollgate lease list" });
	addCommand<LeaseOptions>(lease, terminal, {
		usage: "list",
		summary: "money that gateways hold",
		example: "npx tollgate lease list",
		options: { "--all": "leases without money too" },
		run: async ({ system, print, options }) => {
			const leases = await system().leases.list({ isAll: options.all === true });
			const rows = leases.map((held) => {
				const inUnit = (value: string) => amount(value, held.unit);
				return [
					`${held.gatewayId}/${held.epoch}`,
					held.teamId,
					held.budget,
					inUnit(held.grantedAmount),
					inUnit(held.postedAmount),
					inUnit(held.pendingAmount),
					held.silentMs === null ? "-" : `${Math.round(held.silentMs / 1_000)} s`,
					held.closedHow ?? "open",
				];
			});
			print(leases, table(["GATEWAY", "TEAM", "BUDGET", "GRANTED", "POSTED", "PENDING", "SILENT", "STATE"], rows));
		},
	});
	addCommand<LeaseOptions>(lease, terminal, {
		usage: "resolve <GATEWAY/EPOCH>",
		summary: "settle what a gateway that never comes back has left open",
		example: "npx tollgate lease resolve g2/7 --spent 0.12",
		options: { "!--spent <USD>": "what its unnamed calls really cost; 0 gives everything back" },
		run: async ({ system, print, options, arguments: [name = ""] }) => {
			const [, gatewayId, epoch] = /^(.+)\/(\d+)$/.exec(name) ?? [];
			if (gatewayId === undefined || epoch === undefined)
				throw new CommandFailure(2, `${JSON.stringify(name)} is no gateway and epoch like g2/7 (see: npx tollgate lease list)`);
			const resolved = await system().leases.resolve({ gatewayId, epoch, spentUsd: options.spent ?? "" });
			print(
				resolved,
				table(
					["CHARGED AS", "REMAINS"],
					resolved.lumps.map((lump) => [lump.entryKey, amount(lump.amountNanoUsd)]),
				),
			);
		},
	});
}
