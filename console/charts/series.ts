/** Amounts of one thing, period by period; in nano-USD. */
export type Series = { readonly name: string; readonly amounts: readonly bigint[] };

export type SeriesRow = { readonly name: string; readonly startsAt: string; readonly costNanoUsd: string };

/** More than these cannot be told apart by color. */
export const SERIES_MAX = 7;
export const REST_NAME = "all others";

/** The dearest of `rows` as series over `periods`, and the rest as one more. */
export function stackSeries(rows: readonly SeriesRow[], periods: readonly string[]): Series[] {
	const places = new Map(periods.map((period, index) => [period, index]));
	const amounts = new Map<string, bigint[]>();
	for (const { name, startsAt, costNanoUsd } of rows) {
		const place = places.get(startsAt);
		if (place === undefined) continue;
		const own = amounts.get(name) ?? periods.map(() => 0n);
		own[place] = (own[place] ?? 0n) + BigInt(costNanoUsd);
		amounts.set(name, own);
	}
	const sorted = [...amounts]
		.map(([name, own]) => ({ name, amounts: own, total: sum(own) }))
		.sort((one, other) => (one.total === other.total ? 0 : one.total > other.total ? -1 : 1));
	const shown = sorted.slice(0, SERIES_MAX).map(({ name, amounts: own }) => ({ name, amounts: own }));
	const rest = sorted.slice(SERIES_MAX);
	if (rest.length === 0) return shown;
	return [...shown, { name: `${REST_NAME} (${rest.length})`, amounts: periods.map((_, index) => sum(rest.map(({ amounts: own }) => own[index] ?? 0n))) }];
}

export function sum(amounts: readonly bigint[]): bigint {
	return amounts.reduce((total, amount) => total + amount, 0n);
}
