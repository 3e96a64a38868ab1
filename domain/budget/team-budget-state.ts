import { type Increase, raisedAmount } from "./increases.ts";
import type { BudgetDefinition, ThresholdAction } from "./scope.ts";
import { NO_THRESHOLDS, type WindowThresholds } from "./thresholds.ts";

/**
 * What a team's workflow remembers: plain JSON, amounts as decimal strings. 100 budgets with names of ordinary length
 * are below 64 KiB, the fullest state there can be below 1.5 MiB (Temporal takes 2 MiB); tests measure both.
 * Totals are PostgreSQL's, absolute and versioned; nothing here is counted by the workflow itself.
 */
export type WindowState = {
	readonly startsAtMs: number;
	readonly endsAtMs: number | null;
	readonly granted: string;
	readonly posted: string;
	readonly overrun: string;
	/** Gateways that hold money of this window. */
	readonly leases: number;
	readonly refusals: number;
	/** Where spend stopped when the newest of them was refused; absent where nobody knows. */
	readonly refusedAtStop?: string;
	/** Calls that an observed budget would have refused. */
	readonly observedRefusals: number;
	/** Up to here a person approved spend in this window: lines of needApproval at or below it do not stop it. */
	readonly approved: string;
	/** Sum of the lease rows' own counters; a report at or below it changes no amount. */
	readonly version: number;
	readonly thresholds: WindowThresholds;
	/** What increases added to its limit when it was judged last: a window that is over keeps it. Absent = nothing. */
	readonly raisedAmount?: string;
	/** Lines of needApproval for which a request was opened in this window. Absent = none. */
	readonly askedLines?: readonly string[];
};

export type BudgetState = {
	readonly key: string;
	readonly definition: BudgetDefinition;
	/** null until a window is known (the budget is not yet in PostgreSQL). */
	readonly window: WindowState | null;
	readonly previous: WindowState | null;
};

/** What leaves the workflow. `id` makes the activity's idempotency key, so doing one twice is doing it once. */
export type BudgetEffect =
	| {
			readonly id: number;
			readonly kind: "writeBudgets";
			readonly revision: number;
			readonly requestedBy: string;
			readonly setKeys: readonly string[];
			readonly removeKeys: readonly string[];
	  }
	| {
			readonly id: number;
			readonly kind: "setFrozen";
			readonly revision: number;
			readonly requestedBy: string;
			readonly isFrozen: boolean;
			readonly reason: string;
			/** The newest decision in PostgreSQL that was known when this one was made. */
			readonly knownSeq: number;
	  }
	| {
			readonly id: number;
			readonly kind: "announce";
			readonly key: string;
			readonly event: `threshold.${ThresholdWord}.${"fired" | "withdrawn"}`;
			readonly windowStartsAtMs: number;
			readonly amount: string;
			readonly posted: string;
			readonly limitAmount: string;
	  }
	| ({ readonly id: number; readonly kind: "announceRefusal" } & RefusedChange)
	| {
			readonly id: number;
			/** "recordIncrease": a request, or how it was closed without a raise; "applyIncrease": an approved raise; "endIncreaseEarly": one ended before its date. */
			readonly kind: "recordIncrease" | "applyIncrease" | "endIncreaseEarly";
			readonly revision: number;
			readonly requestedBy: string;
			readonly increase: Increase;
	  }
	| { readonly id: number; readonly kind: "endIncreases"; readonly revision: number; readonly requestedBy: string; readonly increaseIds: readonly string[] }
	| { readonly id: number; readonly kind: "announceIncrease"; readonly event: `increase.${"requested" | "decided" | "ended"}`; readonly increase: Increase };

/** Actions as announcements name them: persisted, so the notice keeps the word it was first announced with. */
export const THRESHOLD_WORDS = { notify: "warn", degrade: "degrade", needApproval: "needApproval", stop: "stop" } as const satisfies Record<
	ThresholdAction,
	string
>;
type ThresholdWord = (typeof THRESHOLD_WORDS)[ThresholdAction];

/** A change that was accepted and that PostgreSQL will never take; nothing of it is in force. */
export type RefusedChange = { readonly revision: number; readonly requestedBy: string; readonly problem: string };

export type RefusalNote = { readonly atMs: number; readonly key: string; readonly code: string; readonly requestId: string };

export type TeamBudgetState = {
	readonly schemaVersion: 2;
	readonly teamId: string;
	/** False until PostgreSQL's rows have been read once, in the first run of this workflow. */
	readonly isLoaded: boolean;
	/** Newest policy revision; the fence of every write. */
	readonly revision: number;
	/** Newest revision that PostgreSQL is known to hold. */
	readonly heldRevision: number;
	readonly isFrozen: boolean;
	readonly freezeReason: string | null;
	/** Newest decision in PostgreSQL that this state has taken up: a person may freeze there without Temporal. */
	readonly freezeSeq: number;
	/** Newest revision of a policy document that this state has taken up: PostgreSQL holds it without this workflow. */
	readonly documentRevision: number;
	readonly budgets: readonly BudgetState[];
	readonly lastRefusals: readonly RefusalNote[];
	readonly outbox: readonly BudgetEffect[];
	readonly nextEffectId: number;
	/** The state holds what PostgreSQL does not (it refused a change): its rows are to be read again. */
	readonly mustReread: boolean;
	/** The last change that PostgreSQL refused, for the person who looks. */
	readonly refusedChange: RefusedChange | null;
	/** Announcements that were given up: refused by PostgreSQL, or more than may wait. */
	readonly announcementsLost: number;
	/** Newest told head of each ledger chain, the longest unchanged first: what a cut tail is held against. */
	readonly chainHeads: readonly ChainHead[];
	/** Increases that wait for a decision or are in force. */
	readonly increases: readonly Increase[];
	/** The last few that are neither. */
	readonly closedIncreases: readonly Increase[];
};

/** The state as it crosses continue-as-new: without what can be derived, so that names, its largest part, travel once. */
export type CarriedState = Omit<TeamBudgetState, "budgets"> & { readonly budgets: readonly Omit<BudgetState, "key">[] };

/** One window of one budget as PostgreSQL holds it; amounts as decimal strings. */
export type WindowReport = {
	/** Selector key of the budget. */
	readonly key: string;
	readonly startsAtMs: number;
	readonly endsAtMs: number | null;
	readonly granted: string;
	readonly posted: string;
	readonly overrun: string;
	readonly leases: number;
	readonly refusals: number;
	/** Where spend stopped when the newest of them was refused; absent where nobody knows. */
	readonly refusedAtStop?: string;
	/** Absent in reports of older workers: none. */
	readonly observedRefusals?: number;
	/** Absent: nothing was approved. */
	readonly approved?: string;
	readonly version: number;
};

/** A team's freeze as PostgreSQL holds it; `seq` grows with every decision. */
export type HeldFreeze = { readonly isFrozen: boolean; readonly reason: string | null; readonly seq: number };

/** The newest chunk of one gateway epoch's hash chain; numbers as decimal strings, the hash in hexadecimal. */
export type ChainHead = { readonly gatewayId: string; readonly epoch: string; readonly chunkSeq: string; readonly hash: string };

/** Chains a report carries, and a workflow remembers, at most. */
export const CHAIN_HEADS_MAX = 64;

export type TotalsReport = {
	readonly windows: readonly WindowReport[];
	readonly lastRefusals: readonly RefusalNote[];
	readonly freeze?: HeldFreeze;
	/** Newest revision that a policy document gave the team; absent in reports of older workers. */
	readonly documentRevision?: number;
	/** Heads of the chains that hold what these totals count; absent in reports of older workers. */
	readonly chainHeads?: readonly ChainHead[];
};

export function emptyTeamBudget(teamId: string): TeamBudgetState {
	return {
		schemaVersion: 2,
		teamId,
		isLoaded: false,
		revision: 0,
		heldRevision: 0,
		isFrozen: false,
		freezeReason: null,
		freezeSeq: 0,
		documentRevision: 0,
		budgets: [],
		lastRefusals: [],
		outbox: [],
		nextEffectId: 1,
		mustReread: false,
		refusedChange: null,
		announcementsLost: 0,
		chainHeads: [],
		increases: [],
		closedIncreases: [],
	};
}

export function emptyWindow(startsAtMs: number, endsAtMs: number | null): WindowState {
	const amounts = { granted: "0", posted: "0", overrun: "0", approved: "0" };
	return { startsAtMs, endsAtMs, ...amounts, leases: 0, refusals: 0, observedRefusals: 0, version: 0, thresholds: NO_THRESHOLDS };
}

export type StateWord = "frozen" | "stopped" | "awaiting approval" | "degraded" | "warned" | "ok";

/** A tiny limit after much was spent says no more than that. */
const USED_TENS_MAX = 100n;

/** How much of the fullest enforced budget is used, in percent rounded down to whole tens; 0 without one. */
export function usedPercent(state: TeamBudgetState): number {
	return state.budgets.reduce((most, budget) => Math.max(most, usedPercentOf(budget, state.increases)), 0);
}

function usedPercentOf({ key, definition, window }: BudgetState, increases: readonly Increase[]): number {
	if (window === null || definition.mode === "observe") return 0;
	const limit = BigInt(definition.limitAmount) + raisedAmount(increases, key);
	// Nothing may be spent: it is used up.
	if (limit === 0n) return 100;
	const tens = (BigInt(window.posted) * 10n) / limit;
	return tens < USED_TENS_MAX ? Number(tens) * 10 : Number(USED_TENS_MAX) * 10;
}

/** What a person sees at a glance: the most severe thing that is true. */
export function stateWord(state: TeamBudgetState): StateWord {
	if (state.isFrozen) return "frozen";
	const words = new Set(state.budgets.map(budgetWord));
	return SEVEREST_FIRST.find((word) => words.has(word)) ?? "ok";
}

const SEVEREST_FIRST = ["stopped", "awaiting approval", "degraded", "warned"] as const;
const WORD_OF = { stop: "stopped", needApproval: "awaiting approval", degrade: "degraded", notify: "warned" } as const satisfies Record<
	ThresholdAction,
	StateWord
>;

/** The same of one budget; an observed one stops and changes nothing, so that it is at most warned. */
export function budgetWord({ definition, window }: Pick<BudgetState, "definition" | "window">): StateWord {
	const words = new Set((window?.thresholds ?? []).filter(({ isStanding }) => isStanding).map(({ action }) => WORD_OF[action]));
	if (definition.mode === "observe") return words.size > 0 ? "warned" : "ok";
	return SEVEREST_FIRST.find((word) => words.has(word)) ?? "ok";
}
