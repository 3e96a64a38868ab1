import { afterEach, expect, it, vi } from "vitest";
import type { Authority, Change, GrantReply, HeartbeatReply, HeartbeatRequest } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Directory } from "#activities/request/directory.ts";
import { LeaseKeeper } from "#activities/request/lease-keeper.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import { heldElsewhereItem } from "#test/support/granted-item.ts";

/** What the heartbeat does for agent runs, and that thousands of their windows do not hold it up. */

let keeper: LeaseKeeper | undefined;
afterEach(() => keeper?.stop());

const NOTHING = { nanoUsd: 0n, tokens: 0n, outputTokens: 0n, steps: 0n };
const TEAM = [{ budgetId: "1", unit: "nano_usd" as const }];

type Played = { readonly news?: () => Partial<HeartbeatReply>; readonly changes?: readonly Change[]; readonly windows?: number };

/** A gateway with 40 idle in each of some windows of as many budgets; grants are answered when the test says so. */
function openGateway({ news = () => ({}), changes = [], windows = 0 }: Played = {}) {
	const beats: HeartbeatRequest[] = [];
	const told: string[] = [];
	let answerGrant: ((reply: GrantReply) => void) | undefined;
	const authority = {
		grant: () => new Promise<GrantReply>((resolve) => (answerGrant = resolve)),
		heartbeat: async (request: HeartbeatRequest): Promise<HeartbeatReply> => {
			beats.push(request);
			return { revision: 0n, isReturned: true, flushRequest: 0n, claims: [], ...news() };
		},
		changesSince: async () => changes,
		listen: async () => undefined,
		announceClaim: async () => undefined,
	} as Partial<Authority> as Authority;
	const book = new LeaseBook();
	const nowMs = () => performance.now();
	book.renew(0, Number.POSITIVE_INFINITY);
	for (let at = 1; at <= windows; at += 1)
		book.adopt("nano_usd", heldElsewhereItem({ budgetId: String(at), windowId: String(at), leaseGranted: 40n }), Number.POSITIVE_INFINITY);
	const fail = (error: unknown): never => expect.fail(String(error));
	const queue = new AdmissionQueue({
		...{ authority, book, nowMs, onReply: () => true, onAhead: () => undefined, isAway: () => false, isHearing: () => true, hearingSinceMs: () => 0 },
		...{ onFenced: () => fail("fenced"), onError: fail, counters: { grants: 0 } },
	});
	const writer = { enqueueAttempt: fail, enqueueRefusal: fail, flush: async () => undefined, pendingRows: 0, close: async () => undefined };
	keeper = new LeaseKeeper(
		{
			...{ authority, book, queue, directory: new Directory(authority, nowMs), writer, nowMs, onFenced: () => fail("fenced"), onError: fail },
			...{ onPrices: async () => undefined, onPolicy: async () => undefined, counters: { recallsAnswered: 0 } },
			runs: {
				follow: (rootRunIds) => void told.push(...rootRunIds),
				turnAway: () => void told.push("turn away"),
				rest: () => void told.push("rest"),
			},
		},
		0n,
	);
	return { beats, book, told, queue, keeper, answerGrant: () => answerGrant?.({ served: [true], items: [], revision: 0n, claims: [] }) };
}

it("tells of the trees that changed, by the ids of their roots, once for each change", async () => {
	const change = { revision: 2n, kind: "run", subject: "root-a", teamId: "team" };
	const changes = [change, { ...change, revision: 3n, kind: "key", subject: "key_1" }, { ...change, revision: 4n, subject: "root-b" }];
	const { beats, told, keeper: running } = openGateway({ news: () => ({ revision: 4n }), changes });
	void running.start();
	await vi.waitFor(() => expect(beats.at(-1)?.seenRevision).toBe(4n));
	expect(told.filter((word) => word.startsWith("root"))).toEqual(["root-a", "root-b"]);
});

it("a change that somebody else was told of is followed at once", async () => {
	const { beats, told, keeper: running } = openGateway({ changes: [{ revision: 2n, kind: "run", subject: "root-a", teamId: "team" }] });
	await running.start();
	expect(told).not.toContain("root-a");
	running.hear(2n);
	await vi.waitFor(() => expect(told).toContain("root-a"));
	await vi.waitFor(() => expect(beats.at(-1)?.seenRevision).toBe(2n));
});

it("lets what is idle rest between two grants only, and turns away who waits for a held run in any case", async () => {
	const { beats, told, queue, answerGrant, keeper: running } = openGateway();
	queue.refill({ teamId: "team", budgets: TEAM, need: NOTHING, allowance: NOTHING });
	void running.start();
	await vi.waitFor(() => expect(beats.length).toBeGreaterThan(0));
	expect(told).toContain("turn away");
	expect(told).not.toContain("rest");
	answerGrant();
	await vi.waitFor(() => expect(told).toContain("rest"));
});

const CLAIM = { id: 7n, windowIds: ["1100", "1101"] };

it("gives back to 500 windows with a heartbeat, and to those of a claim with the answer to it", async () => {
	const { beats, book, keeper: running } = openGateway({ windows: 1_200, news: () => ({ claims: [CLAIM] }) });
	for (const lease of book.leases()) lease.markStale();
	void running.start();
	await vi.waitFor(() => expect(beats.flatMap(({ returns }) => returns).length).toBeGreaterThanOrEqual(1_200));
	const answering = beats.find(({ answeredClaim }) => answeredClaim === 7n);
	expect(answering?.returns).toEqual(expect.arrayContaining(CLAIM.windowIds.map((windowId) => ({ windowId, returnTo: 40n }))));
	for (const { returns } of beats) expect(returns.length).toBeLessThanOrEqual(500 + CLAIM.windowIds.length);
	expect(new Set(beats.flatMap(({ returns }) => returns.map(({ windowId }) => windowId))).size).toBe(1_200);
});

it("gives everything back before a drain ends", async () => {
	const { book, keeper: running } = openGateway({ windows: 1_200 });
	await running.returnAll();
	expect([...book.leases()].filter((lease) => lease.returnedConfirmed !== 40n)).toEqual([]);
});

it("does not try for ever where PostgreSQL takes nothing back", async () => {
	const { beats, keeper: running } = openGateway({ windows: 3, news: () => ({ isReturned: false }) });
	await running.returnAll();
	expect(beats).toHaveLength(2);
});
