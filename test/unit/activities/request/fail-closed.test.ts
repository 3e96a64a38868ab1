import { afterEach, describe, expect, it, vi } from "vitest";
import type { Authority, GrantReply, HeartbeatReply } from "#activities/authority/port.ts";
import type { JournalRecord, OutcomeRecord } from "#activities/ledger/record.ts";
import type { Admission, AdmissionInput, Attempt, RequestAuthority } from "#activities/request/port.ts";
import { createRequestAuthority } from "#activities/request/request-authority.ts";
import { InvariantViolation } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { TEST_LINE, testBound, testCall } from "#test/support/request-authority.ts";

/** Every branch of the request layer that closes instead of spending, one by one, on an authority the test plays. */
const SECRET = "tg-test";
const KEY = { keyId: "key_test", teamId: "team", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [] };

const opened: RequestAuthority[] = [];

afterEach(async () => {
	for (const authority of opened.splice(0)) await authority.drain(0);
});

type World = { leaseGranted: bigint; isFenced: boolean; isAway: boolean; isJournalBroken: boolean; isUnlimited: boolean; line: PriceLine };

async function openAuthority(changes: Partial<World> = {}) {
	const world: World = { leaseGranted: 100n, isFenced: false, isAway: false, isJournalBroken: false, isUnlimited: false, line: TEST_LINE, ...changes };
	const records: JournalRecord[] = [];
	const alerts: string[] = [];
	let onNews: ((channel: "tollgate_claim") => void) | undefined;
	const answer = <Reply>(reply: () => Reply): Promise<Reply> =>
		world.isAway ? Promise.reject(new CostControlError("authority.unreachable", "away")) : Promise.resolve(reply());
	const budgets = world.isUnlimited
		? []
		: [{ budgetId: "1", teamId: "team", dimension: "team" as const, dimensionValue: "", unit: "nano_usd" as const, windowKind: "day" as const }];
	const team = { teamId: "team", isUnlimited: world.isUnlimited, isDeleted: false, policy: { admissionWaitMs: 0 }, budgets, revision: 0n };
	const item = () => ({
		...{ budgetId: "1", windowId: "11", seq: "1", limit: 1_000n, stop: 1_000n, granted: world.leaseGranted, isFrozen: false, isOverrun: false },
		...{ leaseGranted: world.leaseGranted, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ posted: 0n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null },
	});
	const fake = {
		grant: () =>
			answer((): GrantReply | { isFenced: true } => (world.isFenced ? { isFenced: true } : { served: [true], items: [item()], revision: 0n, claims: [] })),
		heartbeat: () =>
			answer((): HeartbeatReply | { isFenced: true } =>
				world.isFenced ? { isFenced: true } : { revision: 0n, isReturned: true, flushRequest: 0n, claims: [] },
			),
		resolveKey: async () => ({ resolution: { kind: "known", key: KEY }, expiresInMs: null, maxAsserted: 0, team }),
		listen: async (callback: (channel: "tollgate_claim") => void) => {
			onNews = callback;
		},
		announceClaim: async () => undefined,
		close: async () => undefined,
	} as Partial<Authority> as Authority;
	const append = (record: JournalRecord): void => {
		if (world.isJournalBroken) throw new CostControlError("journal.unwritable", "the disk is full");
		records.push(record);
	};
	const authority = await createRequestAuthority({
		gatewayId: "g1",
		epoch: 1n,
		revision: 0n,
		authority: fake,
		journal: { append, close: () => undefined, whenDurable: () => undefined },
		createWriter: () => ({
			enqueueAttempt: () => undefined,
			enqueueRefusal: () => undefined,
			flush: async () => undefined,
			pendingRows: 0,
			close: async () => undefined,
		}),
		loadPriceBook: async () => ({ book: makePriceBook(1, [world.line]), msUntilNextPrice: undefined }),
		onDrained: async () => undefined,
		onFenced: () => alerts.push("fenced"),
		onAlert: (alert) => alerts.push(alert),
		onError: () => undefined,
	});
	opened.push(authority);
	await authority.resolveKey(SECRET);
	const call = (nanoUsd: bigint): Admission | Promise<Admission> =>
		authority.admit({ ...testCall(KEY, testBound(nanoUsd)), line: world.line } satisfies AdmissionInput);
	return { authority, world, records, alerts, call, beat: () => onNews?.("tollgate_claim") };
}

async function admitted(admission: Admission | Promise<Admission>): Promise<Attempt> {
	const decided = await admission;
	return decided.kind === "admitted" ? decided.attempt : expect.fail(decided.refusal.message);
}

const settleWith = (attempt: Attempt, usage: Partial<Usage>) =>
	attempt.settle({
		reported: { kind: "usable", usage: { ...NO_USAGE, ...usage }, model: undefined, serviceTier: undefined },
		providerRequestId: null,
		httpStatus: 200,
		durationMs: 1,
	});

describe("reserving", () => {
	it("a reservation the journal cannot take is not sent, and its money is free again", async () => {
		const { authority, call, world } = await openAuthority();
		(await admitted(call(10n))).release("test"); // brings the lease of 100
		world.isJournalBroken = true;
		expect(() => call(100n)).toThrow("the disk is full");
		world.isJournalBroken = false;
		const grants = authority.counters.grants;
		await admitted(call(100n));
		expect(authority.counters.grants).toBe(grants);
	});

	it("a team without limit spends nothing while the authority is not known to be there", async () => {
		const away = await openAuthority({ isUnlimited: true, isAway: true });
		expect(await away.call(1n)).toMatchObject({ kind: "refused", refusal: { code: "authority.unreachable" } });
		const there = await openAuthority({ isUnlimited: true });
		await admitted(there.call(1n));
	});

	it("a fenced epoch spends nothing more, whatever money its lease holds", async () => {
		const { alerts, beat, call, world } = await openAuthority();
		(await admitted(call(10n))).release("test");
		world.isFenced = true;
		beat();
		await vi.waitFor(() => expect(alerts).toContain("fenced"));
		expect(await call(1n)).toMatchObject({ kind: "refused", refusal: { code: "authority.unreachable" } });
	});

	it("an authority that lost commits is not spent from: the lease it forgot is closed at once", async () => {
		const { alerts, call, world } = await openAuthority();
		(await admitted(call(10n))).release("test");
		world.leaseGranted = 40n; // a failover that knows less than this gateway was granted
		const short = call(500n);
		await vi.waitFor(() => expect(alerts).toContain("authority lost commits"));
		world.isAway = true;
		expect(await call(1n)).toMatchObject({ kind: "refused", refusal: { code: "authority.unreachable" } });
		expect(await short).toMatchObject({ kind: "refused" });
	});
});

describe("ending an attempt", () => {
	const outcomes = (records: readonly JournalRecord[]): OutcomeRecord[] => records.filter((record) => record.type === "outcome");

	it("happens once: a second ending is a broken invariant, not a second entry", async () => {
		const { call, records } = await openAuthority();
		const attempt = await admitted(call(10n));
		await admitted(call(10n)); // its money must not pay for the second ending
		settleWith(attempt, { inputTokens: 5 });
		expect(() => settleWith(attempt, { inputTokens: 5 })).toThrow(InvariantViolation);
		expect(() => attempt.release("again")).toThrow(InvariantViolation);
		expect(outcomes(records)).toHaveLength(1);
	});

	it("usage with a hosted tool that has no price is charged at the reservation, not at the part that has one", async () => {
		const { call, records } = await openAuthority();
		expect(settleWith(await admitted(call(50n)), { inputTokens: 5, toolCalls: { unpriced_tool: 1 } })).toEqual({ outcome: "unresolved", costNanoUsd: 50n });
		expect(outcomes(records)).toMatchObject([{ outcome: "unresolved", costNanoUsd: "50" }]);
	});

	it("a cost above the largest possible one is unusable usage", async () => {
		const prices = Object.fromEntries(
			Object.keys(TEST_LINE.tiers.standard[0]?.prices ?? {}).map((name) => [name, 1_000_000_000_000n]),
		) as PriceLine["tiers"]["standard"][0]["prices"];
		const { call } = await openAuthority({ line: { ...TEST_LINE, tiers: { standard: [{ aboveInputTokens: 0, prices }] } } });
		expect(settleWith(await admitted(call(50n)), { outputTokens: 2_000_000_000 })).toEqual({ outcome: "unresolved", costNanoUsd: 50n });
	});
});
