import type { Bound } from "#domain/bound/request.ts";
import type { BeyondLine } from "#domain/budget/degrade.ts";
import type { Amounts, MatchedBudget, Reservation } from "#domain/budget/lease-book.ts";
import type { GrantedItem } from "../authority/port.ts";
import { amountsOf, leastAmounts } from "./amounts.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { Leaving } from "./leaving.ts";

/** A call that the lease in memory cannot serve at once: what it asks for, what it meets, and how its wait may end. */
export type Ask = {
	readonly teamId: string;
	readonly keyId: string;
	readonly bound: Bound;
	/** A step of an agent run (see isRunStep). */
	readonly isStep: boolean;
	/**
	 * What the call meets now; undefined when the team may not make it any more. Asked when it begins to wait, and again
	 * whenever a budget or a policy has changed.
	 */
	readonly current: () => Standing | undefined;
	readonly leaving: Leaving;
};

export type Standing = {
	/** Ascending by budget id; none of them for a team declared unlimited. */
	readonly budgets: readonly MatchedBudget[];
	/** What the team wants kept for an outage in each of its budgets. */
	readonly allowance: Amounts;
	readonly waitMs: number;
};

export type Verdict =
	| { readonly kind: "reserved"; readonly reservation: Reservation; readonly clampedOutputTokens: number | undefined }
	| { readonly kind: "refused"; readonly shortage: Shortage; readonly waitedMs: number }
	/** It would pass a degrade line of that budget: it is to be asked for again as the line serves it. */
	| { readonly kind: "beyond_line"; readonly beyond: BeyondLine }
	| { readonly kind: "unreachable"; readonly waitedMs: number }
	/** A change came into force while it waited: the key was revoked, or the team may not make this call any more. */
	| { readonly kind: "revoked" | "inadmissible" }
	| { readonly kind: "left" };

export type Waiter = {
	readonly ask: Ask;
	standing: Standing;
	readonly startedAtMs: number;
	readonly resolve: (verdict: Verdict) => void;
	/** The bound as it stands, and the least the call can be admitted with. */
	readonly full: Amounts;
	readonly least: Amounts;
	/** What is asked for now: the full bound, or what was free at the last grant. */
	need: Amounts;
	clampTokens: number | undefined;
	isFinal: boolean;
	nextAskAtMs: number;
	/** Window → the first claim there that stood for this call: who has answered it has answered this call. */
	readonly claims: Map<string, bigint>;
};

export function createWaiter(ask: Ask, { standing, resolve, nowMs }: Pick<Waiter, "standing" | "resolve"> & { readonly nowMs: number }): Waiter {
	const full = amountsOf(ask.bound, ask.isStep);
	return {
		ask,
		standing,
		startedAtMs: nowMs,
		resolve,
		full,
		least: leastAmounts(ask.bound, ask.isStep),
		need: full,
		clampTokens: undefined,
		isFinal: false,
		nextAskAtMs: nowMs,
		claims: new Map(),
	};
}

/** The claims that stand for the call from now on, where none stood for it yet. */
export function noteClaims({ claims, standing }: Waiter, items: ReadonlyMap<string, GrantedItem>): void {
	for (const { budgetId } of standing.budgets) {
		const item = items.get(budgetId);
		if (item && item.claimId > 0n && !claims.has(item.windowId)) claims.set(item.windowId, item.claimId);
	}
}
