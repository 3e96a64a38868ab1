import type { AuthorityCounters } from "./port.ts";

/** What the request layer counts, at zero. */
export function emptyCounters(): AuthorityCounters {
	return {
		sqlRoundTripsBeforeSend: 0,
		admitted: 0,
		admittedOnAllowance: 0,
		refused: 0,
		observedRefusals: 0,
		degraded: 0,
		clamped: 0,
		settled: 0,
		released: 0,
		unresolved: 0,
		overruns: 0,
		grants: 0,
		recallsAnswered: 0,
		rateExchanges: 0,
		openReservations: 0,
	};
}
