import { calendarWindow, type WindowRule } from "./window.ts";

/**
 * What a team is expected to spend on one of its local days: the median of the same weekday over the six weeks before, which
 * one wild week does not move; with less than 14 days of history what the team's own budgets allow per day. A day above
 * twice of that is worth telling somebody. Days are numbered from 1970-01-01 on the team's calendar, so a day is one day
 * however many hours it has.
 */
export type DaySpend = { readonly day: number; readonly amountNanoUsd: bigint };

/** A budget of the whole team in money. */
export type DayLimit = WindowRule & { readonly limitAmount: bigint };

export type DayFacts = {
	/** The day that is judged. */
	readonly day: number;
	/** An instant inside it, epoch milliseconds. */
	readonly insideMs: number;
	/** First day anything was booked; null = never yet. */
	readonly firstDay: number | null;
	/** Days before it, of which those of the same weekday count. A day without a booking may be absent: nothing was spent. */
	readonly earlier: readonly DaySpend[];
	readonly limits: readonly DayLimit[];
};

export type Expectation = { readonly amountNanoUsd: bigint; readonly from: "history" | "limit" };

const WEEKS = 6;
const WEEK_DAYS = 7;
const HISTORY_DAYS = 14;
const HOURS_PER_DAY = 24n;
const DAY_MS = 86_400_000;
const FACTOR = 2n;

/** Null where there is neither history nor a limit that renews. Never negative. */
export function expectDay(facts: DayFacts): Expectation | null {
	const { day, firstDay } = facts;
	if (firstDay !== null && day - firstDay >= HISTORY_DAYS) return { amountNanoUsd: medianOf(sameWeekdays(facts, firstDay)), from: "history" };
	const amountNanoUsd = leastPerDay(facts);
	return amountNanoUsd === null ? null : { amountNanoUsd, from: "limit" };
}

/**
 * Whether so much is more than twice what was expected. Where nothing was, as on the weekends of most teams, what the
 * budgets allow per day stands for it, so that the first cent of a Sunday wakes nobody.
 */
export function isAboveExpected(spentNanoUsd: bigint, facts: DayFacts): boolean {
	const expected = expectDay(facts)?.amountNanoUsd;
	if (expected === undefined) return false;
	return spentNanoUsd > FACTOR * (expected > 0n ? expected : (leastPerDay(facts) ?? 0n));
}

function sameWeekdays({ day, earlier }: DayFacts, firstDay: number): bigint[] {
	const spent = new Map(earlier.map((one) => [one.day, one.amountNanoUsd]));
	const days = Array.from({ length: WEEKS }, (_, week) => day - (week + 1) * WEEK_DAYS).filter((one) => one >= firstDay);
	return days.map((one) => notBelowZero(spent.get(one) ?? 0n));
}

/** Of an even number the mean of the two in the middle, rounded down. */
function medianOf(amounts: readonly bigint[]): bigint {
	const sorted = [...amounts].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
	const middle = Math.floor(sorted.length / 2);
	const upper = sorted[middle] ?? 0n;
	return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0n) + upper) / 2n;
}

/** Of several budgets the one that allows least: no day can go on above it. */
function leastPerDay({ insideMs, limits }: DayFacts): bigint | null {
	const shares = limits.map((limit) => limitPerDay(limit, insideMs)).filter((share) => share !== null);
	return shares.reduce<bigint | null>((least, share) => (least === null || share < least ? share : least), null);
}

/** The limit divided by the days of its window around that instant, 28 to 31 for a month; null for a budget that never renews. */
function limitPerDay(limit: DayLimit, insideMs: number): bigint | null {
	const limitAmount = notBelowZero(limit.limitAmount);
	if (limit.windowKind === "hour") return limitAmount * HOURS_PER_DAY;
	const { startsAtMs, endsAtMs } = calendarWindow(limit, insideMs);
	// A change of clocks inside the window makes it an hour shorter or longer, not a day.
	return endsAtMs === null ? null : limitAmount / BigInt(Math.round((endsAtMs - startsAtMs) / DAY_MS));
}

/** Corrections of earlier days may outweigh what was booked. */
function notBelowZero(amount: bigint): bigint {
	return amount < 0n ? 0n : amount;
}
