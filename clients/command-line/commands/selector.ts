import { BUDGET_UNITS } from "#domain/budget/scope.ts";
import { CommandFailure } from "../output.ts";
import { oneOf } from "../values.ts";

/** How a command line names one budget. */
const SCOPES = ["feature", "user", "model", "provider", "key", "environment"] as const;

export type SelectorOptions = Partial<Record<(typeof SCOPES)[number], string>> & { team?: string; organization?: boolean; window?: string; unit?: string };

export const SELECTOR_OPTIONS = {
	"--team <TEAM>": "whose budget",
	"--organization": "a budget over all teams",
	"--feature <NAME>": "of one feature of the team",
	"--user <NAME>": "of one user",
	"--model <NAME>": "of one model",
	"--provider <NAME>": "of one provider",
	"--key <KEY_ID>": "of one virtual key",
	"--environment <NAME>": "of one environment",
	"--unit <UNIT>": ["nano_usd (default) or tokens", oneOf(BUDGET_UNITS)],
} as const;

/** @throws CommandFailure with exit code 2 unless the options name one team and at most one scope. */
export function selectorOf(options: SelectorOptions): {
	teamId: string;
	dimension?: string;
	dimensionValue?: string;
	unit: string | undefined;
	windowKind: string;
} {
	const given = SCOPES.filter((scope) => options[scope] !== undefined);
	if (given.length > 1) throw new CommandFailure(2, `a budget has one scope; got --${given.join(" and --")}`);
	if ((options.team === undefined) === !options.organization) throw new CommandFailure(2, "name either --team or --organization");
	const [scope] = given;
	const value = scope === undefined ? undefined : options[scope];
	return {
		teamId: options.team ?? "@organization",
		...(scope === undefined || value === undefined ? {} : { dimension: scope, dimensionValue: value }),
		unit: options.unit,
		windowKind: options.window ?? "",
	};
}
