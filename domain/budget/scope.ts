import { MAX_LIMIT_NANO_USD, type NanoUsd } from "../money/nano-usd.ts";
import { parseUsd } from "../money/wire.ts";
import { isStorableText, STORABLE_TEXT_RULE } from "../text/storable-text.ts";
import { isTimeZone } from "./window.ts";

/**
 * What a budget is: which calls it counts (selector), over which window, and how much.
 * Input from people is checked here once, and every problem names its field.
 */

export const BUDGET_DIMENSIONS = ["organization", "team", "feature", "user", "model", "provider", "key", "environment"] as const;
export const BUDGET_UNITS = ["nano_usd", "tokens"] as const;
export const WINDOW_KINDS = ["hour", "day", "week", "month", "quarter", "lifetime"] as const;

export type BudgetDimension = (typeof BUDGET_DIMENSIONS)[number];
export type BudgetUnit = (typeof BUDGET_UNITS)[number];
export type WindowKind = (typeof WINDOW_KINDS)[number];

/** A team has at most one budget per selector. `dimensionValue` is "" for organization and team. */
export type BudgetSelector = {
	readonly dimension: BudgetDimension;
	readonly dimensionValue: string;
	readonly unit: BudgetUnit;
	readonly windowKind: WindowKind;
};

/** Amounts are decimal strings in the unit of the budget (nano-USD or tokens): the shape that travels. */
export type BudgetDefinition = BudgetSelector & {
	/** IANA name; a change takes effect at the next window. */
	readonly timeZone: string;
	readonly limitAmount: string;
	/** A restricting threshold below the limit; null = the limit itself. */
	readonly stopAmount: string | null;
	/** Where the warning stands, in hundredths of a percent of the limit; default 8,000. */
	readonly warnBasisPoints: number;
};

export type FieldProblem = { readonly field: string; readonly problem: string };
export type Checked<Value> = { readonly kind: "valid"; readonly value: Value } | { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] };

/** The organisation is governed like a team; no team can have this id (ids start with a letter or digit). */
export const ORGANIZATION_ID = "@organization";
export const TEAM_ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const DEFAULT_WARN_BASIS_POINTS = 8_000;
/** Keeps the workflow's state small (domain/budget/team-budget-state.ts says how small). */
export const MAX_BUDGETS_PER_TEAM = 100;
/** A call meets at most 32 windows (money-path §1): 8 of the organisation and 24 of its team. */
export const MAX_WINDOWS_PER_CALL = { organization: 8, team: 24 } as const;
const MAX_DIMENSION_VALUE_LENGTH = 128;
const INTEGER = /^(0|[1-9][0-9]{0,29})$/;
// Quotes and the separator of our own keys never belong in an id.
const FORBIDDEN_IN_VALUE = /[|\\"`]/;

/** One budget per key; also the order in which budgets are shown. */
export function selectorKey(selector: BudgetSelector): string {
	return `${selector.dimension}|${selector.dimensionValue}|${selector.unit}|${selector.windowKind}`;
}

/** "team, day", "user ann, month, tokens": for tables and alerts. */
export function describeSelector(selector: BudgetSelector): string {
	const who = selector.dimensionValue === "" ? selector.dimension : `${selector.dimension} ${selector.dimensionValue}`;
	return `${who}, ${selector.windowKind}${selector.unit === "tokens" ? ", tokens" : ""}`;
}

/** Dollars as people type them ("0.25"). Refuses negatives, fractions of a nano-dollar and more than one billion. */
export function readLimitUsd(text: string, field: string): Checked<NanoUsd> {
	const amount = parseUsd(text);
	if (amount === undefined) return invalid(field, `${JSON.stringify(text.slice(0, 40))} is no amount of dollars with at most nine decimals`);
	return checkLimit(amount, field);
}

/** A decimal string in the unit of the budget. */
export function readLimitAmount(text: unknown, field: string): Checked<bigint> {
	if (typeof text !== "string") return invalid(field, "must be a decimal string");
	if (text.startsWith("-")) return invalid(field, "must not be negative");
	if (!INTEGER.test(text)) return invalid(field, "must be a whole number written as a decimal string");
	return checkLimit(BigInt(text), field);
}

/**
 * Checks one budget of `teamId` from untrusted input. `field` is the path put before each field name,
 * such as "set[0]"; unknown properties are ignored by design of additive wires.
 */
export function checkBudgetDefinition(input: unknown, teamId: string, field = "budget"): Checked<BudgetDefinition> {
	const selector = checkBudgetSelector(input, teamId, field);
	if (selector.kind === "invalid") return selector;
	const raw = input as Record<string, unknown>;
	const problems: FieldProblem[] = [];
	const limit = readLimitAmount(raw["limitAmount"], `${field}.limitAmount`);
	if (limit.kind === "invalid") problems.push(...limit.problems);
	const stop = raw["stopAmount"] === null || raw["stopAmount"] === undefined ? null : readLimitAmount(raw["stopAmount"], `${field}.stopAmount`);
	if (stop?.kind === "invalid") problems.push(...stop.problems);
	if (limit.kind === "valid" && stop?.kind === "valid" && stop.value > limit.value)
		problems.push({ field: `${field}.stopAmount`, problem: "must not be above the limit" });
	const timeZone = raw["timeZone"] ?? "UTC";
	if (typeof timeZone !== "string" || !isTimeZone(timeZone)) problems.push({ field: `${field}.timeZone`, problem: "is not an IANA time zone" });
	const warnBasisPoints = raw["warnBasisPoints"] ?? DEFAULT_WARN_BASIS_POINTS;
	if (typeof warnBasisPoints !== "number" || !Number.isInteger(warnBasisPoints) || warnBasisPoints < 1 || warnBasisPoints > 10_000) {
		problems.push({ field: `${field}.warnBasisPoints`, problem: "must be a whole number from 1 to 10000" });
	}
	if (problems.length > 0 || limit.kind === "invalid" || stop?.kind === "invalid") return { kind: "invalid", problems };
	return {
		kind: "valid",
		value: {
			...selector.value,
			timeZone: timeZone as string,
			limitAmount: limit.value.toString(),
			stopAmount: stop === null ? null : stop.value.toString(),
			warnBasisPoints: warnBasisPoints as number,
		},
	};
}

export function checkBudgetSelector(input: unknown, teamId: string, field = "budget"): Checked<BudgetSelector> {
	if (typeof input !== "object" || input === null || Array.isArray(input)) return invalid(field, "must be an object");
	const raw = input as Record<string, unknown>;
	const problems: FieldProblem[] = [];
	const dimension = oneOf(BUDGET_DIMENSIONS, raw["dimension"], `${field}.dimension`, problems);
	const unit = oneOf(BUDGET_UNITS, raw["unit"] ?? "nano_usd", `${field}.unit`, problems);
	const windowKind = oneOf(WINDOW_KINDS, raw["windowKind"], `${field}.windowKind`, problems);
	const value = raw["dimensionValue"] ?? "";
	if (dimension !== undefined) problems.push(...checkDimension(dimension, value, teamId, field));
	if (dimension === undefined || unit === undefined || windowKind === undefined || problems.length > 0) return { kind: "invalid", problems };
	return { kind: "valid", value: { dimension, dimensionValue: value as string, unit, windowKind } };
}

/** How many windows one call can meet at most under these budgets: the worst value of each dimension. */
export function windowsPerCallMax(budgets: readonly BudgetSelector[]): number {
	const perValue = new Map<string, number>();
	for (const { dimension, dimensionValue } of budgets) {
		const key = `${dimension}|${dimensionValue}`;
		perValue.set(key, (perValue.get(key) ?? 0) + 1);
	}
	const perDimension = new Map<string, number>();
	for (const [key, count] of perValue) {
		const dimension = key.slice(0, key.indexOf("|"));
		perDimension.set(dimension, Math.max(perDimension.get(dimension) ?? 0, count));
	}
	return [...perDimension.values()].reduce((sum, count) => sum + count, 0);
}

function checkDimension(dimension: BudgetDimension, value: unknown, teamId: string, field: string): FieldProblem[] {
	if ((dimension === "organization") !== (teamId === ORGANIZATION_ID)) {
		return [{ field: `${field}.dimension`, problem: "organization budgets belong to the organisation, all others to a team" }];
	}
	if (typeof value !== "string") return [{ field: `${field}.dimensionValue`, problem: "must be text" }];
	if (dimension === "organization" || dimension === "team") {
		return value === "" ? [] : [{ field: `${field}.dimensionValue`, problem: `must be empty for a budget of the ${dimension}` }];
	}
	if (value === "") return [{ field: `${field}.dimensionValue`, problem: `must name the ${dimension}` }];
	if (value.length > MAX_DIMENSION_VALUE_LENGTH)
		return [{ field: `${field}.dimensionValue`, problem: `must be at most ${MAX_DIMENSION_VALUE_LENGTH} characters` }];
	if (!isStorableText(value)) return [{ field: `${field}.dimensionValue`, problem: STORABLE_TEXT_RULE }];
	return FORBIDDEN_IN_VALUE.test(value) ? [{ field: `${field}.dimensionValue`, problem: "must hold no quote, backslash or |" }] : [];
}

function checkLimit(amount: bigint, field: string): Checked<bigint> {
	if (amount < 0n) return invalid(field, "must not be negative");
	if (amount > MAX_LIMIT_NANO_USD) return invalid(field, "must not be above 10^18 (one billion dollars in nano-USD)");
	return { kind: "valid", value: amount };
}

function oneOf<Choice extends string>(choices: readonly Choice[], value: unknown, field: string, problems: FieldProblem[]): Choice | undefined {
	const found = choices.find((choice) => choice === value);
	if (found === undefined) problems.push({ field, problem: `must be one of ${choices.join(", ")}` });
	return found;
}

function invalid(field: string, problem: string): { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] } {
	return { kind: "invalid", problems: [{ field, problem }] };
}
