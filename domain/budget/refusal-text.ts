import type { ErrorCode } from "../errors/codes.ts";
import { shellWord } from "../shell-word.ts";
import type { BudgetSelector } from "./match.ts";
import { ORGANIZATION_ID } from "./scope.ts";

/** Words of a refusal: which budget, and how to ask for more. */
export function formatBudgetName(rule: BudgetSelector & { readonly windowKind: string; readonly unit: string }): string {
	const owner = rule.dimension === "organization" ? "organisation" : `team ${rule.teamId}`;
	const part = rule.dimension === "organization" || rule.dimension === "team" ? "" : `, ${rule.dimension} ${rule.dimensionValue}`;
	return `${owner}${part}, per ${rule.windowKind}${rule.unit === "tokens" ? ", tokens" : ""}`.replace("per lifetime", "lifetime");
}

type RefusedBy = BudgetSelector & { readonly windowKind: string; readonly unit: string };

/** The command that a person can paste, as far as a refusal knows it: USD, TOKENS, WHY and DATE are for him to fill in. */
export function howToAsk(teamId: string, rule: RefusedBy | undefined, code: ErrorCode = "budget.exceeded"): string {
	const isOrganization = rule?.dimension === "organization";
	if (code === "budget.frozen") return `Ask an operator: npx tollgate team unfreeze ${shellWord(isOrganization ? ORGANIZATION_ID : teamId)}`;
	if (code === "budget.too_many_windows") return `Ask an operator to remove one of them: npx tollgate budget show --team ${shellWord(teamId)}`;
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
