import { RateKeeper } from "#activities/limits/rate-keeper.ts";
import { emptyCounters } from "#activities/request/counters.ts";
import { JournalTurn } from "#activities/request/journal-turn.ts";
import type {
	Admission,
	AdmissionInput,
	Attempt,
	Booked,
	KeyIdentity,
	LimitRefusal,
	Refusal,
	RequestAuthority,
	SettleInput,
	TeamPolicy,
} from "#activities/request/port.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { createMemoryRates } from "./memory-rates.ts";

/** What became of one attempt, in the order the pipeline said so. */
export type FakeAttempt = {
	readonly attemptId: string;
	readonly input: AdmissionInput;
	readonly reservedNanoUsd: NanoUsd;
	readonly clampedOutputTokens: number | undefined;
	outcome: "open" | "settled" | "released" | "unresolved" | "estimated";
	reason: string | undefined;
	costNanoUsd: NanoUsd;
	settledWith: SettleInput | undefined;
	httpStatus: number | null;
};

export type FakeAuthority = RequestAuthority & {
	readonly attempts: FakeAttempt[];
	/** Money that may still be reserved; undefined = unlimited. */
	moneyNanoUsd: NanoUsd | undefined;
	refusal: Partial<Refusal>;
	policy: TeamPolicy;
	keys: Map<string, KeyIdentity>;
	assertionsLeft: number;
	/** Kept answers and their items by id, with the team that received each. */
	answers: Map<string, string>;
	/** Thrown by every ending, as an unwritable journal would. */
	endingError: Error | undefined;
	endingsTried: number;
	/** Set to hold admissions until it resolves. */
	gate: Promise<void> | undefined;
	isReady: boolean;
	/** Told by the pipeline, in order. */
	readonly limitRefusals: LimitRefusal[];
	/** One gateway's rates; give it another to play several. */
	rates: RateKeeper;
};

export const TEST_KEY = "tg_test_0123456789";

export function keyIdentity(changes: Partial<KeyIdentity> = {}): KeyIdentity {
	return { keyId: "key1", teamId: "demo", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [], ...changes };
}

/** An in-memory authority with one pot of money; every ending is recorded and a second ending throws. */
export function createFakeAuthority(book: PriceBook): FakeAuthority {
	const counters = emptyCounters();
	const authority: FakeAuthority = {
		attempts: [],
		moneyNanoUsd: undefined,
		refusal: {},
		policy: { ...DEFAULT_TEAM_POLICY },
		keys: new Map([[TEST_KEY, keyIdentity()]]),
		assertionsLeft: 2,
		answers: new Map(),
		endingError: undefined,
		endingsTried: 0,
		gate: undefined,
		isReady: true,
		limitRefusals: [],
		recordLimitRefusal: (refusal) => void authority.limitRefusals.push(refusal),
		rates: new RateKeeper({
			rates: createMemoryRates().of("g1"),
			nowMs: () => performance.now(),
			onFenced: () => undefined,
			onError: () => undefined,
			counters,
		}),
		counters,
		resolveKey(secret) {
			const key = authority.keys.get(secret);
			return key === undefined ? { kind: "refused", code: "key.invalid", message: "This key is not known." } : { kind: "known", key };
		},
		teamPolicy: () => authority.policy,
		mayAssertValue: () => {
			authority.assertionsLeft -= 1;
			return authority.assertionsLeft >= 0;
		},
		findUnknownAnswer: (teamId, ids) => ids.find((id) => authority.answers.get(id) !== teamId),
		findUnknownItem: (teamId, ids) => ids.find((id) => authority.answers.get(id) !== teamId),
		priceBook: () => book,
		countBudgets: () => 1,
		admit(input) {
			const { gate } = authority;
			return gate === undefined ? admit(authority, input) : gate.then(() => admit(authority, input));
		},
		journalTurn: new JournalTurn({ together: (work) => work() }),
		readiness: () => ({ isReady: authority.isReady, reasons: authority.isReady ? [] : ["the authority is not reachable"] }),
		drain: () => authority.rates.close(),
	};
	return authority;
}

function admit(authority: FakeAuthority, input: AdmissionInput): Admission {
	const money = authority.moneyNanoUsd;
	const clamp = money === undefined || input.bound.nanoUsd <= money ? undefined : input.bound.clampTo({ nanoUsd: money, tokens: undefined });
	if (money !== undefined && input.bound.nanoUsd > money && clamp === undefined) {
		authority.counters.refused += 1;
		return { kind: "refused", refusal: toRefusal(authority, money) };
	}
	const reservedNanoUsd = clamp === undefined ? input.bound.nanoUsd : input.bound.at(clamp).nanoUsd;
	const clampedOutputTokens = clamp ?? input.cappedOutputTokens;
	if (money !== undefined) authority.moneyNanoUsd = money - reservedNanoUsd;
	authority.counters.admitted += 1;
	authority.counters.openReservations += 1;
	return { kind: "admitted", attempt: openAttempt(authority, { input, reservedNanoUsd, clampedOutputTokens }) };
}

function toRefusal(authority: FakeAuthority, leftAmount: NanoUsd): Refusal {
	return {
		code: "budget.exceeded",
		message: "The budget of team demo, day is spent.",
		budget: "team demo, day",
		unit: "nano_usd",
		limitAmount: 250_000_000n,
		leftAmount,
		resetsAt: "2026-11-24T00:00:00.000Z",
		heldAmount: null,
		heldUntil: null,
		howToAsk: "Ask an administrator for more.",
		retryAfterSeconds: null,
		...authority.refusal,
	};
}

let attemptCount = 0;

/** Unique over all fakes of a process, so that one provider log can serve several tests. */
function nextAttemptId(): string {
	attemptCount += 1;
	return `test-1-${attemptCount}`;
}

type Opening = { readonly input: AdmissionInput; readonly reservedNanoUsd: NanoUsd; readonly clampedOutputTokens: number | undefined };

function openAttempt(authority: FakeAuthority, opening: Opening): Attempt {
	const record: FakeAttempt = {
		...opening,
		attemptId: nextAttemptId(),
		outcome: "open",
		reason: undefined,
		costNanoUsd: 0n,
		settledWith: undefined,
		httpStatus: null,
	};
	authority.attempts.push(record);
	let tokensBooked: number | undefined;
	const end = (outcome: "settled" | "released" | "unresolved" | "estimated", costNanoUsd: NanoUsd, tokens: number): Booked => {
		authority.endingsTried += 1;
		if (authority.endingError !== undefined) throw authority.endingError;
		if (record.outcome !== "open") throw new Error(`${record.attemptId} ended twice: ${record.outcome}, then ${outcome}`);
		record.outcome = outcome;
		record.costNanoUsd = costNanoUsd;
		if (outcome !== "estimated") authority.counters[outcome] += 1;
		authority.counters.openReservations -= 1;
		tokensBooked = tokens;
		if (authority.moneyNanoUsd !== undefined) authority.moneyNanoUsd += record.reservedNanoUsd - costNanoUsd;
		return { outcome: outcome === "released" ? "unresolved" : outcome, costNanoUsd };
	};
	return {
		attemptId: record.attemptId,
		reservedNanoUsd: record.reservedNanoUsd,
		clampedOutputTokens: record.clampedOutputTokens,
		budgetLeftNanoUsd: authority.moneyNanoUsd,
		get tokensBooked() {
			return tokensBooked;
		},
		settle(input) {
			record.settledWith = input;
			for (const id of [input.answerId ?? [], input.itemIds ?? []].flat()) authority.answers.set(id, opening.input.key.teamId);
			record.httpStatus = input.httpStatus;
			if (input.reported.kind === "unusable") return end("unresolved", record.reservedNanoUsd, opening.input.bound.tokens);
			const { usage } = input.reported;
			return end("settled", priceUsage(usage, opening.input.line, "standard").costNanoUsd, usage.inputTokens + usage.outputTokens);
		},
		release(reason) {
			record.reason = reason;
			end("released", 0n, 0);
		},
		estimate(input) {
			record.reason = input.reason;
			const cost = priceUsage(input.usage, opening.input.line, "standard").costNanoUsd;
			const tokens = input.usage.inputTokens + input.usage.outputTokens;
			return end("estimated", cost < record.reservedNanoUsd ? cost : record.reservedNanoUsd, tokens);
		},
		charge(reason, detail) {
			record.reason = reason;
			record.httpStatus = detail.httpStatus;
			return end("unresolved", record.reservedNanoUsd, opening.input.bound.tokens);
		},
	};
}
