import type { DayFacts } from "#domain/budget/expected-day.ts";
import type { WindowRule } from "#domain/budget/window.ts";

/** One local day of a team, as tollgate.spend_facts tells it (0018). */
export type SpendDay = {
	readonly teamId: string;
	readonly timeZone: string;
	/** Local date, like 2026-11-26. */
	readonly date: string;
	/** It is today or yesterday. */
	readonly isRecent: boolean;
	/** Epoch milliseconds. */
	readonly endsAtMs: number;
	readonly spentNanoUsd: bigint;
	readonly facts: DayFacts;
};

export type WireSpendDay = {
	readonly teamId: string;
	readonly timeZone: string;
	readonly date: string;
	readonly day: number;
	readonly isRecent: boolean;
	readonly insideMs: number;
	readonly endsAtMs: number;
	readonly spentNanoUsd: string;
	readonly firstDay: number | null;
	readonly earlier: readonly { readonly day: number; readonly amountNanoUsd: string }[];
	readonly limits: readonly (Required<WindowRule> & { readonly limitAmount: string })[];
};

export function readSpendDay(wire: WireSpendDay): SpendDay {
	const { teamId, timeZone, date, day, isRecent, insideMs, endsAtMs, firstDay } = wire;
	return {
		teamId,
		timeZone,
		date,
		isRecent,
		endsAtMs,
		spentNanoUsd: BigInt(wire.spentNanoUsd),
		facts: {
			day,
			insideMs,
			firstDay,
			earlier: wire.earlier.map((one) => ({ day: one.day, amountNanoUsd: BigInt(one.amountNanoUsd) })),
			limits: wire.limits.map((limit) => ({ ...limit, limitAmount: BigInt(limit.limitAmount) })),
		},
	};
}
