import {
	type BudgetSelector,
	checkBudgetDefinition,
	checkBudgetSelector,
	type FieldProblem,
	MAX_BUDGETS_PER_TEAM,
	MAX_WINDOWS_PER_CALL,
	ORGANIZATION_ID,
	selectorKey,
	windowsPerCallMax,
} from "#domain/budget/scope.ts";
import type { TeamBudgetState, TotalsReport } from "#domain/budget/team-budget-state.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { ApplyPolicyInput, FreezeInput } from "./messages.ts";

/** Synchronous, read-only, shape only: a rejection leaves no event. What is refused names its field. */
export function validatePolicy(input: ApplyPolicyInput, teamId: string): void {
	const problems: FieldProblem[] = [];
	if (input?.mode !== "replace" && input?.mode !== "patch") throw invalidInput([{ field: "mode", problem: "must be replace or patch" }]);
	if (!Array.isArray(input.set)) throw invalidInput([{ field: "set", problem: "must be a list of budgets" }]);
	if (!Array.isArray(input.remove)) throw invalidInput([{ field: "remove", problem: "must be a list of selectors" }]);
	const setChecks = input.set.map((budget, index) => checkBudgetDefinition(budget, teamId, `set[${index}]`));
	const removeChecks = input.remove.map((selector, index) => checkBudgetSelector(selector, teamId, `remove[${index}]`));
	for (const check of [...setChecks, ...removeChecks]) if (check.kind === "invalid") problems.push(...check.problems);
	problems.push(...repeated(input.set, "set"), ...checkPerson(input.requestedBy));
	if (problems.length > 0) throw invalidInput(problems);
}

/** Judged against the team's present budgets, so not in the validator: the state may not be loaded there. */
export function checkPolicyFits(input: ApplyPolicyInput, state: TeamBudgetState): void {
	const removed = new Set(input.remove.map(selectorKey));
	const kept = input.mode === "replace" ? [] : state.budgets.filter(({ key }) => !removed.has(key)).map(({ definition }) => definition);
	const after = new Map<string, BudgetSelector>([...kept, ...input.set].map((budget) => [selectorKey(budget), budget]));
	if (after.size > MAX_BUDGETS_PER_TEAM)
		throw invalidInput([{ field: "set", problem: `would give ${after.size} budgets; a team has at most ${MAX_BUDGETS_PER_TEAM}` }]);
	const windowsMax = state.teamId === ORGANIZATION_ID ? MAX_WINDOWS_PER_CALL.organization : MAX_WINDOWS_PER_CALL.team;
	const windows = windowsPerCallMax([...after.values()]);
	if (windows > windowsMax)
		throw invalidInput([{ field: "set", problem: `would let one call meet ${windows} windows; at most ${windowsMax} are allowed here` }]);
}

export function validateFreeze(input: FreezeInput): void {
	const problems = checkPerson(input?.requestedBy);
	if (typeof input?.reason !== "string" || input.reason.length > 200) problems.push({ field: "reason", problem: "must be text of at most 200 characters" });
	if (problems.length > 0) throw invalidInput(problems);
}

export function validateUnfreeze(input: { readonly requestedBy: string }): void {
	const problems = checkPerson(input?.requestedBy);
	if (problems.length > 0) throw invalidInput(problems);
}

/** Signals cannot be refused, so their shape is checked before anything is read from them. */
export function isTotalsReport(report: TotalsReport): boolean {
	return Array.isArray(report?.windows) && Array.isArray(report.lastRefusals) && report.windows.every(isWindowReport);
}

function isWindowReport(window: TotalsReport["windows"][number]): boolean {
	const areAmounts = [window?.granted, window?.posted, window?.overrun].every((amount) => typeof amount === "string" && /^(0|[1-9][0-9]{0,29})$/.test(amount));
	const areNumbers = [window?.startsAtMs, window?.leases, window?.refusals, window?.version].every((number) => Number.isFinite(number));
	return areAmounts && areNumbers && typeof window.key === "string" && (window.endsAtMs === null || Number.isFinite(window.endsAtMs));
}

function checkPerson(name: unknown): FieldProblem[] {
	return typeof name === "string" && name.length > 0 && name.length <= 100
		? []
		: [{ field: "requestedBy", problem: "must name a person in at most 100 characters" }];
}

function repeated(budgets: readonly BudgetSelector[], field: string): FieldProblem[] {
	const seen = new Set<string>();
	return budgets.flatMap((budget, index) => {
		if (typeof budget !== "object" || budget === null) return [];
		const key = selectorKey(budget);
		if (seen.has(key)) return [{ field: `${field}[${index}]`, problem: "names the same budget as an earlier entry" }];
		seen.add(key);
		return [];
	});
}
