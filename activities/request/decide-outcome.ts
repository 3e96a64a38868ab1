/** Complete answers of these statuses say that the provider did not run the call (money-path §6). */
const RELEASING_SERVER_ERRORS: ReadonlySet<number> = new Set([500, 502, 503, 529]);

/**
 * What a complete answer means for its reservation: `settle` where usage decides, `release` where nothing
 * was billed, `charge` where it may have run. `billedStatuses` is the provider's own table.
 */
export function decideAnswerOutcome(status: number, billedStatuses: readonly number[]): "settle" | "release" | "charge" {
	if (status >= 200 && status < 300) return "settle";
	if (billedStatuses.includes(status)) return "charge";
	const isClientError = status >= 400 && status < 500 && status !== 408;
	return isClientError || RELEASING_SERVER_ERRORS.has(status) ? "release" : "charge";
}
