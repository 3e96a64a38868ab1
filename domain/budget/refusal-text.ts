import type { BudgetSelector } from "./match.ts";

/** Words of a refusal: which budget, and how to ask for more. */
export function formatBudgetName(rule: BudgetSelector & { readonly windowKind: string; readonly unit: string }): string {
	const owner = rule.dimension === "organization" ? "organisation" : `team ${rule.teamId}`;
	const part = rule.dimension === "organization" || rule.dimension === "team" ? "" : `, ${rule.dimension} ${rule.dimensionValue}`;
	return `${owner}${part}, per ${rule.windowKind}${rule.unit === "tokens" ? ", tokens" : ""}`.replace("per lifetime", "lifetime");
}

export function howToAsk(teamId: string, rule: (BudgetSelector & { readonly windowKind: string }) | undefined): string {
	const owner = rule?.dimension === "organization" ? "--organization" : `--team ${teamId}`;
	const part = rule && rule.dimension !== "team" && rule.dimension !== "organization" ? ` --${rule.dimension} ${rule.dimensionValue}` : "";
	return `Ask an operator: npx tollgate budget set ${owner}${part} --limit USD --window ${rule?.windowKind ?? "day"}`;
}
