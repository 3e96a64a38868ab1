import type { PricedDeployment } from "#activities/providers/port.ts";
import { boundOptions } from "#activities/request/pipeline.ts";
import type { TeamPolicy } from "#activities/request/port.ts";
import { type DearestLane, dearestLane } from "#domain/batching/dearest-lane.ts";
import { boundRequest } from "#domain/bound/bound-request.ts";
import type { Bound, BoundResult, InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import { applyCaps, type CapProblem, capsFor, withLoweredOutput } from "#domain/limits/caps.ts";

export type ItemToBound = {
	readonly request: InspectedRequest;
	readonly candidate: PricedDeployment;
	readonly policy: TeamPolicy;
	readonly teamId: string;
	/** Attributed, for the caps. */
	readonly feature: string | null;
	readonly mayGoRealTime: boolean;
};

export type BoundedItem = DearestLane & {
	readonly kind: "bounded";
	/** To which a cap of the team lowered its output; the body must carry it. undefined: none did. */
	readonly cappedOutputTokens: number | undefined;
};
export type ItemBound = BoundedItem | { readonly kind: "refused"; readonly problem: RequestProblem & Partial<CapProblem> };

const BATCH_TIER = ["batch"] as const;

/**
 * The most an item can cost, proven as for a call, on each lane it may take: which one is chosen only later, so that the dearest is held. Where its price
 * line has no price for batches, real time is the only one. Caps per call of the team hold on every lane.
 */
export function boundItem(item: ItemToBound): ItemBound {
	const lanes: Bound[] = [];
	for (const result of boundsOf(item)) {
		if (result.kind === "unbounded") return { kind: "refused", problem: result.problem };
		lanes.push(result.bound);
	}
	const capped = applyTeamCaps(lanes, item);
	if (capped.kind === "refused") return capped;
	const { outputTokens } = capped;
	const bounds = outputTokens === undefined ? lanes : lanes.map((bound) => withLoweredOutput(bound, outputTokens));
	return { kind: "bounded", ...dearestLane(bounds), cappedOutputTokens: outputTokens };
}

/** Batch first, as far as it may take that lane. */
function boundsOf({ request, candidate, policy, mayGoRealTime }: ItemToBound): readonly BoundResult[] {
	const options = boundOptions(policy, candidate);
	const hasBatchPrice = candidate.line.tiers.batch !== undefined;
	return [
		...(hasBatchPrice || !mayGoRealTime ? [boundRequest(request, candidate.line, { ...options, onlyTiers: BATCH_TIER })] : []),
		...(mayGoRealTime ? [boundRequest(request, candidate.line, options)] : []),
	];
}

type Capped = { readonly kind: "within"; readonly outputTokens: number | undefined } | Extract<ItemBound, { kind: "refused" }>;

/** A cap lowers the output as it does a call's; the lowest of all lanes is what the body will say. */
function applyTeamCaps(lanes: readonly Bound[], { policy, teamId, feature }: ItemToBound): Capped {
	const caps = policy.limits?.caps && capsFor(policy.limits.caps, feature);
	let outputTokens: number | undefined;
	for (const lane of lanes) {
		const verdict = applyCaps(outputTokens === undefined ? lane : withLoweredOutput(lane, outputTokens), teamId, caps);
		if (verdict.kind === "exceeded") return { kind: "refused", problem: verdict.problem };
		if (verdict.kind === "lowered") outputTokens = verdict.outputTokens;
	}
	return { kind: "within", outputTokens };
}
