import type { CallFacts, Decider, Decision, DecisionCounters } from "./port.ts";

/**
 * Counts every decision, and tells of those that refuse a call: one a second of each kind, with the number of those in
 * between, since a caller who is denied tries again and an engine that is away fails every call.
 */
export type ToldRefusal = {
	readonly decision: Exclude<Decision, { kind: "allowed" }>;
	readonly facts: CallFacts;
	/** Absent where who asked named none. */
	readonly requestId: string | undefined;
	/** Refusals of this kind since the last one told. */
	readonly untold: number;
};

export type TellingOptions = {
	readonly counters: DecisionCounters;
	onRefusal(refusal: ToldRefusal): void;
	/** Monotonic clock, milliseconds. */
	nowMs(): number;
};

const TOLD_EVERY_MS = 1_000;

export function tellDecisions(decider: Decider, { counters, onRefusal, nowMs }: TellingOptions): Decider {
	const told = { denied: { atMs: Number.NEGATIVE_INFINITY, untold: 0 }, undecided: { atMs: Number.NEGATIVE_INFINITY, untold: 0 } };
	const take = (facts: CallFacts, decision: Decision, requestId: string | undefined): Decision => {
		counters[decision.kind] += 1;
		if (decision.kind === "allowed") return decision;
		const last = told[decision.kind];
		const atMs = nowMs();
		if (atMs - last.atMs < TOLD_EVERY_MS) {
			last.untold += 1;
			return decision;
		}
		onRefusal({ decision, facts, requestId, untold: last.untold });
		told[decision.kind] = { atMs, untold: 0 };
		return decision;
	};
	return {
		isAsked: decider.isAsked,
		decide(facts, requestId) {
			const decision = decider.decide(facts);
			return decision instanceof Promise ? decision.then((made) => take(facts, made, requestId)) : take(facts, decision, requestId);
		},
		close: () => decider.close(),
	};
}
