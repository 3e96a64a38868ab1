import { spawn } from "node:child_process";
import path from "node:path";
import type { Command } from "commander";
import { addCommand } from "../command.ts";
import { homeOf, readEndpoints, type SystemOptions } from "../find-system.ts";
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
			const exitCode = await runVerification(flags, databaseUrl(options, terminal));
			if (exitCode !== 0) throw new CommandFailure(exitCode, "");
		},
	});
}

/** The ledger is judged by a process of its own: only it opens the database. */
function runVerification(flags: readonly string[], url: string): Promise<number> {
	const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TOLLGATE_") && name !== "DATABASE_URL"));
	const child = spawn(process.execPath, [VERIFY_PROCESS, ...flags], { env: { ...inherited, DATABASE_URL: url }, stdio: ["ignore", "inherit", "inherit"] });
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? COULD_NOT_LOOK));
	});
}

/** The running system's database, else the one that DATABASE_URL names: a stopped system can be judged too. */
function databaseUrl(options: SystemOptions, terminal: Terminal): string {
	try {
		return readEndpoints(homeOf(options, terminal.environment)).databaseUrl;
	} catch (error) {
		if (!(error instanceof CommandFailure)) throw error;
		const fromEnvironment = options.home === undefined ? terminal.environment["DATABASE_URL"] : undefined;
		if (fromEnvironment) return fromEnvironment;
		throw new CommandFailure(COULD_NOT_LOOK, error.message);
	}
}
