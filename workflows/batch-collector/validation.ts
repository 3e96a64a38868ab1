import type { FieldProblem } from "#domain/budget/scope.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { FlushNowInput } from "./messages.ts";

const PERSON_LENGTH_MAX = 100;

/** Synchronous, read-only, shape only: a rejection leaves no event. */
export function validateFlushNow(input: FlushNowInput): void {
	const problem = storableTextProblem(input?.by, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
	const problems: FieldProblem[] = problem === undefined ? [] : [{ field: "by", problem }];
	if (problems.length > 0) throw invalidInput(problems);
}
