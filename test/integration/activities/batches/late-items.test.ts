import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchLateItems } from "#activities/alerts/sources.ts";
import { answered } from "#test/support/batch-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { endItems } from "#test/support/ended-items.ts";
import { exposeDeferredTotals } from "../../../../workers/deferred-totals.ts";

/** What people are told of late items, and what they see of all that ended. */
let stand: DeferredStand;
beforeEach(async () => {
	stand = await DeferredStand.open();
});
afterEach(() => stand.close());

const alerts = () =>
	stand.batches.ledger.sql<{ team_id: string; is_firing: boolean; detail: object }>(
		"SELECT team_id, is_firing, severity, detail FROM tollgate.alert WHERE kind = 'deferred.late' ORDER BY seq",
	);
const watch = () => watchLateItems(stand.batches.sql);
const later = (ms: number) =>
	stand.batches.ledger.sql(
		"UPDATE tollgate.batch_item SET deadline = deadline - $1 * interval '1 millisecond', answered_at = answered_at - $1 * interval '1 millisecond'",
		[ms],
	);

test("late items of a team are one alert, however many and however often it is looked, until none was late for an hour", async () => {
	await stand.batches.ledger.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('other', true)");
	const soon = Date.now() + 3_600_000;
	await stand.accepted(stand.item());
	await stand.accepted(stand.item({ teamId: "other", deadlineMs: soon + 1_800_000 }));
	const open = await stand.accepted(stand.item({ deadlineMs: soon - 60_000 }));
	const latest = await stand.accepted(stand.item({ deadlineMs: soon - 600_000 }));
	expect(await watch()).toBe(0);
	// An hour from here; what another team waits for is wanted half an hour after that.
	await later(3_600_000);
	expect(await watch()).toBe(1);
	expect([await watch(), await alerts()]).toEqual([
		0,
		[
			{
				...{ team_id: "demo", is_firing: true, severity: "warning" },
				detail: { items: 2, open: 2, latest: latest.record.deferredId, lateMs: expect.any(Number) },
			},
		],
	]);
	// One is answered, one cancelled: both late, and not an hour ago.
	await stand.deferred.cancelDeferred("demo", latest.record.deferredId);
	const { batchId } = open.batch;
	await stand.flushed(batchId);
	await stand.batches.send(batchId, 1);
	await stand.batches.store.book(batchId, [answered(open.record.n)]);
	await stand.deferred.markAnswered(batchId, [{ n: open.record.n, httpStatus: 200, answerBlobKey: "a" }]);
	await stand.deferred.cancelDeferred("other", (await stand.deferred.listDeferred("other", { after: null, limit: 1 }))[0]?.deferredId ?? "");
	expect(await watch()).toBe(0);
	await later(3_600_001);
	expect(await watch()).toBe(1);
	expect((await alerts()).map(({ team_id, is_firing }) => [team_id, is_firing])).toEqual([
		["demo", true],
		["demo", false],
	]);
	// What is late later is told again.
	await stand.accepted(stand.item({ deadlineMs: Date.now() - 1_000 }));
	expect([await watch(), (await alerts()).length]).toEqual([1, 3]);
});

test("what ended is counted by lane and outcome, what was late and saved with it, and again the same after a restart", async () => {
	await endItems(stand, [{ deadlineMs: Date.now() - 1_000 }, {}]);
	await endItems(stand, [{}], { lane: "real_time", cost: 200n });
	await stand.deferred.cancelDeferred("demo", (await stand.accepted()).record.deferredId);
	for (const metrics of [new Registry(), new Registry()]) {
		const read = exposeDeferredTotals(stand.batches.sql, metrics);
		for (let times = 0; times < 2; times++) await read();
		const lines = (await metrics.metrics()).split("\n").filter((line) => line.startsWith("tollgate_"));
		expect(lines.sort()).toEqual([
			'tollgate_deferred_items_total{lane="batch",outcome="succeeded"} 2',
			'tollgate_deferred_items_total{lane="none",outcome="cancelled"} 1',
			'tollgate_deferred_items_total{lane="real_time",outcome="succeeded"} 1',
			"tollgate_deferred_late_total 1",
			"tollgate_deferred_saved_usd_total 2e-7",
		]);
	}
});

test("what a try beside the one that answered cost is part of what an item cost", async () => {
	const { batch, record } = await stand.accepted();
	await stand.flushed(batch.batchId);
	await stand.batches.send(batch.batchId, 1);
	await stand.batches.ledger.sql("UPDATE tollgate.batch_item SET try = 2");
	await stand.batches.store.book(batch.batchId, [answered(1, { tryNumber: 2, cost: 200n, realTimeNanoUsd: 200n, lane: "real_time" })]);
	await stand.batches.store.book(batch.batchId, [answered(1, { tryNumber: 1 })]);
	await stand.deferred.markAnswered(batch.batchId, [{ n: 1, httpStatus: 200, answerBlobKey: "a" }]);
	expect(await stand.deferred.readDeferred("demo", record.deferredId)).toMatchObject({ costNanoUsd: "300" });
	expect(await stand.deferred.sums("demo", { sinceMs: Date.now() - 60_000, untilMs: Date.now() + 60_000 })).toMatchObject([
		{ lane: "real_time", items: 1, costNanoUsd: "300", realTimeNanoUsd: "200" },
	]);
});
