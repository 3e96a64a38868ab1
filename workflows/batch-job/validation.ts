import type { FieldProblem } from "#domain/budget/scope.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { BatchChange, CancelBatchInput } from "./messages.ts";

const PERSON_LENGTH_MAX = 100;

/** Synchronous, read-only, shape only: a rejection leaves no event. */
export function validateCancel(input: CancelBatchInput): void {
	const problem = storableTextProblem(input?.by, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
	const problems: FieldProblem[] = problem === undefined ? [] : [{ field: "by", problem }];
	if (problems.length > 0) throw invalidInput(problems);
}

/** Signals cannot be refused: of one of any other shape only that something changed is taken. */
export function asksForRetry(change: BatchChange): boolean {
	return change?.retriesNow === true;
}
