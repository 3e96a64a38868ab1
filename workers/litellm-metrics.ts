import { Counter, Gauge, type Registry } from "prom-client";
import type { BudgetShare } from "#activities/budgets/read-shares.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { type SpendTotal, SpendTotals } from "#activities/spend/spend-totals.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { SeriesGrowth } from "#domain/metrics/series-growth.ts";
import type { SpendDimension } from "#domain/spend/dimensions.ts";

const NANO_USD_PER_USD = 1e9;
const SECONDS_PER_HOUR = 3_600;
const DIMENSIONS = ["team", "key", "model", "askedModel", "provider"] as const satisfies readonly SpendDimension[];
/** The labels of litellm/types/integrations/prometheus.py, 1.110.2, that can be answered and name no person. */
const SPEND_LABELS = ["team", "team_alias", "hashed_api_key", "api_key_alias", "model", "requested_model", "api_provider"];
const TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS is_held";
/** Held by the session: whoever loses the connection loses the role. */
const SHOWING_LOCK_ID = "718204031";

type Measure = "costNanoUsd" | "inputTokens" | "outputTokens" | "calls";
type BudgetGauge = { readonly name: string; readonly help: string; readonly read: (share: BudgetShare) => number | undefined };
type BudgetHolder = { readonly kind: string; readonly labels: readonly string[]; readonly read: (share: BudgetShare) => readonly string[] | undefined };

/**
 * `database` is one session. What was spent and what is left under the names of LiteLLM's proxy. Its dashboards add up over processes, so one worker of all shows it, the one that
 * holds a lock; and they take rates, so its counters begin at 0 with that and only grow. Answers how to read it again.
 */
export function exposeLitellm(
	database: Queryable,
	{ metrics, seriesMax }: { readonly metrics: Registry; readonly seriesMax: number },
): (budgets: readonly BudgetShare[]) => Promise<void> {
	const totals = new SpendTotals(database, DIMENSIONS);
	let growth: SeriesGrowth<Measure> | undefined;
	let shownBudgets: readonly BudgetShare[] = [];
	registerSpend(metrics, () => growth);
	for (const holder of BUDGET_HOLDERS) registerBudgets(metrics, holder, () => tightest(shownBudgets, holder).slice(0, seriesMax));
	return async (budgets) => {
		const isHeld = (await database.query<{ is_held: boolean }>(TRY_LOCK, [SHOWING_LOCK_ID])).rows[0]?.is_held === true;
		shownBudgets = isHeld ? budgets : [];
		if (!isHeld) growth = undefined;
		else {
			growth ??= new SeriesGrowth<Measure>(seriesMax);
			growth.see((await totals.read()).map(toGrowing));
		}
	};
}

function toGrowing({ groups, calls, inputTokens, outputTokens, costNanoUsd, settledNanoUsd }: SpendTotal) {
	return { labels: groups, rank: settledNanoUsd, amounts: { costNanoUsd, inputTokens, outputTokens, calls: BigInt(calls) } };
}

const SPEND_COUNTERS: readonly (readonly [string, string, (amounts: Readonly<Record<Measure, bigint>>) => number])[] = [
	["litellm_spend_metric_total", "What was spent since this worker shows it, USD.", ({ costNanoUsd }) => Number(costNanoUsd) / NANO_USD_PER_USD],
	["litellm_total_tokens_metric_total", "Input and output tokens since then.", ({ inputTokens, outputTokens }) => Number(inputTokens + outputTokens)],
	["litellm_input_tokens_metric_total", "Input tokens since then.", ({ inputTokens }) => Number(inputTokens)],
	["litellm_output_tokens_metric_total", "Output tokens since then.", ({ outputTokens }) => Number(outputTokens)],
	["litellm_requests_metric_total", "Calls that were charged since then.", ({ calls }) => Number(calls)],
];

function registerSpend(metrics: Registry, growth: () => SeriesGrowth<Measure> | undefined): void {
	for (const [name, help, read] of SPEND_COUNTERS) {
		new Counter({
			name,
			help,
			labelNames: SPEND_LABELS,
			registers: [metrics],
			collect() {
				this.reset();
				for (const { labels, amounts } of growth()?.series() ?? []) {
					const [team = "", key = "", model = "", requested_model = "", api_provider = ""] = labels;
					this.inc({ team, team_alias: team, hashed_api_key: key, api_key_alias: key, model, requested_model, api_provider }, read(amounts));
				}
			},
		});
	}
}

const BUDGET_HOLDERS: readonly BudgetHolder[] = [
	{ kind: "team", labels: ["team", "team_alias"], read: ({ teamId, dimension }) => (dimension === "team" && teamId !== null ? [teamId, teamId] : undefined) },
	{ kind: "org", labels: ["org_id", "org_alias"], read: ({ dimension }) => (dimension === "organization" ? [ORGANIZATION_ID, ORGANIZATION_ID] : undefined) },
	{
		kind: "api_key",
		labels: ["hashed_api_key", "api_key_alias"],
		read: ({ dimension, dimensionValue }) => (dimension === "key" ? [dimensionValue, dimensionValue] : undefined),
	},
];

function registerBudgets(metrics: Registry, { kind, labels, read: readHolder }: BudgetHolder, shares: () => readonly BudgetShare[]): void {
	const gauges: readonly BudgetGauge[] = [
		{
			name: `litellm_remaining_${kind}_budget_metric`,
			help: "What is left of the budget that has the least left, USD.",
			read: (share) => Number(leftOf(share)) / NANO_USD_PER_USD,
		},
		{
			name: `litellm_${kind}_max_budget_metric`,
			help: "What that budget lets be spent, USD.",
			read: ({ stopAmount }) => Number(stopAmount) / NANO_USD_PER_USD,
		},
		{
			name: `litellm_${kind}_budget_remaining_hours_metric`,
			help: "Hours until that budget begins anew.",
			read: ({ resetsInSeconds }) => (resetsInSeconds === null ? undefined : resetsInSeconds / SECONDS_PER_HOUR),
		},
	];
	for (const { name, help, read } of gauges) {
		new Gauge({
			name,
			help,
			labelNames: [...labels],
			registers: [metrics],
			collect() {
				this.reset();
				for (const share of shares()) {
					const value = read(share);
					const values = readHolder(share);
					if (value !== undefined && values !== undefined) this.set(Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ""])), value);
				}
			},
		});
	}
}

/** LiteLLM knows one budget of each holder: of several enforced ones of money, the one that stops first. */
function tightest(shares: readonly BudgetShare[], { read }: BudgetHolder): readonly BudgetShare[] {
	const byHolder = new Map<string, BudgetShare>();
	for (const share of shares) {
		const holder = read(share)?.[0];
		if (holder === undefined || share.unit !== "nano_usd" || share.isObserved) continue;
		const before = byHolder.get(holder);
		if (before === undefined || leftOf(share) < leftOf(before)) byHolder.set(holder, share);
	}
	return [...byHolder.values()];
}

function leftOf({ stopAmount, postedAmount }: BudgetShare): bigint {
	return stopAmount > postedAmount ? stopAmount - postedAmount : 0n;
}
