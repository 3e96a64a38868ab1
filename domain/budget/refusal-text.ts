import type { ErrorCode } from "../errors/codes.ts";
import { formatUsd } from "../money/wire.ts";
import { shellWord } from "../shell-word.ts";
import type { BudgetSelector } from "./match.ts";
import { ORGANIZATION_ID } from "./scope.ts";
import type { Unit } from "./window-lease.ts";

/** Words of a refusal: which budget, how much, and how to ask for more. `name`: id of the agent run whose ceiling it is. */
type RefusedBy = BudgetSelector & { readonly windowKind: string; readonly unit: string; readonly name?: string | undefined };

/** What `npx tollgate run raise` calls a ceiling; USD, STEPS and TOKENS are for a person to fill in. */
const RAISE_OPTIONS: Readonly<Record<string, string>> = {
	nano_usd: "--usd USD",
	steps: "--steps STEPS",
	input_tokens: "--input-tokens TOKENS",
	output_tokens: "--output-tokens TOKENS",
};

/** "team search, user ann, per day, tokens", "run r-7, lifetime, steps". */
export function formatBudgetName(rule: RefusedBy): string {
	const unit = rule.unit === "nano_usd" ? "" : `, ${rule.unit.replace("_", " ")}`;
	return `${ownerOf(rule)}, per ${rule.windowKind}${unit}`.replace("per lifetime", "lifetime");
}

function ownerOf(rule: RefusedBy): string {
	if (rule.dimension === "run") return `run ${runIdOf(rule)}`;
	const owner = rule.dimension === "organization" ? "organisation" : `team ${rule.teamId}`;
	return rule.dimension === "organization" || rule.dimension === "team" ? owner : `${owner}, ${rule.dimension} ${rule.dimensionValue}`;
}

function runIdOf({ name, dimensionValue }: RefusedBy): string {
	return name ?? dimensionValue;
}

/** "1.50 USD", "20 tokens", "1 step", "300 output tokens". */
export function formatAmount(unit: Unit, amount: bigint): string {
	if (unit === "nano_usd") return `${formatUsd(amount)} USD`;
	return unit === "steps" && amount === 1n ? "1 step" : `${amount} ${unit.replace("_", " ")}`;
}

/** The command that a person can paste, as far as a refusal knows it: words in capitals are for him to fill in. */
export function howToAsk(teamId: string, rule: RefusedBy | undefined, code: ErrorCode = "budget.exceeded"): string {
	const isOrganization = rule?.dimension === "organization";
	if (code === "budget.frozen") return `Ask an operator: npx tollgate team unfreeze ${shellWord(isOrganization ? ORGANIZATION_ID : teamId)}`;
	if (code === "budget.too_many_windows") return `Ask an operator to remove one of them: npx tollgate budget show --team ${shellWord(teamId)}`;
	if (rule?.dimension === "run") return howToRaise(rule);
	const owner = isOrganization ? "--organization" : `--team ${shellWord(teamId)}`;
	const part = rule && rule.dimension !== "team" && !isOrganization ? ` --${rule.dimension} ${shellWord(rule.dimensionValue)}` : "";
	const unit = rule?.unit === "tokens" ? " --unit tokens" : "";
	const amount = rule?.unit === "tokens" ? "TOKENS" : "USD";
	const window = rule?.windowKind ?? "day";
	// A raise ends with its window; one that never ends needs a date.
	const until = window === "lifetime" ? " --until DATE" : "";
	const request = `npx tollgate budget increase request ${owner}${part}${unit} --window ${window}`;
	if (code === "budget.needs_approval") {
		// A line asks for itself once per window; after that a person does.
		const again = rule ? `. If that was rejected or has expired, ask for it again: ${request} --beyond-line --reason WHY` : "";
		return `Ask an approver, who finds what waits with: npx tollgate budget increase list ${owner}${again}`;
	}
	if (code === "budget.exceeded" && rule) return `Ask for more, which somebody else decides: ${request} --amount ${amount}${until} --reason WHY`;
	const command = `npx tollgate budget set ${owner}${part}${unit} --limit ${amount} --window ${window}`;
	return code === "budget.overrun" ? `Ask an operator to set it again, which clears the overrun: ${command}` : `Ask an operator: ${command}`;
}

function howToRaise(rule: RefusedBy): string {
	return `Ask an operator for a higher ceiling: npx tollgate run raise ${shellWord(runIdOf(rule))} ${RAISE_OPTIONS[rule.unit] ?? ""} --reason WHY`;
}
