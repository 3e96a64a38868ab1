import { spawn } from "node:child_process";
import { homeOf, readEndpoints, type SystemOptions } from "./find-system.ts";
import { CommandFailure, type Terminal } from "./output.ts";

const COULD_NOT_LOOK = 2;

/** Where the books are, and where the team workflows that were told of them run. */
type LedgerPlace = { readonly DATABASE_URL: string; readonly TEMPORAL_ADDRESS?: string };

/** Whatever opens the database or Temporal is a process of its own; the command line itself never does. Resolves with its exit code. */
export function runOnLedger(entry: string, flags: readonly string[], place: Partial<LedgerPlace>): Promise<number> {
	const foreign = ["DATABASE_URL", "TEMPORAL_ADDRESS"];
	const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TOLLGATE_") && !foreign.includes(name)));
	const child = spawn(process.execPath, [entry, ...flags], { env: { ...inherited, ...place }, stdio: ["ignore", "inherit", "inherit"] });
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? COULD_NOT_LOOK));
	});
}

/** The running system's, else what DATABASE_URL and TEMPORAL_ADDRESS name: a stopped system has books too. */
export function findLedger(options: SystemOptions, { environment }: Terminal): LedgerPlace {
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
