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
		if (isRefusedValue(error)) throw ApplicationFailure.nonRetryable(`PostgreSQL refuses it (${error.code}): ${error.message}`, "admin.invalid");
		if (error instanceof InvariantViolation) throw ApplicationFailure.nonRetryable(error.message, "internal.invariant");
		throw error;
	}
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint): the statement says what PostgreSQL cannot hold, however often it is asked. */
function isRefusedValue(error: unknown): error is Error & { readonly code: string } {
	const { code } = error as { code?: unknown };
	return error instanceof Error && typeof code === "string" && /^2[23][0-9A-Z]{3}$/.test(code);
}
