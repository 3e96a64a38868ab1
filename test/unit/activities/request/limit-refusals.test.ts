import { beforeEach, describe, expect, test } from "vitest";
import type { RefusalRecord } from "#activities/ledger/record.ts";
import { LimitRefusals, ROWS_PER_SECOND } from "#activities/request/limit-refusals.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

let nowMs: number;
let journaled: RefusalRecord[];
let enqueued: RefusalRecord[];
let isBroken: boolean;
let refusals: LimitRefusals;

beforeEach(() => {
	nowMs = 5_000;
	journaled = [];
	enqueued = [];
	isBroken = false;
	refusals = new LimitRefusals({
		gatewayId: "g1",
		epoch: 7n,
		journal: {
			append(record) {
				if (isBroken) throw new CostControlError("journal.unwritable", "the disk is full");
				if (record.type === "refusal") journaled.push(record);
			},
		},
		writer: { enqueueRefusal: (record) => void enqueued.push(record) },
		nowMs: () => nowMs,
		wallClockMs: () => 1_790_000_000_000,
	});
});

const REQUESTS = "requests; dimension=team; limit=60";

function refuse(count: number, { teamId = "search", limit = REQUESTS }: { teamId?: string; limit?: string } = {}): void {
	const evidence = { limit, limitAmount: 60n, stoodAt: 60n, need: 1n, waitedMs: 12, isRemembered: false };
	for (let index = 0; index < count; index++) refusals.record({ requestId: `req_${index}`, key: { keyId: "key_1", teamId }, code: "limit.requests", evidence });
}

describe("calls that limits refuse", () => {
	test("are journaled and queued for the books with the numbers they were refused by", () => {
		refuse(1);
		expect(journaled).toEqual([
			{
				type: "refusal",
				refusalId: "g1-7-l-1",
				requestId: "req_0",
				refusedAtMs: 1_790_000_000_000,
				teamId: "search",
				keyId: "key_1",
				code: "limit.requests",
				...{ budgetId: null, windowId: null, windowSeq: null, granted: null, idle: null, openReservations: null },
				limitAmount: "60",
				need: "1",
				waitedMs: 12,
				isRemembered: false,
				limitName: REQUESTS,
				stoodAt: "60",
			},
		]);
		expect(enqueued).toEqual(journaled);
	});

	test("of a batch have its request that is beyond the limit", () => {
		const evidence = { limit: REQUESTS, limitAmount: 60n, stoodAt: null, need: 61n, waitedMs: 0, isRemembered: false };
		refusals.record({ requestId: "batch_1", key: { keyId: "key_1", teamId: "search" }, code: "limit.cap", evidence, line: 12 });
		expect(journaled).toMatchObject([{ requestId: "batch_1", line: 12 }]);
	});

	test("make so many rows a second and no more, and the next row says how many it leaves out", () => {
		refuse(5_000);
		expect(journaled).toHaveLength(ROWS_PER_SECOND);
		nowMs += 999;
		refuse(10);
		expect(journaled).toHaveLength(ROWS_PER_SECOND);
		nowMs += 1;
		refuse(2);
		expect(journaled).toHaveLength(ROWS_PER_SECOND + 2);
		expect(journaled.slice(-2).map(({ unrecordedBefore }) => unrecordedBefore)).toEqual([5_010 - ROWS_PER_SECOND, undefined]);
		expect(enqueued).toEqual(journaled);
	});

	test("of another team or by another limit are counted apart", () => {
		refuse(100);
		refuse(1, { teamId: "chat" });
		refuse(1, { limit: "in_flight; dimension=team; limit=4" });
		expect(journaled.slice(ROWS_PER_SECOND).map(({ teamId, limitName }) => [teamId, limitName])).toEqual([
			["chat", REQUESTS],
			["search", "in_flight; dimension=team; limit=4"],
		]);
		expect(new Set(journaled.map(({ refusalId }) => refusalId)).size).toBe(journaled.length);
	});

	test("are not counted as recorded where the journal takes none", () => {
		refuse(100);
		nowMs += 1_000;
		isBroken = true;
		expect(() => refuse(1)).toThrow("the disk is full");
		isBroken = false;
		refuse(1);
		expect(journaled.at(-1)?.unrecordedBefore).toBe(100 - ROWS_PER_SECOND);
		expect(enqueued).toEqual(journaled);
	});

	test("of more limits than are tallied make rows all the same", () => {
		for (let team = 0; team < 10_050; team++) refuse(1, { teamId: `team${team}` });
		expect(journaled).toHaveLength(10_050);
	});
});
