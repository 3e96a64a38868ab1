import { type ActivityFailure, ApplicationFailure } from "@temporalio/common";

/** An answer about the statement itself; asking again would be answered the same. */
export function isRefused(error: ActivityFailure): boolean {
	return error.cause instanceof ApplicationFailure && error.cause.nonRetryable === true;
}
