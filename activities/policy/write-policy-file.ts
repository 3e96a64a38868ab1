import { Document } from "yaml";
import type { BudgetThreshold } from "#domain/budget/scope.ts";
import type { CallCap, RateRule } from "#domain/limits/team-limits.ts";
import { formatUsd } from "#domain/money/wire.ts";
import type { BudgetFile, KeyAttributes, ModelDeployment, OrganizationFile, PolicyFile, TeamFile, TeamRunsFile } from "#domain/policy/policy.ts";
import { monthName, POLICY_VERSION, weekdayName } from "#domain/policy/written-form.ts";
import { withoutUndefined } from "./cursor.ts";
import type { BudgetDefaults } from "./read-budget.ts";

/** Lines put before the file, without "#": where it came from, what to do with it. */
export type WriteOptions = { readonly comment?: string };

/**
 * A policy as people write it (docs/policy.md). It says everything that the policy says, defaults included, so that applying
 * it later brings all of it back; reading it gives the same policy again. Only sections without entries are left out.
 */
export function writePolicyFile(file: PolicyFile, { comment }: WriteOptions = {}): string {
	const defaults = sharedDefaults(file);
	const written = {
		version: POLICY_VERSION,
		organization: unlessEmpty(writeOrganization(file.organization ?? {}, defaults)),
		channels: unlessEmpty(file.channels),
		models: unlessEmpty(file.models && mapped(file.models, (deployments, alias) => deployments.map((deployment) => writeDeployment(deployment, alias)))),
		teams: unlessEmpty(file.teams && mapped(file.teams, (team) => writeTeam(team, defaults))),
	};
	const document = new Document(withoutUndefined(written), { version: "1.2", aliasDuplicateObjects: false });
	if (comment !== undefined)
		document.commentBefore = comment
			.split("\n")
			.map((line) => ` ${line}`)
			.join("\n");
	return document.toString({ lineWidth: 0, indent: 2 });
}

type Written = Readonly<Record<string, unknown>>;

function writeOrganization(organization: OrganizationFile, defaults: BudgetDefaults): Written {
	return withoutUndefined({
		...calendarOf(defaults),
		overcommit: organization.isOvercommitted,
		approvers: organization.approvers,
		increaseCeilingUsd: usdOrNone(organization.increaseCeilingNanoUsd),
		budgets: unlessEmpty(organization.budgets?.map((budget) => writeBudget(budget, defaults))),
		alerts: unlessEmpty(organization.alerts?.map(writeRoute)),
	});
}

function writeTeam(team: TeamFile, defaults: BudgetDefaults): Written {
	return withoutUndefined({
		unlimited: team.isUnlimited,
		settings: unlessEmpty(team.settings),
		features: team.features,
		approvers: team.approvers,
		increaseCeilingUsd: usdOrNone(team.increaseCeilingNanoUsd),
		budgets: unlessEmpty(team.budgets?.map((budget) => writeBudget(budget, defaults))),
		caps: unlessEmpty(team.limits?.caps?.map(writeCap)),
		rates: unlessEmpty(team.limits?.rates?.map(writeRate)),
		runs: unlessEmpty(team.runs && writeRuns(team.runs)),
		alerts: unlessEmpty(team.alerts?.map(writeRoute)),
		keys: unlessEmpty(team.keys && mapped(team.keys, writeKey)),
	});
}

function writeBudget(budget: BudgetFile, defaults: BudgetDefaults): Written {
	const { dimension, dimensionValue, unit, windowKind, limitAmount, thresholds, mode } = budget;
	const own = {
		timeZone: budget.timeZone === defaults.timeZone ? undefined : budget.timeZone,
		weekStart: budget.weekStart === defaults.weekStart ? undefined : budget.weekStart,
		fiscalYearStart: budget.fiscalYearStart === defaults.fiscalYearStart ? undefined : budget.fiscalYearStart,
	};
	return withoutUndefined({
		window: windowKind,
		...(dimension !== "organization" && dimension !== "team" && { [dimension]: dimensionValue }),
		limitUsd: unit === "nano_usd" ? usd(limitAmount) : undefined,
		tokens: unit === "tokens" ? bareNumber(limitAmount) : undefined,
		mode,
		...calendarOf(own),
		thresholds: thresholds?.map((threshold) => writeThreshold(threshold, unit)),
	});
}

function writeThreshold(threshold: BudgetThreshold, unit: BudgetFile["unit"]): Written {
	const { at, action } = threshold;
	const place = "basisPoints" in at ? { at: `${at.basisPoints / 100}%` } : unit === "tokens" ? { atTokens: bareNumber(at.amount) } : { atUsd: usd(at.amount) };
	return { ...place, action, ...(action === "degrade" && { to: threshold.degradeTo }) };
}

function writeCap({ feature, costNanoUsd, ...tokens }: CallCap): Written {
	return withoutUndefined({ feature: feature ?? undefined, ...tokens, costUsd: costNanoUsd === undefined ? undefined : usd(costNanoUsd) });
}

function writeRate({ dimension, dimensionValue, ...limits }: RateRule): Written {
	return { ...(dimension !== "team" && { [dimension]: dimensionValue }), ...limits };
}

function writeKey({ userId, requiresRun, resubmitsBatches, relanesBatches, ...key }: Partial<KeyAttributes>): Written {
	const rules = withoutUndefined({ resubmit: resubmitsBatches, relane: relanesBatches });
	const batches = Object.keys(rules).length === 0 ? undefined : rules;
	return withoutUndefined({ ...key, user: userId, requireRun: requiresRun, batches });
}

function writeRuns({ limits, most, ...rest }: TeamRunsFile): Written {
	return withoutUndefined({ limits: writeCeilings(limits), most: writeCeilings(most), ...rest });
}

/** Money in dollars; a pause at an amount is the amount alone. */
function writeCeilings(limits: TeamRunsFile["limits"]): Written | null | undefined {
	if (limits === undefined || limits === null) return limits;
	return Object.fromEntries(
		Object.entries(limits).map(([kind, entry]) => {
			if (kind === "costNanoUsd") return ["costUsd", writeCeiling(entry, (at) => usd(String(at)))];
			if (kind !== "toolCalls") return [kind, writeCeiling(entry, (at) => at)];
			return [kind, mapped(entry as Readonly<Record<string, unknown>>, (ofTool) => writeCeiling(ofTool, (at) => at))];
		}),
	);
}

type WrittenCeiling = { readonly soft?: Written; readonly hard?: Written };

function writeCeiling(entry: unknown, write: (at: unknown) => unknown): unknown {
	const { soft, hard } = entry as WrittenCeiling;
	const line = (given: Written): Written => ({ ...given, at: write(given["at"]) });
	if (soft === undefined && hard?.["action"] === "pause") return write(hard["at"]);
	return { ...(soft && { soft: line(soft) }), ...(hard && { hard: line(hard) }) };
}

function writeRoute({ channel, kinds }: { readonly channel: string; readonly kinds: readonly string[] }): Written {
	return { channel, ...(kinds.length > 0 && { kinds }) };
}

function writeDeployment({ provider, model, pricedAsModel }: ModelDeployment, alias: string): Written {
	return { provider, ...(model !== alias && { model }), ...(pricedAsModel !== model && { pricedAsModel }) };
}

/** What most budgets have, once for all, where each says something; nothing where one leaves it open. */
function sharedDefaults(file: PolicyFile): BudgetDefaults {
	const budgets = [...(file.organization?.budgets ?? []), ...Object.values(file.teams ?? {}).flatMap((team) => team.budgets ?? [])];
	return withoutUndefined({
		timeZone: mostFrequent(budgets.map(({ timeZone }) => timeZone)),
		weekStart: mostFrequent(budgets.map(({ weekStart }) => weekStart)),
		fiscalYearStart: mostFrequent(budgets.map(({ fiscalYearStart }) => fiscalYearStart)),
	});
}

function mostFrequent<Value>(values: readonly Value[]): Value | undefined {
	if (values.includes(undefined as Value)) return undefined;
	const counts = new Map<Value, number>();
	for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
	return [...counts].sort(([, left], [, right]) => right - left)[0]?.[0];
}

function calendarOf({ timeZone, weekStart, fiscalYearStart }: { [Name in keyof BudgetDefaults]?: BudgetDefaults[Name] | undefined }): Written {
	return {
		timeZone,
		weekStart: weekStart === undefined ? undefined : weekdayName(weekStart),
		fiscalYearStart: fiscalYearStart === undefined ? undefined : monthName(fiscalYearStart),
	};
}

function usdOrNone(amount: string | null | undefined): string | number | null | undefined {
	return typeof amount === "string" ? usd(amount) : amount;
}

function usd(amount: string): string | number {
	return bareNumber(formatUsd(BigInt(amount)).replace(/\.?0+$/, ""));
}

/** Without quotes where a number prints as exactly this. */
function bareNumber(text: string): string | number {
	return String(Number(text)) === text && Number(text) <= Number.MAX_SAFE_INTEGER ? Number(text) : text;
}

/** Of what stands entry by entry: no entries say nothing, as if left out. */
function unlessEmpty<Entries extends object>(entries: Entries | undefined): Entries | undefined {
	return entries === undefined || Object.keys(entries).length === 0 ? undefined : entries;
}

function mapped<Value>(record: Readonly<Record<string, Value>>, write: (value: Value, name: string) => unknown): Written {
	return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, write(value, name)]));
}
