import type { Bound } from "#domain/bound/request.ts";
import type { BeyondLine } from "#domain/budget/degrade.ts";
import { type Amounts, amountIn, type LeaseBook, type MatchedBudget } from "#domain/budget/lease-book.ts";
import { thresholdAmount } from "#domain/budget/scope.ts";
import type { Unit } from "#domain/budget/window-lease.ts";
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
	/** The end of its window on the gateway's clock, counted from before asking; Infinity for lifetime windows. */
	readonly endsAtMs: number;
	readonly isRemembered: boolean;
};

export type GrantEvidenceInput = {
	readonly budgets: readonly MatchedBudget[];
	/** By budget id. */
	readonly items: ReadonlyMap<string, GrantedItem>;
	readonly book: LeaseBook;
	readonly askedAtMs: number;
	/** By window id: the claim that stands for the call there. */
	readonly claims: ReadonlyMap<string, bigint>;
};

/** What one grant's reply says about one call (money-path §3): the grounds for refusing it, clamping it or letting it wait. */
export class GrantEvidence {
	private readonly input: GrantEvidenceInput;

	constructor(input: GrantEvidenceInput) {
		this.input = input;
	}

	/** A frozen or overrun window, whatever is needed. */
	blocked(need: Amounts): Shortage | undefined {
		const blocked = this.shortage(need, (item) => item.isFrozen || (this.input.book.leaseOfWindow(item.windowId)?.isOverrun ?? item.isOverrun));
		return blocked && { ...blocked, code: blocked.item.isFrozen ? "budget.frozen" : "budget.overrun" };
	}

	/** The degrade line the call would pass: beyond it another alias serves it, at once. */
	beyondLine(needed: Amounts): BeyondLine | undefined {
		for (const { budgetId, unit, line } of this.input.budgets) {
			const item = this.input.items.get(budgetId);
			if (line === undefined || item === undefined) continue;
			const { windowId, seq, granted } = item;
			const [lineAmount, idle, need] = [thresholdAmount(line.at, item.limit), this.idleAtCommit(item), amountIn(unit, needed)];
			if (lineAmount - granted + idle < need) return { budgetId, place: line.place, windowId, seq, lineAmount, granted, idle, need };
		}
		return undefined;
	}

	/** Too little even if every open reservation came back whole. */
	hopeless(need: Amounts): Shortage | undefined {
		return this.shortage(need, (item, amount) => boundOf(item) - item.posted < amount);
	}

	/** Too little as things stand, in a window where the others were asked for their idle money. */
	short(need: Amounts): Shortage | undefined {
		return this.shortage(need, (item, amount, idle) => this.input.claims.has(item.windowId) && boundOf(item) - item.granted + idle < amount);
	}

	/** Not every reachable gateway has answered the claims, or nobody knows who is reachable: no time for a refusal. */
	mayOthersHaveIdle(isHearing: () => boolean): boolean {
		return this.input.budgets.some(({ budgetId }) => {
			const item = this.input.items.get(budgetId);
			if (item === undefined) return false;
			const isUnanswered = item.leastAnswered !== null && item.leastAnswered < (this.input.claims.get(item.windowId) ?? 0n);
			return isUnanswered || (item.heldUnreachable > 0n && !isHearing());
		});
	}

	/** The output cap whose reservation is free right now, never below the floor; undefined where no clamp is possible. */
	clampToFree(bound: Bound): number | undefined {
		if (bound.clampFloorTokens === undefined) return undefined;
		const least: Partial<Record<Unit, bigint>> = {};
		for (const { budgetId, unit } of this.input.budgets) {
			const item = this.input.items.get(budgetId);
			if (!item) return undefined;
			const free = boundOf(item) - item.granted + (this.input.book.leaseOfWindow(item.windowId)?.idle ?? 0n);
			const other = least[unit];
			least[unit] = other === undefined || free < other ? free : other;
		}
		// A shorter answer takes no less input, and is a step all the same.
		if ((least.input_tokens ?? BigInt(bound.inputTokens)) < BigInt(bound.inputTokens) || (least.steps ?? 1n) < 1n) return undefined;
		return bound.clampTo({ nanoUsd: least.nano_usd, tokens: toCount(least.tokens), outputTokens: toCount(least.output_tokens) });
	}

	private shortage(need: Amounts, isShort: (item: GrantedItem, amount: bigint, idle: bigint) => boolean): Shortage | undefined {
		for (const { budgetId, unit } of this.input.budgets) {
			const item = this.input.items.get(budgetId);
			const idle = item ? this.idleAtCommit(item) : 0n;
			const amount = amountIn(unit, need);
			if (!item || !isShort(item, amount, idle)) continue;
			const endsAtMs = item.endsInMs === null ? Number.POSITIVE_INFINITY : this.input.askedAtMs + item.endsInMs;
			return { code: shortageCode(item, amount, idle), item, unit, idle, need: amount, endsAtMs, isRemembered: false };
		}
		return undefined;
	}

	/** Own idle money as the window's row knew it: what is on its way back is not in `granted − idle` of this reply yet. */
	private idleAtCommit(item: GrantedItem): bigint {
		const lease = this.input.book.leaseOfWindow(item.windowId);
		return lease ? lease.idle + lease.returned - item.leaseReturned : 0n;
	}
}

function toCount(amount: bigint | undefined): number | undefined {
	return amount === undefined ? undefined : Number(amount);
}

/** An approval is asked for only where it would help: what is left below the limit itself covers the need. */
export function shortageCode(item: GrantedItem, need: bigint, idle: bigint): ErrorCode {
	return item.needsApproval && item.limit - item.granted + idle >= need ? "budget.needs_approval" : "budget.exceeded";
}
