import { afterEach, expect, it, vi } from "vitest";
import type { Authority, GrantReply, HeartbeatReply, HeartbeatRequest } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Directory } from "#activities/request/directory.ts";
import { LeaseKeeper } from "#activities/request/lease-keeper.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";

const TEAM = [{ budgetId: "1", unit: "nano_usd" as const }];

const facts = (leaseGranted: bigint): LeaseFacts => ({
	budgetId: "1",
	windowId: "11",
	seq: "1",
	limit: 100n,
	stop: 100n,
	granted: leaseGranted,
	isFrozen: false,
	isOverrun: false,
	leaseGranted,
	leaseReturned: 0n,
	leasePosted: 0n,
	leaseOverrun: 0n,
	endsAt: null,
});

let keeper: LeaseKeeper | undefined;

afterEach(() => keeper?.stop());

/** A gateway with 40 idle, whose grant is answered when the test says so and whose heartbeat tells of one claim. */
function openGateway() {
	const beats: HeartbeatRequest[] = [];
	let answerGrant: ((reply: GrantReply) => void) | undefined;
	const authority = {
		grant: () =>
			new Promise<GrantReply>((resolve) => {
				answerGrant = resolve;
			}),
		heartbeat: async (request: HeartbeatRequest): Promise<HeartbeatReply> => {
			beats.push(request);
			return { revision: 0n, isReturned: true, flushRequest: 0n, claims: [{ id: 7n, windowIds: ["11"] }] };
		},
		listen: async () => undefined,
		announceClaim: async () => undefined,
	} as Partial<Authority> as Authority;
	const book = new LeaseBook();
	book.renew(0, Number.POSITIVE_INFINITY);
	book.adopt("nano_usd", facts(40n), Number.POSITIVE_INFINITY);
	const nowMs = () => performance.now();
	const onReply = (reply: GrantReply): boolean => reply.items.every((item) => book.adopt("nano_usd", item, Number.POSITIVE_INFINITY));
	const fail = (error: unknown): never => expect.fail(String(error));
	const queue = new AdmissionQueue({
		authority,
		book,
		nowMs,
		onReply,
		onAhead: () => undefined,
		isAway: () => false,
		isHearing: () => true,
		onFenced: () => fail("fenced"),
		onError: fail,
		counters: { grants: 0 },
	});
	const writer = { enqueueAttempt: fail, enqueueRefusal: fail, flush: async () => undefined, pendingRows: 0, close: async () => undefined };
	keeper = new LeaseKeeper(
		{
			authority,
			book,
			queue,
			directory: new Directory(authority, nowMs),
			writer,
			nowMs,
			onFenced: () => fail("fenced"),
			onError: fail,
			onPrices: async () => undefined,
			counters: { recallsAnswered: 0 },
		},
		0n,
	);
	return { beats, book, queue, keeper, answerGrant: (reply: GrantReply) => answerGrant?.(reply) };
}

it("answers a claim only after a grant that was already asked: its idle money belongs to the answer", async () => {
	const { beats, book, queue, answerGrant, keeper: running } = openGateway();
	queue.refill({ teamId: "team", budgets: TEAM, need: { nanoUsd: 10n, tokens: 0n }, allowance: { nanoUsd: 0n, tokens: 0n } });
	void running.start();
	await vi.waitFor(() => expect(beats.length).toBeGreaterThan(0));
	await new Promise((resolve) => setImmediate(resolve));
	expect(beats.every((beat) => beat.answeredClaim === 0n)).toBe(true);

	const item = { ...facts(90n), endsInMs: null, posted: 0n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null };
	answerGrant({ served: [true], items: [item], revision: 0n, claims: [] });
	await vi.waitFor(() => expect(beats.at(-1)?.answeredClaim).toBe(7n));
	expect(beats.find((beat) => beat.answeredClaim === 7n)?.returns).toEqual([{ windowId: "11", returnTo: 90n }]);
	expect(book.leaseOf("1", 0)?.idle).toBe(0n);
});

it("asks for no lookahead in a window that another gateway claims", async () => {
	const { beats, book, keeper: running } = openGateway();
	void running.start();
	await vi.waitFor(() => expect(beats.at(-1)?.answeredClaim).toBe(7n));
	expect(book.leaseOf("1", 0)?.noLookaheadUntilMs).toBeGreaterThan(performance.now());
});
