/** A series of daily spend that is judged. Days are numbered from 1970-01-01. */
export type JudgedSeries = {
	readonly name: string;
	/** How it was made, where that is known: what a forecast of it must keep. */
	readonly world: World | undefined;
	readonly firstDay: number;
	/** Nano-USD of each day from the first on; without a row zero. */
	readonly amountsNanoUsd: readonly bigint[];
	/** What was planted; known to the judge alone. */
	readonly faults: readonly Fault[];
};

export const WORLDS = ["stable", "growing", "step", "short"] as const;
export type World = (typeof WORLDS)[number];

export type FaultKind = "spike" | "step" | "ramp" | "unknown";

export type Fault = {
	readonly kind: FaultKind;
	/** Indexes into the amounts. */
	readonly first: number;
	readonly last: number;
};

export const DAY_MS = 86_400_000;

export type Month = { readonly startsOn: number; readonly endsOn: number };

/** The calendar month of a day, as numbers of days; the end is exclusive. */
export function monthOf(day: number): Month {
	const date = new Date(day * DAY_MS);
	const at = (later: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later) / DAY_MS;
	return { startsOn: at(0), endsOn: at(1) };
}
