export const ORGANIZATION_ID = "@organization";

export type NamedBudget = { readonly dimension: string; readonly dimensionValue: string; readonly windowKind: string; readonly unit: string };

const WINDOWS: Readonly<Record<string, string>> = {
	hour: "hourly",
	day: "daily",
	week: "weekly",
	month: "monthly",
	quarter: "quarterly",
	lifetime: "for ever",
};

/** "Monthly", "Daily, feature chat", "Monthly, output tokens": what tells a budget from others of its team. */
export function budgetName({ dimension, dimensionValue, windowKind, unit }: NamedBudget): string {
	const window = WINDOWS[windowKind] ?? windowKind;
	const scope = dimension === "team" || dimension === "organization" ? null : `${dimension} ${dimensionValue}`;
	return [`${window.charAt(0).toUpperCase()}${window.slice(1)}`, scope, unit === "nano_usd" ? null : unit.replaceAll("_", " ")]
		.filter((part) => part !== null)
		.join(", ");
}

/** "Organization" for the one that stands above all teams. */
export function teamName(teamId: string): string {
	return teamId === ORGANIZATION_ID ? "Organization" : teamId;
}
