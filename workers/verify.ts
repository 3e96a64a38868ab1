import { parseArgs } from "node:util";
import { describeVerification } from "#activities/verification/print.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { loadSettings, requireDatabaseUrl } from "#config/load.ts";
import { askTeamWorkflows } from "./chain-witnesses.ts";

// The process behind `tollgate verify`: reads DATABASE_URL and TEMPORAL_ADDRESS, exits 0 when the ledger is in order, 1 when not, 2 when it could not look.
const EXIT_COULD_NOT_LOOK = 2;

try {
	const { values } = parseArgs({
		options: { "provider-log": { type: "string" }, resolve: { type: "boolean" }, json: { type: "boolean" }, "admin-name": { type: "string" } },
	});
	const settings = loadSettings();
	const verification = await verifyLedger({
		databaseUrl: requireDatabaseUrl(settings),
		providerLogPath: values["provider-log"],
		shouldResolve: values.resolve,
		adminName: values["admin-name"],
		askWitnesses: askTeamWorkflows(settings),
	});
	const lines = describeVerification(verification);
	if (values.json) {
		process.stdout.write(`${JSON.stringify(verification.report)}\n`);
		process.stderr.write(verification.report.ok ? "" : `${lines.join("\n")}\n`);
	} else {
		process.stdout.write(`${lines.join("\n")}\n`);
	}
	process.exitCode = verification.report.ok ? 0 : 1;
} catch (error) {
	process.stderr.write(`tollgate verify could not look: ${describe(error)}\n`);
	process.exitCode = EXIT_COULD_NOT_LOOK;
}

/** A refused connection is an AggregateError without a message of its own. */
function describe(error: unknown): string {
	if (error instanceof AggregateError && error.message === "") return error.errors.map(describe).join("; ");
	return error instanceof Error ? error.message : String(error);
}
