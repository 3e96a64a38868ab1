import { expect } from "vitest";
import type { AheadReply, Authority, Fenced, GrantedItem, GrantReply, GrantRequest, HeartbeatReply } from "#activities/authority/port.ts";
import type { JournalRecord, RefusalRecord } from "#activities/ledger/record.ts";
import type { Leaving } from "#activities/request/leaving.ts";
import type { Admission, AdmissionInput, Attempt, RequestAuthority } from "#activities/request/port.ts";
import { createRequestAuthority } from "#activities/request/request-authority.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { createMemoryRates } from "./memory-rates.ts";
import { TEST_LINE, testBound, testCall } from "./request-authority.ts";

/** A gateway's request layer on an authority the test plays: one key, one team, one budget of 1,000, nothing held elsewhere. */
const SECRET = "tg-test";
const KEY = { keyId: "key_test", teamId: "team", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [] };

export type World = {
	leaseGranted: bigint;
	isFenced: boolean;
	isAway: boolean;
	isJournalBroken: boolean;
	/** When the journal is on the disk; undefined: nothing is to be waited for. */
	durable: Promise<void> | undefined;
	isUnlimited: boolean;
	/** Whether a grant says that it had the money for the call. */
	isServed: boolean;
	line: PriceLine;
	/** What the item of a grant says besides, in every budget and in some. */
	item: Partial<GrantedItem>;
	items: Readonly<Record<string, Partial<GrantedItem>>>;
	ahead: Partial<AheadReply["items"][number]>;
	/** Called when a grant, of now or ahead, is asked and not answered yet. */
	onAsked: () => void;
};

const opened: RequestAuthority[] = [];

export async function closePlayedAuthorities(): Promise<void> {
	for (const authority of opened.splice(0)) await authority.drain(0);
}

export async function openPlayedAuthority(changes: Partial<World> = {}) {
	const world: World = {
		...{ leaseGranted: 100n, isFenced: false, isAway: false, isJournalBroken: false, durable: undefined, isUnlimited: false, isServed: true },
		...{ line: TEST_LINE, item: {}, items: {}, ahead: {}, onAsked: () => undefined },
		...changes,
	};
	const records: JournalRecord[] = [];
	const refusals: RefusalRecord[] = [];
	const alerts: string[] = [];
	const { fake, beat } = playAuthority(world);
	const write = (given: readonly JournalRecord[]): void => {
		if (world.isJournalBroken) throw new CostControlError("journal.unwritable", "the disk is full");
		records.push(...given);
	};
	let gathered: JournalRecord[] | undefined;
	const append = (record: JournalRecord): void => {
		if (gathered === undefined) write([record]);
		else gathered.push(record);
	};
	const together = (work: () => void): void => {
		const given: JournalRecord[] = [];
		gathered = given;
		work();
		gathered = undefined;
		write(given);
	};
	const authority = await createRequestAuthority({
		gatewayId: "g1",
		epoch: 1n,
		revision: 0n,
		authority: fake,
		rateAuthority: createMemoryRates().of("g1"),
		opaqueUserId: (_teamId, text) => `opaque ${text}`,
		journal: { append, together, close: () => undefined, whenDurable: () => world.durable },
		createWriter: () => ({
			enqueueAttempt: () => undefined,
			enqueueRefusal: (record) => void refusals.push(record),
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
	const call = (nanoUsd: bigint, leaving?: Leaving, besides: Partial<AdmissionInput> = {}): Admission | Promise<Admission> =>
		authority.admit({ ...testCall(KEY, testBound(nanoUsd), leaving), line: world.line, ...besides } satisfies AdmissionInput);
	return { authority, world, records, refusals, alerts, call, beat };
}

function playAuthority(world: World) {
	let onNews: ((channel: "tollgate_claim") => void) | undefined;
	const answer = <Reply>(reply: () => Reply): Promise<Reply | Fenced> => {
		if (world.isAway) return Promise.reject(new CostControlError("authority.unreachable", "away"));
		return Promise.resolve(world.isFenced ? { isFenced: true } : reply());
	};
	const budgets = world.isUnlimited
		? []
		: [{ budgetId: "1", teamId: "team", dimension: "team" as const, dimensionValue: "", unit: "nano_usd" as const, windowKind: "day" as const }];
	const team = { teamId: "team", isUnlimited: world.isUnlimited, isDeleted: false, policy: { admissionWaitMs: 0 }, budgets, revision: 0n };
	const item = (budgetId: string): GrantedItem => ({
		...{
			budgetId,
			windowId: `${budgetId}1`,
			seq: "1",
			limit: 1_000n,
			stop: 1_000n,
			granted: world.leaseGranted,
			isFrozen: false,
			isOverrun: false,
			isObserved: false,
			needsApproval: false,
		},
		...{ leaseGranted: world.leaseGranted, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ posted: 0n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null },
		...world.item,
		...world.items[budgetId],
	});
	const fake = {
		grant: ({ items }: GrantRequest) => {
			world.onAsked();
			return answer((): GrantReply => ({ served: [world.isServed], items: items.map(({ budgetId }) => item(budgetId)), revision: 0n, claims: [] }));
		},
		grantAhead: () => {
			world.onAsked();
			return answer((): AheadReply => ({ items: [{ ...item("1"), startsInMs: 0, windowId: "12", ...world.ahead }] }));
		},
		heartbeat: () => answer((): HeartbeatReply => ({ revision: 0n, isReturned: true, flushRequest: 0n, claims: [] })),
		resolveKey: async () => ({ resolution: { kind: "known", key: KEY }, expiresInMs: null, maxAsserted: 0, team }),
		listen: async (callback: (channel: "tollgate_claim") => void) => {
			onNews = callback;
		},
		announceClaim: async () => undefined,
		close: async () => undefined,
	} as Partial<Authority> as Authority;
	return { fake, beat: () => onNews?.("tollgate_claim") };
}

export async function admitted(admission: Admission | Promise<Admission>): Promise<Attempt> {
	const decided = await admission;
	return decided.kind === "admitted" ? decided.attempt : expect.fail(decided.refusal.message);
}
