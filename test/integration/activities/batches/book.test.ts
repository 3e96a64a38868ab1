import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainRequest } from "#activities/administration/explain.ts";
import { listLeases, resolveLease } from "#activities/administration/leases.ts";
import { watchCondition } from "#activities/alerts/sources.ts";
import type { BookedTry, ItemBooking } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { sweepBatches } from "#activities/batches/store/sweep.ts";
import { Connection } from "#activities/database/connection.ts";
import { sweepSilentEpochs } from "#activities/ledger/sweep.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { answered, BatchStand, unbilled } from "#test/support/batch-stand.ts";
import type { TestCall } from "#test/support/test-ledger.ts";

/** How results of a batch are booked, on the real ledger (docs/batch-money.md). */
let stand: BatchStand;
beforeEach(async () => {
	stand = await BatchStand.open();
});
afterEach(() => stand.close());

const book = (batchId: string, ...bookings: ItemBooking[]) => stand.store.book(batchId, bookings);

async function verify(...calls: TestCall[]) {
	await stand.ledger.fallSilent();
	const providerLogPath = calls.length === 0 ? undefined : await stand.ledger.providerLog(...calls);
	return verifyLedger({ databaseUrl: stand.ledger.database.url, providerLogPath });
}

const inOrder = async () => expect((await verify()).findings).toEqual([]);

/** A line of the provider's log for an item; the small ledger's usage. */
const call = (attemptId: string): TestCall => ({ n: 0, attemptId, serviceTier: "batch" });

describe("an item", () => {
	test("that was answered is an entry at its cost, and what is over comes back when the part is collected", async () => {
		const batchId = await stand.sent();
		expect(await book(batchId, answered(1), answered(2))).toEqual([1, 2]);
		expect(await stand.entries(batchId)).toMatchObject([
			{ attempt_id: "batch1-1-1", outcome: "settled", reason: null, cost_nano_usd: "100" },
			{ attempt_id: "batch1-1-2", outcome: "settled", reason: null, cost_nano_usd: "100" },
		]);
		expect(await stand.lease(batchId)).toMatchObject({ granted: "600", posted: "200", returned: "0", pending: "400" });
		const of = { batchId, part: 1 };
		for (const state of ["submitting", "running", "ended", "collected"] as const) await stand.store.movePart(of, state, {});
		expect(await stand.lease(batchId)).toMatchObject({ posted: "200", returned: "200", pending: "200" });
		expect(await stand.store.read(batchId)).toMatchObject({ heldNanoUsd: "200", settledNanoUsd: "200", counts: { open: 1, succeeded: 2 } });
		await inOrder();
	});

	test("has the ending that was booked first, however a late answer of it reads", async () => {
		const batchId = await stand.sent();
		const lost: ItemBooking = { ...unbilled(1, "errored"), costNanoUsd: 0n, unresolvedReason: "the provider says nothing of it", isLost: true };
		expect(await book(batchId, lost, unbilled(3, "expired"))).toEqual([1, 3]);
		expect(await book(batchId, answered(1))).toEqual([]);
		const [first, last] = [
			{ n: 1, tryNumber: 1, outcome: "errored" },
			{ n: 3, tryNumber: 1, outcome: "expired" },
		];
		expect(await book(batchId, { ...lost, n: 3 })).toEqual([]);
		expect(await stand.store.endings(batchId, 0, 10)).toEqual([first, last]);
		expect([await stand.store.endings(batchId, 0, 1), await stand.store.endings(batchId, 1, 1)]).toEqual([[first], [last]]);
	});

	test("of which nobody knows what it cost is charged at its bound, unresolved, and can be resolved", async () => {
		const batchId = await stand.sent();
		const lost = { ...answered(1), unresolvedReason: "usage is missing" };
		await book(batchId, lost, answered(2), answered(3));
		expect(await stand.entries(batchId)).toMatchObject([{ outcome: "unresolved", reason: "usage is missing", cost_nano_usd: "200" }, {}, {}]);
		await stand.store.closeHold(batchId);
		const log = [call("batch1-1-1"), call("batch1-1-2"), call("batch1-1-3")];
		expect((await verify(...log)).report).toMatchObject({ ok: true, unresolved: 1 });
		await stand.ledger.fallSilent();
		const providerLogPath = await stand.ledger.providerLog(...log);
		const { report } = await verifyLedger({ databaseUrl: stand.ledger.database.url, providerLogPath, shouldResolve: true });
		expect(report).toMatchObject({ ok: true, unresolved: 0 });
	});

	test.each(["errored", "expired", "cancelled"] as const)("that %s is not billed: no entry, and its money is free", async (outcome) => {
		const batchId = await stand.sent({ count: 1 });
		expect(await book(batchId, unbilled(1, outcome))).toEqual([1]);
		expect(await stand.entries(batchId)).toEqual([]);
		expect(await stand.store.read(batchId)).toMatchObject({ heldNanoUsd: "0", settledNanoUsd: "0", counts: { open: 0, [outcome]: 1 } });
		await stand.store.closeHold(batchId);
		expect(await stand.window()).toEqual({ granted: "0", leased: "0" });
		await inOrder();
	});

	test("that is said again changes nothing, within a chunk or later, whatever is said", async () => {
		const batchId = await stand.sent();
		expect(await book(batchId, answered(1), answered(1, { cost: 150n }), unbilled(2, "expired"), unbilled(2, "errored"))).toEqual([1, 2]);
		expect(await book(batchId, unbilled(2, "expired"), answered(1))).toEqual([]);
		expect(await stand.entries(batchId)).toMatchObject([{ cost_nano_usd: "100" }]);
		await inOrder();
	});

	test("that was billed beside its outcome is duplicate cost, out of what the others left", async () => {
		const batchId = await stand.sent({ rules: { mayResubmit: true, mayRelane: false } });
		await stand.store.releaseItems({ batchId, part: 1 }, "again");
		await stand.send(batchId, 2);
		expect(await book(batchId, answered(1, { tryNumber: 2 }), answered(2, { tryNumber: 2 }), answered(1))).toEqual([1, 2, 1]);
		expect(await stand.entries(batchId)).toMatchObject([
			{ attempt_id: "batch1-1-1", reason: "duplicate", overrun_nano_usd: "0" },
			{ attempt_id: "batch1-1-4", reason: null },
			{ attempt_id: "batch1-1-5", reason: null },
		]);
		expect(await stand.store.read(batchId)).toMatchObject({ counts: { open: 1, succeeded: 2 }, settledNanoUsd: "300", heldNanoUsd: "200" });
		expect(await watchCondition(stand.sql, "price.mismatch")).toBe(0);
		await inOrder();
	});

	test("whose older try was answered late has its answer, and what the newer one costs is the duplicate", async () => {
		const batchId = await stand.sent({ count: 1 });
		await stand.store.releaseItems({ batchId, part: 1 }, "again");
		await stand.send(batchId, 2);
		expect(await book(batchId, unbilled(1, "errored", 1))).toEqual([]);
		expect(await book(batchId, answered(1))).toEqual([1]);
		expect(await book(batchId, answered(1, { tryNumber: 2 }))).toEqual([1]);
		expect((await stand.entries(batchId)).map(({ reason }) => reason)).toEqual([null, "duplicate"]);
		expect(await stand.lease(batchId)).toMatchObject({ posted: "200", overrun: "0" });
		await inOrder();
	});

	test("that cost more than its bound takes it from what is idle; the rest is an overrun, which stops the budget", async () => {
		const batchId = await stand.sent();
		await book(batchId, answered(1), answered(2, { cost: 350n }));
		expect(await stand.entries(batchId)).toMatchObject([{ overrun_nano_usd: "0" }, { overrun_nano_usd: "50" }]);
		expect(await stand.lease(batchId)).toMatchObject({ posted: "400", overrun: "50", pending: "200" });
		const next = await stand.begin({ count: 1 });
		expect(await stand.store.hold(next, { waitIsOver: false })).toMatchObject({ kind: "refused", refusal: { code: "budget.overrun" } });
		await stand.store.abandon(next);
		expect((await verify()).report).toMatchObject({ ok: true, overrunNanoUsd: "50", overspendNanoUsd: "0" });
	});

	test("that the batch does not have is not booked, nor is anything beside it", async () => {
		const batchId = await stand.sent();
		await expect(book(batchId, answered(1), answered(4))).rejects.toThrow("has no item 4");
		expect(await stand.entries(batchId)).toEqual([]);
		await expect(stand.store.book("batch_000000000000000000000099", [answered(1)])).rejects.toMatchObject({ code: "batch.missing" });
	});

	test("whose row PostgreSQL rejects is charged at its bound, unresolved, stands in quarantine, and holds no other up", async () => {
		const batchId = await stand.sent({ count: 7 });
		const bad = (n: number) => answered(n, { usage: { ...answered(n).usage, inputTokens: 1e19 } as ItemBooking["usage"] });
		const results = [answered(1), unbilled(2, "expired"), bad(3), answered(4), answered(5), bad(6), answered(7)];
		expect(await book(batchId, ...results)).toEqual([1, 2, 3, 4, 5, 6, 7]);
		const settled = { outcome: "settled", cost_nano_usd: "100" };
		const atBound = { outcome: "unresolved", reason: "rejected_by_ledger", cost_nano_usd: "200", overrun_nano_usd: "0" };
		expect(await stand.entries(batchId)).toMatchObject([settled, atBound, settled, settled, atBound, settled]);
		expect(await stand.ledger.sql("SELECT attempt_id FROM tollgate.quarantine ORDER BY attempt_id")).toEqual([
			{ attempt_id: "batch1-1-3" },
			{ attempt_id: "batch1-1-6" },
		]);
		expect(await watchCondition(stand.sql, "ledger.quarantine")).toBe(1);
		expect(await stand.store.read(batchId)).toMatchObject({ counts: { open: 0, succeeded: 6, expired: 1 }, settledNanoUsd: "800", heldNanoUsd: "0" });
		expect(await book(batchId, ...results)).toEqual([]);
		await stand.store.closeHold(batchId);
		expect((await verify()).report).toMatchObject({ ok: true, unresolved: 2 });
	});

	test("of which PostgreSQL takes no row at all ends without an entry, and the quarantine says so", async () => {
		const batchId = await stand.sent({ count: 2 });
		await stand.ledger.sql("ALTER TABLE tollgate.attempt ADD CHECK (attempt_id <> 'batch1-1-1')");
		expect(await book(batchId, answered(1), answered(2))).toEqual([1, 2]);
		expect(await stand.entries(batchId)).toMatchObject([{ attempt_id: "batch1-1-2" }]);
		await watchCondition(stand.sql, "ledger.quarantine");
		expect(await stand.ledger.sql("SELECT detail ->> 'notBooked' AS not_booked FROM tollgate.quarantined_epochs()")).toEqual([{ not_booked: "1" }]);
		await stand.store.closeHold(batchId);
		expect((await verify()).report).toMatchObject({ ok: true });
	});

	test("can be explained by its line in the batch, and counts where spend is asked for", async () => {
		const batchId = await stand.sent();
		await stand.ledger.sql("INSERT INTO tollgate.price_version (version, source, checksum, created_by) VALUES (1, 'test', '', 'ada')");
		await stand.ledger.sql(
			'UPDATE tollgate.price_line SET line = line || \'{"kind": "chat", "protocol": "openai", "hiddenTokensPerRequest": 0, "hiddenTokensPerMessage": 0, "isReasoning": false}\'',
		);
		await book(batchId, answered(2));
		const { attempts } = await explainRequest(stand.ledger.client, `${batchId}/2`);
		expect(attempts).toMatchObject([
			{
				attemptId: "batch1-1-2",
				costNanoUsd: "100",
				reservedNanoUsd: "200",
				serviceTier: "batch",
				price: { costNanoUsd: "100" },
				budgets: [{ name: "team, lifetime" }],
			},
		]);
		const { rows } = await readSpend(stand.ledger.client, { by: ["feature", "batch"] });
		expect(rows).toMatchObject([{ groups: { feature: "search", batch: batchId }, calls: 1, costNanoUsd: "100" }]);
	});
});

test("50,000 items are booked in chunks, once however often", { timeout: 170_000 }, async () => {
	const count = 50_000;
	const batchId = await stand.sent({ count, boundNanoUsd: 200n });
	const chunks = Array.from({ length: count / 500 }, (_, chunk) => Array.from({ length: 500 }, (_unused, place) => answered(chunk * 500 + place + 1)));
	for (const chunk of chunks) expect(await stand.store.book(batchId, chunk)).toHaveLength(500);
	const before = await stand.store.read(batchId);
	expect(before).toMatchObject({ counts: { open: 0, succeeded: count }, settledNanoUsd: String(100 * count), heldNanoUsd: "0" });
	for (const chunk of chunks) expect(await stand.store.book(batchId, chunk)).toEqual([]);
	expect(await stand.store.read(batchId)).toEqual(before);
	await stand.store.closeHold(batchId);
	expect(await stand.window()).toEqual({ granted: String(100 * count), leased: String(100 * count) });
	await inOrder();
});

test("whoever is told of what was booked hears of each try once, however often and by how many it is booked", async () => {
	const batchId = await stand.sent({ count: 40 });
	const told: BookedTry[] = [];
	const connections = [0, 1, 2].map((place) => new Connection({ url: stand.ledger.database.url, applicationName: `test telling ${place}` }));
	const stores = connections.map((connection) => createPostgresBatchStore(connection, async (tries) => void told.push(...tries)));
	const every = [...Array.from({ length: 39 }, (_, index) => answered(index + 1)), unbilled(40, "errored")];
	await Promise.all(stores.map((store) => store.book(batchId, every)));
	await stores[0]?.book(batchId, every);
	expect(told.map(({ booking }) => booking.n).toSorted((left, right) => left - right)).toEqual(every.map(({ n }) => n));
	const entries = new Map((await stand.entries(batchId)).map((entry) => [entry["attempt_id"], entry["cost_nano_usd"]]));
	const billed = told.filter(({ outcome }) => outcome !== null);
	expect(new Map(billed.map(({ reservation, outcome }) => [reservation.attemptId, outcome?.costNanoUsd]))).toEqual(entries);
	expect(told.filter(({ outcome }) => outcome === null)).toMatchObject([{ booking: { n: 40 }, isDuplicate: false }]);
	await Promise.all(connections.map((connection) => connection.close()));
});

test("parts that are collected at once book one after another", async () => {
	const batchId = await stand.sent({ count: 400 });
	const connections = [0, 1, 2, 3].map((place) => new Connection({ url: stand.ledger.database.url, applicationName: `test booking ${place}` }));
	const every = Array.from({ length: 400 }, (_, index) => answered(index + 1));
	const fresh = await Promise.all(connections.map((connection) => createPostgresBatchStore(connection).book(batchId, every)));
	expect(fresh.map((numbers) => numbers.length).toSorted((left, right) => left - right)).toEqual([0, 0, 0, 400]);
	await Promise.all(connections.map((connection) => connection.close()));
	expect(await stand.lease(batchId)).toMatchObject({ posted: "40000", overrun: "0" });
	await inOrder();
});

describe("while a batch runs", () => {
	test("midnight comes: it counts in the window it was held in", async () => {
		const budgetId = await stand.budget({ windowKind: "day", limit: 1_000n });
		const batchId = await stand.sent();
		const yesterday = await stand.windowOf(budgetId);
		await stand.ledger.sql("UPDATE tollgate.budget_window SET starts_at = starts_at - interval '1 day', ends_at = clock_timestamp() WHERE id = $1", [
			yesterday,
		]);
		const next = await stand.held({ count: 2 });
		const today = await stand.windowOf(budgetId);
		expect(today).not.toBe(yesterday);
		await book(batchId, answered(1), answered(2), answered(3));
		await stand.store.closeHold(batchId);
		expect(await stand.window(yesterday)).toEqual({ granted: "300", leased: "300" });
		expect(await stand.window(today)).toEqual({ granted: "400", leased: "400" });
		expect(await stand.lease(next, today)).toMatchObject({ pending: "400" });
		await inOrder();
	});

	test("the totals of its team count what it holds and what it settled", async () => {
		const batchId = await stand.sent();
		await book(batchId, answered(1));
		expect(await stand.ledger.sql("SELECT granted, posted, pending, overrun FROM tollgate.team_totals(ARRAY['demo'], false, interval '20 minutes')")).toEqual([
			{ granted: "600", posted: "100", pending: "500", overrun: "0" },
		]);
	});

	test("its team is frozen: settles go on", async () => {
		const batchId = await stand.sent();
		await stand.ledger.sql("SELECT tollgate.freeze_now('demo', true, 'test', 'ada')");
		expect(await book(batchId, answered(1), unbilled(2, "expired"), answered(3))).toEqual([1, 2, 3]);
		await stand.store.closeHold(batchId);
		expect(await stand.window()).toEqual({ granted: "200", leased: "200" });
		await inOrder();
	});

	test("days pass: no sweep, alert or person ends it, and nothing waits for it", async () => {
		const batchId = await stand.sent();
		await stand.ledger.passTime("3 days");
		await stand.ledger.sql("UPDATE tollgate.batch SET changed_at = changed_at - interval '3 days'");
		expect(await sweepSilentEpochs(stand.sql, 900_000)).toEqual({ waiting: [], ended: [] });
		expect(await watchCondition(stand.sql, "gateway.silent")).toBe(0);
		expect(await sweepBatches(stand.sql)).toBe(0);
		expect(await stand.ledger.sql("SELECT tollgate.lump_epoch('batch1', 1, 'test') -> 'lumps' AS lumps")).toEqual([{ lumps: [] }]);
		await expect(resolveLease(stand.ledger.client, { gatewayId: "batch1", epoch: "1", spentUsd: "0" }, "ada")).rejects.toMatchObject({
			code: "admin.conflict",
		});
		expect(await listLeases(stand.ledger.client, { isAll: false })).toMatchObject([{ gatewayId: "batch1", pendingAmount: "600", silentMs: null }]);
		expect((await verify()).report).toMatchObject({ ok: true, pendingPastTime: 0 });
		expect(await book(batchId, answered(1), answered(2), answered(3))).toEqual([1, 2, 3]);
		await stand.store.closeHold(batchId);
		await inOrder();
	});

	test("verify asks its holder for no flush, and waits for none", async () => {
		await stand.held();
		await stand.ledger.fallSilent();
		await stand.ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() + interval '1 hour' WHERE kind = 'batch'");
		const { notes } = await verifyLedger({ databaseUrl: stand.ledger.database.url });
		expect(notes).toEqual([]);
	});
});

describe("with the provider's log", () => {
	test("each billed item is its entry; one whose outcome is not known yet is open, however old", async () => {
		const batchId = await stand.sent();
		await book(batchId, answered(1));
		const old = new Date(Date.now() - 86_400_000).toISOString();
		const { report, notes } = await verify(call("batch1-1-1"), { ...call("batch1-1-2"), at: old });
		expect(report).toMatchObject({ ok: true, calls: 2 });
		expect(notes.join()).toContain("1 call(s) in the provider's log are still open");
	});

	test("one that was billed and ended as not billed is lost; one that was not billed and is settled is found", async () => {
		const batchId = await stand.sent();
		await book(batchId, unbilled(1, "expired"), answered(2), answered(3));
		const { findings } = await verify(call("batch1-1-1"), call("batch1-1-2"));
		expect(findings.map(({ kind, row }) => `${kind} ${row}`)).toEqual(["lost provider log line 1, attempt batch1-1-1", "unbilled attempt batch1-1-3"]);
	});

	test("one that costs something else is found, and one of no batch is lost", async () => {
		const batchId = await stand.sent();
		await book(batchId, answered(1, { cost: 99n }));
		const { findings } = await verify(call("batch1-1-1"), call("batch99-1-1"));
		expect(findings.map(({ kind, row }) => `${kind} ${row}`)).toEqual(["cost attempt batch1-1-1", "lost provider log line 2, attempt batch99-1-1"]);
	});
});

describe("a process that dies between two steps", () => {
	/** The whole life of a batch; each step may be done again, by whoever comes after, and changes nothing then. */
	const life = (batchId: string) => {
		const of = { batchId, part: 1 };
		const chunk = [answered(1), unbilled(2, "expired"), { ...answered(3), unresolvedReason: "results are gone" }];
		const part = { ...of, token: `tollgate-${batchId}-1`, items: 3, bytes: 900, providerFileId: null, providerBatchId: null };
		return [
			() => stand.store.hold(batchId, { waitIsOver: true }),
			() => stand.store.writePart({ ...part, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null }, [1, 2, 3]),
			() => stand.store.move(batchId, "running", {}),
			...(["submitting", "running", "ended"] as const).map((state) => () => stand.store.movePart(of, state, {})),
			() => stand.store.book(batchId, chunk),
			() => stand.store.movePart(of, "collected", {}),
			() => stand.store.releaseItems(of, "expired"),
			() => stand.store.move(batchId, "finalizing", {}),
			() => stand.store.closeHold(batchId),
			() => stand.store.move(batchId, "completed", {}),
		];
	};
	const picture = async (batchId: string) => ({
		...(await stand.store.read(batchId)),
		version: "",
		parts: await stand.store.parts(batchId),
		lease: await stand.lease(batchId),
		entries: await stand.entries(batchId),
		window: await stand.window(),
	});

	test("leaves what the next one finds, whatever was the last step that came through", async () => {
		const batchId = await stand.begin();
		for (const step of life(batchId)) {
			await step();
			const before = await picture(batchId);
			await step();
			expect(await picture(batchId)).toEqual(before);
			await inOrder();
		}
		expect(await stand.store.read(batchId)).toMatchObject({
			state: "completed",
			counts: { open: 0, succeeded: 2, expired: 1 },
			settledNanoUsd: "300",
			heldNanoUsd: "0",
		});
		expect(await stand.window()).toEqual({ granted: "300", leased: "300" });
	});

	test("a result that comes after the end is booked all the same: what was paid is spent", async () => {
		const batchId = await stand.begin();
		for (const step of life(batchId)) await step();
		expect(await book(batchId, answered(1, { tryNumber: 2 }))).toEqual([1]);
		expect(await stand.lease(batchId)).toMatchObject({ pending: "0", overrun: "100" });
		expect((await verify()).report).toMatchObject({ ok: true, overrunNanoUsd: "100" });
	});
});
