import type { RunPolicy } from "#domain/agents/run-policy.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import type { AheadReply, Authority, Claim, GrantReply } from "../authority/port.ts";
import type { LedgerWriter } from "../ledger/record.ts";
import type { RateAuthority } from "../limits/port.ts";
import { RateKeeper } from "../limits/rate-keeper.ts";
import type { CurrentPriceBook } from "../pricebooks/port.ts";
import { AdmissionQueue, type Units } from "./admission-queue.ts";
import type { OpaqueUserId } from "./claimed-users.ts";
import { emptyCounters } from "./counters.ts";
import { CurrentPrices } from "./current-prices.ts";
import { Directory } from "./directory.ts";
import { DrainSignal } from "./drain-signal.ts";
import { JournalTurn } from "./journal-turn.ts";
import { LEASE_TTL_MS, LeaseKeeper } from "./lease-keeper.ts";
import { callDimensions } from "./ledger-records.ts";
import { LimitRefusals } from "./limit-refusals.ts";
import type { Admission, AdmissionInput, KeyIdentity, KeyResolution, LimitRefusal, RequestAuthority } from "./port.ts";
import { ReceivedIds } from "./received-ids.ts";
import { type DurableJournal, Reserving } from "./reserving.ts";
import { RunLeases } from "./run-leases.ts";
import type { CallRuns } from "./run-step.ts";

/** The request layer of one gateway epoch, put together. Composed by gateway/main.ts; tests pass their own parts. */
export type RequestAuthorityDependencies = {
	readonly gatewayId: string;
	readonly epoch: bigint;
	/** Newest change revision when the epoch was registered. */
	readonly revision: bigint;
	readonly authority: Authority;
	readonly rateAuthority: RateAuthority;
	readonly journal: DurableJournal;
	/** Stands in the books for what a caller says of his user. */
	readonly opaqueUserId: OpaqueUserId;
	/** Called once; `onNews` takes what rides on each flush's reply. */
	readonly createWriter: (onNews: (news: { readonly revision: bigint; readonly claims: readonly Claim[] }) => void) => LedgerWriter;
	/** Called once, before the writer is made: the agent runs of this gateway, over its leases. Default: none, and then no call may name one. */
	readonly createRuns?: (leases: RunLeases, policyOf: (teamId: string) => RunPolicy) => Pick<CallRuns, "follow" | "turnAway" | "rest">;
	readonly loadPriceBook: () => Promise<CurrentPriceBook>;
	/** Takes up what of the policy belongs to no team (model aliases): before the first call, and when a policy was applied. Default: nothing. */
	readonly loadPolicy?: () => Promise<void>;
	/** After the last flush of a drain: `isClean` when nothing is open or unflushed and the epoch can be closed. */
	readonly onDrained: (isClean: boolean) => Promise<void>;
	/** This epoch may not spend any more: a later one exists. The process should end. */
	readonly onFenced: () => void;
	readonly onAlert: (alert: string, detail: Readonly<Record<string, string | number>>) => void;
	readonly onError: (error: unknown) => void;
	readonly crashPoint?: (name: string) => void;
};

export async function createRequestAuthority(dependencies: RequestAuthorityDependencies): Promise<RequestAuthority> {
	const authority = new GatewayAuthority(dependencies);
	await authority.start();
	return authority;
}

class GatewayAuthority implements RequestAuthority {
	readonly counters = emptyCounters();
	readonly journalTurn: JournalTurn;
	readonly rates: RateKeeper;
	private readonly dependencies: RequestAuthorityDependencies;
	private readonly book = new LeaseBook();
	private readonly drained = new DrainSignal();
	private readonly directory: Directory;
	private readonly prices: CurrentPrices;
	private readonly queue: AdmissionQueue;
	private readonly writer: LedgerWriter;
	private readonly keeper: LeaseKeeper;
	private readonly reserving: Reserving;
	private readonly limitRefusals: LimitRefusals;
	private readonly answers: ReceivedIds;
	private readonly items: ReceivedIds;
	private isFenced = false;
	private isDrained = false;

	constructor(dependencies: RequestAuthorityDependencies) {
		const { authority, onError, revision } = dependencies;
		const { book, counters } = this;
		this.dependencies = dependencies;
		this.journalTurn = new JournalTurn(dependencies.journal);
		this.directory = new Directory(authority, nowMs);
		this.prices = new CurrentPrices(dependencies.loadPriceBook, onError);
		const onFenced = (): void => this.fence();
		this.rates = new RateKeeper({ rates: dependencies.rateAuthority, nowMs, onFenced, onError, counters });
		this.queue = new AdmissionQueue({
			authority,
			book,
			nowMs,
			onReply: (reply, units, askedAtMs) => this.take(reply, units, askedAtMs),
			onAhead: (reply, units, askedAtMs) => this.takeAhead(reply, units, askedAtMs),
			isAway: () => this.keeper.isAway(nowMs()),
			isHearing: () => this.keeper.isHearing(nowMs()),
			hearingSinceMs: () => this.keeper.hearingSinceMs,
			onFenced,
			onError,
			counters,
		});
		const runLeases = new RunLeases({
			book,
			onLostCommits: (windowId) => void this.alertLostCommits(windowId),
			onRevision: (known) => this.keeper.hear(known),
		});
		const runs = dependencies.createRuns?.(runLeases, (teamId) => this.directory.runPolicy(teamId));
		this.writer = dependencies.createWriter((news) => this.keeper.takeNews(news));
		const { directory, queue, writer } = this;
		const followed = { onPrices: () => this.prices.load(), onPolicy: () => this.loadPolicy(), ...(runs && { runs }) };
		this.keeper = new LeaseKeeper({ authority, book, queue, directory, writer, nowMs, onFenced, onError, ...followed, counters }, revision);
		this.answers = new ReceivedIds({ lookUp: (teamId, ids) => authority.answersOf({ teamId, ids }), counters, nowMs });
		this.items = new ReceivedIds({ lookUp: (teamId, ids) => authority.itemsOf({ teamId, ids }), counters, nowMs });
		const recording = {
			...dependencies,
			writer,
			nowMs,
			wallClockMs: () => Date.now(),
		};
		this.limitRefusals = new LimitRefusals(recording);
		this.reserving = new Reserving({
			...recording,
			journalTurn: this.journalTurn,
			book,
			queue,
			directory,
			counters,
			isAway: () => this.keeper.isAway(nowMs()),
			onAttemptEnd: () => this.drained.check(counters.openReservations),
			onKeptAnswer: (teamId, { answerId, itemIds = [] }) => {
				if (answerId !== undefined) this.answers.remember(teamId, answerId);
				for (const itemId of itemIds) this.items.remember(teamId, itemId);
			},
			crashPoint: dependencies.crashPoint ?? (() => undefined),
		});
	}

	async start(): Promise<void> {
		await Promise.all([this.prices.load(), this.loadPolicy()]);
		await this.keeper.start();
	}

	resolveKey(secret: string, connection?: object): KeyResolution | Promise<KeyResolution> {
		const resolution = this.directory.resolveKey(secret, connection);
		if (resolution instanceof Promise) this.counters.sqlRoundTripsBeforeSend++;
		return resolution;
	}

	teamPolicy(teamId: string): ReturnType<Directory["policy"]> {
		return this.directory.policy(teamId);
	}

	mayAssertValue(key: KeyIdentity, dimension: "user" | "feature", value: string): boolean | Promise<boolean> {
		const isAdmitted = this.directory.mayAssertValue(key, dimension, value);
		if (isAdmitted instanceof Promise) this.counters.sqlRoundTripsBeforeSend++;
		return isAdmitted;
	}

	findUnknownAnswer(teamId: string, answerIds: readonly string[]): string | undefined | Promise<string | undefined> {
		return this.answers.findUnknown(teamId, answerIds);
	}

	findUnknownItem(teamId: string, itemIds: readonly string[]): string | undefined | Promise<string | undefined> {
		return this.items.findUnknown(teamId, itemIds);
	}

	priceBook(): CurrentPrices["book"] {
		return this.prices.book;
	}

	countBudgets(call: Parameters<RequestAuthority["countBudgets"]>[0]): number {
		return this.directory.match(callDimensions(call)).budgets.length;
	}

	admit(input: AdmissionInput): Admission | Promise<Admission> {
		return this.reserving.admit(input);
	}

	recordLimitRefusal(refusal: LimitRefusal): void {
		this.limitRefusals.record(refusal);
	}

	readiness(): { readonly isReady: boolean; readonly reasons: readonly string[] } {
		const canSpend = this.book.isLive(nowMs()) || this.book.hasAllowance(nowMs());
		const reasons = [this.isFenced && "fenced by a later epoch", !canSpend && "no live lease: PostgreSQL does not answer"].filter((reason) => reason !== false);
		return { isReady: reasons.length === 0, reasons };
	}

	async drain(deadlineMs: number): Promise<void> {
		const endsAtMs = nowMs() + deadlineMs;
		await this.drained.wait(() => this.counters.openReservations, deadlineMs);
		const isFlushed = await this.flushLast(Math.max(500, endsAtMs - nowMs()));
		const isClean = isFlushed && this.counters.openReservations === 0;
		if (isClean) await this.keeper.returnAll().catch(this.dependencies.onError);
		await this.rates.close();
		this.keeper.stop();
		this.prices.stop();
		this.isDrained = true;
		await this.dependencies.onDrained(isClean);
		await this.dependencies.authority.close();
	}

	/** What is not flushed stays in the journal; the next start adopts it. */
	private async flushLast(deadlineMs: number): Promise<boolean> {
		try {
			await this.writer.close(deadlineMs);
		} catch (error) {
			this.dependencies.onError(error);
		}
		return this.writer.pendingRows === 0;
	}

	private async loadPolicy(): Promise<void> {
		await this.dependencies.loadPolicy?.();
	}

	private fence(): void {
		if (this.isFenced || this.isDrained) return; // a heartbeat under way while the epoch is closed is told so
		this.isFenced = true;
		this.book.close();
		this.dependencies.onAlert("gateway.fenced", { gatewayId: this.dependencies.gatewayId, epoch: Number(this.dependencies.epoch) });
		this.dependencies.onFenced();
	}

	/** Adopts the rows of a grant; false when one shows less than this gateway was granted (money-path §3). */
	private take(reply: GrantReply, units: Units, askedAtMs: number): boolean {
		for (const item of reply.items) {
			// An end counts from before asking: never later than PostgreSQL's.
			const endsAtMs = item.endsInMs === null ? Number.POSITIVE_INFINITY : askedAtMs + item.endsInMs;
			if (!this.book.adopt(units.get(item.budgetId) ?? "nano_usd", item, endsAtMs)) return this.alertLostCommits(item.windowId);
		}
		this.book.renew(askedAtMs, LEASE_TTL_MS);
		this.keeper.takeNews(reply);
		return true;
	}

	/** A start counts from after the answer: never earlier than PostgreSQL's. */
	private takeAhead(reply: AheadReply, units: Units, askedAtMs: number): void {
		const answeredAtMs = nowMs();
		for (const item of reply.items) {
			const times = {
				startsAtMs: answeredAtMs + item.startsInMs,
				endsAtMs: item.endsInMs === null ? Number.POSITIVE_INFINITY : askedAtMs + item.endsInMs,
			};
			if (!this.book.adoptAhead(units.get(item.budgetId) ?? "nano_usd", item, times)) this.alertLostCommits(item.windowId);
		}
	}

	private alertLostCommits(windowId: string): false {
		this.dependencies.onAlert("authority lost commits", { windowId });
		this.keeper.wake();
		return false;
	}
}

function nowMs(): number {
	return performance.now();
}
