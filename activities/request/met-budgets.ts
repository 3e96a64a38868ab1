import { MAX_MATCHED_BUDGETS, mergeById } from "#domain/budget/match.ts";
import type { BudgetRule } from "../authority/port.ts";
import { type Directory, hasDegradeLines, type Match } from "./directory.ts";
import { callDimensions } from "./ledger-records.ts";
import type { AdmissionInput } from "./port.ts";

type Merge = { readonly matched: Match; readonly met: Match };

/**
 * All budgets that a call meets: those that match it, and for a step of an agent run the ceilings of the run and of those
 * above it, which match by nothing but the run.
 */
export class MetBudgets {
	private readonly directory: Pick<Directory, "match">;
	/** The last merge of each run: its steps match the same budgets nearly always. */
	private readonly merges = new WeakMap<readonly BudgetRule[], Merge>();

	constructor(directory: Pick<Directory, "match">) {
		this.directory = directory;
	}

	of(input: AdmissionInput): Match {
		const matched = this.directory.match(callDimensions(input));
		const { run } = input;
		if (run === undefined || run.budgets.length === 0) return matched;
		const last = this.merges.get(run.budgets);
		if (last !== undefined && last.matched === matched) return last.met;
		const met = merge(matched, run.budgets);
		this.merges.set(run.budgets, { matched, met });
		return met;
	}
}

function merge({ budgets, hasLines, isAdmissible }: Match, ofRun: readonly BudgetRule[]): Match {
	const all = mergeById(budgets, ofRun);
	return { budgets: all, hasLines: hasLines || ofRun.some(hasDegradeLines), isAdmissible: isAdmissible && all.length <= MAX_MATCHED_BUDGETS };
}
