import type { RequestProblem } from "#domain/bound/request.ts";
import type { LimitEvidence } from "#domain/limits/limit-name.ts";
import { mayBeRecalled, type PreparedExchange, RateBook } from "#domain/limits/rate-book.ts";
import type { RateCounter } from "#domain/limits/rate-counter.ts";
import type { RateItem, RateReply } from "#domain/limits/rate-exchange.ts";
import type { RatePermit } from "#domain/limits/rate-permit.ts";
import { type CompiledRate, describeRate, type RateCaller, rateName } from "#domain/limits/rate-rules.ts";
import type { RateAuthority } from "./port.ts";

/** Why a call was refused by a rate, and when to try again. `limit` and `evidence` stand where a limit is reached. */
export type RateProblem = RequestProblem & { readonly retryAfterSeconds: number; readonly limit?: string; readonly evidence?: LimitEvidence };

export type RateKeeperDependencies = {
	readonly rates: RateAuthority;
	readonly nowMs: () => number;
	readonly onFenced: () => void;
	readonly onError: (error: unknown) => void;
	readonly counters: { rateExchanges: number; sqlRoundTripsBeforeSend: number };
};

type Waiter = {
	readonly permit: RatePermit;
	readonly tokens: number;
	readonly startedAtMs: number;
	nextAskAtMs: number;
	resolve(problem: RateProblem | undefined): void;
};

type Answer = { readonly items: ReadonlyMap<string, RateItem>; readonly isServed: boolean };
type Refused = { readonly tokens: number; readonly waitedMs: number; readonly item: RateItem | undefined };

const TICK_MS = 250;
const TICKS_PER_TIDYING = 4;
const MAX_CALLS_PER_EXCHANGE = 64;
const MAX_WAITERS = 10_000;
const ASK_AGAIN_MS = 100;
const SERVED_AGAIN_MS = 1;
/** Two ticks of another gateway: within them it gives back what it does not use. */
const RECALL_WAIT_MS = 600;
const AUTHORITY_WAIT_MS = 2_000;
/** A refusal holds for calls that need as much, without asking again. */
const REFUSAL_HOLDS_MS = 200;
/** Official clients heed no longer wait. */
const RETRY_AFTER_SECONDS_MAX = 60;

/**
 * Rates of one gateway. A call whose shares have room waits for nothing; shares are raised in the background before they run out, given
 * back when they are not used, and only a call that finds none waits for an exchange with PostgreSQL. One exchange is under way at a time.
 */
export class RateKeeper {
	private readonly dependencies: RateKeeperDependencies;
	private readonly book: RateBook;
	private readonly waiters = new Set<Waiter>();
	private underWay: Promise<unknown> | undefined;
	private wantsExchange = false;
	private ticks = 0;
	private timer: NodeJS.Timeout | undefined;
	private askTimer: NodeJS.Timeout | undefined;
	private isStopped = false;
	/** The last exchange failed: shares stay as they are, this gateway lives on them. */
	private isAway = false;

	constructor(dependencies: RateKeeperDependencies, book = new RateBook()) {
		this.dependencies = dependencies;
		this.book = book;
	}

	/** The rates of one call, not taken yet; undefined when it meets none. Whoever opens it ends it. */
	open(rates: readonly CompiledRate[], caller: RateCaller): RatePermit | "full" | undefined {
		const permit = this.book.open(rates, caller, this.dependencies.nowMs());
		if (permit !== undefined && this.timer === undefined && !this.isStopped) this.schedule();
		return permit;
	}

	/** Takes one request, one place in flight and `tokens`; undefined when all is taken. A promise only when the shares here are short. */
	take(permit: RatePermit, tokens: number): RateProblem | undefined | Promise<RateProblem | undefined> {
		const nowMs = this.dependencies.nowMs();
		const short = permit.tryTake(tokens, nowMs);
		if (short < 0) {
			if (this.book.isLow(permit, nowMs)) this.exchangeSoon();
			return undefined;
		}
		const remembered = permit.counters.findIndex((counter) => counter.isRefused(permit.needOf(counter, tokens), nowMs));
		if (remembered >= 0) return this.refusal(permit, remembered, { tokens, waitedMs: 0, item: undefined });
		if (this.isStopped) return UNREACHABLE;
		if (this.waiters.size >= MAX_WAITERS) return OVERLOADED;
		return this.wait(permit, tokens);
	}

	/** Ends a permit; see there. */
	end(permit: RatePermit, used: { readonly isSent: boolean; readonly tokensUsed: number | undefined }): void {
		permit.end(used, this.dependencies.nowMs());
	}

	/** Gives back whatever is not used, once; for the end of the gateway. */
	async close(): Promise<void> {
		this.isStopped = true;
		clearTimeout(this.timer);
		clearTimeout(this.askTimer);
		await this.underWay;
		for (const waiter of this.waiters) this.conclude(waiter, UNREACHABLE);
		this.book.releaseAll(this.dependencies.nowMs());
		while (this.book.hasUntold && (await this.exchange([], false)));
	}

	/** Calls in flight that rates count. */
	get inFlight(): number {
		return this.book.inFlight(this.dependencies.nowMs());
	}

	private wait(permit: RatePermit, tokens: number): Promise<RateProblem | undefined> {
		const startedAtMs = this.dependencies.nowMs();
		this.dependencies.counters.sqlRoundTripsBeforeSend++;
		return new Promise((resolve) => {
			this.waiters.add({ permit, tokens, startedAtMs, nextAskAtMs: startedAtMs, resolve });
			this.pump();
		});
	}

	private exchangeSoon(): void {
		this.wantsExchange = true;
		this.pump();
	}

	private pump(): void {
		if (this.underWay !== undefined || this.isStopped) return;
		const nowMs = this.dependencies.nowMs();
		const due = [...this.waiters].filter(({ nextAskAtMs }) => nextAskAtMs <= nowMs).slice(0, MAX_CALLS_PER_EXCHANGE);
		if (due.length > 0 || this.wantsExchange) this.start(due, false);
		else this.scheduleAsk(nowMs);
	}

	private start(due: readonly Waiter[], isTidy: boolean): void {
		this.wantsExchange = false;
		this.underWay = this.exchange(due, isTidy).finally(() => {
			this.underWay = undefined;
			this.pump();
		});
	}

	private schedule(): void {
		this.timer = setTimeout(() => {
			this.timer = undefined;
			if (this.isStopped) return;
			this.ticks += 1;
			if (this.underWay === undefined) this.start([], this.ticks % TICKS_PER_TIDYING === 0 && !this.isAway);
			if (this.book.size > 0 || this.waiters.size > 0) this.schedule();
		}, TICK_MS);
	}

	private scheduleAsk(nowMs: number): void {
		clearTimeout(this.askTimer);
		if (this.waiters.size === 0) return;
		const next = Math.min(...[...this.waiters].map(({ nextAskAtMs }) => nextAskAtMs));
		this.askTimer = setTimeout(() => this.pump(), Math.max(1, next - nowMs));
	}

	/** False when PostgreSQL did not answer, or this gateway is fenced. */
	private async exchange(due: readonly Waiter[], isTidy: boolean): Promise<boolean> {
		const { rates, nowMs, onError, onFenced, counters } = this.dependencies;
		try {
			const prepared = this.book.prepare(due, nowMs(), { isTidy });
			if (prepared === undefined) return true;
			counters.rateExchanges++;
			const reply = await rates.takeRates(prepared.request);
			this.isAway = false;
			if (!("isFenced" in reply)) {
				this.adopt(prepared, reply, due);
				return true;
			}
			for (const waiter of due) this.conclude(waiter, UNREACHABLE);
			onFenced();
		} catch (error) {
			onError(error);
			this.isAway = true;
			this.book.abandon();
			this.onUnreachable(due);
		}
		return false;
	}

	private adopt(prepared: PreparedExchange, reply: RateReply, due: readonly Waiter[]): void {
		this.book.adopt(prepared, reply, this.dependencies.nowMs());
		const items = new Map(prepared.counters.flatMap((counter, index) => (reply.items[index] === undefined ? [] : [[counter.key, reply.items[index]]])));
		for (const [index, waiter] of due.entries()) this.judge(waiter, { items, isServed: reply.served[index] === true });
		this.book.heed(reply.wanted, this.dependencies.nowMs());
		if (this.book.hasUntold) this.wantsExchange = true; // others wait for it
	}

	/** A call that waited: it has its room now, or waits for what others do not use, or is refused with PostgreSQL's word. */
	private judge(waiter: Waiter, { items, isServed }: Answer): void {
		const { permit, tokens } = waiter;
		const nowMs = this.dependencies.nowMs();
		const short = permit.tryTake(tokens, nowMs, isServed);
		if (short < 0) return this.conclude(waiter, undefined);
		if (isServed) {
			waiter.nextAskAtMs = nowMs + SERVED_AGAIN_MS; // a call from memory took it meanwhile
			return;
		}
		const findShort = (isShort: (item: RateItem, counter: RateCounter, need: number) => boolean): number =>
			permit.counters.findIndex((counter) => {
				const need = permit.needOf(counter, tokens);
				const item = items.get(counter.key);
				return need > 0 && item !== undefined && isShort(item, counter, need);
			});
		const hopeless = findShort((item, counter, need) => !mayBeRecalled(item, { limit: counter.limit, need, idle: counter.idle(nowMs) }));
		if (hopeless < 0 && nowMs - waiter.startedAtMs < RECALL_WAIT_MS) {
			waiter.nextAskAtMs = nowMs + ASK_AGAIN_MS;
			return;
		}
		// Of several limits the one that is reached: a share of another may be short only because nothing was raised for a call that did not fit.
		const reached = hopeless >= 0 ? hopeless : findShort((item, counter, need) => stoodAt(counter, item, nowMs) + need > counter.limit);
		const place = reached >= 0 ? reached : short;
		const counter = permit.counters[place];
		const item = counter && items.get(counter.key);
		if (counter !== undefined && item !== undefined && reached >= 0)
			counter.rememberRefusal(permit.needOf(counter, tokens), stoodAt(counter, item, nowMs), nowMs + REFUSAL_HOLDS_MS);
		this.conclude(waiter, this.refusal(permit, place, { tokens, waitedMs: nowMs - waiter.startedAtMs, item }));
	}

	private onUnreachable(due: readonly Waiter[]): void {
		const nowMs = this.dependencies.nowMs();
		for (const waiter of due) {
			if (nowMs - waiter.startedAtMs >= AUTHORITY_WAIT_MS) this.conclude(waiter, UNREACHABLE);
			else waiter.nextAskAtMs = nowMs + ASK_AGAIN_MS;
		}
	}

	private conclude(waiter: Waiter, problem: RateProblem | undefined): void {
		if (this.waiters.delete(waiter)) waiter.resolve(problem);
	}

	/** Without an item, as another call was refused just before. */
	private refusal(permit: RatePermit, place: number, { tokens, waitedMs, item }: Refused): RateProblem {
		const opened = permit.rules[place];
		const counter = permit.counters[place];
		if (opened === undefined || counter === undefined) return OVERLOADED;
		const rule = { ...opened, limit: counter.limit }; // it may have been changed while the call waited
		const nowMs = this.dependencies.nowMs();
		const waits = [counter.freesInMs(nowMs), item?.freesInMs ?? null].filter((waitMs) => waitMs !== null);
		const waitMs = waits.length === 0 ? 0 : Math.min(...waits);
		const retryAfterSeconds = Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waitMs / 1_000)));
		const what = describeRate(rule, permit.values[place] ?? "");
		return {
			code: `limit.${rule.measure}`,
			message: `The ${what} is reached. Nothing was sent and nothing is charged. Try again in ${retryAfterSeconds} s.`,
			retryAfterSeconds,
			limit: rateName(rule),
			evidence: {
				limit: rateName(rule),
				limitAmount: BigInt(rule.limit),
				stoodAt: BigInt(item === undefined ? counter.refusedStoodAt : stoodAt(counter, item, nowMs)),
				need: BigInt(permit.needOf(counter, tokens)),
				waitedMs: Math.round(waitedMs),
				isRemembered: item === undefined,
			},
		};
	}
}

/** What all gateways together have of it: what is used here, and the shares of the others, whose idle part is not to be had. */
function stoodAt(counter: RateCounter, item: RateItem, nowMs: number): number {
	return counter.usedNow(nowMs) + item.others;
}

export const OVERLOADED: RateProblem = {
	code: "gateway.overloaded",
	message: "This gateway counts as many rates, or holds as many waiting calls, as it can; try again shortly. Nothing was sent and nothing is charged.",
	retryAfterSeconds: 1,
};

const UNREACHABLE: RateProblem = {
	code: "authority.unreachable",
	message: "The rates of this call cannot be counted because PostgreSQL does not answer. Nothing was sent; try again shortly.",
	retryAfterSeconds: 2,
};
