import { type BudgetThreshold, readLimitAmount, readLimitUsd, THRESHOLD_ACTIONS, type ThresholdAt, thresholdAmount } from "#domain/budget/scope.ts";
import { amount, CommandFailure } from "./output.ts";

/**
 * A line of a budget as people type and read it: "90%:notify", "4.50:stop", "90%:degrade:gpt-5=gpt-5-mini,o3=o3-mini".
 * Names of models may hold colons, so that only the first two divide.
 */
const SHAPE = /^([^:]+):([A-Za-z]+)(?::(.+))?$/s;

/** Lines from --threshold; "none" alone is no line. @throws CommandFailure with exit code 2 for what is none. */
export function readThresholds(lines: readonly string[], unit: string | undefined): BudgetThreshold[] {
	if (lines.length === 1 && lines[0] === "none") return [];
	return lines.map((line) => readThreshold(line, unit === "tokens"));
}

function readThreshold(line: string, isTokens: boolean): BudgetThreshold {
	const [, where = "", action, models] = SHAPE.exec(line) ?? [];
	const found = THRESHOLD_ACTIONS.find((known) => known === action);
	if (found === undefined) throw wrong(line, `the action is one of ${THRESHOLD_ACTIONS.join(", ")}, like 90%:notify`);
	const at = readAt(line, where, isTokens);
	if (found === "degrade") return { action: found, at, degradeTo: readModels(line, models) };
	if (models !== undefined) throw wrong(line, `${found} names no models`);
	return { action: found, at };
}

function readAt(line: string, where: string, isTokens: boolean): ThresholdAt {
	if (where.endsWith("%")) {
		const percent = where.slice(0, -1);
		if (!/^\d{1,3}(\.\d{1,2})?$/.test(percent)) throw wrong(line, "a share of the limit has at most two decimals, like 90%");
		return { basisPoints: Math.round(Number(percent) * 100) };
	}
	const read = isTokens ? readLimitAmount(where, "at") : readLimitUsd(where, "at");
	if (read.kind === "invalid") throw wrong(line, read.problems.map(({ problem }) => `${where} ${problem}`).join("; "));
	return { amount: read.value.toString() };
}

function readModels(line: string, models: string | undefined): Record<string, string> {
	const pairs = (models ?? "").split(",").map((pair) => pair.split("="));
	if (pairs.some((pair) => pair.length !== 2 || pair.includes(""))) throw wrong(line, "degrade names models, like 90%:degrade:gpt-5=gpt-5-mini");
	return Object.fromEntries(pairs) as Record<string, string>;
}

function wrong(line: string, problem: string): CommandFailure {
	return new CommandFailure(2, `--threshold ${line}: ${problem}`);
}

/** "notify 80%", "degrade 90% (gpt-5 to gpt-5-mini)", "stop 4.5 USD". */
export function describeThreshold(threshold: BudgetThreshold, unit: string): string {
	const { action, at } = threshold;
	const where = "amount" in at ? amount(at.amount, unit) : `${at.basisPoints / 100}%`;
	const models =
		threshold.action === "degrade"
			? ` (${Object.entries(threshold.degradeTo)
					.map(([asked, served]) => `${asked} to ${served}`)
					.join(", ")})`
			: "";
	return `${action} ${where}${models}`;
}

/** The action of the highest line that `posted` has reached. */
export function highestReached(thresholds: readonly BudgetThreshold[], limitAmount: bigint, posted: bigint): BudgetThreshold["action"] | undefined {
	return thresholds.findLast(({ at }) => posted >= thresholdAmount(at, limitAmount))?.action;
}
