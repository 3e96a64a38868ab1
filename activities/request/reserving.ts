import type { Bound } from "#domain/bound/request.ts";
import type { BeyondLine } from "#domain/budget/degrade.ts";
import type { Amounts, LeaseBook, MatchedBudget, Reservation } from "#domain/budget/lease-book.ts";
import { MAX_MATCHED_BUDGETS } from "#domain/budget/match.ts";
import { formatBudgetName, howToAsk } from "#domain/budget/refusal-text.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import { formatUsd } from "#domain/money/wire.ts";
import type { Journal, LedgerWriter, RefusalRecord, ReservationRecord } from "../ledger/record.ts";
import type { AdmissionQueue } from "./admission-queue.ts";
import { amountsOf, leastAmounts } from "./amounts.ts";
import { type AttemptDependencies, OpenAttempt } from "./attempt.ts";
import type { OpaqueUserId } from "./claimed-users.ts";
import type { Directory } from "./directory.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { JournalTurn } from "./journal-turn.ts";
import { callDimensions, refusalRecord, reservationRecord } from "./ledger-records.ts";
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
	private nextAttempt = 1;
	private nextRefusal = 1;

	/** One function for all calls, nearly none of which needs it. */
	private readonly refusalIdentity = (): RefusalIdentity => {
		const { epoch, gatewayId, wallClockMs } = this.dependencies;
		return { refusalId: `${gatewayId}-${epoch}-f-${this.nextRefusal++}`, refusedAtMs: wallClockMs() };
	};

	constructor(dependencies: ReservingDependencies) {
		this.dependencies = dependencies;
		const { onAttemptEnd, ...shared } = dependencies;
		this.ofAttempts = { ...shared, onMoneyFreed: (reservation) => this.onMoneyFreed(reservation), onEnd: onAttemptEnd };
	}

	admit(input: AdmissionInput): Admission | Promise<Admission> {
		const { directory, queue } = this.dependencies;
		const matched = directory.match(callDimensions(input));
		if (!matched.isAdmissible) return this.refuseWithoutBudget(input);
		const budgets = matched.hasLines ? withLines(matched.budgets, input) : matched.budgets;
		const reservation = this.reserveInMemory(budgets, amountsOf(input.bound));
		if (reservation) {
			this.refillWhenLow(input.key.teamId, budgets, reservation);
			return this.open(input, reservation, undefined);
		}
		const beyond = matched.hasLines ? this.dependencies.book.beyondLine(budgets, amountsOf(input.bound), this.dependencies.nowMs()) : undefined;
		if (beyond) return this.degrade(input, beyond);
		const remembered = budgets.length === 0 ? undefined : queue.remembered(budgets, leastAmounts(input.bound));
		if (remembered && !input.refineBound) return { kind: "refused", refusal: this.refuse(input, remembered, 0) };
		if (budgets.length === 0) return { kind: "refused", refusal: unreachable() };
		return this.wait(input, budgets, remembered);
	}

	/** The call passes a line that degrades it: it is asked for again as that line serves it, in money held already where that is enough. */
	private degrade(input: AdmissionInput, beyond: BeyondLine): Admission {
		const { counters, directory } = this.dependencies;
		counters.degraded++;
		return asDegraded(directory.match(callDimensions(input)).budgets, beyond, input);
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
		const remembered = this.dependencies.queue.remembered(budgets, leastAmounts(input.bound));
		if (remembered) return { kind: "refused", shortage: remembered, waitedMs };
		return input.leaving.hasLeft ? { kind: "left" } : this.ask(input, waitedMs);
	}

	private async ask(input: AdmissionInput, waitedMs: number): Promise<Verdict> {
		const { counters, queue } = this.dependencies;
		const { teamId, keyId } = input.key;
		const before = counters.grants;
		const current = () => this.standingOf(input, waitedMs);
		const verdict = await queue.admit({ teamId, keyId, bound: input.bound, current, leaving: input.leaving });
		counters.sqlRoundTripsBeforeSend += counters.grants - before;
		return verdict.kind === "refused" ? { ...verdict, waitedMs: verdict.waitedMs + waitedMs } : verdict;
	}

	private standingOf(input: AdmissionInput, waitedMs: number): Standing | undefined {
		const { directory } = this.dependencies;
		const { teamId } = input.key;
		const { budgets: matched, hasLines, isAdmissible } = directory.match(callDimensions(input));
		const budgets = hasLines ? withLines(matched, input) : matched;
		const waitMs = Math.max(0, directory.policy(teamId).admissionWaitMs - waitedMs);
		return isAdmissible ? { budgets, allowance: this.allowanceOf(teamId), waitMs } : undefined;
	}

	private allowanceOf(teamId: string): Amounts {
		const { outageAllowanceNanoUsd, outageAllowanceTokens } = this.dependencies.directory.policy(teamId);
		return { nanoUsd: BigInt(outageAllowanceNanoUsd), tokens: BigInt(outageAllowanceTokens) };
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
		const rule = directory.team(input.key.teamId)?.record.budgets.find((budget) => budget.budgetId === shortage.item.budgetId);
		const budget = rule ? formatBudgetName(rule) : `budget ${shortage.item.budgetId}`;
		const bound = shortage.item.stop < shortage.item.limit ? shortage.item.stop : shortage.item.limit;
		const left = bound - shortage.item.granted + shortage.idle;
		return {
			code: shortage.code,
			message: refusalMessage(shortage, { budget, left: left > 0n ? left : 0n, howToAsk: howToAsk(input.key.teamId, rule, shortage.code) }),
			budget,
			unit: shortage.unit,
			limitAmount: shortage.item.limit,
			leftAmount: left > 0n ? left : 0n,
			resetsAt: shortage.item.endsAt,
			heldAmount: shortage.item.granted - shortage.item.posted - shortage.idle,
			heldUntil: shortage.item.heldUntil,
			howToAsk: howToAsk(input.key.teamId, rule, shortage.code),
			retryAfterSeconds: null,
		};
	}

	private refuseWithoutBudget(input: AdmissionInput): Admission {
		const { counters, directory, journal, writer } = this.dependencies;
		counters.refused++;
		const matched = directory.match(callDimensions(input)).budgets.length;
		const code = matched > MAX_MATCHED_BUDGETS ? "budget.too_many_windows" : "budget.none";
		const record = refusalRecord(input, { code }, { ...this.refusalIdentity(), waitedMs: 0 });
		journal.append(record);
		writer.enqueueRefusal(record);
		const { teamId } = input.key;
		const message =
			code === "budget.none"
				? `Team ${teamId} has no budget that covers this call, so it may not spend.`
				: `This call meets ${matched} budgets; a call may meet at most 32.`;
		return {
			kind: "refused",
			refusal: { ...unreachable(), code, message, howToAsk: howToAsk(teamId, undefined, code), retryAfterSeconds: null },
		};
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
	const { nanoUsd, tokens } = verdict.reservation.amounts;
	const cap = Math.max(verdict.clampedOutputTokens ?? 0, exact.clampTo({ nanoUsd, tokens: Number(tokens) }) ?? 0);
	return { ...verdict, clampedOutputTokens: cap < exact.outputTokens ? cap : undefined };
}

function unreachable(): Refusal {
	return {
		code: "authority.unreachable",
		message: "The budget authority cannot be reached, so nothing may be spent. Money already leased was used first; try again shortly.",
		budget: null,
		unit: null,
		limitAmount: null,
		leftAmount: null,
		resetsAt: null,
		heldAmount: null,
		heldUntil: null,
		howToAsk: "Try again; an operator sees the cause under /readyz.",
		retryAfterSeconds: 2,
	};
}

/** One message says it all: many clients show nothing but it. */
function refusalMessage({ code, item, need, unit }: Shortage, words: { budget: string; left: bigint; howToAsk: string }): string {
	const resets = item.endsAt === null ? "" : ` It resets at ${item.endsAt}.`;
	if (code === "budget.frozen") return `The budget "${words.budget}" is frozen: nothing may be spent until a person unfreezes it. ${words.howToAsk}`;
	if (code === "budget.overrun")
		return `The budget "${words.budget}" was overrun by a call that cost more than it reserved: nothing is granted until a person or the next window clears that.${resets} ${words.howToAsk}`;
	const amount = (value: bigint): string => (unit === "tokens" ? `${value} tokens` : `${formatUsd(value)} USD`);
	if (code === "budget.needs_approval")
		return `The budget "${words.budget}" needs the approval of a person to spend beyond ${amount(item.stop)} of ${amount(item.limit)}; this call can cost up to ${amount(need)}.${resets} ${words.howToAsk}`;
	return `The budget "${words.budget}" has ${amount(words.left)} left of ${amount(item.limit)}; this call can cost up to ${amount(need)}.${resets} ${words.howToAsk}`;
}

function leftNanoUsd(reservation: Reservation): NanoUsd | undefined {
	let left: bigint | undefined;
	for (const lease of reservation.leases)
		if (lease.unit === "nano_usd" && !lease.facts.isObserved && (left === undefined || lease.left < left)) left = lease.left;
	return left;
}
