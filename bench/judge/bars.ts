import type { LaneName } from "../lanes/lane.ts";
import type { Estimate } from "../statistics/estimate.ts";
import { FIRST_TOKEN, type Figures, P50, P99 } from "./figures.ts";

export type Bar = {
	readonly name: string;
	/** `most`: the figure must not be above the limit; `least`: not below. */
	readonly sense: "most" | "least";
	readonly limit: number;
	readonly unit: "x" | "MB";
	/** The lanes it compares: where one was not served there is nothing to judge. */
	readonly lanes: readonly LaneName[];
	/** Measured beside the lanes: there is nothing to judge where only some lanes were asked for. */
	readonly isBesideLanes?: boolean;
	readonly figureOf: (figures: Figures) => Estimate;
};

/** Ratios within one run, budget and durable ledger on. */
export const BARS: readonly Bar[] = [
	ratio("added p50, 1 caller, over floor", 1.6, { lanes: ["governed", "floor"], figureOf: (of) => of.addedRatio("caller-1", ["governed", "floor"], P50) }),
	ratio("added p50, 1 caller, over Portkey bare", 0.6, {
		lanes: ["governed", "portkey"],
		figureOf: (of) => of.addedRatio("caller-1", ["governed", "portkey"], P50),
	}),
	ratio("added p99, 16 callers at 20 ms, over floor", 1.5, {
		lanes: ["governed", "floor"],
		figureOf: (of) => of.addedRatio("callers-16", ["governed", "floor"], P99),
	}),
	least("calls a second on one core, over floor", 0.45, { lanes: ["governed", "floor"], figureOf: (of) => of.rateRatio("peak", ["governed", "floor"]) }),
	least("calls a second on one core, over Portkey bare", 4, {
		lanes: ["governed", "portkey"],
		figureOf: (of) => of.rateRatio("peak", ["governed", "portkey"]),
	}),
	{ name: "steady memory", sense: "most", limit: 150, unit: "MB", lanes: ["governed"], isBesideLanes: true, figureOf: (of) => of.steadyMegabytes() },
	ratio("added time to first token, over floor", 1.6, {
		lanes: ["governed", "floor"],
		figureOf: (of) => of.addedRatio("stream", ["governed", "floor"], FIRST_TOKEN),
	}),
	ratio("added p50, 8 budgets, over 1 budget", 1.2, {
		lanes: ["governed-8", "governed"],
		figureOf: (of) => of.addedRatio("caller-1", ["governed-8", "governed"], P50),
	}),
	ratio("added p50, 10,000 teams, over 1 team", 1.2, {
		lanes: ["governed-10k", "governed"],
		figureOf: (of) => of.addedRatio("caller-1", ["governed-10k", "governed"], P50),
	}),
	ratio("added p50, a step of an agent run, over the same call without", 1.1, {
		lanes: ["governed-run", "governed"],
		figureOf: (of) => of.addedRatio("agent-step", ["governed-run", "governed"], P50),
	}),
];

/** `met`: the whole interval is on the right side. `missed`: on the wrong side. `unclear`: it straddles. `not_judged`: a lane of it was not served. */
export type BarVerdict = "met" | "missed" | "unclear" | "not_judged";

/** A bar that no good window speaks of is unclear, not passed: a noisy machine proves nothing. */
export function judgeBar(bar: Bar, figures: Figures): { readonly figure: Estimate; readonly verdict: BarVerdict } {
	const figure = bar.figureOf(figures);
	const isMeasured = bar.isBesideLanes !== true || figure.rounds > 0;
	return { figure, verdict: isMeasured && bar.lanes.every((lane) => figures.hasRun(lane)) ? verdictOf(bar, figure) : "not_judged" };
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

type Compared = Pick<Bar, "lanes" | "figureOf">;

function ratio(name: string, limit: number, compared: Compared): Bar {
	return { name, sense: "most", limit, unit: "x", ...compared };
}

function least(name: string, limit: number, compared: Compared): Bar {
	return { name, sense: "least", limit, unit: "x", ...compared };
}
