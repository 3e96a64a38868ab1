/**
 * Holds the number of series of one metric, however many combinations of labels there are: the dearest combinations have a series each, and the
 * rest is added up under `other`. Nothing is left out, so every sum over the series is the whole.
 * - The first label is the head (the team): what a named head has beyond the dearest keeps the head's name, so that a sum by head is right for
 *   all named ones. At most a quarter of the series is given to heads; the heads beyond them are `other` in every label.
 * - Whoever folds the same rows at the same bound names the same series: rank, then text.
 */
export type FoldedLabel = readonly string[];

export type SeriesRow = {
	/** The head first; all rows have as many. */
	readonly labels: FoldedLabel;
	/** What the dearest are found by. */
	readonly rank: bigint;
};

export type Fold = {
	/** Labels of the series that a combination belongs to. */
	seriesOf(labels: FoldedLabel): FoldedLabel;
	/** Combinations without a series of their own. */
	readonly foldedCombinations: number;
	/** Heads that stand under `other`. */
	readonly foldedHeads: number;
};

export const OTHER = "other";
const SHARE_OF_HEADS = 4;

/** `seriesMax` is 1 or more; one row per combination. */
export function foldSeries(rows: readonly SeriesRow[], seriesMax: number): Fold {
	if (rows.length <= seriesMax) return { seriesOf: (labels) => labels, foldedCombinations: 0, foldedHeads: 0 };
	const heads = dearest([...headRanks(rows)].map(([head, rank]) => ({ labels: [head], rank })));
	const namedHeads = new Set(heads.slice(0, Math.floor(seriesMax / SHARE_OF_HEADS)).map(({ labels: [head = ""] }) => head));
	const ofNamedHeads = dearest(rows.filter(({ labels: [head = ""] }) => namedHeads.has(head)));
	// Each named head may need a series for its rest, and all other heads one.
	const named = new Set(ofNamedHeads.slice(0, Math.max(0, seriesMax - namedHeads.size - 1)).map(({ labels }) => combinationKey(labels)));
	return {
		seriesOf: (labels) => {
			if (named.has(combinationKey(labels))) return labels;
			const [head = "", ...rest] = labels;
			return [namedHeads.has(head) ? head : OTHER, ...rest.map(() => OTHER)];
		},
		foldedCombinations: rows.length - named.size,
		foldedHeads: heads.length - namedHeads.size,
	};
}

/** One text for one combination. */
export function combinationKey(labels: FoldedLabel): string {
	return JSON.stringify(labels);
}

function headRanks(rows: readonly SeriesRow[]): Map<string, bigint> {
	const ranks = new Map<string, bigint>();
	for (const { labels, rank } of rows) ranks.set(labels[0] ?? "", (ranks.get(labels[0] ?? "") ?? 0n) + rank);
	return ranks;
}

function dearest<Row extends SeriesRow>(rows: readonly Row[]): Row[] {
	const keyed = rows.map((row) => ({ row, key: combinationKey(row.labels) }));
	keyed.sort((a, b) => (a.row.rank === b.row.rank ? (a.key < b.key ? -1 : 1) : a.row.rank > b.row.rank ? -1 : 1));
	return keyed.map(({ row }) => row);
}
