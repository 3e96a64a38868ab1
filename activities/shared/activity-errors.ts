import { ApplicationFailure } from "@temporalio/common";
import { InvariantViolation } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** The one place where an error leaves an activity: type = code, and what cannot get better is not tried again. */
export async function asActivity<Result>(work: () => Promise<Result>): Promise<Result> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof CostControlError) {
			throw ApplicationFailure.create({
				message: error.publicMessage,
				type: error.code,
				nonRetryable: !error.isRetryable,
				details: [error.details],
				cause: error,
			});
		}
		if (error instanceof InvariantViolation) throw ApplicationFailure.nonRetryable(error.message, "internal.invariant");
		throw error;
	}
}
