import { Gauge, type Registry } from "prom-client";
import type { Queryable } from "#activities/keys/port.ts";
import { countBeforeTotals, type SpendTotal, SpendTotals } from "#activities/spend/spend-totals.ts";
import { combinationKey, foldSeries } from "#domain/metrics/fold-series.ts";
import type { SpendDimension } from "#domain/spend/dimensions.ts";

const DIMENSIONS = ["team", "provider", "model", "feature"] as const satisfies readonly SpendDimension[];
const NANO_USD_PER_USD = 1e9;

type Series = Pick<SpendTotal, "calls" | "inputTokens" | "outputTokens" | "costNanoUsd" | "unresolvedNanoUsd"> & { readonly labels: Record<string, string> };
type Shown = { readonly series: readonly Series[]; readonly foldedCombinations: number; readonly foldedTeams: number };

const NEWEST_ENTRY = `
	SELECT extract(epoch FROM max(c.at))::float8 AS seconds
	FROM tollgate.gateway_epoch g
	CROSS JOIN LATERAL (SELECT x.at FROM tollgate.chunk x WHERE x.gateway_id = g.gateway_id AND x.epoch = g.epoch ORDER BY x.chunk_seq DESC LIMIT 1) c
	WHERE g.closed_at IS NULL`;

/**
 * What was ever spent, as it stands in the sums beside the ledger: the same in every worker and after every restart. Gauges, since a correction may
 * bring an amount down. Answers how to read it again.
 */
export function exposeSpend(database: Queryable, { metrics, seriesMax }: { readonly metrics: Registry; readonly seriesMax: number }): () => Promise<void> {
	const totals = new SpendTotals(database, DIMENSIONS);
	let shown: Shown = { series: [], foldedCombinations: 0, foldedTeams: 0 };
	let readAtMs: number | undefined;
	let newestEntrySeconds: number | undefined;
	registerSeries(metrics, () => shown.series);
	registerFolds(metrics, () => shown);
	new Gauge({
		name: "tollgate_spend_read_timestamp_seconds",
		help: "When spend was last read with everything that the ledger held, Unix seconds.",
		registers: [metrics],
		collect() {
			this.reset();
			if (readAtMs === undefined) this.remove();
			else this.set(readAtMs / 1_000);
		},
	});
	new Gauge({
		name: "tollgate_ledger_newest_entry_timestamp_seconds",
		help: "When the ledger took the newest chunk of calls, Unix seconds.",
		registers: [metrics],
		collect() {
			if (newestEntrySeconds === undefined) this.remove();
			else this.set(newestEntrySeconds);
		},
	});
	return async () => {
		const { isComplete } = await countBeforeTotals(database);
		shown = fold(await totals.read(), seriesMax);
		const { rows } = await database.query<{ seconds: number | null }>(NEWEST_ENTRY);
		newestEntrySeconds = rows[0]?.seconds ?? newestEntrySeconds;
		if (isComplete) readAtMs = Date.now();
	};
}

function registerSeries(metrics: Registry, series: () => readonly Series[]): void {
	new Gauge({
		name: "tollgate_spend_usd",
		help: "What was ever spent, corrections included, in USD.",
		labelNames: ["team", "provider", "model", "feature"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, costNanoUsd } of series()) this.set(labels, usd(costNanoUsd));
		},
	});
	new Gauge({
		name: "tollgate_spend_unresolved_usd",
		help: "Part of it that was charged without knowing and not yet resolved, in USD.",
		labelNames: ["team", "provider", "model", "feature"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, unresolvedNanoUsd } of series()) if (unresolvedNanoUsd !== 0n) this.set(labels, usd(unresolvedNanoUsd));
		},
	});
	new Gauge({
		name: "tollgate_spend_calls",
		help: "Calls that were ever charged.",
		labelNames: ["team", "provider", "model", "feature"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, calls } of series()) this.set(labels, calls);
		},
	});
	new Gauge({
		name: "tollgate_spend_tokens",
		help: "Tokens that were ever booked, by direction.",
		labelNames: ["team", "provider", "model", "feature", "direction"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, inputTokens, outputTokens } of series()) {
				this.set({ ...labels, direction: "input" }, Number(inputTokens));
				this.set({ ...labels, direction: "output" }, Number(outputTokens));
			}
		},
	});
}

function registerFolds(metrics: Registry, shown: () => Shown): void {
	new Gauge({
		name: "tollgate_spend_folded_combinations",
		help: "Combinations of team, provider, model and feature that have no series of their own.",
		registers: [metrics],
		collect() {
			this.set(shown().foldedCombinations);
		},
	});
	new Gauge({
		name: "tollgate_spend_folded_teams",
		help: "Teams whose spend stands under team other.",
		registers: [metrics],
		collect() {
			this.set(shown().foldedTeams);
		},
	});
}

function fold(totals: readonly SpendTotal[], seriesMax: number): Shown {
	const folded = foldSeries(
		totals.map(({ groups, settledNanoUsd }) => ({ labels: groups, rank: settledNanoUsd })),
		seriesMax,
	);
	const series = new Map<string, Series>();
	for (const { groups, calls, inputTokens, outputTokens, costNanoUsd, unresolvedNanoUsd } of totals) {
		const labels = folded.seriesOf(groups);
		const key = combinationKey(labels);
		const before = series.get(key);
		series.set(key, {
			labels: before?.labels ?? Object.fromEntries(DIMENSIONS.map((dimension, index) => [dimension, labels[index] ?? ""])),
			calls: calls + (before?.calls ?? 0),
			inputTokens: inputTokens + (before?.inputTokens ?? 0n),
			outputTokens: outputTokens + (before?.outputTokens ?? 0n),
			costNanoUsd: costNanoUsd + (before?.costNanoUsd ?? 0n),
			unresolvedNanoUsd: unresolvedNanoUsd + (before?.unresolvedNanoUsd ?? 0n),
		});
	}
	return { series: [...series.values()], foldedCombinations: folded.foldedCombinations, foldedTeams: folded.foldedHeads };
}

function usd(nanoUsd: bigint): number {
	return Number(nanoUsd) / NANO_USD_PER_USD;
}
