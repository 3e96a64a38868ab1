import { storableTextProblem } from "#domain/text/storable-text.ts";
import { invalidInput } from "./handler-errors.ts";

const PERSON_LENGTH_MAX = 100;

/** Of an update that says nothing but who asks. Synchronous, read-only, shape only: a rejection leaves no event. */
export function validateBy(input: { readonly by: string }): void {
	const problem = storableTextProblem(input?.by, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
	if (problem !== undefined) throw invalidInput([{ field: "by", problem }]);
}
