import { afterEach, describe, expect, it, vi } from "vitest";
import type { JournalRecord, OutcomeRecord } from "#activities/ledger/record.ts";
import type { Attempt } from "#activities/request/port.ts";
import { InvariantViolation } from "#domain/assert.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { admitted, closePlayedAuthorities, openPlayedAuthority as openAuthority } from "#test/support/played-authority.ts";
import { TEST_LINE } from "#test/support/request-authority.ts";

/** Every branch of the request layer that closes instead of spending, one by one, on an authority the test plays. */
afterEach(closePlayedAuthorities);

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
		await expect(call(100n)).rejects.toThrow("the disk is full");
		world.isJournalBroken = false;
		const grants = authority.counters.grants;
		await admitted(call(100n));
		expect(authority.counters.grants).toBe(grants);
	});

	it("a reservation is not sent before the disk has it, where that is waited for, nor when the disk does not keep it", async () => {
		const { call, world } = await openAuthority();
		(await admitted(call(10n))).release("test");
		const disk = Promise.withResolvers<void>();
		disk.promise.catch(() => undefined); // the call hears of it
		world.durable = disk.promise;
		const lost = call(10n);
		disk.reject(new Error("the disk lost it"));
		await expect(lost).rejects.toThrow("the disk lost it");
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
