import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AcceptResult } from "#activities/batches/deferred-port.ts";
import { acceptInTime } from "#activities/batches/store/hold-in-time.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { DEFERRED_STATUSES } from "#domain/batching/deferred.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { answered, unbilled } from "#test/support/batch-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";

/** Items that are handed in alone: their money, and the batch that collects them, on the real functions (docs/adr/0013). */
let stand: DeferredStand;
beforeEach(async () => {
	stand = await DeferredStand.open();
	// Nobody waits where a test does not say so.
	await stand.batches.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
});
afterEach(() => stand.close());

async function findings() {
	await stand.batches.ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: stand.batches.ledger.database.url })).findings;
}

function refused(result: AcceptResult) {
	if (result.kind !== "refused") throw new Error(`the item is ${result.kind}`);
	return result;
}

describe("an item that is accepted", () => {
	test("joins the batch that collects its like, and its bound is held there at once", async () => {
		const item = stand.item({ deadlineMs: Date.now() + 3_600_000 });
		const [first, second] = [await stand.accepted(item), await stand.accepted(stand.item({ boundNanoUsd: 300n }))];
		expect(second.batch.batchId).toBe(first.batch.batchId);
		expect([first.record.n, second.record.n]).toEqual([1, 2]);
		expect(first.record).toMatchObject({
			...{ deferredId: item.deferredId, teamId: "demo", keyId: "key_0", status: "collecting", lane: null, isLate: false },
			...{ deadlineMs: item.deadlineMs, heldNanoUsd: "200", costNanoUsd: null, answeredAtMs: null, httpStatus: null },
		});
		expect(second.batch).toMatchObject({ origin: "collected", state: "collecting", attribution: null, items: 2, heldNanoUsd: "500" });
		expect(await stand.batches.window()).toEqual({ granted: "500", leased: "500" });
		expect(await stand.deferred.collecting(10)).toMatchObject([
			{
				batch: { batchId: first.batch.batchId },
				tally: { items: 2, bytes: 600 + 2 * 256, inputTokens: 200, leastInputTokens: 100, earliestDeadlineMs: item.deadlineMs },
			},
		]);
		expect(await findings()).toEqual([]);
	});

	test("asked for again it is the same, and held once; another team's id is not told about", async () => {
		const item = stand.item();
		const first = await stand.accepted(item);
		const results = await Promise.all(Array.from({ length: 4 }, () => stand.accepted(item)));
		for (const { record, batch } of results) expect([record, batch.version]).toEqual([first.record, first.batch.version]);
		expect(await stand.batches.window()).toEqual({ granted: "200", leased: "200" });
		// Its prices have changed meanwhile, and it is with the provider.
		await stand.flushed(first.batch.batchId);
		expect((await stand.accepted({ ...item, priceVersion: 2 })).record).toMatchObject({ n: 1, batchId: first.batch.batchId, status: "waiting" });
		await stand.batches.ledger.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('other', true)");
		await expect(stand.accept({ ...item, teamId: "other" })).rejects.toThrow("is of another team");
		expect(await stand.deferred.readDeferred("other", item.deferredId)).toBeUndefined();
	});

	test("is not, where the holder of its batch was closed: that is said, and nothing of it is there or held", async () => {
		const { batch } = await stand.accepted(stand.item());
		await stand.batches.ledger.sql("UPDATE tollgate.gateway_epoch SET closed_at = clock_timestamp(), closed_how = 'drained' WHERE kind = 'batch'");
		const item = stand.item();
		await expect(stand.accept(item)).rejects.toThrow(`the holder of batch ${batch.batchId} is closed`);
		expect(await stand.deferred.readDeferred("demo", item.deferredId)).toBeUndefined();
		expect(await stand.batches.window()).toEqual({ granted: "200", leased: "200" });
	});

	test("of the same id at once is one, whatever it is priced at", async () => {
		const item = stand.item();
		const results = await Promise.all([1, 2, 3, 1, 2, 3].map((priceVersion) => stand.accepted({ ...item, priceVersion })));
		expect(new Set(results.map(({ record }) => record.batchId)).size).toBe(1);
		expect(await stand.batches.window()).toEqual({ granted: "200", leased: "200" });
	});

	test("is collected with what is priced alike", async () => {
		const variants = [
			{},
			{ model: "m-2" },
			{ deployment: "azure/gpt-test" },
			{ endpoint: "responses" },
			{ pricedModel: "gpt-other" },
			{ priceVersion: 2 },
		] as const;
		const batches = [];
		for (const variant of variants) batches.push((await stand.accepted(stand.item(variant))).batch.batchId);
		expect(new Set(batches).size).toBe(variants.length);
	});

	test("meets the budgets of its own key and user, beside others of the same batch", async () => {
		for (const value of ["ann", "bob"]) await stand.batches.budget({ dimension: "user", value, limit: 500n });
		await stand.batches.budget({ dimension: "key", value: "key_1", limit: 1_000n, unit: "tokens" });
		const who = [{ userId: "ann" }, { userId: "ann" }, { userId: "bob", keyId: "key_1" }, { userId: null }];
		const results = [];
		for (const attribution of who) results.push(await stand.accepted(stand.item({ attribution })));
		const [first] = results;
		if (first === undefined) throw new Error("nothing was accepted");
		expect(new Set(results.map(({ batch }) => batch.batchId)).size).toBe(1);
		const held = [
			["key key_1", "150"],
			["team ", "800"],
			["user ann", "400"],
			["user bob", "200"],
		].map(([budget, amount]) => ({ budget, held: amount, pending: amount }));
		expect(await stand.held(first.batch.batchId)).toEqual(held);
		// Ann has 100 left, and the others are not in her way.
		expect(refused(await stand.accept(stand.item({ attribution: { userId: "ann" } }))).record).toMatchObject({
			code: "budget.exceeded",
			need: "200",
			granted: "400",
		});
		expect((await stand.accept(stand.item({ attribution: { userId: "bob" } }))).kind).toBe("accepted");
		expect(await findings()).toEqual([]);
	});

	test("each is booked in its windows, for who pays, and takes no idle money of others", async () => {
		for (const value of ["ann", "bob"]) await stand.batches.budget({ dimension: "user", value, limit: 1_000n });
		const [ann, bob] = [
			await stand.accepted(stand.item({ attribution: { userId: "ann" } })),
			await stand.accepted(stand.item({ attribution: { userId: "bob", keyId: "key_1" } })),
		];
		const batchId = await stand.flushed(ann.batch.batchId);
		await stand.batches.send(batchId, 1);
		// What Ann left covers what Bob's costs beyond its bound in the team's budget; in his own nothing does.
		expect(await stand.batches.store.book(batchId, [answered(1, { cost: 150n }), answered(2, { cost: 230n })])).toEqual([1, 2]);
		expect(
			await stand.batches.ledger.sql("SELECT request_id, key_id, user_id, cost_nano_usd, overrun_nano_usd FROM tollgate.attempt ORDER BY attempt_id"),
		).toEqual([
			{ request_id: ann.record.deferredId, key_id: "key_0", user_id: "ann", cost_nano_usd: "150", overrun_nano_usd: "0" },
			{ request_id: bob.record.deferredId, key_id: "key_1", user_id: "bob", cost_nano_usd: "230", overrun_nano_usd: "30" },
		]);
		const pending = (await stand.held(batchId)).map(({ budget, held, pending: left }) => `${budget} ${held} ${left}`);
		expect(pending).toEqual(["team  0 20", "user ann 0 50", "user bob 0 0"]);
		await stand.batches.store.closeHold(batchId);
		expect((await findings()).filter(({ kind }) => kind === "batch")).toEqual([]);
	});
});

describe("an item that does not fit", () => {
	test("is refused with the numbers of its window, and nothing of it stays", async () => {
		await stand.batches.ledger.limit(500n, 2);
		await stand.accepted();
		await stand.accepted();
		const result = refused(await stand.accept());
		expect(result.refusal).toMatchObject({ code: "budget.exceeded" });
		expect(result.refusal.message).toContain("this call");
		expect(result.record).toMatchObject({ code: "budget.exceeded", granted: "400", need: "200", idle: "0" });
		expect(await stand.batches.window()).toEqual({ granted: "400", leased: "400" });
		expect(await stand.deferred.listDeferred("demo", { after: null, limit: 10 })).toHaveLength(2);
		expect(await findings()).toEqual([]);
	});

	test("of a team without a budget is refused, and the books say so", async () => {
		await stand.batches.ledger.sql("INSERT INTO tollgate.team (id) VALUES ('poor')");
		const result = refused(await stand.accept(stand.item({ teamId: "poor" })));
		expect(result.record).toMatchObject({ code: "budget.none" });
		expect(await findings()).toEqual([]);
	});

	test("claims what gateways hold idle, and is accepted once that came back", async () => {
		const { ledger } = stand.batches;
		await ledger.limit(1_000n, 2);
		await ledger.grant(1_000n);
		await stand.batches.hear();
		const item = stand.item();
		const short = await stand.accept(item);
		expect(short).toMatchObject({ kind: "short", items: [{ heldElsewhere: 1_000n }] });
		expect(await ledger.sql("SELECT need FROM tollgate.claim")).toEqual([{ need: "200" }]);
		await ledger.sql("SELECT tollgate.return_idle('g1', 1, ARRAY[$1::bigint], ARRAY[300::bigint])", [ledger.windowId]);
		expect((await stand.accept(item)).kind).toBe("accepted");
		expect(await ledger.sql("SELECT 1 FROM tollgate.deferred_ask")).toEqual([]);
		expect(await ledger.sql("SELECT 1 FROM tollgate.claim")).toEqual([]);
	});

	test("is refused once those who were asked have answered the claim it began with, though others have claimed since", async () => {
		const { ledger } = stand.batches;
		await ledger.limit(1_000n, 2);
		await ledger.grant(1_000n);
		const [early, late] = [stand.item(), stand.item()];
		await stand.batches.hear();
		expect((await stand.accept(early)).kind).toBe("short");
		const [claim] = await ledger.sql<{ id: string }>("SELECT id FROM tollgate.claim");
		await stand.accept(late);
		await ledger.sql("UPDATE tollgate.gateway_epoch SET answered_claim = $1 WHERE gateway_id = 'g1'", [claim?.id]);
		await stand.batches.hear();
		expect((await stand.accept(early)).kind).toBe("refused");
		expect((await stand.accept(late)).kind).toBe("short");
	});

	test("is waited for as a call is, until it is accepted or refused", async () => {
		const { ledger } = stand.batches;
		await ledger.limit(1_000n, 2);
		await ledger.grant(1_000n);
		let pauses = 0;
		const wait = {
			waitMs: 60_000,
			nowMs: () => pauses * 100,
			pause: async (): Promise<void> => {
				if (++pauses === 3) await ledger.sql("SELECT tollgate.return_idle('g1', 1, ARRAY[$1::bigint], ARRAY[200::bigint])", [ledger.windowId]);
			},
		};
		expect((await acceptInTime(stand.deferred, stand.item(), wait)).kind).toBe("accepted");
		expect(pauses).toBe(3);
		// The gateway has nothing idle any more, and is gone.
		expect(
			(await acceptInTime(stand.deferred, stand.item(), { ...wait, waitMs: 0, pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) })).kind,
		).toBe("refused");
	});

	test("at the last money is one of many that ask at once", async () => {
		await stand.batches.ledger.limit(1_000n, 2);
		await registerGateway(stand.batches.ledger.client, "g2");
		const results = await Promise.all(Array.from({ length: 12 }, () => stand.accept(stand.item({ boundNanoUsd: 150n }))));
		expect(results.filter(({ kind }) => kind === "accepted")).toHaveLength(6);
		expect(await stand.batches.window()).toEqual({ granted: "900", leased: "900" });
		expect(await findings()).toEqual([]);
	});
});

describe("a collecting batch", () => {
	test("is flushed as it was read, once, and takes nothing more", async () => {
		const { batch } = await stand.accepted(stand.item({ deadlineMs: Date.now() + 60_000 }));
		await stand.accepted(stand.item({ deadlineMs: Date.now() + 120_000 }));
		// Another item came since that was read.
		expect(await stand.deferred.flush(batch.batchId, batch.version)).toBeUndefined();
		const version = (await stand.deferred.readCollector(batch.batchId))?.batch.version ?? "";
		const flushed = await stand.deferred.flush(batch.batchId, version);
		expect(flushed).toMatchObject({ state: "held", items: 2, heldNanoUsd: "400" });
		expect(await stand.deferred.flush(batch.batchId, flushed?.version ?? "")).toBeUndefined();
		expect(await stand.deferred.readCollector(batch.batchId)).toBeUndefined();
		expect((await stand.batches.store.toTell(10)).map(({ batchId }) => batchId)).toEqual([batch.batchId]);
		const next = await stand.accepted();
		expect([next.batch.batchId === batch.batchId, next.record.n]).toEqual([false, 1]);
	});

	test("says of each item where its body is, until when it is wanted, and whether it may go in real time", async () => {
		const { batch } = await stand.accepted(stand.item({ deadlineMs: 1_900_000_000_123, bodyBlobKey: "demo/deferred/d1/body" }));
		await stand.accepted(stand.item({ mayGoRealTime: false, bodyBlobKey: "demo/deferred/d2/body" }));
		await stand.flushed(batch.batchId);
		const own = [
			{ n: 1, tryNumber: 1, bodyBlobKey: "demo/deferred/d1/body", deadlineMs: 1_900_000_000_123, mayGoRealTime: true },
			{ n: 2, tryNumber: 1, bodyBlobKey: "demo/deferred/d2/body", deadlineMs: null, mayGoRealTime: false },
		];
		expect(await stand.batches.store.itemsToSend(batch.batchId, 0, 10)).toMatchObject(own);
		await stand.batches.send(batch.batchId, 1);
		expect(await stand.batches.store.itemsOfPart({ batchId: batch.batchId, part: 1 }, 0, 10)).toMatchObject(own);
	});

	test("is held by its items alone, and is no batch of its team's", async () => {
		const { batch } = await stand.accepted();
		const { store } = stand.batches;
		await expect(store.hold(batch.batchId, { waitIsOver: true })).rejects.toThrow("is collected");
		const item = { n: 2, customId: "c", boundNanoUsd: 1n, boundTokens: 1, boundInputTokens: 1, bytes: 1, tiers: ["batch"] } as const;
		await expect(store.addItems(batch.batchId, [item])).rejects.toThrow("is collected");
		await store.abandon(batch.batchId);
		expect(await store.read(batch.batchId, "demo")).toBeUndefined();
		expect(await store.list("demo", { after: null, limit: 10 })).toEqual([]);
		expect((await store.list(null, { after: null, limit: 10 })).map(({ batchId }) => batchId)).toEqual([batch.batchId]);
		expect(await stand.batches.window()).toEqual({ granted: "200", leased: "200" });
	});
});

describe("an item that is cancelled", () => {
	test("while it is collected gives its bound back at once, in its windows", async () => {
		await stand.batches.budget({ dimension: "user", value: "ann", limit: 1_000n });
		const [ann, other] = [await stand.accepted(stand.item({ attribution: { userId: "ann" } })), await stand.accepted()];
		expect(await stand.deferred.cancelDeferred("other", ann.record.deferredId)).toBeUndefined();
		for (let asked = 0; asked < 2; asked++)
			expect(await stand.deferred.cancelDeferred("demo", ann.record.deferredId)).toMatchObject({ status: "cancelled", heldNanoUsd: "0" });
		expect(await stand.held(other.batch.batchId)).toMatchObject([
			{ held: "200", pending: "200" },
			{ held: "0", pending: "0" },
		]);
		expect((await stand.deferred.readCollector(other.batch.batchId))?.tally).toMatchObject({ items: 1 });
		expect(await stand.deferred.unanswered(other.batch.batchId, 0, 10)).toEqual([]);
		expect(await findings()).toEqual([]);
	});

	test("while a part carries it runs on, and its answer is kept", async () => {
		const { batch, record } = await stand.accepted();
		await stand.flushed(batch.batchId);
		await stand.batches.send(batch.batchId, 1);
		expect(await stand.deferred.cancelDeferred("demo", record.deferredId)).toMatchObject({ status: "running", heldNanoUsd: "200", lane: "batch" });
		await stand.batches.store.book(batch.batchId, [answered(1)]);
		expect(await stand.batches.ledger.sql("SELECT outcome FROM tollgate.batch_item")).toEqual([{ outcome: "succeeded" }]);
	});
});

describe("an item that ended", () => {
	test("is told of when its answer is written, once, and counts in the report by its lane", async () => {
		const late = await stand.accepted(stand.item({ deadlineMs: Date.now() - 5_000 }));
		const { batchId } = late.batch;
		await stand.accepted();
		await stand.flushed(batchId);
		await stand.batches.send(batchId, 1);
		await expect(stand.deferred.markAnswered(batchId, [{ n: 1, httpStatus: 200, answerBlobKey: "a" }])).rejects.toThrow("has not ended");
		await stand.batches.store.book(batchId, [answered(1, { realTimeNanoUsd: 200n }), answered(2, { realTimeNanoUsd: 200n, lane: "real_time" })]);
		const ended = await stand.deferred.unanswered(batchId, 0, 10);
		expect(ended).toEqual(
			[1, 2].map((n) => ({
				n,
				tryNumber: 1,
				part: 1,
				deferredId: expect.stringMatching(/^deferred_/),
				bodyBlobKey: "demo/deferred/body",
				outcome: "succeeded",
				isCharged: true,
			})),
		);
		expect(await stand.deferred.unanswered(batchId, 1, 10)).toHaveLength(1);
		expect(await stand.deferred.readDeferred("demo", late.record.deferredId)).toMatchObject({ status: "running", costNanoUsd: "100", httpStatus: null });
		const answers = ended.map(({ n }) => ({ n, httpStatus: 200, answerBlobKey: `demo/${n}` }));
		await stand.deferred.markAnswered(batchId, answers);
		await stand.deferred.markAnswered(
			batchId,
			answers.map((answer) => ({ ...answer, httpStatus: 500 })),
		);
		expect(await stand.deferred.readDeferred("demo", late.record.deferredId)).toMatchObject({
			...{ status: "succeeded", lane: "batch", isLate: true, heldNanoUsd: "0", costNanoUsd: "100", httpStatus: 200, answerBlobKey: "demo/1" },
		});
		expect(await stand.deferred.unanswered(batchId, 0, 10)).toEqual([]);
		const sums = await stand.deferred.sums("demo", { sinceMs: Date.now() - 60_000, untilMs: Date.now() + 60_000 });
		expect(sums).toMatchObject([
			{ teamId: "demo", lane: "batch", items: 1, costNanoUsd: "100", realTimeNanoUsd: "200", lateItems: 1 },
			{ teamId: "demo", lane: "real_time", items: 1, costNanoUsd: "100", realTimeNanoUsd: "200", lateItems: 0, lateMsMax: 0 },
		]);
		expect(sums[0]?.lateMsMax).toBeGreaterThanOrEqual(5_000);
	});
});

test("the list of a team is newest first, in pages, and what is asked for by status has it", async () => {
	const first = await stand.accepted();
	const { batchId } = first.batch;
	for (let place = 0; place < 4; place++) await stand.accepted();
	await stand.flushed(batchId);
	await stand.batches.send(batchId, 1);
	await stand.batches.store.book(batchId, [answered(1), unbilled(2, "errored"), unbilled(3, "expired"), unbilled(4, "cancelled")]);
	await stand.deferred.markAnswered(
		batchId,
		[1, 2, 3].map((n) => ({ n, httpStatus: 200, answerBlobKey: "a" })),
	);
	const waiting = await stand.accepted();
	await stand.flushed(waiting.batch.batchId);
	const collecting = await stand.accepted();
	await stand.deferred.cancelDeferred("demo", (await stand.accepted()).record.deferredId);
	const all = await stand.deferred.listDeferred("demo", { after: null, limit: 100 });
	expect(all.map(({ status }) => status)).toEqual(["cancelled", "collecting", "waiting", "running", "running", "expired", "failed", "succeeded"]);
	expect(all[1]?.deferredId).toBe(collecting.record.deferredId);
	for (const status of DEFERRED_STATUSES)
		expect(await stand.deferred.listDeferred("demo", { after: null, limit: 100, status })).toEqual(all.filter((record) => record.status === status));
	expect(await stand.deferred.listDeferred("demo", { after: all[2]?.deferredId ?? null, limit: 2 })).toEqual(all.slice(3, 5));
	expect(await stand.deferred.listDeferred("other", { after: null, limit: 100 })).toEqual([]);
});
