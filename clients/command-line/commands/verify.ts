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
			const exitCode = await runVerification(flags, findLedger(options, terminal));
			if (exitCode !== 0) throw new CommandFailure(exitCode, "");
		},
	});
}

/** Where the books are, and where the team workflows that were told of them run. */
type LedgerPlace = { readonly DATABASE_URL: string; readonly TEMPORAL_ADDRESS?: string };

/** The ledger is judged by a process of its own: only it opens the database and Temporal. */
function runVerification(flags: readonly string[], place: LedgerPlace): Promise<number> {
	const foreign = ["DATABASE_URL", "TEMPORAL_ADDRESS"];
	const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TOLLGATE_") && !foreign.includes(name)));
	const child = spawn(process.execPath, [VERIFY_PROCESS, ...flags], { env: { ...inherited, ...place }, stdio: ["ignore", "inherit", "inherit"] });
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? COULD_NOT_LOOK));
	});
}

/** The running system's, else what DATABASE_URL and TEMPORAL_ADDRESS name: a stopped system can be judged too. */
function findLedger(options: SystemOptions, { environment }: Terminal): LedgerPlace {
	try {
		const { databaseUrl, temporalAddress } = readEndpoints(homeOf(options, environment));
		return { DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress };
	} catch (error) {
		if (!(error instanceof CommandFailure)) throw error;
		const [url, address] = options.home === undefined ? [environment["DATABASE_URL"], environment["TEMPORAL_ADDRESS"]] : [];
		if (url) return { DATABASE_URL: url, ...(address && { TEMPORAL_ADDRESS: address }) };
		throw new CommandFailure(COULD_NOT_LOOK, error.message);
	}
}
