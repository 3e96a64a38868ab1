import type { LaneName } from "../lanes/lane.ts";
import type { ScenarioName } from "../scenarios.ts";
import type { Estimate } from "../statistics/estimate.ts";
import { FIRST_TOKEN, type Figures, type Measure, P50, P99 } from "./figures.ts";

export type Bar = {
	readonly name: string;
	/** `most`: the figure must not be above the limit; `least`: not below. */
	readonly sense: "most" | "least";
	readonly limit: number;
	readonly unit: "x" | "MB";
	/** The lanes it compares: where one was not served there is nothing to judge. */
	readonly lanes: readonly LaneName[];
	/** Whose windows it compares; absent: measured beside the lanes. There is nothing to judge where it was not asked for. */
	readonly scenario?: ScenarioName;
	readonly figureOf: (figures: Figures) => Estimate;
};

/** Ratios within one run, budget and durable ledger on. */
export const BARS: readonly Bar[] = [
	added("added p50, 1 caller, over floor", 1.6, { scenario: "caller-1", lanes: ["governed", "floor"], measure: P50 }),
	added("added p50, 1 caller, over Portkey bare", 0.6, { scenario: "caller-1", lanes: ["governed", "portkey"], measure: P50 }),
	added("added p99, 16 callers at 20 ms, over floor", 1.5, { scenario: "callers-16", lanes: ["governed", "floor"], measure: P99 }),
	peak("calls a second on one core, over floor", 0.45, ["governed", "floor"]),
	peak("calls a second on one core, over Portkey bare", 4, ["governed", "portkey"]),
	{ name: "steady memory", sense: "most", limit: 150, unit: "MB", lanes: ["governed"], figureOf: (of) => of.steadyMegabytes() },
	added("added time to first token, over floor", 1.6, { scenario: "stream", lanes: ["governed", "floor"], measure: FIRST_TOKEN }),
	added("added p50, 8 budgets, over 1 budget", 1.2, { scenario: "caller-1", lanes: ["governed-8", "governed"], measure: P50 }),
	added("added p50, 10,000 teams, over 1 team", 1.2, { scenario: "caller-1", lanes: ["governed-10k", "governed"], measure: P50 }),
	added("added p50, a step of an agent run, over the same call without", 1.1, { scenario: "agent-step", lanes: ["governed-run", "governed"], measure: P50 }),
];

/** `met`: the whole interval is on the right side. `missed`: on the wrong side. `unclear`: it straddles. `not_judged`: a lane of it was not served, or its windows were not asked for. */
export type BarVerdict = "met" | "missed" | "unclear" | "not_judged";

/** A bar that no good window speaks of is unclear, not passed: a noisy machine proves nothing. */
export function judgeBar(bar: Bar, figures: Figures): { readonly figure: Estimate; readonly verdict: BarVerdict } {
	const figure = bar.figureOf(figures);
	const isMeasured = bar.scenario !== undefined || figure.rounds > 0;
	return { figure, verdict: isMeasured && bar.lanes.every((lane) => figures.hasRun(lane, bar.scenario)) ? verdictOf(bar, figure) : "not_judged" };
}

export function verdictOf({ sense, limit }: Pick<Bar, "sense" | "limit">, { low, high }: Pick<Estimate, "low" | "high">): BarVerdict {
	if (sense === "most" ? high <= limit : low >= limit) return "met";
	return (sense === "most" ? low > limit : high < limit) ? "missed" : "unclear";
}

/** Exit code of `--check`: 1 for a missed bar or a void lane of ours or floor, 2 where something is still unclear, 0 otherwise. */
export function exitCodeOf(verdicts: readonly BarVerdict[], hasVoidLane: boolean): 0 | 1 | 2 {
	if (hasVoidLane || verdicts.includes("missed")) return 1;
	return verdicts.includes("unclear") ? 2 : 0;
}

type Added = { readonly scenario: ScenarioName; readonly lanes: readonly [LaneName, LaneName]; readonly measure: Measure };

/** What the first lane adds to direct over what the second does. */
function added(name: string, limit: number, { scenario, lanes, measure }: Added): Bar {
	return { name, sense: "most", limit, unit: "x", scenario, lanes, figureOf: (of) => of.addedRatio(scenario, lanes, measure) };
}

/** Calls a second at the peak of the first lane over those of the second. */
function peak(name: string, limit: number, lanes: readonly [LaneName, LaneName]): Bar {
	return { name, sense: "least", limit, unit: "x", scenario: "peak", lanes, figureOf: (of) => of.rateRatio("peak", lanes) };
}
