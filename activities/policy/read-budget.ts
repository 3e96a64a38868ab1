import {
	BUDGET_MODES,
	type BudgetDefinition,
	checkBudgetDefinition,
	type FieldProblem,
	MAX_THRESHOLDS,
	ORGANIZATION_ID,
	selectorKey,
	THRESHOLD_ACTIONS,
	WINDOW_KINDS,
} from "#domain/budget/scope.ts";
import type { BudgetFile } from "#domain/policy/policy.ts";
import type { PolicyPath } from "#domain/policy/policy-path.ts";
import { WRITTEN_FIELDS, type WrittenField } from "#domain/policy/written-form.ts";
import { type Cursor, withoutUndefined } from "./cursor.ts";
import { readCounted, readModelId, readMonth, readTimeZone, readTokens, readUsd, readWeekday } from "./read-values.ts";

/** What the organisation says for every budget of the file that says nothing itself. */
export type BudgetDefaults = Partial<Pick<BudgetDefinition, "timeZone" | "weekStart" | "fiscalYearStart">>;

type Fields = Partial<Record<WrittenField<"budget">, Cursor>>;

const DIMENSIONS = ["feature", "user", "model", "provider", "key", "environment"] as const;
type NamedDimension = (typeof DIMENSIONS)[number];

/** More than a call could meet, so that what is too many is named in one place. */
const MAX_BUDGETS = 200;

/** Budgets of a team, or of "@organization"; none twice. */
export function readBudgets(cursor: Cursor, teamId: string, defaults: BudgetDefaults): readonly BudgetFile[] | undefined {
	const seen = new Map<string, number>();
	return cursor.list(MAX_BUDGETS, (item) => {
		const budget = readBudget(item, teamId, defaults);
		if (budget === undefined) return undefined;
		const first = seen.get(selectorKey(budget));
		seen.set(selectorKey(budget), first ?? Number(item.path.at(-1)));
		return first === undefined ? budget : item.fail(`is the same budget as number ${first + 1}: one per window, unit and what it counts`);
	});
}

function readBudget(cursor: Cursor, teamId: string, defaults: BudgetDefaults): BudgetFile | undefined {
	const fields = cursor.fields(WRITTEN_FIELDS.budget);
	if (fields === undefined) return undefined;
	const windowKind =
		fields.window === undefined ? cursor.failMissing("window", `is missing: one of ${WINDOW_KINDS.join(", ")}`) : fields.window.oneOf(WINDOW_KINDS);
	const { unit, limitAmount } = readLimit(cursor, fields);
	const { dimension, dimensionValue } = readDimension(fields, teamId);
	const given = withoutUndefined({
		...defaults,
		...withoutUndefined({
			timeZone: fields.timeZone && readTimeZone(fields.timeZone),
			weekStart: fields.weekStart && readWeekday(fields.weekStart),
			fiscalYearStart: fields.fiscalYearStart && readMonth(fields.fiscalYearStart),
			mode: fields.mode?.oneOf(BUDGET_MODES),
		}),
	});
	const thresholds = fields.thresholds?.items(MAX_THRESHOLDS)?.map((item) => readThreshold(item, unit));
	// What could not be read stands in as something harmless, so that the rest is judged all the same.
	const selector = { dimension, dimensionValue: dimensionValue ?? "unread", unit, windowKind: windowKind ?? "day" };
	const checked = checkBudgetDefinition({ ...selector, limitAmount, ...given, thresholds }, teamId, "");
	if (checked.kind === "invalid") {
		const names: Names = { dimension: dimension as NamedDimension, unit };
		const found = checked.problems.filter((problem) => !isUnread(problem, thresholds));
		for (const { field, problem } of found) cursor.reading.failUnlessWrong([...cursor.path, ...writtenPath(field, names)], problem);
	}
	if (checked.kind === "invalid" || windowKind === undefined || dimensionValue === undefined) return undefined;
	const { timeZone, weekStart, fiscalYearStart, mode, thresholds: lines, ...budget } = checked.value;
	const isGiven = (name: keyof typeof given): boolean => given[name] !== undefined;
	return {
		...budget,
		...(isGiven("timeZone") && { timeZone }),
		...(isGiven("weekStart") && { weekStart }),
		...(isGiven("fiscalYearStart") && { fiscalYearStart }),
		...(isGiven("mode") && { mode }),
		...(fields.thresholds !== undefined && { thresholds: lines }),
	};
}

type Limit = { readonly unit: "nano_usd" | "tokens"; readonly limitAmount: string | undefined };

function readLimit(cursor: Cursor, { limitUsd, tokens }: Fields): Limit {
	if (limitUsd !== undefined && tokens !== undefined) tokens.fail("stands beside limitUsd: a budget counts dollars or tokens; write two budgets");
	if (limitUsd !== undefined) return { unit: "nano_usd", limitAmount: readUsd(limitUsd) };
	if (tokens !== undefined) return { unit: "tokens", limitAmount: readTokens(tokens) };
	return { unit: "nano_usd", limitAmount: cursor.failMissing("limitUsd", "is missing: limitUsd in dollars, or tokens") };
}

function readDimension(fields: Fields, teamId: string): { readonly dimension: string; readonly dimensionValue: string | undefined } {
	const isOrganization = teamId === ORGANIZATION_ID;
	const named = DIMENSIONS.filter((dimension) => fields[dimension] !== undefined);
	const [dimension, second] = named;
	if (isOrganization) for (const name of named) fields[name]?.fail("belongs to a budget of a team; the organisation's count everything");
	else if (second !== undefined) fields[second]?.fail(`stands beside ${dimension ?? ""}: a budget counts by one of them`);
	if (isOrganization || dimension === undefined) return { dimension: isOrganization ? "organization" : "team", dimensionValue: "" };
	const cursor = fields[dimension];
	return { dimension, dimensionValue: cursor && readCounted(cursor, dimension) };
}

const PERCENT = /^([0-9]{1,3})(?:\.([0-9]{1,2}))? ?%$/;

/** As checkBudgetDefinition takes it; a part that is undefined could not be read, and was complained of. */
type RawThreshold = { readonly action: unknown; readonly at: unknown; readonly degradeTo?: unknown };

function readThreshold(cursor: Cursor, unit: Limit["unit"]): RawThreshold {
	const fields = cursor.fields(WRITTEN_FIELDS.threshold);
	if (fields === undefined) return { action: undefined, at: undefined };
	const action =
		fields.action === undefined ? cursor.failMissing("action", `is missing: one of ${THRESHOLD_ACTIONS.join(", ")}`) : fields.action.oneOf(THRESHOLD_ACTIONS);
	if (action === "degrade" && fields.to === undefined) cursor.failMissing("to", "is missing: degrade needs the models served instead, like { gpt-5: fast }");
	return { action, at: readAt(cursor, fields, unit), ...(fields.to && { degradeTo: readTargets(fields.to) }) };
}

function isUnread({ field }: FieldProblem, thresholds: readonly RawThreshold[] | undefined): boolean {
	const [, index, part] = THRESHOLD_FIELD.exec(field) ?? [];
	const threshold = index === undefined ? undefined : thresholds?.[Number(index)];
	return threshold !== undefined && (part === "action" || part === "at") && threshold[part] === undefined;
}

function readAt(cursor: Cursor, { at, atUsd, atTokens }: Partial<Record<WrittenField<"threshold">, Cursor>>, unit: Limit["unit"]): unknown {
	const given = [at, atUsd, atTokens].filter((place) => place !== undefined);
	if (given.length === 0) return cursor.failMissing("at", `is missing: at in percent, like 80%, or ${unit === "tokens" ? "atTokens" : "atUsd"}`);
	if (given.length > 1) return given[1]?.fail("stands beside another place: a line stands at one");
	if (at !== undefined) {
		const [, whole = "", fraction = ""] = PERCENT.exec(at.written() ?? "") ?? [];
		const basisPoints = Number(whole) * 100 + Number(fraction.padEnd(2, "0"));
		return whole !== "" && basisPoints >= 1 && basisPoints <= 10_000 ? { basisPoints } : at.fail("must be above 0 and at most 100 percent, like 80% or 87.5%");
	}
	if (atUsd !== undefined && unit === "tokens") return atUsd.fail("is dollars, in a budget of tokens: write atTokens");
	if (atTokens !== undefined && unit !== "tokens") return atTokens.fail("is tokens, in a budget of dollars: write atUsd");
	const amount = atUsd !== undefined ? readUsd(atUsd) : atTokens && readTokens(atTokens);
	return amount === undefined ? undefined : { amount };
}

function readTargets(cursor: Cursor): Readonly<Record<string, unknown>> | undefined {
	const entries = cursor.entries();
	return entries && Object.fromEntries(entries.map(([asked, served]) => [asked, readModelId(served)]));
}

type Names = { readonly dimension: NamedDimension; readonly unit: Limit["unit"] };

const THRESHOLD_FIELD = /^\.thresholds\[(\d+)\](?:\.([a-zA-Z]+))?(?:\.(.*))?$/s;

/** ".thresholds[1].at.amount" of a definition is `thresholds[1].atUsd` of the file. */
function writtenPath(field: string, { dimension, unit }: Names): PolicyPath {
	const [, index, part = "", rest = ""] = THRESHOLD_FIELD.exec(field) ?? [];
	if (index !== undefined) {
		const at = ["thresholds", Number(index)];
		if (part === "at") return [...at, rest !== "amount" ? "at" : unit === "tokens" ? "atTokens" : "atUsd"];
		if (part === "degradeTo") return [...at, "to", ...(rest === "" ? [] : [rest])];
		return part === "" ? at : [...at, part];
	}
	if (field === ".limitAmount") return [unit === "tokens" ? "tokens" : "limitUsd"];
	if (field === ".dimensionValue") return [dimension];
	return field === "" ? [] : [field.replace(/^\./, "")];
}
