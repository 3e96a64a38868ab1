import path from "node:path";
import type { Command } from "commander";
import { addCommand } from "../command.ts";
import { findLedger, runOnLedger } from "../ledger-process.ts";
import { CommandFailure, type Terminal } from "../output.ts";

const VERIFY_PROCESS = path.join(import.meta.dirname, "../../../workers/verify.ts");
const COULD_NOT_LOOK = 2;

type VerifyOptions = { providerLog?: string; resolve?: boolean };

export function addVerifyCommand(program: Command, terminal: Terminal): void {
	addCommand<VerifyOptions>(program, terminal, {
		usage: "verify",
		summary: "judge the whole ledger; exits 0 when it is in order, 1 when not, 2 when it could not look",
		example: "npx tollgate verify --provider-log .tollgate/provider-calls.jsonl --json",
		options: {
			"--provider-log <FILE>": "the provider's own call log: every billed call exactly once, re-priced",
			"--resolve": "bring unresolved charges to the logged cost, release those the log does not hold once no such call can still be running",
		},
		run: async ({ options }) => {
			if (options.resolve && options.providerLog === undefined) throw new CommandFailure(COULD_NOT_LOOK, "--resolve needs --provider-log");
			const flags = [
				...(options.providerLog === undefined ? [] : ["--provider-log", path.resolve(options.providerLog)]),
				...(options.resolve ? ["--resolve"] : []),
				...(options.json ? ["--json"] : []),
				...(terminal.environment["USER"] ? ["--admin-name", terminal.environment["USER"]] : []),
			];
			const exitCode = await runOnLedger(VERIFY_PROCESS, flags, findLedger(options, terminal));
			if (exitCode !== 0) throw new CommandFailure(exitCode, "");
		},
	});
}
