import type { LeaseBook } from "#domain/budget/lease-book.ts";
import type { Authority, Claim, GrantReply, HeartbeatRequest } from "../authority/port.ts";
import type { LedgerWriter } from "../ledger/record.ts";
import type { AdmissionQueue } from "./admission-queue.ts";
import type { Directory } from "./directory.ts";
import { nextWindowsDue } from "./next-windows.ts";
import type { CallRuns } from "./run-step.ts";

/**
 * Keeps this gateway's leases alive and honest: a heartbeat every 250 ms renews them, returns idle money that
 * others claim or that nobody here uses, follows the change log, and flushes the ledger when `verify` asks.
 * Recall is state, not a message: claims come in every reply; NOTIFY only wakes the heartbeat sooner.
 */
export const HEARTBEAT_MS = 250;
export const LEASE_TTL_MS = 60_000;
const UNUSED_MS = 30_000;
/** Windows that one heartbeat gives back to: at some 50 µs each it stays far below its statement's limit of 2 s. */
const RETURNS_MAX = 500;
const CLAIM_TTL_MS = 2_000;
/** How long a heartbeat waits for the grant in flight before it goes out without what is idle now. */
const QUIET_WAIT_MS = 100;
const QUIET_WAIT_AT_DRAIN_MS = 3_000;
/** A longer gap between two answers means that PostgreSQL, or this process, was stalled, and the other gateways with it. */
const HEARING_GAP_MS = 2 * HEARTBEAT_MS;
const AWAY_MS = 1_000;
/** Changes after which a lease must be confirmed by a grant before it is spent from. */
const GOVERNING: ReadonlySet<string> = new Set(["team", "budget", "increase"]);

type Return = HeartbeatRequest["returns"][number];

export type LeaseKeeperDependencies = {
	readonly authority: Authority;
	readonly book: LeaseBook;
	readonly queue: AdmissionQueue;
	readonly directory: Directory;
	readonly writer: LedgerWriter;
	readonly nowMs: () => number;
	readonly onFenced: () => void;
	readonly onError: (error: unknown) => void;
	readonly onPrices: () => Promise<void>;
	/** A policy was applied: what of it belongs to no team is read again. Teams, budgets and keys it changed stand in changes of their own. */
	readonly onPolicy: () => Promise<void>;
	/** Agent runs, where calls of them are guarded. */
	readonly runs?: Pick<CallRuns, "follow" | "turnAway" | "rest">;
	readonly counters: { recallsAnswered: number };
};

export class LeaseKeeper {
	private readonly dependencies: LeaseKeeperDependencies;
	private openClaims: readonly Claim[] = [];
	/** Those for which idle money was given up last. */
	private answering: readonly Claim[] = [];
	/** The giving up that waits for the end of the grant in flight. */
	private givingUp: Promise<void> | undefined;
	private answeredClaim = 0n;
	private seenRevision: bigint;
	private knownRevision: bigint;
	private flushedRequest = 0n;
	private flushRequest = 0n;
	/** The work on changes and on a flush that is under way: it never holds up a heartbeat. */
	private followed: Promise<void> | undefined;
	private isBeating = false;
	private beatAgain = false;
	private timer: NodeJS.Timeout | undefined;
	private isStopped = false;
	private heardAtMs = Number.NEGATIVE_INFINITY;
	/** Since when heartbeats are answered without a gap, on the gateway's clock; Infinity before the first. */
	hearingSinceMs = Number.POSITIVE_INFINITY;

	constructor(dependencies: LeaseKeeperDependencies, revision: bigint) {
		this.dependencies = dependencies;
		this.seenRevision = revision;
		this.knownRevision = revision;
	}

	async start(): Promise<void> {
		await this.dependencies.authority.listen(() => this.wake());
		await this.beat();
		await this.followed;
	}

	stop(): void {
		this.isStopped = true;
		clearTimeout(this.timer);
	}

	/** PostgreSQL has not been heard for so long that other gateways would take this one for gone. */
	isAway(nowMs: number): boolean {
		return nowMs - this.heardAtMs > AWAY_MS;
	}

	/** Whether heartbeats were answered without a gap for long enough that every living gateway was heard as well. */
	isHearing(nowMs: number): boolean {
		return nowMs - this.heardAtMs <= HEARING_GAP_MS && nowMs - this.hearingSinceMs >= HEARING_GAP_MS;
	}

	/** News that rode on a grant or a flush: the same as a heartbeat's. */
	takeNews(news: Pick<GrantReply, "revision" | "claims">): void {
		if (news.revision > this.knownRevision) this.knownRevision = news.revision;
		this.takeClaims(news.claims);
		if (this.hasWork()) this.wake();
	}

	/** A change that somebody else was told of. */
	hear(revision: bigint): void {
		if (revision > this.knownRevision) this.knownRevision = revision;
		if (this.hasWork()) this.wake();
	}

	/** Beats as soon as the one under way has ended. */
	wake(): void {
		if (this.isBeating) this.beatAgain = true;
		else void this.beat();
	}

	/** Returns every idle amount now; used when the gateway drains. */
	async returnAll(): Promise<void> {
		for (const lease of this.dependencies.book.leases()) lease.markStale();
		for (let left = Number.POSITIVE_INFINITY; left > 0; ) {
			await this.exchange(QUIET_WAIT_AT_DRAIN_MS);
			const before = left;
			left = [...this.dependencies.book.leases()].filter((lease) => lease.returned > lease.returnedConfirmed).length;
			if (left >= before) return; // PostgreSQL takes none now
		}
	}

	private async beat(): Promise<void> {
		if (this.isStopped) return;
		this.isBeating = true;
		clearTimeout(this.timer);
		try {
			do {
				this.beatAgain = false;
				this.dependencies.runs?.turnAway();
				await this.presentForgotten();
				await this.exchange(QUIET_WAIT_MS);
				this.follow();
				this.askAhead();
			} while (this.beatAgain || (this.hasNewClaims() && !this.givingUp));
		} catch (error) {
			this.dependencies.onError(error);
		} finally {
			this.isBeating = false;
			if (!this.isStopped) this.timer = setTimeout(() => void this.beat(), HEARTBEAT_MS);
		}
	}

	private hasWork(): boolean {
		return this.hasNewClaims() || (this.hasChanges() && !this.followed);
	}

	private hasChanges(): boolean {
		return this.knownRevision > this.seenRevision || this.flushRequest > this.flushedRequest;
	}

	private hasNewClaims(): boolean {
		return this.openClaims.some((claim) => claim.id > this.answeredClaim);
	}

	/** Claims for which idle money was given up, and that PostgreSQL does not take for answered yet. */
	private hasAnswers(): boolean {
		return this.answering.some((claim) => claim.id > this.answeredClaim);
	}

	/** One at a time; says in a heartbeat of its own what it has done, and begins again while there is more. */
	private follow(): void {
		if (this.followed || !this.hasChanges()) return;
		const work = async (): Promise<void> => {
			await this.followChanges();
			await this.flushWhenAsked();
		};
		let hasFailed = false;
		this.followed = work()
			.catch((error: unknown) => {
				hasFailed = true; // tried again at the next heartbeat
				this.dependencies.onError(error);
			})
			.finally(() => {
				this.followed = undefined;
				if (!hasFailed && !this.isStopped) this.wake();
			});
	}

	/** A lease that PostgreSQL knows less of than this gateway: what is idle is given up, and the rest is said to be granted. */
	private async presentForgotten(): Promise<void> {
		const { authority, book } = this.dependencies;
		const forgotten = [...book.leases()].filter((lease) => lease.isForgotten);
		if (forgotten.length === 0) return;
		for (const lease of forgotten) lease.returnIdle();
		await authority.present(forgotten.map(({ windowId, granted, returned }) => ({ windowId, granted, returned })));
		for (const lease of forgotten) lease.wasPresented();
	}

	/** One heartbeat. It says what was given up so far, and which claims that answers. */
	private async exchange(quietWaitMs: number): Promise<void> {
		const { authority, book, nowMs, onFenced } = this.dependencies;
		await this.giveUpIdle(this.hasAnswers() ? 0 : quietWaitMs);
		const askedAtMs = nowMs();
		const answered = this.answering.reduce((newest, claim) => (claim.id > newest ? claim.id : newest), this.answeredClaim);
		const returns = this.unconfirmedReturns(this.answering);
		const reply = await authority.heartbeat({ returns, answeredClaim: answered, seenRevision: this.seenRevision, flushedRequest: this.flushedRequest });
		if ("isFenced" in reply) return onFenced();
		this.noteHeard(nowMs());
		if (reply.isReturned) this.confirm(returns, answered);
		book.renew(askedAtMs, LEASE_TTL_MS);
		if (reply.revision > this.knownRevision) this.knownRevision = reply.revision;
		this.flushRequest = reply.flushRequest;
		this.takeClaims(reply.claims);
		book.forgetEnded(nowMs());
	}

	/**
	 * Between two grants, where what is idle is known. One that stands in a long line holds up no heartbeat: what becomes known when it has
	 * ended goes with another one at once.
	 */
	private async giveUpIdle(waitMs: number): Promise<void> {
		const { nowMs, queue } = this.dependencies;
		this.givingUp ??= queue
			.whenQuiet(() => {
				this.answering = this.openClaims;
				this.returnIdle(this.answering, nowMs());
			})
			.finally(() => {
				this.givingUp = undefined;
			});
		const { promise: late, resolve } = Promise.withResolvers<"late">();
		const timer = setTimeout(resolve, waitMs, "late");
		const isLate = (await Promise.race([this.givingUp, late])) === "late";
		clearTimeout(timer);
		if (isLate) void this.givingUp?.then(() => this.wake());
	}

	private noteHeard(atMs: number): void {
		if (atMs - this.heardAtMs > HEARING_GAP_MS) this.hearingSinceMs = atMs;
		this.heardAtMs = atMs;
	}

	private confirm(returns: readonly Return[], answeredClaim: bigint): void {
		if (answeredClaim > this.answeredClaim) this.dependencies.counters.recallsAnswered++;
		this.answeredClaim = answeredClaim;
		for (const { windowId, returnTo } of returns) {
			const lease = this.dependencies.book.leaseOfWindow(windowId);
			if (lease && lease.returnedConfirmed < returnTo) lease.returnedConfirmed = returnTo;
		}
	}

	/** Gives up the idle money of claimed, ended, changed and unused windows, and those that runs which rest leave behind. */
	private returnIdle(claims: readonly Claim[], atMs: number): void {
		const { book } = this.dependencies;
		book.returnUnneeded(atMs, UNUSED_MS);
		for (const claim of claims) for (const windowId of claim.windowIds) book.leaseOfWindow(windowId)?.returnIdle();
		this.rest(atMs);
	}

	/** Money goes back whatever becomes of this. */
	private rest(atMs: number): void {
		try {
			this.dependencies.runs?.rest(atMs);
		} catch (error) {
			this.dependencies.onError(error);
		}
	}

	/** As absolute amounts that are safe to send again: all of the windows whose claims are answered, of others as many as one statement carries. */
	private unconfirmedReturns(answering: readonly Claim[]): Return[] {
		const claimed = new Set(answering.flatMap(({ windowIds }) => windowIds));
		const returns: Return[] = [];
		let others = 0;
		for (const { windowId, returned, returnedConfirmed } of this.dependencies.book.leases()) {
			if (returned <= returnedConfirmed) continue;
			if (!claimed.has(windowId)) others += 1;
			if (others <= RETURNS_MAX || claimed.has(windowId)) returns.push({ windowId, returnTo: returned });
		}
		return returns;
	}

	private takeClaims(claims: readonly Claim[]): void {
		const { book, nowMs } = this.dependencies;
		this.openClaims = claims;
		for (const claim of claims) {
			for (const windowId of claim.windowIds) {
				const lease = book.leaseOfWindow(windowId);
				if (lease) lease.noLookaheadUntilMs = nowMs() + CLAIM_TTL_MS;
			}
		}
	}

	/** Applies every change up to the newest revision, then the next heartbeat says so. */
	private async followChanges(): Promise<void> {
		if (this.knownRevision <= this.seenRevision) return;
		const { authority, directory, queue, onPolicy, onPrices } = this.dependencies;
		const known = this.knownRevision;
		const changes = await authority.changesSince(this.seenRevision);
		await this.followKeys(changes.filter((change) => change.kind === "key").map((change) => change.subject));
		this.followRuns(changes.filter((change) => change.kind === "run").map((change) => change.subject));
		const teams = changes.filter((change) => GOVERNING.has(change.kind)).map((change) => change.teamId);
		if (teams.length > 0) {
			const teamIds = teams.includes(null) ? null : new Set(teams.filter((teamId) => teamId !== null));
			// At once: reading many teams again takes a while, and nothing may be spent by the old rules meanwhile.
			this.markStale(directory.budgetIdsOf(teamIds));
			await directory.reload(teamIds);
			this.markStale(directory.budgetIdsOf(teamIds));
		}
		if (changes.some((change) => change.kind === "price")) await onPrices();
		if (changes.some((change) => change.kind === "policy")) await onPolicy();
		queue.forgetRefusals();
		this.seenRevision = changes.at(-1)?.revision ?? known;
		queue.wake();
	}

	/** Calls that wait are judged by their key as it is now. */
	private async followKeys(keyIds: readonly string[]): Promise<void> {
		const { authority, directory, queue } = this.dependencies;
		for (const keyId of keyIds) {
			directory.forgetKey(keyId);
			if (queue.hasCallsOf(keyId) && !(await authority.isKeyInForce(keyId))) queue.endCallsOf(keyId);
		}
	}

	private followRuns(rootRunIds: readonly string[]): void {
		if (rootRunIds.length > 0) this.dependencies.runs?.follow(rootRunIds);
	}

	private markStale(budgetIds: ReadonlySet<string>): void {
		for (const lease of this.dependencies.book.leases()) if (budgetIds.has(lease.budgetId)) lease.markStale();
	}

	private askAhead(): void {
		const { book, nowMs, queue } = this.dependencies;
		const due = nextWindowsDue(book, nowMs());
		if (due.length > 0) queue.askAhead(due);
	}

	private async flushWhenAsked(): Promise<void> {
		if (this.flushRequest <= this.flushedRequest) return;
		const asked = this.flushRequest;
		await this.dependencies.writer.flush(2_000);
		this.flushedRequest = asked;
	}
}
