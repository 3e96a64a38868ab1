import { type Forecast, forecastTotal } from "./forecast-total.ts";

/**
 * The forecast of money: whole nano-USD in and out, floats between. And what it says of a budget: how likely the span ends above it, and on which day it is
 * crossed. Days are numbered from 1970-01-01.
 */
export type MonthFacts = {
	/** Whole days that are over, one after the other; without spend zero, negative where corrections outweigh it. */
	readonly amountsNanoUsd: readonly bigint[];
	/** Number of the first of them. */
	readonly firstDay: number;
	/** Already spent on the day after them; default 0. */
	readonly spentTodayNanoUsd?: bigint | undefined;
	/** First day of the span, and the day after its last. */
	readonly startsOn: number;
	readonly endsOn: number;
	/** Of the span; absent: there is none. */
	readonly budgetNanoUsd?: bigint | undefined;
};

export type MonthForecast = Pick<Forecast, "method" | "confidence" | "isRecentChange"> & {
	/** Of the days of the span that are over. */
	readonly knownNanoUsd: bigint;
	readonly expectedNanoUsd: bigint;
	readonly low80NanoUsd: bigint;
	readonly high80NanoUsd: bigint;
	readonly low95NanoUsd: bigint;
	readonly high95NanoUsd: bigint;
	readonly budget: BudgetOutlook | null;
};

export type BudgetOutlook = {
	readonly amountNanoUsd: bigint;
	/** 0 to 10,000. */
	readonly aboveBasisPoints: number;
	/** Day by which half of the paths have crossed it, and the day by which one in ten has; null: fewer do within the span. */
	readonly crossedOn: number | null;
	readonly crossedEarlyOn: number | null;
};

const BASIS_POINTS = 10_000;
const EARLY_SHARE = 0.1;

export function forecastMonth(facts: MonthFacts): MonthForecast {
	const { firstDay, startsOn, endsOn, budgetNanoUsd, spentTodayNanoUsd = 0n } = facts;
	// What came after a month that is over says nothing of it.
	const amountsNanoUsd = facts.amountsNanoUsd.slice(0, Math.max(0, endsOn - firstDay));
	const today = firstDay + amountsNanoUsd.length;
	const known = amountsNanoUsd.slice(Math.max(0, startsOn - firstDay), Math.max(0, endsOn - firstDay));
	const ahead = Math.max(0, endsOn - Math.max(today, startsOn));
	// Days between the last one known and the span are drawn as well, and left out of its sum.
	const forecast = forecastTotal({
		amounts: amountsNanoUsd.map(Number),
		firstDay,
		daysKnown: known.length,
		daysAhead: ahead,
		daysBetween: Math.max(0, startsOn - today),
		spentToday: Number(spentTodayNanoUsd),
	});
	const knownNanoUsd = known.reduce((sum, amount) => sum + amount, 0n);
	// Corrections count as they are; the statistics know no negative day.
	const rest = knownNanoUsd - toNanoUsd(known.reduce((sum, amount) => sum + Math.max(0, Number(amount)), 0));
	const money = (value: number): bigint => toNanoUsd(value) + rest;
	return {
		method: forecast.method,
		confidence: forecast.confidence,
		isRecentChange: forecast.isRecentChange,
		knownNanoUsd,
		expectedNanoUsd: money(forecast.median),
		low80NanoUsd: money(forecast.interval80.low),
		high80NanoUsd: money(forecast.interval80.high),
		low95NanoUsd: money(forecast.interval95.low),
		high95NanoUsd: money(forecast.interval95.high),
		budget: budgetNanoUsd === undefined ? null : outlookOf({ budgetNanoUsd, known, startsOn, from: endsOn - ahead, paths: forecast.paths }),
	};
}

type Outlook = {
	readonly budgetNanoUsd: bigint;
	readonly known: readonly bigint[];
	readonly startsOn: number;
	/** First day of the paths. */
	readonly from: number;
	readonly paths: readonly (readonly number[])[];
};

function outlookOf({ budgetNanoUsd, known, startsOn, from, paths }: Outlook): BudgetOutlook {
	let spent = 0n;
	for (const [index, amount] of known.entries()) {
		spent += amount;
		const day = startsOn + index;
		if (spent > budgetNanoUsd) return { amountNanoUsd: budgetNanoUsd, aboveBasisPoints: BASIS_POINTS, crossedOn: day, crossedEarlyOn: day };
	}
	const left = Number(budgetNanoUsd - spent);
	const crossings = paths.map((path) => crossingOf(path, left)).sort((first, second) => first - second);
	const above = crossings.filter(Number.isFinite).length;
	const dayOf = (share: number): number | null => {
		const place = crossings[Math.ceil(crossings.length * share) - 1] ?? Number.POSITIVE_INFINITY;
		return Number.isFinite(place) ? from + place : null;
	};
	return {
		amountNanoUsd: budgetNanoUsd,
		aboveBasisPoints: Math.round((above / crossings.length) * BASIS_POINTS),
		crossedOn: dayOf(0.5),
		crossedEarlyOn: dayOf(EARLY_SHARE),
	};
}

/** Index of the day on which the path goes above; infinite: it never does. */
function crossingOf(path: readonly number[], left: number): number {
	let sum = 0;
	for (const [index, amount] of path.entries()) {
		sum += amount;
		if (sum > left) return index;
	}
	return Number.POSITIVE_INFINITY;
}

function toNanoUsd(value: number): bigint {
	return BigInt(Math.round(value));
}
