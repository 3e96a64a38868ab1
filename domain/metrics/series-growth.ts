import { combinationKey, type Fold, type FoldedLabel, foldSeries, OTHER } from "./fold-series.ts";

/**
 * Turns totals that may also go down into counters that never do, for readers that take every fall for a restart and would count the whole total again.
 * - A counter begins at 0 with the first look and grows by what the totals of its combinations grew by.
 * - What a correction takes away is made up first: the counter stands still until the total has passed its highest.
 * - A combination stays in the series it was first given, so that no counter loses what it has; there are never more than `seriesMax` series.
 */
export type GrowingRow<Measure extends string> = {
	/** The head first, as foldSeries has it. */
	readonly labels: FoldedLabel;
	readonly rank: bigint;
	readonly amounts: Readonly<Record<Measure, bigint>>;
};

export type GrownSeries<Measure extends string> = { readonly labels: FoldedLabel; readonly amounts: Readonly<Record<Measure, bigint>> };

type Series<Measure extends string> = { readonly labels: FoldedLabel; readonly grown: Record<Measure, bigint>; readonly shown: Record<Measure, bigint> };

export class SeriesGrowth<Measure extends string> {
	private readonly seriesMax: number;
	private readonly known = new Map<string, { readonly series: Series<Measure>; amounts: Readonly<Record<Measure, bigint>> }>();
	private readonly all = new Map<string, Series<Measure>>();
	private first: Fold | undefined;

	/** `seriesMax` is 2 or more. */
	constructor(seriesMax: number) {
		this.seriesMax = seriesMax;
	}

	/** Every combination there is, with all it ever had. */
	see(rows: readonly GrowingRow<Measure>[]): void {
		const isFirst = this.first === undefined;
		// One is kept for what comes later and finds no room.
		this.first ??= foldSeries(rows, this.seriesMax - 1);
		for (const { labels, amounts } of rows) {
			const key = combinationKey(labels);
			const known = this.known.get(key);
			const series = known?.series ?? this.seriesFor(isFirst ? this.first.seriesOf(labels) : this.place(labels), amounts);
			for (const measure of measuresOf(amounts)) series.grown[measure] += amounts[measure] - (known?.amounts[measure] ?? (isFirst ? amounts[measure] : 0n));
			if (known === undefined) this.known.set(key, { series, amounts });
			else known.amounts = amounts;
		}
		for (const { grown, shown } of this.all.values())
			for (const measure of measuresOf(grown)) if (grown[measure] > shown[measure]) shown[measure] = grown[measure];
	}

	series(): readonly GrownSeries<Measure>[] {
		return [...this.all.values()].map(({ labels, shown }) => ({ labels, amounts: { ...shown } }));
	}

	/** Of a combination that came later: a series of its own while there is room, else that of its head's rest, else of all others. */
	private place(labels: FoldedLabel): FoldedLabel {
		if (this.all.has(combinationKey(labels)) || this.all.size < this.seriesMax - 1) return labels;
		const restOfHead = labels.map((label, index) => (index === 0 ? label : OTHER));
		return this.all.has(combinationKey(restOfHead)) ? restOfHead : labels.map(() => OTHER);
	}

	private seriesFor(labels: FoldedLabel, amounts: Readonly<Record<Measure, bigint>>): Series<Measure> {
		const key = combinationKey(labels);
		const known = this.all.get(key);
		if (known !== undefined) return known;
		const nothing = (): Record<Measure, bigint> => Object.fromEntries(measuresOf(amounts).map((measure) => [measure, 0n])) as Record<Measure, bigint>;
		const series = { labels, grown: nothing(), shown: nothing() };
		this.all.set(key, series);
		return series;
	}
}

function measuresOf<Measure extends string>(amounts: Readonly<Record<Measure, bigint>>): readonly Measure[] {
	return Object.keys(amounts) as Measure[];
}
