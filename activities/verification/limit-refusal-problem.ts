import { readLimitName } from "#domain/limits/limit-name.ts";

/** A call that a limit beside money refused, as its row tells it. */
export type LimitRefusalRow = {
	readonly refusal_id: string;
	readonly code: string;
	readonly window_id: string | null;
	readonly limit_name: string | null;
	readonly limit_amount: string | null;
	readonly stood_at: string | null;
	readonly need: string | null;
	readonly waited_ms: number;
};

/** As long as a call waits at least for what other gateways do not use (activities/limits/rate-keeper.ts), less the tolerance of timers. */
const RECALL_WAIT_MS = 580;

/**
 * What is wrong with it; undefined for a right one. It names the limit that its code says and that limit's value, and by its own numbers
 * the call did not fit: it was larger than the cap, or than what all gateways together had left of the rate. Only a
 * call that waited for others' idle shares in vain may have seen less taken in the end.
 */
export function limitRefusalProblem({ code, window_id, limit_name, limit_amount, stood_at, need, waited_ms }: LimitRefusalRow): string | undefined {
	const named = limit_name === null ? undefined : readLimitName(limit_name);
	if (named === undefined || limit_amount === null || need === null) return "names no limit, or lacks the numbers it was decided on";
	if (window_id !== null) return `is of limit ${limit_name} and of budget window ${window_id} at once`;
	const limit = BigInt(limit_amount);
	if (named.limit !== limit) return `says the limit was ${limit}, and names one of ${named.limit}`;
	if (code === "limit.cap") {
		if (named.mark !== "cap" && named.measure !== "tokens") return `says that a cap refused it, and names the rate ${limit_name}`;
		return BigInt(need) > limit ? undefined : `needed ${need}, which the cap of ${limit} lets through`;
	}
	if (code !== `limit.${named.measure}` || named.mark === "cap") return `says ${code}, and names the limit ${limit_name}`;
	if (stood_at === null) return "lacks what was taken of the limit";
	const free = limit - BigInt(stood_at);
	return BigInt(need) > free || waited_ms >= RECALL_WAIT_MS ? undefined : `needed ${need} while ${limit} - ${stood_at} = ${free} was free`;
}
