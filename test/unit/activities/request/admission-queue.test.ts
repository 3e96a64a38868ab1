import { expect, it, vi } from "vitest";
import type { Authority, GrantedItem, GrantReply } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Departure } from "#activities/request/leaving.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { heldElsewhereItem } from "#test/support/granted-item.ts";
import { testBound } from "#test/support/request-authority.ts";

/** A gateway without money, on an authority and a clock that the test plays: 60 of 100 are held by another gateway. */
function openQueue(changes: Partial<GrantedItem>, isHearing: () => boolean, isServed = false) {
	const clock = { nowMs: 0, hearingSinceMs: Number.NEGATIVE_INFINITY };
	let asked = 0;
	const item = heldElsewhereItem(changes);
	const grant = async (): Promise<GrantReply> => {
		asked++;
		await new Promise((resolve) => setImmediate(resolve)); // a round trip lets the rest go on
		return { served: [isServed], items: [item], revision: 0n, claims: [] };
	};
	const queue = new AdmissionQueue({
		authority: { grant, announceClaim: async () => undefined } as Partial<Authority> as Authority,
		book: new LeaseBook(),
		nowMs: () => clock.nowMs,
		onReply: () => true,
		onAhead: () => undefined,
		isAway: () => false,
		isHearing,
		hearingSinceMs: () => clock.hearingSinceMs,
		onFenced: () => expect.fail("fenced"),
		onError: (error) => expect.fail(String(error)),
		counters: { grants: 0 },
	});
	const verdict = queue.admit({
		teamId: "team",
		keyId: "key_test",
		current: () => ({ budgets: [{ budgetId: "1", unit: "nano_usd" }], allowance: amounts(), waitMs: 0 }),
		bound: testBound(50n),
		isStep: false,
		leaving: new Departure(),
	});
	const askedOnce = async (): Promise<void> => {
		const before = asked;
		await vi.waitFor(() => {
			clock.nowMs += 25;
			expect(asked).toBeGreaterThan(before);
		});
	};
	return { clock, item, verdict, askedOnce };
}

it("refuses when every reachable gateway has answered the claim", async () => {
	expect(await openQueue({}, () => true).verdict).toMatchObject({ kind: "refused", shortage: { code: "budget.exceeded" } });
});

it("never refuses while a reachable gateway has not answered the claim: in the end the authority counts as unreachable", async () => {
	const { clock, verdict, askedOnce } = openQueue({ leastAnswered: 4n }, () => true);
	await askedOnce();
	clock.nowMs = 2_500;
	await askedOnce();
	clock.nowMs = 3_000;
	expect(await verdict).toMatchObject({ kind: "unreachable" });
});

it("gives the others as long after a stall of PostgreSQL as they have without one, and where stalls have no end twice as long", async () => {
	const { clock, verdict, askedOnce } = openQueue({ leastAnswered: 4n }, () => true);
	await askedOnce();
	clock.hearingSinceMs = 1_500;
	clock.nowMs = 4_200;
	await askedOnce();
	clock.hearingSinceMs = 4_500;
	clock.nowMs = 5_500;
	await askedOnce();
	clock.nowMs = 6_000;
	expect(await Promise.race([verdict, askedOnce()])).toMatchObject({ kind: "unreachable" });
});

it("takes another gateway's silence for its own only when PostgreSQL was heard all the time", async () => {
	let isHearing = false;
	const { verdict, askedOnce } = openQueue({ heldUnreachable: 60n }, () => isHearing);
	await askedOnce();
	await askedOnce();
	isHearing = true;
	expect(await verdict).toMatchObject({ kind: "refused", shortage: { code: "budget.exceeded" } });
});

it("never refuses for want of money that the grant had and that was taken meanwhile: nobody was asked for more", async () => {
	const { clock, item, verdict, askedOnce } = openQueue({ claimId: 0n }, () => true, true);
	await askedOnce();
	await askedOnce();
	Object.assign(item, { granted: 0n });
	clock.nowMs = 2_900;
	await askedOnce();
	clock.nowMs = 3_000;
	expect(await verdict).toMatchObject({ kind: "unreachable" });
});
