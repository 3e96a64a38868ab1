import { ApplicationFailure, TemporalFailure } from "@temporalio/common";
import { InvariantViolation } from "#domain/assert.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/**
 * Only a TemporalFailure fails an update; any other error would fail the workflow task and stop the whole team
 * until a deploy. That is right for a broken invariant and for nothing else.
 */
export function guardHandler<Arguments extends unknown[], Result>(handler: (...args: Arguments) => Result): (...args: Arguments) => Result {
	return (...args) => {
		try {
			return handler(...args);
		} catch (error) {
			throw toHandlerFailure(error);
		}
	};
}

/** The problems travel as the failure's first detail. */
export function invalidInput(problems: readonly FieldProblem[]): ApplicationFailure {
	const message = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	return ApplicationFailure.nonRetryable(message, "admin.invalid", problems);
}

function toHandlerFailure(error: unknown): unknown {
	if (error instanceof TemporalFailure || error instanceof InvariantViolation) return error;
	if (error instanceof CostControlError) return ApplicationFailure.nonRetryable(error.publicMessage, error.code, error.details);
	return ApplicationFailure.nonRetryable(error instanceof Error ? error.message : String(error), "internal.invariant");
}
