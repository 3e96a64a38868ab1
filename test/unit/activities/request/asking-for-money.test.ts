import { expect, it, vi } from "vitest";
import type { Authority, GrantedItem, GrantReply, GrantRequest } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Departure } from "#activities/request/leaving.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { heldElsewhereItem } from "#test/support/granted-item.ts";
import { testBound } from "#test/support/request-authority.ts";

/** How a queue asks an authority that answers when, and what, the test says. Nothing is ever granted. */
function openQueue() {
	const clock = { nowMs: 0 };
	const asked: (GrantRequest & Pick<PromiseWithResolvers<GrantReply>, "resolve" | "reject">)[] = [];
	const seen = { failures: 0, announcements: 0, isAway: true };
	const book = new LeaseBook();
	book.renew(0, Number.POSITIVE_INFINITY);
	const authority = {
		grant: (request: GrantRequest) => {
			const { promise, resolve, reject } = Promise.withResolvers<GrantReply>();
			asked.push({ ...request, resolve, reject });
			return promise;
		},
		announceClaim: async () => {
			seen.announcements++;
		},
	};
	const queue = new AdmissionQueue({
		authority: authority as Partial<Authority> as Authority,
		book,
		nowMs: () => clock.nowMs,
		onReply: () => true,
		onAhead: () => undefined,
		isAway: () => {
			seen.failures++; // asked once for each grant that failed
			return seen.isAway;
		},
		isHearing: () => true,
		hearingSinceMs: () => 0,
		onFenced: () => expect.fail("fenced"),
		onError: () => undefined,
		counters: { grants: 0 },
	});
	const admit = (teamId: string, waitMs = 0, need = 50n, leaving = new Departure()) =>
		queue.admit({
			teamId,
			keyId: "key_test",
			current: () => ({ budgets: [{ budgetId: "1", unit: "nano_usd" }], allowance: amounts(), waitMs }),
			bound: testBound(need),
			isStep: false,
			leaving,
		});
	return { clock, asked, seen, book, queue, admit };
}

const reply = (changes: Partial<GrantedItem>): GrantReply => ({ served: [false], items: [heldElsewhereItem(changes)], revision: 0n, claims: [] });

it("asks once at a time: calls that come meanwhile go together with the next grant", async () => {
	const { asked, admit } = openQueue();
	const first = admit("team");
	const others = [admit("other"), admit("other")];
	expect(asked).toHaveLength(1);
	asked[0]?.resolve(reply({}));
	await first;
	await vi.waitFor(() => expect(asked).toHaveLength(2));
	expect(asked[1]?.needs).toHaveLength(2);
	asked[1]?.resolve(reply({}));
	await Promise.all(others);
});

it("waits at least 2 s for an authority that does not answer, whatever the policy says", async () => {
	const { clock, asked, seen, admit } = openQueue();
	const verdict = admit("team");
	for (const [round, nowMs] of [1_999, 2_099].entries()) {
		asked[round]?.reject(new Error("away"));
		await vi.waitFor(() => expect(seen.failures).toBe(round + 1));
		clock.nowMs = nowMs;
		await vi.waitFor(() => expect(asked).toHaveLength(round + 2));
	}
	asked[2]?.reject(new Error("away"));
	expect(await verdict).toEqual({ kind: "unreachable", waitedMs: 2_099 });
});

it("takes a place lost in a long line for no outage while PostgreSQL is heard: such calls wait as long as for the answers of others", async () => {
	const { clock, asked, seen, admit } = openQueue();
	seen.isAway = false;
	const verdict = admit("team");
	for (const [round, nowMs] of [2_500, 2_999, 3_099].entries()) {
		asked[round]?.reject(new Error("lost its place"));
		await vi.waitFor(() => expect(seen.failures).toBe(round + 1));
		clock.nowMs = nowMs;
		await vi.waitFor(() => expect(asked).toHaveLength(round + 2));
	}
	asked[3]?.reject(new Error("lost its place"));
	expect(await verdict).toEqual({ kind: "unreachable", waitedMs: 3_099 });
});

it.each([
	["wakes gateways that have not answered a claim", 4n, 1],
	["wakes nobody where all have answered", 5n, 0],
	["wakes nobody where no other gateway holds money", null, 0],
])("%s", async (_, leastAnswered, announcements) => {
	const { asked, seen, admit } = openQueue();
	const verdict = admit("team", 60_000);
	asked[0]?.resolve(reply({ leastAnswered }));
	await vi.waitFor(() => expect(asked[0]).toBeDefined());
	await new Promise((resolve) => setImmediate(resolve));
	expect(seen.announcements).toBe(announcements);
	void verdict;
});

it("lets so many calls wait, and refuses those beyond as an overload", async () => {
	const { asked, admit } = openQueue();
	const waiting = Array.from({ length: 10_000 }, () => admit("team"));
	expect(() => admit("team")).toThrow(expect.objectContaining({ code: "gateway.overloaded" }));
	expect([asked.length, waiting.length]).toEqual([1, 10_000]);
});

/** Of its 20 granted all are idle. */
const LEASED = heldElsewhereItem({ granted: 80n, leaseGranted: 20n });

it("says what it holds in the present window, with lookahead for eight such calls", () => {
	const { asked, book, admit } = openQueue();
	book.adopt("nano_usd", LEASED, 1_000);
	void admit("team");
	expect(asked[0]?.items).toEqual([{ budgetId: "1", windowId: "11", leaseGranted: 20n, idle: 20n, lookahead: 400n }]);
});

it("asks for no lookahead while another gateway claims the window", () => {
	const { asked, book, admit } = openQueue();
	book.adopt("nano_usd", LEASED, 1_000);
	Object.assign(book.leaseOf("1", 0) ?? expect.fail("a lease"), { noLookaheadUntilMs: 1 });
	void admit("team");
	expect(asked[0]?.items).toMatchObject([{ lookahead: 0n }]);
});

it("counts nothing of a window that ended as money for the next one", () => {
	const { clock, asked, book, admit } = openQueue();
	book.adopt("nano_usd", LEASED, 1_000);
	clock.nowMs = 1_000;
	void admit("team");
	expect(asked[0]?.items).toMatchObject([{ windowId: undefined, leaseGranted: 0n, idle: 0n }]);
});

it("asks for what is kept for an outage in the team's budget, and for none in the ceilings of its runs", () => {
	const { asked, queue } = openQueue();
	const budgets = [
		{ budgetId: "1", unit: "nano_usd" },
		{ budgetId: "2", unit: "nano_usd", dimension: "run" },
		{ budgetId: "3", unit: "steps", dimension: "run" },
	] as const;
	const need = amounts({ nanoUsd: 50n, steps: 1n });
	queue.refill({ teamId: "team", budgets, need, allowance: amounts({ nanoUsd: 1_000n }) });
	expect(asked).toMatchObject([{ items: [{ lookahead: 1_400n }, { lookahead: 400n }, { lookahead: 8n }] }]);
});

it("claims nothing, and drops nobody's claim, for money that no call waits for", () => {
	const { asked, queue } = openQueue();
	queue.refill({ teamId: "team", budgets: [{ budgetId: "1", unit: "nano_usd" }], need: amounts({ nanoUsd: 50n }), allowance: amounts() });
	expect(asked).toMatchObject([{ needs: [[0n]], wantsClaim: false, isFinal: false, isNewAsk: false, dropsClaims: false, items: [{ lookahead: 400n }] }]);
});

it("spends nothing of what is kept for an outage on a caller who left meanwhile", async () => {
	const { asked, seen, book, admit } = openQueue();
	book.adopt("nano_usd", LEASED, 1_000);
	const lease = book.leaseOf("1", 0) ?? expect.fail("a lease");
	lease.keepAllowance(20n, 0n);
	const caller = new Departure();
	const verdicts = [admit("team", 0, 10n, caller), admit("team", 0, 10n)];
	expect(asked).toHaveLength(1);
	caller.leave();
	asked[0]?.reject(new Error("away"));
	await vi.waitFor(() => expect(asked).toHaveLength(2));
	expect([await verdicts[0], lease.idle]).toEqual([{ kind: "left" }, 20n]);
	asked[1]?.reject(new Error("away"));
	expect(await verdicts[1]).toMatchObject({ kind: "reserved" });
	expect([seen.failures, lease.idle]).toEqual([2, 10n]);
});
