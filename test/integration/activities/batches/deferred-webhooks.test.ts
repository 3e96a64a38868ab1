import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createWebhookChannels } from "#activities/batches/delivery/webhook-channels.ts";
import { type OpenWebhookOutbox, openWebhookOutbox } from "#activities/batches/delivery/webhook-outbox.ts";
import { forgetOldWebhooks, giveUpOrphans } from "#activities/batches/delivery/webhook-upkeep.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { endItems } from "#test/support/ended-items.ts";
import { until } from "#test/support/until.ts";

/** The outbox of ended items in PostgreSQL: a row an item, written with its end, claimed by one (migrations/0027). */
let stand: DeferredStand;
let outbox: OpenWebhookOutbox;
let wakes: number;

beforeEach(async () => {
	stand = await DeferredStand.open();
	wakes = 0;
	outbox = openWebhookOutbox(stand.batches.ledger.database.url, () => void wakes++);
	await addChannel("hook");
});
afterEach(async () => {
	await outbox.close();
	await stand.close();
});

const sql = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) => stand.batches.ledger.sql<Row>(text, values);
const addChannel = (name: string, kind = "webhook") => sql("INSERT INTO tollgate.alert_channel (name, kind) VALUES ($1, $2)", [name, kind]);
const states = async () =>
	(await sql<{ line: string }>("SELECT channel || ' ' || state AS line FROM tollgate.deferred_webhook ORDER BY deferred_id")).map(({ line }) => line);
const claimedIds = async (limit = 8) => (await outbox.claim(limit)).map(({ item }) => item.deferredId);
const alerts = () => sql("SELECT kind, team_id, subject, detail FROM tollgate.alert ORDER BY seq");
const dead = { kind: "dead", said: "404", mayHaveArrived: false, pauseMs: 0 } as const;
const retry = (afterMs: number, pauseMs = 0) => ({ kind: "retry", said: "503", afterMs, mayHaveArrived: true, pauseMs }) as const;

describe("the end of an item", () => {
	test("that asked for a webhook is one row, however often its answer is written; that of another none", async () => {
		const [id = ""] = await endItems(stand, [{ webhook: "hook", deadlineMs: Date.now() - 1_000 }, {}]);
		const { batchId = "" } = (await stand.deferred.readDeferred("demo", id)) ?? {};
		await outbox.claim(8);
		await stand.deferred.markAnswered(
			batchId,
			[1, 2].map((n) => ({ n, httpStatus: 500, answerBlobKey: "another" })),
		);
		expect(await sql("SELECT deferred_id, channel, data, attempts FROM tollgate.deferred_webhook")).toEqual([
			{
				...{ deferred_id: id, channel: "hook", attempts: 1 },
				data: {
					...{ deferredId: id, teamId: "demo", outcome: "succeeded", lane: "batch", httpStatus: 200, isLate: true },
					...{ deadlineMs: expect.any(Number), answeredAtMs: expect.any(Number) },
				},
			},
		]);
		expect(await sql("SELECT lane, outcome, items, late_items, saved_nano_usd FROM tollgate.deferred_total")).toEqual([
			{ lane: "batch", outcome: "succeeded", items: "2", late_items: "1", saved_nano_usd: "200" },
		]);
	});

	test("by a cancel is told too, once, and wakes who sends", async () => {
		await outbox.claim(8);
		const { record } = await stand.accepted(stand.item({ webhook: "hook" }));
		for (let asked = 0; asked < 2; asked++) await stand.deferred.cancelDeferred("demo", record.deferredId);
		expect(await sql("SELECT data ->> 'outcome' AS outcome, data ->> 'lane' AS lane FROM tollgate.deferred_webhook")).toEqual([
			{ outcome: "cancelled", lane: null },
		]);
		expect(await sql("SELECT lane, outcome, items FROM tollgate.deferred_total")).toEqual([{ lane: "none", outcome: "cancelled", items: "1" }]);
		await until("the wake", () => wakes > 0);
	});

	test("that cannot be written down is no end: neither is there without the other", async () => {
		await sql("ALTER TABLE tollgate.deferred_webhook ADD CONSTRAINT none CHECK (channel <> 'hook')");
		await expect(endItems(stand, [{ webhook: "hook" }])).rejects.toThrow("none");
		expect(await sql("SELECT count(*) AS answered FROM tollgate.batch_item WHERE answered_at IS NOT NULL")).toEqual([{ answered: "0" }]);
		expect(await sql("SELECT items FROM tollgate.deferred_total")).toEqual([]);
	});
});

describe("who sends", () => {
	test("claims what is due once, as many as may be under way at a channel, and another channel's as well", async () => {
		await addChannel("other");
		await endItems(stand, [...Array.from({ length: 5 }, () => ({ webhook: "hook" })), { webhook: "other" }]);
		const second = openWebhookOutbox(stand.batches.ledger.database.url, () => undefined);
		const first = await outbox.claim(3);
		expect(first.map(({ channelName, attempt }) => [channelName, attempt])).toEqual([...Array.from({ length: 3 }, () => ["hook", 1]), ["other", 1]]);
		expect(await second.claim(3)).toEqual([]);
		const [sent] = first;
		if (sent === undefined) throw new Error("nothing was claimed");
		expect(await outbox.finish(sent, { kind: "delivered", said: "204" })).toBe(true);
		expect(await outbox.finish(sent, dead)).toBe(false);
		expect(await second.claim(3)).toHaveLength(1);
		await second.close();
		expect((await states()).filter((line) => line.endsWith("delivered"))).toEqual(["hook delivered"]);
	});

	test("is followed at once by another one when he is gone", async () => {
		const [id] = await endItems(stand, [{ webhook: "hook" }]);
		const gone = openWebhookOutbox(stand.batches.ledger.database.url, () => undefined);
		expect(await gone.claim(8)).toHaveLength(1);
		expect(await claimedIds()).toEqual([]);
		await gone.close();
		await until("its claim", async () => (await claimedIds()).includes(id ?? ""));
	});

	test("waits as long as a channel asks, there alone; what failed comes again under its id, and its answer of before counts no more", async () => {
		await addChannel("other");
		const [id] = await endItems(stand, [{ webhook: "hook" }, { webhook: "hook" }, { webhook: "other" }]);
		const [first] = await outbox.claim(1);
		if (first === undefined) throw new Error("nothing was claimed");
		expect(first.item.deferredId).toBe(id);
		await outbox.finish(first, retry(0, 60_000));
		expect(await claimedIds()).toEqual([]);
		await sql("UPDATE tollgate.deferred_webhook_pause SET paused_till = clock_timestamp()");
		const again = (await outbox.claim(8)).find(({ item }) => item.deferredId === id);
		expect(again).toMatchObject({ item: first.item, attempt: 2 });
		expect(again?.triedForMs).toBeGreaterThanOrEqual(0);
		expect(await outbox.finish(first, dead)).toBe(false);
		expect(await sql("SELECT state, last_error, attempts FROM tollgate.deferred_webhook WHERE deferred_id = $1", [id])).toEqual([
			{ state: "waiting", last_error: "503", attempts: 2 },
		]);
	});
});

describe("what was given up", () => {
	test("is told to people once a day of a team and channel, waits for them, and can be sent again", async () => {
		await endItems(stand, [{ webhook: "hook" }, { webhook: "hook" }]);
		for (const webhook of await outbox.claim(8)) await outbox.finish(webhook, dead);
		expect([await states(), await claimedIds()]).toEqual([["hook dead", "hook dead"], []]);
		expect(await alerts()).toEqual([
			{ kind: "deferred.undelivered", team_id: "demo", subject: "channel/hook", detail: { channel: "hook", webhooks: 1, said: "404" } },
		]);
		expect(await sql("SELECT tollgate.retry_dead_webhooks(NULL, 'other') AS waiting")).toEqual([{ waiting: "0" }]);
		expect(await sql("SELECT tollgate.retry_dead_webhooks(NULL, 'hook') AS waiting")).toEqual([{ waiting: "2" }]);
		expect((await outbox.claim(8)).map(({ attempt }) => attempt)).toEqual([1, 1]);
	});

	test("because its channel was removed is told too", async () => {
		await endItems(stand, [{ webhook: "hook" }, { webhook: "hook" }]);
		expect(await giveUpOrphans(stand.batches.sql)).toBe(0);
		await sql("DELETE FROM tollgate.alert_channel WHERE name = 'hook'");
		expect(await giveUpOrphans(stand.batches.sql)).toBe(2);
		expect(await states()).toEqual(["hook dead", "hook dead"]);
		expect(await alerts()).toMatchObject([{ kind: "deferred.undelivered", detail: { webhooks: 2, said: "there is no such channel any more" } }]);
	});

	test("is kept for longer than what was delivered, and neither for ever", async () => {
		await endItems(stand, [{ webhook: "hook" }, { webhook: "hook" }, { webhook: "hook" }]);
		const [delivered, given] = await outbox.claim(2);
		if (delivered === undefined || given === undefined) throw new Error("nothing was claimed");
		await outbox.finish(delivered, { kind: "delivered", said: "204" });
		await outbox.finish(given, dead);
		const pass = (days: number) => sql("UPDATE tollgate.deferred_webhook SET ended_at = ended_at - make_interval(days => $1)", [days]);
		expect(await forgetOldWebhooks(stand.batches.sql)).toBe(0);
		await pass(8);
		expect(await forgetOldWebhooks(stand.batches.sql)).toBe(1);
		expect(await states()).toEqual(["hook dead", "hook waiting"]);
		await pass(30);
		expect(await forgetOldWebhooks(stand.batches.sql)).toBe(1);
		expect(await states()).toEqual(["hook waiting"]);
	});
});

test("the channels that may be named are those of kind webhook, as they are now", async () => {
	const { knowsChannel } = createWebhookChannels(stand.batches.sql);
	await addChannel("pager", "pagerduty");
	expect(await Promise.all(["hook", "pager", "nobody", "", "Hook", "a'b"].map((name) => knowsChannel(name)))).toEqual([
		true,
		false,
		false,
		false,
		false,
		false,
	]);
	await addChannel("new");
	expect(await knowsChannel("new")).toBe(true);
});
