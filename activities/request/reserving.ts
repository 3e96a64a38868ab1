import type { Bound } from "#domain/bound/request.ts";
import type { BeyondLine } from "#domain/budget/degrade.ts";
import type { Amounts, LeaseBook, MatchedBudget, Reservation } from "#domain/budget/lease-book.ts";
import { MAX_MATCHED_BUDGETS } from "#domain/budget/match.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { Journal, LedgerWriter, RefusalRecord, ReservationRecord } from "../ledger/record.ts";
import type { AdmissionQueue } from "./admission-queue.ts";
import { amountsOf, isRunStep, leastAmounts, NOTHING } from "./amounts.ts";
import { type AttemptDependencies, OpenAttempt } from "./attempt.ts";
import { budgetRefusal, uncoveredRefusal, unreachable } from "./budget-refusal.ts";
import type { OpaqueUserId } from "./claimed-users.ts";
import type { Directory } from "./directory.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { JournalTurn } from "./journal-turn.ts";
import { refusalRecord, reservationRecord } from "./ledger-records.ts";
import { MetBudgets } from "./met-budgets.ts";
import { observedRefusals, type RefusalIdentity } from "./observed-refusals.ts";
import type { Admission, AdmissionInput, Attempt, AuthorityCounters, Left, Refusal, SettleInput } from "./port.ts";
import { asDegraded, withLines } from "./served-model.ts";
import type { Standing, Verdict } from "./waiting-call.ts";

/**
 * Reserve → settle | release | charge for one gateway epoch. The hot path waits for nothing but the end of its turn of the event
 * loop: match, reserve in memory, journal, return. Everything that waits longer is in the admission queue; everything that renews is in the lease keeper.
 */
export type DurableJournal = Journal & {
	/** Resolves when what was appended is on the disk; undefined when there is nothing to wait for (fsync off). */
	whenDurable(): Promise<void> | undefined;
};

export type ReservingDependencies = {
	readonly gatewayId: string;
	readonly epoch: bigint;
	readonly book: LeaseBook;
	readonly queue: AdmissionQueue;
	readonly directory: Directory;
	readonly journal: DurableJournal;
	readonly journalTurn: Pick<JournalTurn, "add">;
	readonly writer: LedgerWriter;
	readonly opaqueUserId: OpaqueUserId;
	readonly counters: AuthorityCounters;
	readonly nowMs: () => number;
	/** The authority does not answer. */
	readonly isAway: () => boolean;
	readonly wallClockMs: () => number;
	readonly onAlert: (alert: string, detail: Readonly<Record<string, string | number>>) => void;
	readonly onAttemptEnd: () => void;
	readonly onKeptAnswer: (teamId: string, kept: Pick<SettleInput, "answerId" | "itemIds">) => void;
	/** Named points where a test may end the process; a no-op in production. */
	readonly crashPoint: (name: string) => void;
};

const UNLIMITED: Reservation["leases"] = [];

export class Reserving {
	private readonly dependencies: ReservingDependencies;
	/** One object for all attempts. */
	private readonly ofAttempts: AttemptDependencies;
	private readonly met: MetBudgets;
	private nextAttempt = 1;
	private nextRefusal = 1;

	/** One function for all calls, nearly none of which needs it. */
	private readonly refusalIdentity = (): RefusalIdentity => {
		const { epoch, gatewayId, wallClockMs } = this.dependencies;
		return { refusalId: `${gatewayId}-${epoch}-f-${this.nextRefusal++}`, refusedAtMs: wallClockMs() };
	};

	constructor(dependencies: ReservingDependencies) {
		this.dependencies = dependencies;
		this.met = new MetBudgets(dependencies.directory);
		const { onAttemptEnd, ...shared } = dependencies;
		this.ofAttempts = { ...shared, onMoneyFreed: (reservation) => this.onMoneyFreed(reservation), onEnd: onAttemptEnd };
	}

	admit(input: AdmissionInput): Admission | Promise<Admission> {
		const { queue } = this.dependencies;
		const met = this.met.of(input);
		if (!met.isAdmissible) return this.refuseWithoutBudget(input);
		const budgets = met.hasLines ? withLines(met.budgets, input) : met.budgets;
		const amounts = amountsOf(input.bound, isRunStep(input));
		const reservation = this.reserveInMemory(budgets, amounts);
		if (reservation) {
			this.refillWhenLow(input.key.teamId, budgets, reservation);
			return this.open(input, reservation, undefined);
		}
		const beyond = met.hasLines ? this.dependencies.book.beyondLine(budgets, amounts, this.dependencies.nowMs()) : undefined;
		if (beyond) return this.degrade(input, beyond);
		const remembered = budgets.length === 0 ? undefined : queue.remembered(budgets, leastAmounts(input.bound, isRunStep(input)));
		if (remembered && !input.refineBound) return { kind: "refused", refusal: this.refuse(input, remembered, 0) };
		if (budgets.length === 0) return { kind: "refused", refusal: unreachable() };
		return this.wait(input, budgets, remembered);
	}

	/** The call passes a line that degrades it: it is asked for again as that line serves it, in money held already where that is enough. */
	private degrade(input: AdmissionInput, beyond: BeyondLine): Admission {
		this.dependencies.counters.degraded++;
		return asDegraded(this.met.of(input).budgets, beyond, input);
	}

	private reserveInMemory(budgets: readonly MatchedBudget[], amounts: Amounts): Reservation | undefined {
		const { book, isAway, nowMs } = this.dependencies;
		if (budgets.length === 0) return this.reserveUnlimited(amounts);
		const reservation = book.tryReserve(budgets, amounts, nowMs());
		return !reservation && isAway() ? book.tryReserveWithAllowance(budgets, amounts, nowMs()) : reservation;
	}

	private async wait(input: AdmissionInput, budgets: readonly MatchedBudget[], remembered: Shortage | undefined): Promise<Admission> {
		const verdict: Verdict = remembered ? { kind: "refused", shortage: remembered, waitedMs: 0 } : await this.ask(input, 0);
		const exact = canExactBoundHelp(verdict) ? await input.refineBound?.(leftAfter(verdict)) : undefined;
		if (exact === undefined) return this.conclude(input, verdict);
		return this.conclude({ ...input, bound: exact }, await this.askAgain({ ...input, bound: exact }, budgets, verdict));
	}

	/** The same call under its exact bound: a lower clamp or none in the money it holds, else one more try in what is left of the wait. */
	private async askAgain(input: AdmissionInput, budgets: readonly MatchedBudget[], verdict: Verdict): Promise<Verdict> {
		if (verdict.kind === "reserved") return loosenClamp(input.bound, verdict);
		const waitedMs = verdict.kind === "refused" ? verdict.waitedMs : 0;
		const remembered = this.dependencies.queue.remembered(budgets, leastAmounts(input.bound, isRunStep(input)));
		if (remembered) return { kind: "refused", shortage: remembered, waitedMs };
		return input.leaving.hasLeft ? { kind: "left" } : this.ask(input, waitedMs);
	}

	private async ask(input: AdmissionInput, waitedMs: number): Promise<Verdict> {
		const { counters, queue } = this.dependencies;
		const { teamId, keyId } = input.key;
		const before = counters.grants;
		const current = () => this.standingOf(input, waitedMs);
		const verdict = await queue.admit({ teamId, keyId, bound: input.bound, isStep: isRunStep(input), current, leaving: input.leaving });
		counters.sqlRoundTripsBeforeSend += counters.grants - before;
		return verdict.kind === "refused" ? { ...verdict, waitedMs: verdict.waitedMs + waitedMs } : verdict;
	}

	private standingOf(input: AdmissionInput, waitedMs: number): Standing | undefined {
		const { directory } = this.dependencies;
		const { teamId } = input.key;
		const { budgets: met, hasLines, isAdmissible } = this.met.of(input);
		const budgets = hasLines ? withLines(met, input) : met;
		const waitMs = Math.max(0, directory.policy(teamId).admissionWaitMs - waitedMs);
		return isAdmissible ? { budgets, allowance: this.allowanceOf(teamId), waitMs } : undefined;
	}

	private allowanceOf(teamId: string): Amounts {
		const { outageAllowanceNanoUsd, outageAllowanceTokens } = this.dependencies.directory.policy(teamId);
		return { ...NOTHING, nanoUsd: BigInt(outageAllowanceNanoUsd), tokens: BigInt(outageAllowanceTokens) };
	}

	private conclude(input: AdmissionInput, verdict: Verdict): Admission | Promise<Admission> {
		switch (verdict.kind) {
			case "reserved":
				return this.open(input, verdict.reservation, verdict.clampedOutputTokens);
			case "refused":
				return { kind: "refused", refusal: this.refuse(input, verdict.shortage, verdict.waitedMs) };
			case "beyond_line":
				return this.degrade(input, verdict.beyond);
			case "unreachable":
				return { kind: "refused", refusal: unreachable() };
			case "inadmissible":
				return this.refuseWithoutBudget(input);
			case "revoked":
				return {
					kind: "refused",
					refusal: { ...unreachable(), code: "key.revoked", message: "This key was revoked while the call waited.", howToAsk: "", retryAfterSeconds: null },
				};
			case "left":
				return { kind: "refused", refusal: { ...unreachable(), code: "request.invalid", message: "the caller left before the call was admitted" } };
		}
	}

	/** A team declared unlimited is booked all the same, and only while the authority is known to be there. */
	private reserveUnlimited(amounts: Amounts): Reservation | undefined {
		return this.dependencies.book.isLive(this.dependencies.nowMs()) ? { leases: UNLIMITED, amounts, isOfAllowance: false } : undefined;
	}

	/** Journals the reservation with the others of the turn; from then on the call may be sent. */
	private open(input: AdmissionInput, reservation: Reservation, clampedOutputTokens: number | undefined): Promise<Admission> {
		const { crashPoint, gatewayId, epoch, journal, journalTurn, opaqueUserId, wallClockMs } = this.dependencies;
		const n = this.nextAttempt++;
		crashPoint("after-reserve");
		const attemptId = `${gatewayId}-${epoch}-${n}`;
		const identity = { n, attemptId, reservedAtMs: wallClockMs(), clampedOutputTokens: clampedOutputTokens ?? input.cappedOutputTokens };
		const record: ReservationRecord = reservationRecord(input, reservation, identity, opaqueUserId);
		const observed = observedRefusals(input, reservation, this.refusalIdentity);
		return new Promise((resolve, reject) => {
			let failure: { readonly error: unknown } | undefined;
			journalTurn.add({
				append() {
					try {
						journal.append(record);
						if (observed !== undefined) for (const refusal of observed) journal.append(refusal);
					} catch (error) {
						failure = { error };
					}
				},
				conclude: (problem) => {
					failure ??= problem;
					if (failure === undefined) {
						if (observed !== undefined) this.tellObserved(observed);
						resolve(this.admitted(input, reservation, record));
					} else {
						this.dependencies.book.release(reservation);
						reject(failure.error);
					}
				},
			});
		});
	}

	private tellObserved(observed: readonly RefusalRecord[]): void {
		this.dependencies.counters.observedRefusals += observed.length;
		for (const refusal of observed) this.dependencies.writer.enqueueRefusal(refusal);
	}

	private admitted(input: AdmissionInput, reservation: Reservation, record: ReservationRecord): Admission | Promise<Admission> {
		const { counters, crashPoint, journal } = this.dependencies;
		crashPoint("after-journal");
		counters.admitted++;
		if (reservation.isOfAllowance) counters.admittedOnAllowance++;
		counters.openReservations++;
		if (record.clampedOutputTokens !== null) counters.clamped++;
		const admission: Admission = { kind: "admitted", attempt: this.attemptOf(record, reservation, input) };
		return journal.whenDurable()?.then(() => admission) ?? admission;
	}

	private attemptOf(record: ReservationRecord, reservation: Reservation, { book, line, bound }: AdmissionInput): Attempt {
		return new OpenAttempt({ record, reservation, line, reach: bound.reach, priceBook: book, budgetLeftNanoUsd: leftNanoUsd(reservation) }, this.ofAttempts);
	}

	private onMoneyFreed(reservation: Reservation): void {
		const { queue } = this.dependencies;
		for (const lease of reservation.leases) queue.forgetRefusals(lease.windowId);
		if (queue.length > 0) queue.onMoneyFreed();
	}

	private refillWhenLow(teamId: string, budgets: readonly MatchedBudget[], reservation: Reservation): void {
		const nowMs = this.dependencies.nowMs();
		for (const lease of reservation.leases) {
			if (lease.isLow(nowMs)) {
				this.dependencies.queue.refill({ teamId, budgets, need: reservation.amounts, allowance: this.allowanceOf(teamId) });
				return;
			}
		}
	}

	private refuse(input: AdmissionInput, shortage: Shortage, waitedMs: number): Refusal {
		const { counters, directory, journal, writer } = this.dependencies;
		counters.refused++;
		const record = refusalRecord(input, shortage, { ...this.refusalIdentity(), waitedMs });
		journal.append(record);
		writer.enqueueRefusal(record);
		const { teamId } = input.key;
		const isRefusing = ({ budgetId }: BudgetRule): boolean => budgetId === shortage.item.budgetId;
		return budgetRefusal(shortage, teamId, directory.team(teamId)?.record.budgets.find(isRefusing) ?? input.run?.budgets.find(isRefusing));
	}

	private refuseWithoutBudget(input: AdmissionInput): Admission {
		const { counters, journal, writer } = this.dependencies;
		counters.refused++;
		const met = this.met.of(input).budgets.length;
		const code = met > MAX_MATCHED_BUDGETS ? "budget.too_many_windows" : "budget.none";
		const record = refusalRecord(input, { code }, { ...this.refusalIdentity(), waitedMs: 0 });
		journal.append(record);
		writer.enqueueRefusal(record);
		return { kind: "refused", refusal: uncoveredRefusal(input.key.teamId, { code, met }) };
	}
}

/** Only money that is short, or has cut the answer short. */
function canExactBoundHelp(verdict: Verdict): boolean {
	if (verdict.kind === "reserved") return verdict.clampedOutputTokens !== undefined;
	return verdict.kind === "refused" && verdict.shortage.code === "budget.exceeded";
}

/** What the short budget could have free at most, once every call in flight has given back all it holds. */
function leftAfter(verdict: Verdict): Left | undefined {
	if (verdict.kind !== "refused") return undefined;
	const { item, unit } = verdict.shortage;
	return { unit, amount: (item.stop < item.limit ? item.stop : item.limit) - item.posted };
}

/** What is held stays held: input that takes less of it leaves more for the answer. */
function loosenClamp(exact: Bound, verdict: Extract<Verdict, { kind: "reserved" }>): Verdict {
	const { amounts, leases } = verdict.reservation;
	const outputTokens = leases.some(({ unit }) => unit === "output_tokens") ? Number(amounts.outputTokens) : undefined;
	const affordable = exact.clampTo({ nanoUsd: amounts.nanoUsd, tokens: Number(amounts.tokens), outputTokens });
	const cap = Math.max(verdict.clampedOutputTokens ?? 0, affordable ?? 0);
	return { ...verdict, clampedOutputTokens: cap < exact.outputTokens ? cap : undefined };
}

function leftNanoUsd(reservation: Reservation): NanoUsd | undefined {
	let left: bigint | undefined;
	for (const lease of reservation.leases)
		if (lease.unit === "nano_usd" && !lease.facts.isObserved && (left === undefined || lease.left < left)) left = lease.left;
	return left;
}
