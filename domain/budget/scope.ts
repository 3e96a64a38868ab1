import { divideRoundingUp, MAX_LIMIT_NANO_USD, type NanoUsd } from "../money/nano-usd.ts";
import { parseUsd } from "../money/wire.ts";
import { isStorableText, STORABLE_TEXT_RULE, storableTextProblem } from "../text/storable-text.ts";
import { isTimeZone } from "./window.ts";

/**
 * What a budget is: which calls it counts (selector), over which window, and how much.
 * Input from people is checked here once, and every problem names its field.
 */

export const BUDGET_DIMENSIONS = ["organization", "team", "feature", "user", "model", "provider", "key", "environment"] as const;
export const BUDGET_UNITS = ["nano_usd", "tokens"] as const;
export const WINDOW_KINDS = ["hour", "day", "week", "month", "quarter", "lifetime"] as const;
export const BUDGET_MODES = ["enforce", "observe"] as const;
export const THRESHOLD_ACTIONS = ["notify", "degrade", "needApproval", "stop"] as const;

export type BudgetDimension = (typeof BUDGET_DIMENSIONS)[number];
export type BudgetUnit = (typeof BUDGET_UNITS)[number];
export type WindowKind = (typeof WINDOW_KINDS)[number];
/** An observed budget books everything and refuses nothing; it reports what it would have refused. */
export type BudgetMode = (typeof BUDGET_MODES)[number];
export type ThresholdAction = (typeof THRESHOLD_ACTIONS)[number];

/** Hundredths of a percent of the limit in force (1 to 10,000), or an amount in the budget's unit, at most the limit. */
export type ThresholdAt = { readonly basisPoints: number } | { readonly amount: string };

/** What happens when spend reaches a line. `degradeTo`: model alias asked for → alias served instead. */
export type BudgetThreshold =
	| { readonly action: Exclude<ThresholdAction, "degrade">; readonly at: ThresholdAt }
	| { readonly action: "degrade"; readonly at: ThresholdAt; readonly degradeTo: Readonly<Record<string, string>> };

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
	/** First day of a week: 1 = Monday (default) to 7 = Sunday. Like a time zone, a change takes effect at the next window. */
	readonly weekStart: number;
	/** First month of the fiscal year, 1 (default) to 12: quarters begin in it and in every third month after. */
	readonly fiscalYearStart: number;
	readonly limitAmount: string;
	/** Default "enforce". */
	readonly mode: BudgetMode;
	/** Ascending, at most 8; default one notice at 80 %. The limit itself is always a stop. */
	readonly thresholds: readonly BudgetThreshold[];
};

export type FieldProblem = { readonly field: string; readonly problem: string };
export type Checked<Value> = { readonly kind: "valid"; readonly value: Value } | { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] };

/** The organisation is governed like a team; no team can have this id (ids start with a letter or digit). */
export const ORGANIZATION_ID = "@organization";
export const TEAM_ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/;

const WHOLE_BASIS_POINTS = 10_000;
export const DEFAULT_WARN_BASIS_POINTS = 8_000;
export const MAX_THRESHOLDS = 8;
/** Thresholds of all budgets of a team as JSON: every budget may have eight lines, not every line a table of models. */
const MAX_THRESHOLDS_LENGTH = 60_000;
/** Models one line may degrade: the whole table is read at every grant that meets it. */
const MAX_DEGRADED_MODELS = 64;
const MAX_ALIAS_LENGTH = 128;
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

/** Values hold no "|", so the key splits back exactly. */
export function selectorFromKey(key: string): BudgetSelector {
	const [dimension, dimensionValue, unit, windowKind] = key.split("|");
	return { dimension: dimension as BudgetDimension, dimensionValue: dimensionValue ?? "", unit: unit as BudgetUnit, windowKind: windowKind as WindowKind };
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

/** Where a line stands under `limitAmount`, rounded up to a whole unit; never above the limit. */
export function thresholdAmount(at: ThresholdAt, limitAmount: bigint): bigint {
	const amount = "amount" in at ? BigInt(at.amount) : divideRoundingUp(limitAmount * BigInt(at.basisPoints), BigInt(WHOLE_BASIS_POINTS));
	return amount < limitAmount ? amount : limitAmount;
}

/** The lines in the order in which spend meets them. */
export function ascending(thresholds: readonly BudgetThreshold[], limitAmount: bigint): BudgetThreshold[] {
	const amounts = new Map(thresholds.map((threshold) => [threshold, thresholdAmount(threshold.at, limitAmount)]));
	return [...thresholds].sort((left, right) => Number((amounts.get(left) ?? 0n) - (amounts.get(right) ?? 0n)));
}

/**
 * Checks one budget of `teamId` from untrusted input. `field` is the path put before each field name,
 * such as "set[0]"; unknown properties are ignored by design of additive wires. `warnBasisPoints` and `stopAmount`
 * are short forms of a notice and a stop, beside `thresholds` or instead of them.
 */
export function checkBudgetDefinition(input: unknown, teamId: string, field = "budget"): Checked<BudgetDefinition> {
	const selector = checkBudgetSelector(input, teamId, field);
	if (selector.kind === "invalid") return selector;
	const raw = input as Record<string, unknown>;
	const problems: FieldProblem[] = [];
	const limit = readLimitAmount(raw["limitAmount"], `${field}.limitAmount`);
	if (limit.kind === "invalid") problems.push(...limit.problems);
	const timeZone = raw["timeZone"] ?? "UTC";
	if (typeof timeZone !== "string" || !isTimeZone(timeZone)) problems.push({ field: `${field}.timeZone`, problem: "is not an IANA time zone" });
	const weekStart = wholeNumber(raw["weekStart"] ?? 1, { field: `${field}.weekStart`, min: 1, max: 7 }, problems);
	const fiscalYearStart = wholeNumber(raw["fiscalYearStart"] ?? 1, { field: `${field}.fiscalYearStart`, min: 1, max: 12 }, problems);
	const mode = oneOf(BUDGET_MODES, raw["mode"] ?? "enforce", `${field}.mode`, problems);
	const thresholds = checkThresholds(raw, limit.kind === "valid" ? limit.value : null, field);
	if (thresholds.kind === "invalid") problems.push(...thresholds.problems);
	if (problems.length > 0 || limit.kind === "invalid" || thresholds.kind === "invalid" || mode === undefined) return { kind: "invalid", problems };
	return {
		kind: "valid",
		value: {
			...selector.value,
			timeZone: timeZone as string,
			weekStart,
			fiscalYearStart,
			limitAmount: limit.value.toString(),
			mode,
			thresholds: thresholds.value,
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

/** What a set of budgets as a whole must keep to: their number, the windows one call can meet, and their length as JSON text. */
export function checkBudgetsTogether(budgets: readonly BudgetDefinition[], teamId: string, field: string): FieldProblem[] {
	const problems: FieldProblem[] = [];
	const add = (problem: string): number => problems.push({ field, problem });
	if (budgets.length > MAX_BUDGETS_PER_TEAM) add(`would give ${budgets.length} budgets; a team has at most ${MAX_BUDGETS_PER_TEAM}`);
	const windowsMax = teamId === ORGANIZATION_ID ? MAX_WINDOWS_PER_CALL.organization : MAX_WINDOWS_PER_CALL.team;
	const windows = windowsPerCallMax(budgets);
	if (windows > windowsMax) add(`would let one call meet ${windows} windows; at most ${windowsMax} are allowed here`);
	const length = JSON.stringify(budgets.map(({ thresholds }) => thresholds)).length;
	if (length > MAX_THRESHOLDS_LENGTH) add(`would give thresholds of ${length} characters in all; at most ${MAX_THRESHOLDS_LENGTH} are kept for a team`);
	return problems;
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

/** `limit` null: it is no amount, which is said elsewhere; the lines are checked for what they are. */
function checkThresholds(raw: Record<string, unknown>, limit: bigint | null, field: string): Checked<BudgetThreshold[]> {
	const given = raw["thresholds"];
	if (given !== undefined && !Array.isArray(given)) return invalid(`${field}.thresholds`, "must be a list");
	const listed = (given ?? []).map((threshold: unknown, index: number) => checkThreshold(threshold, limit, `${field}.thresholds[${index}]`));
	const short = [...shortNotice(raw, given === undefined, field), ...shortStop(raw, limit, field)];
	const checks: Checked<BudgetThreshold>[] = [...listed, ...short];
	const problems = checks.flatMap((check) => (check.kind === "invalid" ? check.problems : []));
	if (checks.length > MAX_THRESHOLDS)
		problems.push({ field: `${field}.thresholds`, problem: `would be ${checks.length} lines; at most ${MAX_THRESHOLDS} are allowed` });
	if (problems.length > 0 || limit === null) return { kind: "invalid", problems };
	const thresholds = checks.flatMap((check) => (check.kind === "valid" ? [check.value] : []));
	problems.push(...checkOrder(thresholds.slice(0, listed.length), limit, field), ...checkRepeats(thresholds, field));
	return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: ascending(thresholds, limit) };
}

function checkThreshold(input: unknown, limit: bigint | null, field: string): Checked<BudgetThreshold> {
	if (typeof input !== "object" || input === null || Array.isArray(input)) return invalid(field, "must be an object");
	const raw = input as Record<string, unknown>;
	const problems: FieldProblem[] = [];
	const action = oneOf(THRESHOLD_ACTIONS, raw["action"], `${field}.action`, problems);
	const at = checkAt(raw["at"], limit, `${field}.at`);
	if (at.kind === "invalid") problems.push(...at.problems);
	else if ((action === "notify" || action === "needApproval") && "amount" in at.value && at.value.amount === "0")
		problems.push({ field: `${field}.at.amount`, problem: `must be above 0 for ${action}` });
	if (action === "degrade") problems.push(...checkDegradeTo(raw["degradeTo"], `${field}.degradeTo`));
	else if (raw["degradeTo"] !== undefined) problems.push({ field: `${field}.degradeTo`, problem: "belongs to the action degrade alone" });
	if (problems.length > 0 || at.kind === "invalid" || action === undefined) return { kind: "invalid", problems };
	if (action !== "degrade") return { kind: "valid", value: { action, at: at.value } };
	return { kind: "valid", value: { action, at: at.value, degradeTo: { ...(raw["degradeTo"] as Record<string, string>) } } };
}

function checkAt(input: unknown, limit: bigint | null, field: string): Checked<ThresholdAt> {
	if (typeof input !== "object" || input === null || Array.isArray(input)) return invalid(field, "must be { basisPoints } or { amount }");
	const { basisPoints, amount } = input as Record<string, unknown>;
	if ((basisPoints === undefined) === (amount === undefined)) return invalid(field, "must hold either basisPoints or amount");
	if (basisPoints !== undefined) {
		const problems: FieldProblem[] = [];
		const checked = wholeNumber(basisPoints, { field: `${field}.basisPoints`, min: 1, max: WHOLE_BASIS_POINTS }, problems);
		return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: { basisPoints: checked } };
	}
	const read = readLimitAmount(amount, `${field}.amount`);
	if (read.kind === "invalid") return read;
	if (limit !== null && read.value > limit) return invalid(`${field}.amount`, "must not be above the limit");
	return { kind: "valid", value: { amount: read.value.toString() } };
}

/** Aliases are checked for their form here; whether both are served, and over one protocol, who knows the models says. */
function checkDegradeTo(input: unknown, field: string): FieldProblem[] {
	if (typeof input !== "object" || input === null || Array.isArray(input)) return [{ field, problem: "must name for each model the model served instead" }];
	const entries = Object.entries(input as Record<string, unknown>);
	if (entries.length === 0) return [{ field, problem: "must name at least one model and the model served instead" }];
	if (entries.length > MAX_DEGRADED_MODELS) return [{ field, problem: `must name at most ${MAX_DEGRADED_MODELS} models` }];
	const bounds = { minLength: 1, maxLength: MAX_ALIAS_LENGTH };
	const problems = entries.flatMap(([asked, served]) =>
		[storableTextProblem(asked, bounds), storableTextProblem(served, bounds)].flatMap((problem) =>
			problem === undefined ? [] : [{ field: `${field}.${printable(asked)}`, problem }],
		),
	);
	if (problems.length > 0) return problems;
	const degradeTo = new Map(entries as [string, string][]);
	return [...degradeTo.keys()].flatMap((asked) =>
		isInCircle(degradeTo, asked) ? [{ field: `${field}.${asked}`, problem: degradeTo.get(asked) === asked ? "leads to itself" : "leads back to itself" }] : [],
	);
}

function isInCircle(degradeTo: ReadonlyMap<string, string>, start: string): boolean {
	let alias = degradeTo.get(start);
	for (let steps = 0; alias !== undefined && steps < degradeTo.size; steps += 1) {
		if (alias === start) return true;
		alias = degradeTo.get(alias);
	}
	return false;
}

function shortNotice(raw: Record<string, unknown>, isDefaulted: boolean, field: string): Checked<BudgetThreshold>[] {
	const given = raw["warnBasisPoints"] ?? (isDefaulted ? DEFAULT_WARN_BASIS_POINTS : undefined);
	if (given === undefined) return [];
	const problems: FieldProblem[] = [];
	const basisPoints = wholeNumber(given, { field: `${field}.warnBasisPoints`, min: 1, max: WHOLE_BASIS_POINTS }, problems);
	return [problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: { action: "notify", at: { basisPoints } } }];
}

function shortStop(raw: Record<string, unknown>, limit: bigint | null, field: string): Checked<BudgetThreshold>[] {
	const given = raw["stopAmount"] ?? undefined;
	if (given === undefined) return [];
	const amount = readLimitAmount(given, `${field}.stopAmount`);
	if (amount.kind === "invalid") return [amount];
	if (limit !== null && amount.value > limit) return [invalid(`${field}.stopAmount`, "must not be above the limit")];
	return [{ kind: "valid", value: { action: "stop", at: { amount: amount.value.toString() } } }];
}

function checkOrder(thresholds: readonly BudgetThreshold[], limit: bigint, field: string): FieldProblem[] {
	let highest = 0n;
	return thresholds.flatMap(({ at }, index) => {
		const amount = thresholdAmount(at, limit);
		if (amount < highest) return [{ field: `${field}.thresholds[${index}].at`, problem: "must not stand below the line before it" }];
		highest = amount;
		return [];
	});
}

/** Lines that only round to the same amount are no mistake: they fire as one. */
function checkRepeats(thresholds: readonly BudgetThreshold[], field: string): FieldProblem[] {
	const seen = new Set<string>();
	return thresholds.flatMap(({ action, at }, index) => {
		const line = `${action} ${JSON.stringify(at)}`;
		if (seen.has(line)) return [{ field: `${field}.thresholds[${index}]`, problem: "repeats a line: same action, same place" }];
		seen.add(line);
		return [];
	});
}

function printable(text: string): string {
	return text.slice(0, MAX_ALIAS_LENGTH).replaceAll(/[\p{Cc}\p{Cs}]/gu, "?");
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

function wholeNumber(value: unknown, { field, min, max }: { field: string; min: number; max: number }, problems: FieldProblem[]): number {
	if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
	problems.push({ field, problem: `must be a whole number from ${min} to ${max}` });
	return min;
}

function invalid(field: string, problem: string): { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] } {
	return { kind: "invalid", problems: [{ field, problem }] };
}
