import { type BudgetThreshold, selectorKey, TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import type { RateRule } from "#domain/limits/team-limits.ts";
import type { BudgetFile, TeamFile } from "#domain/policy/policy.ts";
import { MODEL_ID_PATTERN } from "#domain/policy/written-form.ts";
import { type Cursor, withoutUndefined } from "../cursor.ts";
import { noteRest } from "./notes.ts";
import { budgetOf, fieldsOf, readCount, readDollars, readWindow } from "./values.ts";

/** Teams as LiteLLM's `/team/info` and `default_team_settings` write them. */

export type Teams = Map<string, TeamFile>;

const MAX_TEAMS = 20_000;
const MAX_WINDOWS = 20;
/** Its fallback replaces the refusal at the limit; here the limit refuses, so the line stands just below. */
const FALLBACK_BASIS_POINTS = 9_900;
const TAKEN = [
	"max_budget",
	"budget_duration",
	"soft_budget",
	"budget_limits",
	"tpm_limit",
	"rpm_limit",
	"max_parallel_requests",
	"model_max_budget",
	"model_tpm_limit",
	"model_rpm_limit",
	"budget_fallbacks",
];

export function readTeams(list: Cursor, teams: Teams): void {
	for (const item of list.items(MAX_TEAMS) ?? []) {
		const fields = fieldsOf(item);
		const id = nameOf(item, fields);
		if (id === undefined) continue;
		noteRest(fields, TAKEN);
		const team = readTeam(item, fields);
		if (teams.has(id)) item.fail(`is a second team that would be named ${id} here; it is not carried over`);
		else teams.set(id, team);
	}
}

/** Its readable name where there is one: ids of LiteLLM are mostly random. */
function nameOf(item: Cursor, fields: ReadonlyMap<string, Cursor>): string | undefined {
	const given = fields.get("team_alias")?.written() ?? fields.get("team_id")?.written();
	if (given === undefined) return item.fail("has neither team_alias nor team_id; it is not carried over");
	if (given === "default-settings") return item.fail("is about teams that appear by themselves; here each is declared");
	const id = given
		.toLowerCase()
		.replaceAll(/[^a-z0-9._-]+/g, "-")
		.replace(/^[^a-z0-9]+/, "")
		.slice(0, 63);
	if (!TEAM_ID_PATTERN.test(id)) return item.fail("has no name that could be one here; it is not carried over");
	if (id !== given) item.fail(`is named ${id} here`);
	return id;
}

function readTeam(item: Cursor, fields: ReadonlyMap<string, Cursor>): TeamFile {
	const budgets = [...readTeamBudget(item, fields), ...readBudgetLimits(fields.get("budget_limits")), ...readModelBudgets(fields)];
	const rates = [...readTeamRate(fields), ...readModelRates(fields)];
	// There a team without a budget spends freely; here that is said. One whose budget could not be carried over stays shut.
	const isUnlimited = given(fields, "max_budget") === undefined && given(fields, "budget_limits") === undefined;
	if (isUnlimited) item.fail("has no max_budget: it is unlimited here too; give it a budget and take that away");
	return withoutUndefined({
		isUnlimited: isUnlimited ? true : undefined,
		budgets: budgets.length === 0 ? undefined : onceEach(budgets, item),
		limits: rates.length === 0 ? undefined : { rates },
	});
}

function readTeamBudget(item: Cursor, fields: ReadonlyMap<string, Cursor>): BudgetFile[] {
	const [limit, soft] = [given(fields, "max_budget"), given(fields, "soft_budget")];
	if (limit === undefined) {
		soft?.fail("warns of a budget that has no max_budget; it is not carried over");
		return [];
	}
	const amount = readDollars(limit);
	const windowKind = readWindow(fields.get("budget_duration"));
	if (amount === undefined || windowKind === undefined) return [];
	const budget = budgetOf({ dimension: "team", dimensionValue: "", windowKind }, amount);
	const warning = soft && readDollars(soft);
	if (warning === undefined) return [budget];
	if (BigInt(warning) > BigInt(amount) || warning === "0") {
		item.fail("has a soft_budget of 0 or above its max_budget; it is not carried over");
		return [budget];
	}
	return [{ ...budget, thresholds: [{ action: "notify", at: { amount: warning } }] }];
}

function readBudgetLimits(cursor: Cursor | undefined): BudgetFile[] {
	if (cursor === undefined || cursor.isNothing()) return [];
	return (cursor.items(MAX_WINDOWS) ?? []).flatMap((item) => {
		const fields = fieldsOf(item);
		noteRest(fields, ["max_budget", "budget_duration", "reset_at"]);
		const limit = given(fields, "max_budget");
		const amount = limit && readDollars(limit);
		const windowKind = readWindow(fields.get("budget_duration"));
		return amount === undefined || windowKind === undefined ? [] : [budgetOf({ dimension: "team", dimensionValue: "", windowKind }, amount)];
	});
}

/** `{ model: { budget_limit, time_period } }`, or an older `{ model: dollars }`; fallbacks beside it. */
function readModelBudgets(fields: ReadonlyMap<string, Cursor>): BudgetFile[] {
	const limits = given(fields, "model_max_budget");
	const fallbacks = readFallbacks(given(fields, "budget_fallbacks"));
	const budgets = (limits?.entries() ?? []).flatMap(([model, value]): BudgetFile[] => {
		const parts = value.written() === undefined ? fieldsOf(value) : new Map([["budget_limit", value]]);
		noteRest(parts, ["budget_limit", "max_budget", "time_period", "budget_duration"]);
		const limit = parts.get("budget_limit") ?? parts.get("max_budget");
		const amount = limit && readDollars(limit);
		const windowKind = readWindow(parts.get("time_period") ?? parts.get("budget_duration"));
		if (amount === undefined || windowKind === undefined) return [];
		const dimensionValue = modelName(model);
		if (dimensionValue === undefined) return value.fail("is of no model that could be named here; it is not carried over") ?? [];
		const fallback = fallbacks.get(model);
		fallbacks.delete(model);
		const budget = budgetOf({ dimension: "model", dimensionValue, windowKind }, amount);
		const degrade = fallback && degradeTo(dimensionValue, fallback);
		return [degrade === undefined ? budget : { ...budget, thresholds: [degrade] }];
	});
	for (const { cursor } of fallbacks.values()) cursor.fail("is of a model without a model_max_budget that was carried over; it says nothing then");
	return budgets;
}

type Fallback = { readonly cursor: Cursor; readonly chain: readonly string[] };

function readFallbacks(cursor: Cursor | undefined): Map<string, Fallback> {
	return new Map(
		(cursor?.entries() ?? []).map(([model, value]) => [
			model,
			{ cursor: value, chain: (value.items(MAX_WINDOWS) ?? []).flatMap((item) => item.written() ?? []) },
		]),
	);
}

function degradeTo(model: string, { cursor, chain }: Fallback): BudgetThreshold | undefined {
	const [first] = chain;
	const served = first === undefined ? undefined : modelName(first);
	if (served === undefined || served === model) return cursor.fail("names no other model; it is not carried over");
	cursor.fail(`is carried over as degrade at ${FALLBACK_BASIS_POINTS / 100}%, just below the limit${chain.length > 1 ? ", to the first of the chain" : ""}`);
	return { action: "degrade", at: { basisPoints: FALLBACK_BASIS_POINTS }, degradeTo: { [model]: served } };
}

function readTeamRate(fields: ReadonlyMap<string, Cursor>): RateRule[] {
	const limits = withoutUndefined({
		requestsPerMinute: readCount(fields.get("rpm_limit")),
		tokensPerMinute: readCount(fields.get("tpm_limit")),
		inFlight: readCount(fields.get("max_parallel_requests")),
	});
	return Object.keys(limits).length === 0 ? [] : [{ dimension: "team", dimensionValue: "", ...limits }];
}

function readModelRates(fields: ReadonlyMap<string, Cursor>): RateRule[] {
	const requests = new Map((given(fields, "model_rpm_limit")?.entries() ?? []).map(([model, value]) => [model, value]));
	const tokens = new Map((given(fields, "model_tpm_limit")?.entries() ?? []).map(([model, value]) => [model, value]));
	return [...new Set([...requests.keys(), ...tokens.keys()])].flatMap((model): RateRule[] => {
		const limits = withoutUndefined({ requestsPerMinute: readCount(requests.get(model)), tokensPerMinute: readCount(tokens.get(model)) });
		const dimensionValue = modelName(model);
		if (dimensionValue === undefined) (requests.get(model) ?? tokens.get(model))?.fail("is of no model that could be named here; it is not carried over");
		return dimensionValue === undefined || Object.keys(limits).length === 0 ? [] : [{ dimension: "model", dimensionValue, ...limits }];
	});
}

function onceEach(budgets: readonly BudgetFile[], item: Cursor): readonly BudgetFile[] {
	const bySelector = new Map<string, BudgetFile>();
	for (const budget of budgets) {
		const known = bySelector.get(selectorKey(budget));
		const isLower = known === undefined || BigInt(budget.limitAmount) < BigInt(known.limitAmount);
		if (known !== undefined) item.fail(`has two budgets for the same ${budget.windowKind}; the lower one is carried over`);
		if (isLower) bySelector.set(selectorKey(budget), budget);
	}
	return [...bySelector.values()];
}

function given(fields: ReadonlyMap<string, Cursor>, name: string): Cursor | undefined {
	const value = fields.get(name);
	return value?.isNothing() ? undefined : value;
}

function modelName(text: string): string | undefined {
	return MODEL_ID_PATTERN.test(text) && text.length <= 128 && !/[|\\"`*]/.test(text) ? text : undefined;
}
