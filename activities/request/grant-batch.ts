import { type Amounts, amountIn, type MatchedBudget } from "#domain/budget/lease-book.ts";
import { compareIds } from "#domain/budget/match.ts";
import { largestOf } from "./amounts.ts";
import type { Waiter } from "./waiting-call.ts";

/** Calls of one team that one grant asks for together, and what they ask for. */
export type GrantBatch = {
	readonly waiters: readonly Waiter[];
	/** All that some of them meet, ascending by id. */
	readonly budgets: readonly MatchedBudget[];
	/** Per call and budget; 0 where the call does not meet it. */
	readonly needs: readonly (readonly bigint[])[];
	/** The same for places of degrade lines that the call may not pass, null where there is none; undefined where no call has one. */
	readonly lines: readonly (readonly (number | null)[])[] | undefined;
	/** The most that one of them wants kept for an outage. */
	readonly allowance: Amounts;
};

const MAX_CALLS = 64;
/** Windows that one grant locks; a call meets at most 32, but those of many agent runs hardly share any. */
const MAX_WINDOWS = 128;

/** The calls of the team that are due, first come first served, as many as one grant may carry. */
export function nextBatch(waiting: readonly Waiter[], teamId: string, nowMs: number): GrantBatch {
	const waiters: Waiter[] = [];
	const union = new Map<string, MatchedBudget>();
	for (const waiter of waiting) {
		if (waiter.ask.teamId !== teamId || waiter.nextAskAtMs > nowMs) continue;
		if (waiters.length === MAX_CALLS) break;
		const unmet = waiter.standing.budgets.filter(({ budgetId }) => !union.has(budgetId));
		if (waiters.length > 0 && union.size + unmet.length > MAX_WINDOWS) break;
		for (const budget of unmet) union.set(budget.budgetId, budget);
		waiters.push(waiter);
	}
	return describe(
		waiters,
		[...union.values()].sort((left, right) => compareIds(left.budgetId, right.budgetId)),
	);
}

function describe(waiters: readonly Waiter[], budgets: readonly MatchedBudget[]): GrantBatch {
	const places = new Map(budgets.map(({ budgetId }, place) => [budgetId, place]));
	const needs: bigint[][] = [];
	const lines: (number | null)[][] = [];
	let hasLines = false;
	for (const { standing, need } of waiters) {
		const needed = budgets.map(() => 0n);
		const met: (number | null)[] = budgets.map(() => null);
		for (const { budgetId, unit, line } of standing.budgets) {
			const place = places.get(budgetId);
			if (place === undefined) continue;
			needed[place] = amountIn(unit, need);
			if (line === undefined) continue;
			met[place] = line.place;
			hasLines = true;
		}
		needs.push(needed);
		lines.push(met);
	}
	return { waiters, budgets, needs, lines: hasLines ? lines : undefined, allowance: largestOf(waiters.map(({ standing }) => standing.allowance)) };
}
