import type { LeaseBook } from "#domain/budget/lease-book.ts";
import type { Authority, Claim, GrantReply } from "../authority/port.ts";
import type { LedgerWriter } from "../ledger/record.ts";
import type { AdmissionQueue } from "./admission-queue.ts";
import type { Directory } from "./directory.ts";

/**
 * Keeps this gateway's leases alive and honest: a heartbeat every 250 ms renews them, returns idle money that
 * others claim or that nobody here uses, follows the change log, and flushes the ledger when `verify` asks.
 * Recall is state, not a message: claims come in every reply; NOTIFY only wakes the heartbeat sooner.
 */
export const HEARTBEAT_MS = 250;
export const LEASE_TTL_MS = 60_000;
const UNUSED_MS = 30_000;
const CLAIM_TTL_MS = 2_000;
/** Changes after which a lease must be confirmed by a grant before it is spent from. */
const GOVERNING: ReadonlySet<string> = new Set(["team", "budget", "policy"]);

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
	readonly counters: { recallsAnswered: number };
};

export class LeaseKeeper {
	private readonly dependencies: LeaseKeeperDependencies;
	private openClaims: readonly Claim[] = [];
	private answeredClaim = 0n;
	private seenRevision: bigint;
	private knownRevision: bigint;
	private flushedRequest = 0n;
	private flushRequest = 0n;
	private isBeating = false;
	private beatAgain = false;
	private timer: NodeJS.Timeout | undefined;
	private isStopped = false;

	constructor(dependencies: LeaseKeeperDependencies, revision: bigint) {
		this.dependencies = dependencies;
		this.seenRevision = revision;
		this.knownRevision = revision;
	}

	async start(): Promise<void> {
		await this.dependencies.authority.listen(() => this.wake());
		await this.beat();
	}

	stop(): void {
		this.isStopped = true;
		clearTimeout(this.timer);
	}

	/** News that rode on a grant or a flush: the same as a heartbeat's. */
	takeNews(news: Pick<GrantReply, "revision" | "claims">): void {
		if (news.revision > this.knownRevision) this.knownRevision = news.revision;
		this.takeClaims(news.claims);
		if (this.hasWork()) this.wake();
	}

	/** Beats as soon as the one under way has ended. */
	wake(): void {
		if (this.isBeating) this.beatAgain = true;
		else void this.beat();
	}

	/** Returns every idle amount now; used when the gateway drains. */
	async returnAll(): Promise<void> {
		for (const lease of this.dependencies.book.leases()) lease.isStale = true;
		await this.exchange();
	}

	private async beat(): Promise<void> {
		if (this.isStopped) return;
		this.isBeating = true;
		clearTimeout(this.timer);
		try {
			do {
				this.beatAgain = false;
				await this.exchange();
				await this.followChanges();
				await this.flushWhenAsked();
			} while (this.beatAgain || this.hasWork());
		} catch (error) {
			this.dependencies.onError(error);
		} finally {
			this.isBeating = false;
			if (!this.isStopped) this.timer = setTimeout(() => void this.beat(), HEARTBEAT_MS);
		}
	}

	private hasWork(): boolean {
		return this.knownRevision > this.seenRevision || this.openClaims.some((claim) => claim.id > this.answeredClaim) || this.flushRequest > this.flushedRequest;
	}

	/** One heartbeat. A grant asked before a claim was seen may still bring idle money: wait for it before answering. */
	private async exchange(): Promise<void> {
		const { authority, book, nowMs, queue, onFenced } = this.dependencies;
		const answering = this.openClaims;
		if (answering.some((claim) => claim.id > this.answeredClaim)) await queue.settled();
		const askedAtMs = nowMs();
		const answered = answering.reduce((newest, claim) => (claim.id > newest ? claim.id : newest), this.answeredClaim);
		const returns = this.takeReturns(answering, askedAtMs);
		const reply = await authority.heartbeat({ returns, answeredClaim: answered, seenRevision: this.seenRevision, flushedRequest: this.flushedRequest });
		if ("isFenced" in reply) return onFenced();
		if (answered > this.answeredClaim) this.dependencies.counters.recallsAnswered++;
		this.answeredClaim = answered;
		for (const { windowId, returnTo } of returns) {
			const lease = book.leaseOfWindow(windowId);
			if (lease && lease.returnedConfirmed < returnTo) lease.returnedConfirmed = returnTo;
		}
		book.renew(askedAtMs, LEASE_TTL_MS);
		if (reply.revision > this.knownRevision) this.knownRevision = reply.revision;
		this.flushRequest = reply.flushRequest;
		this.takeClaims(reply.claims);
		book.forgetEnded(nowMs());
	}

	/** Idle money of claimed, ended, changed and unused windows, as absolute amounts that are safe to send again. */
	private takeReturns(claims: readonly Claim[], atMs: number): { windowId: string; returnTo: bigint }[] {
		const { book } = this.dependencies;
		const claimed = claims.flatMap((claim) => claim.windowIds.map((windowId) => book.leaseOfWindow(windowId)));
		const leases = new Set([...book.returnable(atMs, UNUSED_MS), ...claimed.filter((lease) => lease !== undefined)]);
		for (const lease of leases) lease.returnIdle();
		return [...book.leases()]
			.filter((lease) => lease.returned > lease.returnedConfirmed)
			.map((lease) => ({ windowId: lease.windowId, returnTo: lease.returned }));
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
		const { authority, book, directory, queue, onPrices } = this.dependencies;
		const changes = await authority.changesSince(this.seenRevision);
		for (const change of changes) if (change.kind === "key") directory.forgetKey(change.subject);
		const governing = changes.filter((change) => GOVERNING.has(change.kind));
		if (governing.length > 0) {
			const teams = governing.map((change) => change.teamId);
			const touched = await directory.reload(teams.includes(null) ? null : new Set(teams.filter((teamId) => teamId !== null)));
			for (const lease of book.leases()) if (touched.has(lease.budgetId)) lease.isStale = true;
		}
		if (changes.some((change) => change.kind === "price")) await onPrices();
		queue.forgetRefusals();
		this.seenRevision = changes.at(-1)?.revision ?? this.knownRevision;
		this.beatAgain = true;
		queue.wake();
	}

	private async flushWhenAsked(): Promise<void> {
		if (this.flushRequest <= this.flushedRequest) return;
		const asked = this.flushRequest;
		await this.dependencies.writer.flush(2_000);
		this.flushedRequest = asked;
		this.beatAgain = true;
	}
}
