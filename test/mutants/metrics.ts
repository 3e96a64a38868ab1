import type { Mutant } from "./mutant.ts";

/** What Prometheus is told of money: bounded, whole, and never a fall where a reader takes every fall for a restart. */
const FOLD = { file: "domain/metrics/fold-series.ts", test: "test/unit/domain/metrics/fold-series.test.ts" } as const;
const GROWTH = { file: "domain/metrics/series-growth.ts", test: "test/unit/domain/metrics/series-growth.test.ts" } as const;
const MONEY = "test/integration/workers/spend-metrics.test.ts";

export const METRICS_MUTANTS: readonly Mutant[] = [
	{
		rule: "metrics of spend: each named team may need a series for its rest, and all others one",
		...FOLD,
		from: "seriesMax - namedHeads.size - 1",
		to: "seriesMax",
		titles: ["keeps the dearest, the rest of a named team under its name, and the other teams together"],
	},
	{
		rule: "metrics of spend: what a named team has beyond the dearest keeps the team's name",
		...FOLD,
		from: "namedHeads.has(head) ? head : OTHER",
		to: "OTHER",
		titles: ["keeps the dearest, the rest of a named team under its name, and the other teams together"],
	},
	{
		rule: "metrics of spend: rows of one rank are ordered by their text, so that every worker folds alike",
		...FOLD,
		from: "a.key < b.key ? -1 : 1",
		to: "0",
		titles: ["of one rank, names the same ones in whatever order the rows come"],
	},
	{
		rule: "LiteLLM's counters never fall: a correction is made up first",
		...GROWTH,
		from: "if (grown[measure] > shown[measure]) shown[measure]",
		to: "if (grown[measure] !== shown[measure]) shown[measure]",
		titles: ["stands still after a correction until it is made up, and never falls"],
	},
	{
		rule: "LiteLLM's counters begin at 0 with what there is already",
		...GROWTH,
		from: "(isFirst ? amounts[measure] : 0n)",
		to: "0n",
		titles: ["begins at 0 with what there is, and counts what comes"],
	},
	{
		rule: "LiteLLM's counters: what comes later and finds no room stands with the others",
		...GROWTH,
		from: "this.all.size < this.seriesMax - 1",
		to: "this.all.size <= this.seriesMax",
		titles: ["gives room to what comes later while there is some, then puts it with the others"],
	},
	{
		rule: "LiteLLM's counters are shown by the one worker that holds the lock",
		file: "workers/litellm-metrics.ts",
		test: MONEY,
		from: "?.is_held === true",
		to: "?.is_held !== undefined",
		titles: ["one worker of several shows them, and another when that one is gone"],
	},
	{
		rule: "metrics of budgets: no label names a user",
		file: "workers/budget-metrics.ts",
		test: MONEY,
		from: 'dimension !== "user"',
		to: "dimension !== undefined",
		titles: ["show how far they are used, a team's first; a user's and what is beyond the bound shows its fullest"],
	},
];
