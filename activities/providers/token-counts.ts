import type { ReportedUsage, Usage } from "#domain/usage/usage.ts";
import { findCountProblem, findUsageProblem } from "#domain/usage/validate-usage.ts";
import { asObject, type JsonObject } from "./json.ts";

/** A count in a provider's answer that cannot be used; becomes `unusable`, never a default. */
export class UnusableCount extends Error {
	override readonly name = "UnusableCount";
}

/** A count that must be there. `path` names the wire field in the reason. */
export function requiredCount(source: JsonObject, field: string): number {
	const problem = findCountProblem(source[field]);
	if (problem) throw new UnusableCount(`usage.${field} ${problem}`);
	return source[field] as number;
}

/** A part that providers leave out or send as null when it is zero. */
export function optionalCount(source: JsonObject | undefined, field: string): number {
	const value = source?.[field];
	if (value === undefined || value === null) return 0;
	const problem = findCountProblem(value);
	if (problem) throw new UnusableCount(`usage.${field} ${problem}`);
	return value as number;
}

/** A details object; absent and null are nothing, any other shape is unusable. */
export function optionalDetails(source: JsonObject, field: string): JsonObject | undefined {
	const value = source[field];
	if (value === undefined || value === null) return undefined;
	const details = asObject(value);
	if (!details) throw new UnusableCount(`usage.${field} is not an object`);
	return details;
}

/** Runs a reader and checks its result by the rule that pricing relies on. */
export function reportUsage(read: () => { usage: Usage; model: string | undefined; serviceTier: string | undefined }): ReportedUsage {
	try {
		const { usage, model, serviceTier } = read();
		const problem = findUsageProblem(usage);
		if (problem) return unusable(problem);
		return { kind: "usable", usage, model, serviceTier: serviceTier?.toLowerCase() };
	} catch (error) {
		if (error instanceof UnusableCount) return unusable(error.message);
		throw error;
	}
}

export function unusable(reason: string): ReportedUsage {
	return { kind: "unusable", reason };
}
