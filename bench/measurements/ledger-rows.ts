import type { AttemptRow } from "#activities/ledger/record.ts";
import { BENCH_MODEL } from "../provider/answers.ts";

/** Attempts as the request layer makes them, of a team without a budget, so that no lease limits how many are written. */
export function attemptRowOf({ gatewayId, epoch, teamId }: { gatewayId: string; epoch: bigint; teamId: string }, n: number): AttemptRow {
	return {
		reservation: {
			type: "reservation",
			n,
			attemptId: `${gatewayId}-${epoch}-${n}`,
			requestId: `req_${n}`,
			reservedAtMs: Date.now(),
			teamId,
			keyId: "key_0123456789abcdef",
			feature: "search",
			userId: "ann",
			environment: "bench",
			asserted: null,
			claimed: null,
			provider: "openai",
			deployment: "openai",
			protocol: "openai",
			endpoint: "chat.completions",
			model: BENCH_MODEL,
			pricedModel: BENCH_MODEL,
			pricedTiers: ["standard"],
			priceVersion: 1,
			pricesAsOfMs: Date.now(),
			reservedNanoUsd: "100000",
			reservedTokens: 400,
			clampedOutputTokens: null,
			windows: [],
		},
		outcome: {
			type: "outcome",
			n,
			outcome: "settled",
			reason: null,
			costNanoUsd: "63000",
			costTokens: 150,
			overrunNanoUsd: "0",
			usage: { inputTokens: 60, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 90, reasoningTokens: 0 },
			answeredModel: BENCH_MODEL,
			serviceTier: "default",
			priceVersion: 1,
			providerRequestId: `req_${n}`,
			httpStatus: 200,
			durationMs: 20,
		},
	};
}
