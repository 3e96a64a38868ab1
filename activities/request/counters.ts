import type { Usage } from "#domain/usage/usage.ts";
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
		inputTokens: 0,
		cachedInputTokens: 0,
		cacheWriteTokens: 0,
		outputTokens: 0,
		reasoningTokens: 0,
	};
}

export function countTokens(counters: AuthorityCounters, usage: Usage): void {
	counters.inputTokens += usage.inputTokens;
	counters.cachedInputTokens += usage.cachedInputTokens;
	counters.cacheWriteTokens += usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
	counters.outputTokens += usage.outputTokens;
	counters.reasoningTokens += usage.reasoningTokens;
}
