import type { Bound } from "#domain/bound/request.ts";
import { type Amounts, amountIn, type LeaseBook, type MatchedBudget } from "#domain/budget/lease-book.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { GrantedItem } from "../authority/port.ts";
import { boundOf } from "./amounts.ts";

/** Why a call is refused: the window that is short, as of the refusing grant. */
export type Shortage = {
	readonly code: ErrorCode;
	readonly item: GrantedItem;
	readonly unit: MatchedBudget["unit"];
	readonly idle: bigint;
	readonly need: bigint;
	readonly isRemembered: boolean;
};

/** What one grant's reply says about one call (money-path §3): the grounds for refusing it, clamping it or letting it wait. */
export class GrantEvidence {
	private readonly budgets: readonly MatchedBudget[];
	private readonly items: ReadonlyMap<string, GrantedItem>;
	private readonly book: LeaseBook;

	/** `items` by budget id. */
	constructor(budgets: readonly MatchedBudget[], items: ReadonlyMap<string, GrantedItem>, book: LeaseBook) {
		this.budgets = budgets;
		this.items = items;
		this.book = book;
	}

	/** A frozen or overrun window, whatever is needed. */
	blocked(need: Amounts): Shortage | undefined {
		const blocked = this.shortage(need, (item) => item.isFrozen || (this.book.leaseOfWindow(item.windowId)?.isOverrun ?? item.isOverrun));
		return blocked && { ...blocked, code: blocked.item.isFrozen ? "budget.frozen" : "budget.overrun" };
	}

	/** Too little even if every open reservation came back whole. */
	hopeless(need: Amounts): Shortage | undefined {
		return this.shortage(need, (item, amount) => boundOf(item) - item.posted < amount);
	}

	/** Too little as things stand. */
	short(need: Amounts): Shortage | undefined {
		return this.shortage(need, (item, amount, idle) => boundOf(item) - item.granted + idle < amount);
	}

	/** Not every reachable gateway has answered the claim, or nobody knows who is reachable: no time for a refusal. */
	mayOthersHaveIdle(isHearing: () => boolean): boolean {
		return this.budgets.some(({ budgetId }) => {
			const item = this.items.get(budgetId);
			return item !== undefined && (item.unanswered > 0 || (item.heldUnreachable > 0n && !isHearing()));
		});
	}

	/** The output cap whose reservation is free right now, never below the floor; undefined where no clamp is possible. */
	clampToFree(bound: Bound): number | undefined {
		if (bound.clampFloorTokens === undefined) return undefined;
		let nanoUsd: bigint | undefined;
		let tokens: bigint | undefined;
		for (const { budgetId, unit } of this.budgets) {
			const item = this.items.get(budgetId);
			if (!item) return undefined;
			const free = boundOf(item) - item.granted + (this.book.leaseOfWindow(item.windowId)?.idle ?? 0n);
			if (unit === "nano_usd") nanoUsd = nanoUsd === undefined || free < nanoUsd ? free : nanoUsd;
			else tokens = tokens === undefined || free < tokens ? free : tokens;
		}
		return bound.clampTo({ nanoUsd, tokens: tokens === undefined ? undefined : Number(tokens) });
	}

	private shortage(need: Amounts, isShort: (item: GrantedItem, amount: bigint, idle: bigint) => boolean): Shortage | undefined {
		for (const { budgetId, unit } of this.budgets) {
			const item = this.items.get(budgetId);
			const idle = item ? this.idleAtCommit(item) : 0n;
			const amount = amountIn(unit, need);
			if (item && isShort(item, amount, idle)) return { code: "budget.exceeded", item, unit, idle, need: amount, isRemembered: false };
		}
		return undefined;
	}

	/** Own idle money as the window's row knew it: what is on its way back is not in `granted − idle` of this reply yet. */
	private idleAtCommit(item: GrantedItem): bigint {
		const lease = this.book.leaseOfWindow(item.windowId);
		return lease ? lease.idle + lease.returned - item.leaseReturned : 0n;
	}
}
