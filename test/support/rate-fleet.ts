import type { RateAuthority } from "#activities/limits/port.ts";
import { RateKeeper, type RateProblem } from "#activities/limits/rate-keeper.ts";
import { RateBook } from "#domain/limits/rate-book.ts";
import type { RatePermit } from "#domain/limits/rate-permit.ts";
import { type CompiledRate, compileLimits, type RateCaller } from "#domain/limits/rate-rules.ts";
import type { RateRule } from "#domain/limits/team-limits.ts";

/** Rates of several gateways over one authority, without anything else of a gateway. */
export type RateGateway = {
	readonly keeper: RateKeeper;
	readonly counters: { rateExchanges: number; sqlRoundTripsBeforeSend: number };
	readonly errors: unknown[];
	/** The permit of an admitted call, or why it was refused. */
	call(rates: readonly CompiledRate[], options?: { readonly caller?: Partial<RateCaller>; readonly tokens?: number }): Promise<RatePermit | RateProblem>;
};

export const CALLER: RateCaller = { teamId: "team", feature: "search", user: "ann", model: "test-model", key: "key_1" };

/** Rules as the request path has them. */
export function ratesOf(...rules: readonly RateRule[]): readonly CompiledRate[] {
	return compileLimits(CALLER.teamId, { caps: [], rates: rules }, [])?.rates ?? [];
}

export function openRateGateway(rates: RateAuthority, { nowMs, maxCounters }: { readonly nowMs: () => number; readonly maxCounters?: number }): RateGateway {
	const counters = { rateExchanges: 0, sqlRoundTripsBeforeSend: 0 };
	const errors: unknown[] = [];
	const book = maxCounters === undefined ? new RateBook() : new RateBook(maxCounters);
	const keeper = new RateKeeper({ rates, nowMs, onFenced: () => errors.push("fenced"), onError: (error) => errors.push(error), counters }, book);
	return {
		keeper,
		counters,
		errors,
		async call(rules, { caller = {}, tokens = 0 } = {}) {
			const permit = keeper.open(rules, { ...CALLER, ...caller });
			if (permit === undefined || permit === "full") throw new Error(`the call opens nothing: ${permit}`);
			const problem = await keeper.take(permit, tokens);
			if (problem === undefined) return permit;
			keeper.end(permit, { isSent: false, tokensUsed: undefined });
			return problem;
		},
	};
}

export function isAdmitted(answer: RatePermit | RateProblem): answer is RatePermit {
	return "counters" in answer;
}
