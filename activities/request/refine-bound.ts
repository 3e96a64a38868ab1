import type { PricedDeployment } from "#activities/providers/port.ts";
import { type BoundOptions, boundRequest } from "#domain/bound/bound-request.ts";
import type { Bound, InspectedRequest } from "#domain/bound/request.ts";
import { amountIn } from "#domain/budget/lease-book.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { leastAmounts } from "./amounts.ts";
import { EXACT_BODY_BYTES_MAX, type ExactTokens } from "./exact-tokens.ts";
import type { Left } from "./port.ts";

export type Refinement = {
	readonly request: InspectedRequest;
	readonly line: PriceLine;
	readonly options: BoundOptions;
	/** The byte bound. */
	readonly bound: Bound;
	/** What the budget that is short could have free at most; undefined where the call is clamped, not refused. */
	readonly left: Left | undefined;
	readonly exactTokens: Pick<ExactTokens, "countSaved">;
};

/** Whether message text of this call can be counted exactly at all (money-path §2). */
export function canCountExactly(request: InspectedRequest, { deployment, line }: PricedDeployment): boolean {
	if (!deployment.hasKnownEncoding || line.encoding === undefined || request.body.length > EXACT_BODY_BYTES_MAX) return false;
	return request.endpoint === "chat.completions" || request.endpoint === "responses";
}

/** The bound with message text counted exactly; undefined where that is no lower, cannot help, or cannot be said in time. */
export async function refineBound(refinement: Refinement): Promise<Bound | undefined> {
	const { request, line, bound, exactTokens } = refinement;
	if (line.encoding === undefined || !canHelp(refinement)) return undefined;
	const saved = await exactTokens.countSaved({ endpoint: request.endpoint, body: request.body, encoding: line.encoding });
	const exact = saved === undefined ? undefined : boundWith(refinement, saved);
	return exact !== undefined && exact.inputTokens < bound.inputTokens ? exact : undefined;
}

/** A call that is too dear even without a single token of text need not be counted, nor one that is short of what no text takes. */
function canHelp(refinement: Refinement): boolean {
	const { left, request } = refinement;
	if (left === undefined) return true;
	if (left.unit === "output_tokens" || left.unit === "steps") return false;
	const best = boundWith(refinement, request.body.length);
	return best !== undefined && amountIn(left.unit, leastAmounts(best, true)) <= left.amount;
}

function boundWith({ request, line, options }: Refinement, textTokensSaved: number): Bound | undefined {
	const result = boundRequest(request, line, { ...options, textTokensSaved });
	return result.kind === "bounded" ? result.bound : undefined;
}
