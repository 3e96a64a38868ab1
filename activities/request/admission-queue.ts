import { type Amounts, amountIn, type LeaseBook, type MatchedBudget } from "#domain/budget/lease-book.ts";
import type { WindowLease } from "#domain/budget/window-lease.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AheadReply, Authority, GrantedItem, GrantReply } from "../authority/port.ts";
import { allowanceIn, amountsAt, lookaheadOf, maximum } from "./amounts.ts";
import { type GrantBatch, nextBatch } from "./grant-batch.ts";
import { GrantEvidence, type Shortage } from "./grant-evidence.ts";
import type { NextWindow } from "./next-windows.ts";
import { RefusalMemory } from "./refusal-memory.ts";
import { type Ask, createWaiter, noteClaims, type Standing, type Verdict, type Waiter } from "./waiting-call.ts";

/** Lookahead for more calls that need as much, asked for in the background. */
export type Refill = Omit<Standing, "waitMs"> & { readonly teamId: string; readonly need: Amounts };

/** Unit per budget id. */
export type Units = ReadonlyMap<string, MatchedBudget["unit"]>;

/** What one grant said of one call. */
type Answer = { readonly items: ReadonlyMap<string, GrantedItem>; readonly askedAtMs: number; readonly wasServed: boolean };

type AskOptions = {
	readonly hasLookahead: boolean;
	/** What is kept for an outage is not counted as money for these calls. */
	readonly keepsAllowance: boolean;
	readonly isFinal: boolean;
	readonly isNewAsk: boolean;
	readonly dropsClaims: boolean;
	readonly allowance: Amounts;
	readonly lookaheadFor?: Amounts;
	/** Like the needs: places of the degrade lines that calls may not pass. */
	readonly lines?: readonly (readonly (number | null)[])[];
};

export type AdmissionQueueDependencies = {
	readonly authority: Authority;
	readonly book: LeaseBook;
	readonly nowMs: () => number;
	/** Applies a reply (adopts rows, renews the lease, takes news); false when the gateway must stop. */
	readonly onReply: (reply: GrantReply, units: Units, askedAtMs: number) => boolean;
	/** Adopts leases of next windows. */
	readonly onAhead: (reply: AheadReply, units: Units, askedAtMs: number) => void;
	/** PostgreSQL does not answer: what is kept for that may be spent. */
	readonly isAway: () => boolean;
	/** Whether PostgreSQL was heard without a gap lately: only then does another gateway's silence mean that it is gone. */
	readonly isHearing: () => boolean;
	/** Since when it is heard without a gap. */
	readonly hearingSinceMs: () => number;
	readonly onFenced: () => void;
	readonly onError: (error: unknown) => void;
	readonly counters: { grants: number };
};

const MAX_WAITERS = 10_000;
const ASK_AGAIN_MS = 100;
const RECALL_GRACE_MS = 3_000; // a gateway answers with its second heartbeat or is unreachable after 1 s: well over both
const MIN_AUTHORITY_WAIT_MS = 2_000;
const ANSWERED_BY_HEARTBEAT_MS = 500; // who waits for two heartbeats gets what came idle since an earlier answer without asking anew

/**
 * Calls that the lease in memory cannot serve at once (money-path §3). One grant in flight carries the needs of all
 * waiting calls of a team; those that fit are served in order; one that does not fit never blocks a smaller one.
 * Money that is held is waited for; a call is refused only with the numbers of the grant that refuses it.
 */
export class AdmissionQueue {
	private readonly dependencies: AdmissionQueueDependencies;
	private waiters: Waiter[] = [];
	private readonly refills = new Map<string, Refill>();
	private ahead: readonly NextWindow[] = [];
	/** When each waiting team was last asked for: the longest ago goes first, so that no team holds up another. */
	private readonly askedAtMs = new Map<string, number>();
	private readonly memory = new RefusalMemory();
	private inFlight: Promise<void> | undefined;
	private readonly quietJobs = new Set<() => void>();
	private timer: NodeJS.Timeout | undefined;

	constructor(dependencies: AdmissionQueueDependencies) {
		this.dependencies = dependencies;
	}

	get length(): number {
		return this.waiters.length;
	}

	/** A refusal remembered for at most 1 s that holds for this call too, if any. */
	remembered(budgets: readonly MatchedBudget[], least: Amounts): Shortage | undefined {
		return this.memory.find(budgets, least, this.dependencies.nowMs());
	}

	forgetRefusals(windowId?: string): void {
		this.memory.forget(windowId);
	}

	admit(ask: Ask): Promise<Verdict> {
		if (this.waiters.length >= MAX_WAITERS) throw new CostControlError("gateway.overloaded", "too many calls are waiting for budget; try again shortly");
		const standing = ask.current();
		if (standing === undefined) return Promise.resolve({ kind: "inadmissible" });
		return new Promise((resolve) => {
			const waiter = createWaiter(ask, { standing, resolve, nowMs: this.dependencies.nowMs() });
			this.waiters.push(waiter);
			ask.leaving.onLeave(() => this.end(waiter, { kind: "left" }));
			this.pump();
		});
	}

	/** Asks for lookahead in the background; never awaited by a call. */
	refill(refill: Refill): void {
		if (this.refills.has(refill.teamId)) return;
		this.refills.set(refill.teamId, refill);
		this.pump();
	}

	/** Asks for leases of the next windows in the background, when nothing else is to be asked; ascending by budget id. */
	askAhead(ahead: readonly NextWindow[]): void {
		this.ahead = ahead;
		this.pump();
	}

	/** Money came free in memory (a settle, a release): serve those it fits, first come first served. */
	onMoneyFreed(): void {
		for (const waiter of [...this.waiters]) this.tryServe(waiter);
	}

	/** Limits, budgets or policies changed: what holds now holds for the calls that wait already, and they ask again now. */
	wake(): void {
		for (const waiter of [...this.waiters]) {
			const standing = waiter.ask.current();
			if (standing === undefined) this.end(waiter, { kind: "inadmissible" });
			else Object.assign(waiter, { standing, nextAskAtMs: 0 });
		}
		this.onMoneyFreed();
		this.pump();
	}

	hasCallsOf(keyId: string): boolean {
		return this.waiters.some(({ ask }) => ask.keyId === keyId);
	}

	/** The key was revoked: its calls wait no longer. */
	endCallsOf(keyId: string): void {
		for (const waiter of [...this.waiters]) if (waiter.ask.keyId === keyId) this.end(waiter, { kind: "revoked" });
	}

	/**
	 * Runs `work` between two grants, at once where none is in flight. A grant in flight counts on the idle
	 * money here and may bring more, so only between grants is idle money known and may be given away.
	 */
	whenQuiet(work: () => void): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const job = (): void => {
			work();
			resolve();
		};
		if (this.inFlight) this.quietJobs.add(job);
		else job();
		return promise;
	}

	/** With what is kept for an outage only after a grant could not serve the call: before it is refused, that is given up. */
	private tryServe(waiter: Waiter, { withAllowance = false } = {}): boolean {
		const { book, nowMs } = this.dependencies;
		const { budgets } = waiter.standing;
		const tryReserve = (amounts: Amounts) =>
			withAllowance ? book.tryReserveWithAllowance(budgets, amounts, nowMs()) : book.tryReserve(budgets, amounts, nowMs());
		const full = tryReserve(waiter.full);
		const reservation = full ?? (waiter.clampTokens === undefined ? undefined : tryReserve(waiter.need));
		if (!reservation) return false;
		this.end(waiter, { kind: "reserved", reservation, clampedOutputTokens: full ? undefined : waiter.clampTokens });
		return true;
	}

	private end(waiter: Waiter, verdict: Verdict): void {
		const index = this.waiters.indexOf(waiter);
		if (index < 0) return;
		this.waiters.splice(index, 1);
		waiter.resolve(verdict);
	}

	private pump(): void {
		if (this.inFlight) return;
		const nowMs = this.dependencies.nowMs();
		const teamId = this.nextTeam(nowMs);
		const refill = this.refills.values().next().value;
		if (teamId !== undefined) {
			this.askedAtMs.set(teamId, nowMs);
			this.start(this.grantFor(nextBatch(this.waiters, teamId, nowMs)));
		} else if (refill) {
			this.refills.delete(refill.teamId);
			this.start(this.grantLookahead(refill));
		} else if (this.ahead.length > 0) {
			const ahead = this.ahead;
			this.ahead = [];
			this.start(this.grantNextWindows(ahead));
		} else this.schedule();
	}

	private nextTeam(nowMs: number): string | undefined {
		let next: string | undefined;
		for (const { ask, nextAskAtMs } of this.waiters) {
			if (nextAskAtMs > nowMs || ask.teamId === next) continue;
			if (next === undefined || (this.askedAtMs.get(ask.teamId) ?? 0) < (this.askedAtMs.get(next) ?? 0)) next = ask.teamId;
		}
		return next;
	}

	private start(work: Promise<void>): void {
		this.inFlight = work.catch(this.dependencies.onError).finally(() => {
			this.inFlight = undefined;
			for (const job of this.quietJobs) job();
			this.quietJobs.clear();
			this.pump();
		});
	}

	private schedule(): void {
		clearTimeout(this.timer);
		if (this.waiters.length === 0) return this.askedAtMs.clear();
		const next = Math.min(...this.waiters.map((waiter) => waiter.nextAskAtMs));
		this.timer = setTimeout(() => this.pump(), Math.max(1, next - this.dependencies.nowMs()));
	}

	private async grantFor({ waiters, budgets, needs, lines, allowance }: GrantBatch): Promise<void> {
		const isFirst = (waiter: Waiter) => waiter.nextAskAtMs === waiter.startedAtMs;
		const askedAtMs = this.dependencies.nowMs();
		const reply = await this.ask(budgets, needs, {
			hasLookahead: waiters.some(isFirst),
			keepsAllowance: waiters.every(isFirst), // who asks again could not be served beside it
			isFinal: waiters.some((waiter) => waiter.isFinal),
			isNewAsk: waiters.some(({ claims, standing }) => claims.size === 0 && standing.waitMs < ANSWERED_BY_HEARTBEAT_MS),
			dropsClaims: !this.isMetByOthers(budgets, waiters),
			allowance,
			...(lines && { lines }),
		});
		if (!reply) return this.onUnreachable(waiters);
		const items = new Map(reply.items.map((item) => [item.budgetId, item]));
		for (const [index, waiter] of waiters.entries()) {
			if (!this.waiters.includes(waiter)) continue;
			noteClaims(waiter, items);
			if (this.tryServe(waiter) || this.tryServe(waiter, { withAllowance: true })) continue;
			this.judge(waiter, { items, askedAtMs, wasServed: reply.served[index] === true });
		}
		this.keepAllowance(budgets, allowance);
		const isUnanswered = reply.items.some(({ claimId, leastAnswered }) => claimId > 0n && leastAnswered !== null && leastAnswered < claimId);
		if (isUnanswered) this.dependencies.authority.announceClaim().catch(this.dependencies.onError);
	}

	/** Whether a call that waits beside these meets one of the budgets: a claim there may stand for it. */
	private isMetByOthers(budgets: readonly MatchedBudget[], batch: readonly Waiter[]): boolean {
		const ids = new Set(budgets.map(({ budgetId }) => budgetId));
		return this.waiters.some((waiter) => !batch.includes(waiter) && waiter.standing.budgets.some(({ budgetId }) => ids.has(budgetId)));
	}

	private async grantLookahead({ budgets, need, allowance }: Refill): Promise<void> {
		await this.ask(budgets, [budgets.map(() => 0n)], {
			hasLookahead: true,
			keepsAllowance: true,
			isFinal: false,
			isNewAsk: false,
			dropsClaims: false,
			allowance,
			lookaheadFor: need,
		});
		this.onMoneyFreed();
		this.keepAllowance(budgets, allowance);
	}

	private keepAllowance(budgets: readonly MatchedBudget[], allowance: Amounts): void {
		const { book, nowMs } = this.dependencies;
		for (const budget of budgets) {
			const lease = book.leaseOf(budget.budgetId, nowMs());
			lease?.keepAllowance(allowanceIn(budget, allowance), lookaheadOf(lease.lastNeed, 0n));
		}
	}

	private async grantNextWindows(ahead: readonly NextWindow[]): Promise<void> {
		const { authority, nowMs, onAhead, onFenced } = this.dependencies;
		const askedAtMs = nowMs();
		const reply = await authority.grantAhead({ items: ahead.map(({ budgetId, lookahead, allowance }) => ({ budgetId, want: lookahead + allowance })) });
		if ("isFenced" in reply) return onFenced();
		onAhead(reply, new Map(ahead.map(({ budgetId, unit }) => [budgetId, unit])), askedAtMs);
		for (const { budgetId, lookahead, allowance } of ahead) this.dependencies.book.nextLeaseOf(budgetId)?.keepAllowance(allowance, lookahead);
	}

	private async ask(budgets: readonly MatchedBudget[], needs: readonly (readonly bigint[])[], options: AskOptions): Promise<GrantReply | undefined> {
		const { authority, book, nowMs, counters, onReply, onFenced, onError } = this.dependencies;
		const askedAtMs = nowMs();
		const items = budgets.map((budget, index) => {
			const { budgetId, unit } = budget;
			const lease = book.leaseOf(budgetId, askedAtMs);
			const known = lease && askedAtMs < lease.endsAtMs ? lease : undefined;
			const largest = options.lookaheadFor ? amountIn(unit, options.lookaheadFor) : maximum(needs.map((row) => row[index] ?? 0n));
			const mayLookAhead = options.hasLookahead && askedAtMs >= (known?.noLookaheadUntilMs ?? 0);
			return {
				budgetId,
				windowId: known?.windowId,
				leaseGranted: known?.granted ?? 0n,
				idle: (options.keepsAllowance ? known?.free : known?.idle) ?? 0n,
				lookahead: mayLookAhead ? lookaheadOf(largest, known?.takeBurn(askedAtMs) ?? 0n) + missing(allowanceIn(budget, options.allowance), known) : 0n,
			};
		});
		counters.grants++;
		try {
			const { isFinal, isNewAsk, dropsClaims, lookaheadFor, lines } = options;
			// A refill has no part in the claims of the calls that wait.
			const reply = await authority.grant({ items, needs, wantsClaim: !lookaheadFor, isFinal, isNewAsk, dropsClaims, ...(lines && { lines }) });
			if ("isFenced" in reply) {
				onFenced();
				return undefined;
			}
			return onReply(reply, new Map(budgets.map(({ budgetId, unit }) => [budgetId, unit])), askedAtMs) ? reply : undefined;
		} catch (error) {
			onError(error);
			return undefined;
		}
	}

	/** While PostgreSQL is heard a grant that failed lost its place in a long line, which is no outage: its calls wait as long as for others' answers. */
	private onUnreachable(batch: readonly Waiter[]): void {
		const nowMs = this.dependencies.nowMs();
		const isAway = this.dependencies.isAway();
		for (const waiter of batch) {
			if (!this.waiters.includes(waiter)) continue;
			if (isAway && this.tryServe(waiter, { withAllowance: true })) continue;
			const waitedMs = nowMs - waiter.startedAtMs;
			const isOver = isAway ? waitedMs >= Math.max(waiter.standing.waitMs, MIN_AUTHORITY_WAIT_MS) : this.isGraceOver(waiter, nowMs);
			if (isOver) this.end(waiter, { kind: "unreachable", waitedMs });
			else waiter.nextAskAtMs = nowMs + ASK_AGAIN_MS;
		}
	}

	/** A call the grant could not serve: refuse it, clamp it, or let it wait on. */
	private judge(waiter: Waiter, { items, askedAtMs, wasServed }: Answer): void {
		const nowMs = this.dependencies.nowMs();
		const waitedMs = nowMs - waiter.startedAtMs;
		const { budgets, waitMs } = waiter.standing;
		const evidence = new GrantEvidence({ budgets, items, askedAtMs, book: this.dependencies.book, claims: waiter.claims });
		const blocked = evidence.blocked(waiter.full);
		if (blocked) return this.refuse(waiter, blocked);

		const beyond = evidence.beyondLine(waiter.full);
		if (beyond) return this.end(waiter, { kind: "beyond_line", beyond });

		const { least } = waiter;
		const hopeless = evidence.hopeless(least);
		if (hopeless) {
			this.memory.remember(hopeless, nowMs);
			return this.refuse(waiter, hopeless);
		}
		const isFullHopeless = evidence.hopeless(waiter.full) !== undefined;
		const isWaitOver = waitedMs >= waitMs;
		if (!isWaitOver && !isFullHopeless) return this.askAgain(waiter, wasServed ? 0 : ASK_AGAIN_MS);
		const mayOthersHaveIdle = evidence.mayOthersHaveIdle(this.dependencies.isHearing);
		if (wasServed || mayOthersHaveIdle) {
			if (this.isGraceOver(waiter, nowMs)) return this.end(waiter, { kind: "unreachable", waitedMs });
			// Served: the money was there at the grant's commit, and a call from memory took it meanwhile. Nobody was asked for more yet.
			return this.askAgain(waiter, wasServed ? 0 : ASK_AGAIN_MS / 4);
		}

		const clampTokens = evidence.clampToFree(waiter.ask.bound);
		if (clampTokens !== undefined && clampTokens !== waiter.clampTokens) {
			waiter.clampTokens = clampTokens;
			waiter.need = amountsAt(waiter.ask.bound, clampTokens, waiter.ask.isStep);
			return this.askAgain(waiter, 0);
		}
		const short = evidence.short(least);
		if (short && isWaitOver) return this.refuse(waiter, short);
		if (waiter.isFinal && waitedMs >= waitMs + MIN_AUTHORITY_WAIT_MS) return this.end(waiter, { kind: "unreachable", waitedMs });
		waiter.isFinal = isWaitOver; // enough is free, but kept for an earlier claim: the last ask takes it
		this.askAgain(waiter, isWaitOver ? 0 : ASK_AGAIN_MS);
	}

	/** A stall of PostgreSQL takes nothing of the time in which others answer, be it that there is no end of stalls: then it is twice as long. */
	private isGraceOver({ startedAtMs, standing }: Waiter, nowMs: number): boolean {
		const waitEndedAtMs = startedAtMs + standing.waitMs;
		const sinceMs = Math.max(waitEndedAtMs, this.dependencies.hearingSinceMs());
		return nowMs >= Math.min(sinceMs, waitEndedAtMs + RECALL_GRACE_MS) + RECALL_GRACE_MS;
	}

	private askAgain(waiter: Waiter, afterMs: number): void {
		waiter.nextAskAtMs = this.dependencies.nowMs() + afterMs;
	}

	private refuse(waiter: Waiter, shortage: Shortage): void {
		this.end(waiter, { kind: "refused", shortage, waitedMs: Math.round(this.dependencies.nowMs() - waiter.startedAtMs) });
	}
}

function missing(allowanceWanted: bigint, lease: WindowLease | undefined): bigint {
	const kept = lease?.allowance ?? 0n;
	return allowanceWanted > kept ? allowanceWanted - kept : 0n;
}
