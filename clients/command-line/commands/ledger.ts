import path from "node:path";
import type { Command } from "commander";
import { addCommand, addGroup } from "../command.ts";
import type { SystemOptions } from "../find-system.ts";
import { findLedger, runOnLedger } from "../ledger-process.ts";
import { CommandFailure, type Terminal } from "../output.ts";

type LedgerOptions = { month?: string; to?: string };

const ARCHIVE_PROCESS = path.join(import.meta.dirname, "../../../workers/archive.ts");

export function addLedgerCommands(program: Command, terminal: Terminal): void {
	const ledger = addGroup(program, "ledger", {
		summary: "months of the ledger outside of the database: archive, prove, explain",
		example: "npx tollgate ledger archive --month 2026-10 --to ledger-2026-10.jsonl",
	});
	addCommand<LedgerOptions>(ledger, terminal, {
		usage: "archive",
		summary: "move the settled calls of a past month into a file that proves them",
		example: "npx tollgate ledger archive --month 2026-10 --to ledger-2026-10.jsonl",
		options: { "!--month <YYYY-MM>": "a month that is over, in UTC", "!--to <FILE>": "the file to write; must not exist" },
		run: ({ options }) => {
			const user = terminal.environment["USER"];
			const flags = ["--month", options.month ?? "", "--to", path.resolve(options.to ?? ""), ...(user ? ["--admin-name", user] : [])];
			return run(flags, options, terminal);
		},
	});
	addCommand<LedgerOptions>(ledger, terminal, {
		usage: "prove <FILE>",
		summary: "whether a file holds what the ledger was archived to, row by row",
		example: "npx tollgate ledger prove ledger-2026-10.jsonl",
		run: ({ options, arguments: [file = ""] }) => run(["--prove", path.resolve(file)], options, terminal),
	});
	addCommand<LedgerOptions>(ledger, terminal, {
		usage: "explain <FILE> <REQUEST_ID>",
		summary: "what one request of an archived month cost, by request or attempt id; needs only the file",
		example: "npx tollgate ledger explain ledger-2026-10.jsonl req_0123456789",
		run: ({ options, arguments: [file = "", id = ""] }) => runAlone(["--explain", path.resolve(file), "--request", id], options),
	});
}

function runAlone(flags: readonly string[], options: { json?: boolean }): Promise<void> {
	return ended(runOnLedger(ARCHIVE_PROCESS, withJson(flags, options), {}));
}

async function run(flags: readonly string[], options: SystemOptions & { json?: boolean }, terminal: Terminal): Promise<void> {
	return ended(runOnLedger(ARCHIVE_PROCESS, withJson(flags, options), findLedger(options, terminal)));
}

function withJson(flags: readonly string[], { json }: { json?: boolean }): string[] {
	return [...flags, ...(json ? ["--json"] : [])];
}

async function ended(running: Promise<number>): Promise<void> {
	const exitCode = await running;
	if (exitCode !== 0) throw new CommandFailure(exitCode, "");
}
