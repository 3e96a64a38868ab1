import { checkRunLimits } from "../agents/run-limits.ts";
import type { TeamRuns } from "../agents/team-runs.ts";
import type { AlertChannel, AlertRoute } from "../alerts/channel.ts";
import { type BudgetDefinition, type BudgetThreshold, type BudgetUnit, DEFAULT_WARN_BASIS_POINTS } from "../budget/scope.ts";
import type { CallCap, RateRule } from "../limits/team-limits.ts";
import { formatUsd } from "../money/wire.ts";
import type { KeyAttributes, ModelDeployment } from "./policy.ts";
import { monthName, weekdayName } from "./written-form.ts";

/** Parts of a policy in one line each, for diffs, tables and alerts. Nothing here is read again. */

/** "$25.00 a day, observed, degrade at 90 %"; what is as by default is not said. */
export function describeBudget(budget: BudgetDefinition): string {
	const { windowKind, unit, timeZone, weekStart, fiscalYearStart, mode, thresholds } = budget;
	const often = windowKind === "lifetime" ? "in all" : `${windowKind === "hour" ? "an" : "a"} ${windowKind}`;
	return [
		`${describeAmount(budget.limitAmount, unit)} ${often}`,
		...(timeZone === "UTC" ? [] : [timeZone]),
		...(weekStart === 1 ? [] : [`weeks from ${weekdayName(weekStart)}`]),
		...(fiscalYearStart === 1 ? [] : [`fiscal year from ${monthName(fiscalYearStart)}`]),
		...(mode === "observe" ? ["observed"] : []),
		...describeThresholds(thresholds, unit),
	].join(", ");
}

export function describeCap({ inputTokens, outputTokens, costNanoUsd }: CallCap): string {
	return listed([
		inputTokens === undefined ? undefined : `${grouped(inputTokens)} input tokens`,
		outputTokens === undefined ? undefined : `${grouped(outputTokens)} output tokens`,
		costNanoUsd === undefined ? undefined : describeAmount(costNanoUsd, "nano_usd"),
	]);
}

export function describeRate({ requestsPerMinute, tokensPerMinute, inFlight }: RateRule): string {
	return listed([
		requestsPerMinute === undefined ? undefined : `${grouped(requestsPerMinute)} requests a minute`,
		tokensPerMinute === undefined ? undefined : `${grouped(tokensPerMinute)} tokens a minute`,
		inFlight === undefined ? undefined : `${grouped(inFlight)} in flight`,
	]);
}

export function describeKey(key: KeyAttributes): string {
	return listed([
		key.feature === null ? undefined : `feature ${key.feature}`,
		key.userId === null ? undefined : `user ${key.userId}`,
		key.environment === null ? undefined : `environment ${key.environment}`,
		key.models === null ? undefined : `models ${describeValue(key.models)}`,
		key.endpoints === null ? undefined : `endpoints ${describeValue(key.endpoints)}`,
		key.requiresRun ? "every call in an agent run" : undefined,
		key.resubmitsBatches ? "unfinished items of batches resubmitted" : undefined,
		key.relanesBatches ? "unfinished items of batches in real time" : undefined,
		key.mayAssert.length === 0 ? undefined : `may assert ${key.mayAssert.join(" and ")} (${grouped(key.maxAsserted)})`,
	]);
}

/** "limits: $5.00, 200 steps; a loop stops the run"; what is as by default is not said. */
export function describeRuns({ limits, most, onLoop, newRunsPerHour, pauseHours }: TeamRuns): string {
	const said = [
		limits === undefined ? undefined : `limits: ${describeCeilings(limits)}`,
		most === undefined ? undefined : `at most: ${describeCeilings(most)}`,
		onLoop === undefined ? undefined : `a loop ${onLoop}s the run`,
		newRunsPerHour === undefined ? undefined : `${grouped(newRunsPerHour)} new runs an hour and key`,
		pauseHours === undefined ? undefined : `a pause ends after ${grouped(pauseHours)} hours`,
	].filter((part) => part !== undefined);
	return said.length === 0 ? "as by default" : said.join("; ");
}

/** Names of variables and files, never a secret: a policy holds none. */
export function describeChannel({ kind, allowPrivate, ...places }: AlertChannel): string {
	return listed([kind, ...Object.entries(places).map(([field, value]) => `${field} ${value}`), allowPrivate ? "private addresses allowed" : undefined]);
}

export function describeRoute({ kinds }: AlertRoute): string {
	return kinds.length === 0 ? "all kinds" : kinds.join(", ");
}

export function describeDeployments(deployments: readonly ModelDeployment[]): string {
	return deployments
		.map(({ provider, model, pricedAsModel }) => `${provider}/${model}${pricedAsModel === model ? "" : ` priced as ${pricedAsModel}`}`)
		.join(", then ");
}

/** Amounts as people read them: "$1,234.50", "20,000,000 tokens". */
export function describeAmount(amount: string, unit: BudgetUnit): string {
	if (unit === "tokens") return `${grouped(amount)} tokens`;
	const [whole = "", fraction = ""] = formatUsd(BigInt(amount)).split(".");
	return `$${grouped(whole)}.${fraction}`;
}

export function describeValue(value: unknown, unit?: BudgetUnit): string {
	if (value === null) return "none";
	if (Array.isArray(value)) return value.length === 0 ? "none" : value.map((item) => String(item)).join(", ");
	return typeof value === "string" && unit !== undefined ? describeAmount(value, unit) : String(value);
}

function describeThresholds(thresholds: readonly BudgetThreshold[], unit: BudgetUnit): string[] {
	if (thresholds.length === 0) return ["no notice"];
	const [only] = thresholds;
	const isDefault = thresholds.length === 1 && only?.action === "notify" && "basisPoints" in only.at && only.at.basisPoints === DEFAULT_WARN_BASIS_POINTS;
	return isDefault ? [] : thresholds.map((threshold) => describeThreshold(threshold, unit));
}

function describeThreshold(threshold: BudgetThreshold, unit: BudgetUnit): string {
	const { action, at } = threshold;
	const place = "basisPoints" in at ? `${at.basisPoints / 100} %` : describeAmount(at.amount, unit);
	const target =
		action === "degrade"
			? ` (${Object.entries(threshold.degradeTo)
					.map(([from, to]) => `${from} to ${to}`)
					.join(", ")})`
			: "";
	return `${action === "needApproval" ? "approval" : action} at ${place}${target}`;
}

function describeCeilings(limits: Readonly<Record<string, unknown>>): string {
	const ceilings = checkRunLimits(limits);
	if (ceilings.kind === "invalid") return "not readable";
	return listed(
		ceilings.value.flatMap(({ kind, tool, soft, hard }) => {
			const amount = (at: bigint): string =>
				kind === "costNanoUsd" ? describeAmount(at.toString(), "nano_usd") : `${grouped(at.toString())} ${kind}${tool === undefined ? "" : ` of ${tool}`}`;
			return [...(soft ? [`${soft.action} at ${amount(soft.at)}`] : []), ...(hard ? [`${hard.action} at ${amount(hard.at)}`] : [])];
		}),
	);
}

function grouped(whole: number | string): string {
	return String(whole).replace(/\B(?=(\d{3})+$)/g, ",");
}

function listed(parts: readonly (string | undefined)[]): string {
	const said = parts.filter((part) => part !== undefined);
	return said.length === 0 ? "nothing" : said.join(", ");
}
