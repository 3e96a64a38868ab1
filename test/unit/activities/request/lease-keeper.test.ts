import { afterEach, expect, it, vi } from "vitest";
import type { Authority, Change, GrantReply, HeartbeatReply, HeartbeatRequest } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Directory } from "#activities/request/directory.ts";
import { HEARTBEAT_MS, LeaseKeeper } from "#activities/request/lease-keeper.ts";
import { Departure } from "#activities/request/leaving.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";
import { amounts } from "#test/support/amounts.ts";
import { testBound } from "#test/support/request-authority.ts";

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
	isObserved: false,
	needsApproval: false,
	leaseGranted,
	leaseReturned: 0n,
	leasePosted: 0n,
	leaseOverrun: 0n,
	endsAt: null,
});

let keeper: LeaseKeeper | undefined;

afterEach(() => {
	keeper?.stop();
	vi.useRealTimers();
	vi.restoreAllMocks();
});

/** A gateway with 40 idle, whose grant is answered when the test says so and whose heartbeat tells of one claim, unless `news` says otherwise. */
function openGateway(news: (beat: number) => Partial<HeartbeatReply> = () => ({}), changes: readonly Change[] = []) {
	const beats: HeartbeatRequest[] = [];
	const counters = { recallsAnswered: 0 };
	/** Claims answered so far, at each heartbeat. */
	const recalls: number[] = [];
	const asked = { grants: 0 };
	let answerGrant: ((reply: GrantReply) => void) | undefined;
	const authority = {
		grant: () =>
			new Promise<GrantReply>((resolve) => {
				answerGrant = resolve;
			}),
		heartbeat: async (request: HeartbeatRequest): Promise<HeartbeatReply> => {
			beats.push(request);
			recalls.push(counters.recallsAnswered);
			return { revision: 0n, isReturned: true, flushRequest: 0n, claims: [{ id: 7n, windowIds: ["11"] }], ...news(beats.length) };
		},
		changesSince: async () => changes,
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
		hearingSinceMs: () => 0,
		onFenced: () => fail("fenced"),
		onError: fail,
		counters: asked,
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
			onPolicy: async () => undefined,
			counters,
		},
		0n,
	);
	return { asked, beats, book, counters, queue, recalls, keeper, answerGrant: (reply: GrantReply) => answerGrant?.(reply) };
}

const item = (changes: Partial<GrantReply["items"][number]>) => ({
	...facts(0n),
	...{ endsInMs: null, posted: 0n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null },
	...changes,
});

const admit = (queue: AdmissionQueue, isAdmissible: () => boolean) =>
	queue.admit({
		teamId: "team",
		keyId: "key_test",
		current: () => (isAdmissible() ? { budgets: TEAM, allowance: amounts(), waitMs: 60_000 } : undefined),
		bound: testBound(50n),
		isStep: false,
		leaving: new Departure(),
	});

it("answers a claim only after a grant that was already asked: its idle money belongs to the answer", async () => {
	const { beats, book, queue, answerGrant, keeper: running } = openGateway();
	queue.refill({ teamId: "team", budgets: TEAM, need: amounts({ nanoUsd: 10n }), allowance: amounts() });
	void running.start();
	await vi.waitFor(() => expect(beats.length).toBeGreaterThan(0));
	await new Promise((resolve) => setImmediate(resolve));
	expect(beats.every((beat) => beat.answeredClaim === 0n)).toBe(true);

	answerGrant({ served: [true], items: [item(facts(90n))], revision: 0n, claims: [] });
	await vi.waitFor(() => expect(beats.at(-1)?.answeredClaim).toBe(7n));
	expect(beats.find((beat) => beat.answeredClaim === 7n)?.returns).toEqual([{ windowId: "11", returnTo: 90n }]);
	expect(book.leaseOf("1", 0)?.idle).toBe(0n);
});

it("answers a claim as soon as a grant that stood in a long line has ended, though the next one is asked at once", async () => {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
	const { asked, beats, queue, answerGrant, keeper: running } = openGateway();
	void admit(queue, () => true);
	void admit(queue, () => true);
	void running.start();
	await vi.advanceTimersByTimeAsync(2 * HEARTBEAT_MS); // the next would go after more than another
	expect(beats.map((beat) => beat.answeredClaim)).toEqual([0n, 0n]);

	answerGrant({ served: [false], items: [item({ ...facts(40n), granted: 100n, heldElsewhere: 60n })], revision: 0n, claims: [{ id: 7n, windowIds: ["11"] }] });
	await vi.advanceTimersByTimeAsync(10);
	expect(beats.at(-1)?.answeredClaim).toBe(7n);
	expect(asked.grants).toBe(2);
	expect(beats.at(-1)?.returns).toEqual([{ windowId: "11", returnTo: 40n }]);
});

it("beats no more often while a grant stands in a long line", async () => {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
	const { beats, queue, keeper: running } = openGateway();
	void admit(queue, () => true);
	void running.start();
	await vi.advanceTimersByTimeAsync(10 * HEARTBEAT_MS);
	expect(beats.length).toBeGreaterThan(4);
	expect(beats.length).toBeLessThanOrEqual(10);
});

it("asks for no lookahead in a window that another gateway claims", async () => {
	const { beats, book, keeper: running } = openGateway();
	void running.start();
	await vi.waitFor(() => expect(beats.at(-1)?.answeredClaim).toBe(7n));
	expect(book.leaseOf("1", 0)?.noLookaheadUntilMs).toBeGreaterThan(performance.now());
});

it("takes nothing for returned or answered that a heartbeat could not return: the next one says it again", async () => {
	const { beats, counters, keeper: running, recalls } = openGateway((beat) => ({ isReturned: beat > 3 }));
	void running.start();
	await vi.waitFor(() => expect(counters.recallsAnswered).toBe(1));
	const returns = [{ windowId: "11", returnTo: 40n }];
	expect(beats.slice(0, 4)).toMatchObject([{ returns: [] }, { returns, answeredClaim: 7n }, { returns, answeredClaim: 7n }, { returns, answeredClaim: 7n }]);
	expect(recalls.slice(0, 4)).toEqual([0, 0, 0, 0]);
});

const CHANGE: Change = { revision: 3n, kind: "policy", subject: "installed", teamId: null };

it("wakes the calls that wait when a change is in force: what holds now holds for them", async () => {
	let isAdmissible = true;
	const { queue, keeper: running } = openGateway(() => ({ revision: 3n, claims: [] }), [CHANGE]);
	const waiting = admit(queue, () => isAdmissible); // its grant is not answered
	isAdmissible = false;
	void running.start();
	expect(await waiting).toEqual({ kind: "inadmissible" });
});

it("forgets refusals when a change is in force: a limit may have been raised", async () => {
	let revision = 0n;
	const { answerGrant, beats, queue, keeper: running } = openGateway(() => ({ revision, claims: [] }), [CHANGE]);
	vi.spyOn(performance, "now").mockReturnValue(1_000); // within the second for which a refusal is remembered
	const refused = admit(queue, () => true);
	answerGrant({ served: [false], items: [item({ posted: 90n, granted: 100n, leaseGranted: 40n })], revision: 0n, claims: [] });
	expect((await refused).kind).toBe("refused");
	const need = amounts({ nanoUsd: 50n });
	expect(queue.remembered(TEAM, need)).toBeDefined();
	revision = 3n;
	void running.start();
	await vi.waitFor(() => expect(beats.at(-1)?.seenRevision).toBe(3n));
	expect(queue.remembered(TEAM, need)).toBeUndefined();
});
