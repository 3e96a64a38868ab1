import type { Decider, DecisionCounters } from "./port.ts";
import { rememberDecisions } from "./remembered-decisions.ts";
import { roundBounds } from "./rounded-bounds.ts";
import { type ToldRefusal, tellDecisions } from "./told-decisions.ts";

export type EngineDeciderOptions = {
	/** How long a decision is used again, milliseconds; 0 = never. */
	readonly cacheMs: number;
	/** What of the bounds the engine is shown: powers of two not below them, or the bounds themselves. */
	readonly bounds: "rounded" | "exact";
	readonly counters: DecisionCounters;
	onRefusal(refusal: ToldRefusal): void;
	/** Monotonic clock, milliseconds. */
	nowMs(): number;
};

/** What every engine has around it: its decisions are counted, told and remembered. Rounding comes first: what is remembered is what was shown. */
export function createEngineDecider(engine: Decider, options: EngineDeciderOptions): Decider {
	const { bounds, cacheMs, counters, onRefusal, nowMs } = options;
	const remembered = cacheMs === 0 ? engine : rememberDecisions(engine, { ttlMs: cacheMs, counters, nowMs });
	const shown = bounds === "exact" ? remembered : roundBounds(remembered);
	return tellDecisions(shown, { counters, onRefusal, nowMs });
}
