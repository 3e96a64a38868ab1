import { assert } from "#domain/assert.ts";
import type { PriceReach } from "#domain/bound/request.ts";
import type { Amounts, LeaseBook, Reservation } from "#domain/budget/lease-book.ts";
import { MAX_ATTEMPT_NANO_USD, type NanoUsd } from "#domain/money/nano-usd.ts";
import { priceAnswer } from "#domain/pricing/price-answer.ts";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import type { Usage } from "#domain/usage/usage.ts";
import type { Journal, LedgerWriter, OutcomeRecord, ReservationRecord } from "../ledger/record.ts";
import { NOTHING } from "./amounts.ts";
import { countTokens } from "./counters.ts";
import type { Attempt, AuthorityCounters, Booked, EstimateInput, SettleInput } from "./port.ts";

/**
 * A journaled reservation and its one ending. Every ending is journaled before it returns, or with others of the same turn of
 * the event loop, so before the last byte of the answer leaves; the ledger row follows in a chunk. An ending the journal cannot take is not lost: the
 * reservation stands in the journal, and replay charges it (unknown = spent).
 */
export type AttemptDependencies = {
	readonly book: LeaseBook;
	readonly journal: Journal;
	readonly writer: LedgerWriter;
	readonly counters: AuthorityCounters;
	readonly onMoneyFreed: (reservation: Reservation) => void;
	readonly onAlert: (alert: string, detail: Readonly<Record<string, string | number>>) => void;
	readonly onEnd: () => void;
	/** The caller's team receives an answer it may continue later. */
	readonly onKeptAnswer: (teamId: string, kept: Pick<SettleInput, "answerId" | "itemIds">) => void;
};

export type AttemptState = {
	readonly record: ReservationRecord;
	readonly reservation: Reservation;
	readonly line: PriceLine;
	readonly reach: PriceReach;
	/** The book version frozen at the reservation. */
	readonly priceBook: PriceBook;
	readonly budgetLeftNanoUsd: NanoUsd | undefined;
};

/** What is booked, and what the answer said where it was read. */
type Ending = Pick<OutcomeRecord, "outcome" | "reason"> & {
	readonly usage: Usage | null;
	readonly answeredModel: string | null;
	readonly serviceTier: string | null;
};
type Detail = Omit<SettleInput, "reported" | "durationMs"> & { readonly durationMs: number | null };
const NOT_SENT: Detail = { providerRequestId: null, httpStatus: null, durationMs: null };

export class OpenAttempt implements Attempt {
	private readonly state: AttemptState;
	private readonly dependencies: AttemptDependencies;
	private isOpen = true;
	private booked: Amounts | undefined;

	constructor(state: AttemptState, dependencies: AttemptDependencies) {
		this.state = state;
		this.dependencies = dependencies;
	}

	get attemptId(): string {
		return this.state.record.attemptId;
	}

	get reservedNanoUsd(): NanoUsd {
		return this.state.reservation.amounts.nanoUsd;
	}

	get clampedOutputTokens(): number | undefined {
		return this.state.record.clampedOutputTokens ?? undefined;
	}

	get budgetLeftNanoUsd(): NanoUsd | undefined {
		return this.state.budgetLeftNanoUsd;
	}

	get tokensBooked(): number | undefined {
		return this.booked === undefined ? undefined : Number(this.booked.tokens);
	}

	settle(input: SettleInput): Booked {
		const { reported } = input;
		if (reported.kind === "unusable") return this.charge(`usage ${reported.reason}`, input);
		const { line, priceBook, reach, record } = this.state;
		const answer = priceAnswer(reported, { line, reach, deployment: record.deployment }, priceBook);
		if (answer.isIncomplete) return this.charge(answer.alert ?? "usage without a price", input);
		if (answer.costNanoUsd > MAX_ATTEMPT_NANO_USD) return this.charge("usage above the largest possible cost", input);
		if (answer.alert) this.dependencies.onAlert(answer.alert, { ...this.named, model: reported.model ?? "" });
		this.dependencies.counters.settled++;
		const ending: Ending = {
			outcome: "settled",
			reason: answer.alert ?? null,
			usage: reported.usage,
			answeredModel: reported.model ?? answer.line.model,
			serviceTier: reported.serviceTier ?? null,
		};
		return this.end(this.costOf(answer.costNanoUsd, reported.usage), ending, input);
	}

	release(reason: string): void {
		this.close();
		const { book, counters } = this.dependencies;
		book.release(this.state.reservation);
		counters.released++;
		this.journal(this.outcome(NOTHING, unread("released", reason), NOT_SENT));
		this.booked = NOTHING;
	}

	charge(reason: string, detail: Detail): Booked {
		this.dependencies.counters.unresolved++;
		return this.end(this.state.reservation.amounts, unread("unresolved", reason), detail);
	}

	/** Priced at the dearest tier reserved for, since a cut answer names none; never above the reservation. */
	estimate(input: EstimateInput): Booked {
		const { usage, reason } = input;
		const { reservation, line, reach } = this.state;
		const { costNanoUsd, unpricedTools } = priceUsage(usage, line, undefined, { reachableTiers: reach.tiers, tokenPermille: reach.tokenPermille });
		if (unpricedTools.length > 0 || costNanoUsd > reservation.amounts.nanoUsd) return this.charge(reason, input);
		return this.end(atMost(reservation.amounts, this.costOf(costNanoUsd, usage)), { ...unread("estimated", reason), usage }, input);
	}

	/** A step stays a step, whatever it cost. */
	private costOf(nanoUsd: NanoUsd, { inputTokens, outputTokens }: Usage): Amounts {
		const { steps } = this.state.reservation.amounts;
		return { nanoUsd, tokens: BigInt(inputTokens + outputTokens), outputTokens: steps === 0n ? 0n : BigInt(outputTokens), steps };
	}

	private end(cost: Amounts, ending: Ending, detail: Detail): Booked {
		this.close();
		const { book, counters, writer } = this.dependencies;
		if (ending.usage !== null) countTokens(counters, ending.usage);
		const overruns = book.settle(this.state.reservation, cost);
		const outcome = this.outcome(cost, ending, detail, overruns);
		if (overruns.size > 0) this.alertOverrun(outcome);
		if (detail.answerId !== undefined) this.dependencies.onKeptAnswer(this.state.record.teamId, detail);
		try {
			this.journal(outcome);
			this.booked = cost;
		} finally {
			writer.enqueueAttempt({ reservation: this.state.record, outcome });
		}
		return { outcome: ending.outcome as Booked["outcome"], costNanoUsd: cost.nanoUsd };
	}

	/** For who is told of it. */
	private get named(): Readonly<Record<string, string>> {
		const { requestId, teamId, keyId } = this.state.record;
		return { requestId, team: teamId, keyId, attemptId: this.attemptId };
	}

	private close(): void {
		assert(this.isOpen, `attempt ${this.attemptId} ends once`);
		this.isOpen = false;
	}

	private journal(outcome: OutcomeRecord): void {
		const { counters, journal, onEnd, onMoneyFreed } = this.dependencies;
		try {
			journal.append(outcome);
		} finally {
			counters.openReservations--;
			onEnd();
			onMoneyFreed(this.state.reservation);
		}
	}

	/** Written out field by field: every call makes one, and objects spread into another are copied by name. */
	private outcome(cost: Amounts, ending: Ending, detail: Detail, overruns?: ReadonlyMap<string, bigint>): OutcomeRecord {
		const { n, priceVersion, runIds } = this.state.record;
		return {
			type: "outcome",
			n,
			outcome: ending.outcome,
			reason: ending.reason,
			costNanoUsd: cost.nanoUsd.toString(),
			costTokens: Number(cost.tokens),
			overrunNanoUsd: this.overrunNanoUsd(overruns).toString(),
			windowOverruns: overruns && overruns.size > 0 ? amountsOf(overruns) : undefined,
			priceVersion,
			usage: ending.usage,
			answeredModel: ending.answeredModel,
			serviceTier: ending.serviceTier,
			providerRequestId: detail.providerRequestId,
			httpStatus: detail.httpStatus,
			durationMs: detail.durationMs,
			answerId: detail.answerId,
			itemIds: detail.itemIds,
			costOutputTokens: runIds === undefined ? undefined : Number(cost.outputTokens),
			toolCalls: detail.toolCalls,
			outputBytes: detail.outputBytes,
			taskKind: detail.taskKind,
		};
	}

	/** The largest overrun in money over the windows of this attempt. */
	private overrunNanoUsd(overruns: ReadonlyMap<string, bigint> | undefined): bigint {
		let largest = 0n;
		for (const lease of this.state.reservation.leases) {
			const overrun = lease.unit === "nano_usd" ? (overruns?.get(lease.windowId) ?? 0n) : 0n;
			if (overrun > largest) largest = overrun;
		}
		return largest;
	}

	/** Cost that no idle money covered; its windows are stopped by the lease book. */
	private alertOverrun(outcome: OutcomeRecord): void {
		const { counters, onAlert } = this.dependencies;
		counters.overruns++;
		onAlert("overrun", { ...this.named, overrunNanoUsd: outcome.overrunNanoUsd });
	}
}

function unread(outcome: OutcomeRecord["outcome"], reason: string): Ending {
	return { outcome, reason, usage: null, answeredModel: null, serviceTier: null };
}

function amountsOf(overruns: ReadonlyMap<string, bigint>): Readonly<Record<string, string>> {
	return Object.fromEntries([...overruns].map(([windowId, amount]) => [windowId, amount.toString()]));
}

/** A cost in money that is within the reservation, never above it in any other unit. */
function atMost(reserved: Amounts, cost: Amounts): Amounts {
	const tokens = least(cost.tokens, reserved.tokens);
	if (cost.steps === 0n) return { ...cost, tokens };
	// What is more input than was reserved is output: so neither passes what was reserved.
	const overInput = tokens - (reserved.tokens - reserved.outputTokens);
	const outputTokens = least(cost.outputTokens, reserved.outputTokens);
	return { ...cost, tokens, outputTokens: outputTokens > overInput ? outputTokens : overInput };
}

function least(left: bigint, right: bigint): bigint {
	return left < right ? left : right;
}
