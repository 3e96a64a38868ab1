import { Command, CommanderError } from "commander";
import { ERROR_CODES } from "#domain/errors/codes.ts";
import { CostControlError, UnreachableError } from "../errors.ts";
import { addSystemOptions } from "./command.ts";
import { addAdminKeyCommands } from "./commands/admin-key.ts";
import { addAlertCommands } from "./commands/alerts.ts";
import { addAuditCommands } from "./commands/audit.ts";
import { addBatchCommands } from "./commands/batch.ts";
import { addBudgetCommands } from "./commands/budget.ts";
import { addConsoleCommand } from "./commands/console.ts";
import { addDeferredCommands } from "./commands/deferred.ts";
import { addFocusCommands } from "./commands/focus.ts";
import { addForecastCommands } from "./commands/forecast.ts";
import { addKeyCommands } from "./commands/key.ts";
import { addLeaseCommands } from "./commands/lease.ts";
import { addLedgerCommands } from "./commands/ledger.ts";
import { addPolicyCommands } from "./commands/policy.ts";
import { addPriceCommands } from "./commands/price.ts";
import { addReportCommands } from "./commands/report.ts";
import { addRunCommands } from "./commands/run.ts";
import { addSpendCommands } from "./commands/spend.ts";
import { addStatementCommands } from "./commands/statement.ts";
import { addTeamCommands } from "./commands/team.ts";
import { addThrottleCommands } from "./commands/throttle.ts";
import { addUserCommands } from "./commands/user.ts";
import { addVerifyCommand } from "./commands/verify.ts";
import { CommandFailure, type Terminal } from "./output.ts";

const REFUSED = 1;
const USAGE = 2;
const NOT_REACHABLE = 3;

/** Runs one command line; resolves with the exit code: 0 done, 1 refused or not found, 2 usage, 3 not reachable (verify and diff have their own). */
export async function runCommandLine(words: readonly string[], terminal: Terminal): Promise<number> {
	try {
		await createProgram(terminal).parseAsync([...words], { from: "user" });
		return 0;
	} catch (error) {
		const { exitCode, message } = failureOf(error);
		if (message !== "") terminal.writeError(`tollgate: ${message}`);
		return exitCode;
	}
}

/** All commands, unparsed; also what docs/command-line.md is made from. */
export function createProgram(terminal: Terminal): Command {
	const program = new Command("tollgate").description("Durable cost control for AI spend: teams, keys, budgets, prices, books.");
	// Inherited by every command made from here on.
	program.exitOverride().configureOutput({ writeOut: (text) => terminal.writeLine(text.trimEnd()), writeErr: (text) => terminal.writeError(text.trimEnd()) });
	program.showHelpAfterError("(add --help for what is possible)");
	addSystemOptions(program);
	program.addHelpText("after", "\nExample:\n  $ npx tollgate team create search --limit 100 --window day\n  $ npx tollgate key create --team search");
	addTeamCommands(program, terminal);
	addThrottleCommands(program, terminal);
	addKeyCommands(program, terminal);
	addBudgetCommands(program, terminal);
	addPolicyCommands(program, terminal);
	addRunCommands(program, terminal);
	addBatchCommands(program, terminal);
	addDeferredCommands(program, terminal);
	addSpendCommands(program, terminal);
	addAuditCommands(program, terminal);
	addStatementCommands(program, terminal);
	addFocusCommands(program, terminal);
	addReportCommands(program, terminal);
	addForecastCommands(program, terminal);
	addAlertCommands(program, terminal);
	addLeaseCommands(program, terminal);
	addUserCommands(program, terminal);
	addVerifyCommand(program, terminal);
	addLedgerCommands(program, terminal);
	addPriceCommands(program, terminal);
	addAdminKeyCommands(program, terminal);
	addConsoleCommand(program, terminal);
	return program;
}

function failureOf(error: unknown): { readonly exitCode: number; readonly message: string } {
	if (error instanceof CommandFailure) return error;
	if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : USAGE, message: "" };
	if (error instanceof UnreachableError)
		return { exitCode: NOT_REACHABLE, message: `${error.message}. Is the system running? Start it with npm start, or name its home with --home.` };
	if (error instanceof CostControlError)
		return { exitCode: ERROR_CODES[error.code].httpStatus === 503 ? NOT_REACHABLE : REFUSED, message: `${error.publicMessage} (${error.code})` };
	return { exitCode: REFUSED, message: `this should not happen: ${error instanceof Error ? error.message.replaceAll(/\s+/g, " ") : String(error)}` };
}
