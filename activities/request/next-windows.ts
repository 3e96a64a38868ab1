import type { LeaseBook, MatchedBudget } from "#domain/budget/lease-book.ts";
import { compareIds } from "#domain/budget/match.ts";
import { lookaheadOf } from "./amounts.ts";

/**
 * Which leases of next windows to ask for now (money-path §4): of every window that was used lately, in its last minute, as
 * large as its calls would get now, each at a moment of its own, so that a thousand gateways do not ask at once and no call pays for the boundary.
 */
const LAST_MINUTE_MS = 55_000; // PostgreSQL opens a successor 60 s before its time, on its own clock
const LATEST_MS = 5_000;
const USED_WITHIN_MS = 60_000;
const ASK_AGAIN_MS = 2_000;
const MAX_AT_ONCE = 32;

export type NextWindow = MatchedBudget & { readonly lookahead: bigint; readonly allowance: bigint };

/** Ascending by budget id; what is due now is due again 2 s later while it brought nothing. `random` in [0, 1) spreads the moments. */
export function nextWindowsDue(book: LeaseBook, nowMs: number, random: () => number = Math.random): NextWindow[] {
	const due: NextWindow[] = [];
	for (const lease of book.currentLeases()) {
		if (due.length === MAX_AT_ONCE) break;
		const leftMs = lease.endsAtMs - nowMs;
		if (leftMs > LAST_MINUTE_MS || leftMs <= 0 || nowMs - lease.lastUsedMs > USED_WITHIN_MS || lease.facts.isFrozen) continue;
		const next = book.nextLeaseOf(lease.budgetId);
		if (next && !next.isStale) continue;
		lease.askNextAtMs ??= nowMs + random() * Math.max(0, leftMs - LATEST_MS);
		if (nowMs < lease.askNextAtMs) continue;
		lease.askNextAtMs = nowMs + ASK_AGAIN_MS;
		due.push({ budgetId: lease.budgetId, unit: lease.unit, lookahead: lookaheadOf(lease.lastNeed, lease.burn(nowMs)), allowance: lease.allowanceWanted });
	}
	return due.sort((left, right) => compareIds(left.budgetId, right.budgetId));
}
