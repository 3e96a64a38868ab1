import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openAlertOutbox } from "#activities/alerts/postgres.ts";
import { AlertDatabase } from "#test/support/alert-database.ts";
import { until } from "#test/support/until.ts";

/** The outbox in PostgreSQL: made once, told in order, claimed by one. */
let alerts: AlertDatabase;

beforeEach(async () => {
	alerts = await AlertDatabase.open();
	await alerts.addChannel("hook", "webhook");
	await alerts.addChannel("pager", "pagerduty");
});
afterEach(() => alerts.close());

const delivered = { kind: "delivered", said: "200" } as const;
const dead = { kind: "dead", said: "404", mayHaveArrived: false, pauseMs: 0 } as const;
const retry = (afterMs: number, pauseMs = 0) => ({ kind: "retry", said: "503", afterMs, mayHaveArrived: false, pauseMs }) as const;

describe("an alert", () => {
	test("is made once by its key, with the same id whenever it is made, and goes where routes of its team and of the organisation say", async () => {
		await alerts.addRoute("@organization", "pager", ["budget.stopped"]);
		await alerts.addRoute("a", "hook");
		await alerts.addRoute("a", "pager", []);
		expect([await alerts.raise({ key: "k1" }), await alerts.raise({ key: "k1", kind: "change.refused" })]).toEqual([true, false]);
		await alerts.raise({ key: "k2", teamId: "b", kind: "change.refused" });
		await alerts.raise({ key: "k3", teamId: "b" });
		expect(await alerts.deliveries()).toEqual(["k1 > hook waiting", "k1 > pager waiting", "k3 > pager waiting"]);
		expect(await alerts.rows("SELECT id, kind FROM tollgate.alert WHERE alert_key = 'k1'")).toEqual([
			{ id: "alr_6ab9f1eb8f7d3388f4f9d586", kind: "budget.stopped" },
		]);
	});

	test("that no route takes is kept", async () => {
		await alerts.raise({ key: "unheard" });
		expect(await alerts.rows("SELECT alert_key FROM tollgate.alert")).toEqual([{ alert_key: "unheard" }]);
		expect((await alerts.claimed()).names).toEqual([]);
	});

	test("asked for by many at once is made once", async () => {
		await alerts.addRoute("a", "hook");
		const clients = await Promise.all(
			Array.from({ length: 6 }, async () => {
				const client = new pg.Client({ connectionString: alerts.database.url });
				await client.connect();
				return client;
			}),
		);
		const made = await Promise.all(
			clients.map((client) => client.query("SELECT tollgate.raise_alert('same', 'a', '', 'budget.stopped', 'warning', true, '{}') AS is_new")),
		);
		await Promise.all(clients.map((client) => client.end()));
		expect(made.filter(({ rows }) => rows[0].is_new)).toHaveLength(1);
		expect(await alerts.deliveries()).toEqual(["same > hook waiting"]);
	});

	test("is numbered in the order of commits within its team and subject", async () => {
		await alerts.addRoute("a", "hook");
		const other = new pg.Client({ connectionString: alerts.database.url });
		await other.connect();
		await other.query("BEGIN");
		await other.query("SELECT tollgate.raise_alert('first', 'a', 's', 'budget.threshold', 'warning', true, '{}')");
		let isMade = false;
		const second = alerts.raise({ key: "second", subject: "s" }).then(() => {
			isMade = true;
		});
		const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
		const seen = await until("the second to wait or to be there", async () => (isMade ? "made" : (await other.query(waits)).rows.length > 0 && "waits"));
		await other.query("COMMIT");
		await second;
		await other.end();
		expect(seen).toBe("waits");
		expect(await alerts.rows("SELECT alert_key FROM tollgate.alert ORDER BY seq")).toEqual([{ alert_key: "first" }, { alert_key: "second" }]);
	});
});

describe("the end of an alert", () => {
	test("is told to whoever was told of it, whatever the routes say, and marks it", async () => {
		await alerts.addRoute("a", "pager", ["budget.stopped"]);
		await alerts.raise({ key: "stop", subject: "day" });
		await alerts.raise({ key: "end", subject: "day", kind: "budget.withdrawn", isFiring: false, detail: { resolves: "stop" } });
		expect(await alerts.deliveries()).toEqual(["stop > pager waiting", "end > pager waiting"]);
		const [stop, end] = await alerts.rows<{ id: string; resolved_by: string | null }>("SELECT id, resolved_by FROM tollgate.alert ORDER BY seq");
		expect(stop?.resolved_by).toBe(end?.id);
	});

	test("without a name ends what fires of its team, subject and kind, and nothing else", async () => {
		await alerts.raise({ key: "1", subject: "day" });
		await alerts.raise({ key: "2", subject: "day" });
		await alerts.raise({ key: "other kind", subject: "day", kind: "budget.threshold" });
		await alerts.raise({ key: "other subject", subject: "month" });
		await alerts.raise({ key: "other team", subject: "day", teamId: "b" });
		await alerts.raise({ key: "end", subject: "day", isFiring: false });
		expect(await alerts.rows("SELECT alert_key FROM tollgate.alert WHERE resolved_at IS NOT NULL ORDER BY seq")).toEqual([
			{ alert_key: "1" },
			{ alert_key: "2" },
		]);
	});
});

describe("delivery", () => {
	beforeEach(() => alerts.addRoute("a", "hook"));

	test("keeps the order of a team and subject: a later alert waits for an earlier one, others do not", async () => {
		for (const key of ["1", "2"]) await alerts.raise({ key, subject: "day" });
		await alerts.raise({ key: "3", subject: "month" });
		const first = await alerts.claimed();
		expect(first.names).toEqual(["1 > hook", "3 > hook"]);
		expect((await alerts.claimed()).names).toEqual([]);
		await alerts.outbox.finish(first.deliveries[0]!, retry(5_000));
		expect((await alerts.claimed()).names).toEqual([]);
		await alerts.pass(5_001);
		const again = await alerts.claimed();
		expect(again.names).toEqual(["1 > hook"]);
		await alerts.outbox.finish(again.deliveries[0]!, delivered);
		expect((await alerts.claimed()).names).toEqual(["2 > hook"]);
	});

	test("lets a later alert go where the earlier one is dead", async () => {
		for (const key of ["1", "2"]) await alerts.raise({ key, subject: "day" });
		await alerts.outbox.finish((await alerts.claimed()).deliveries[0]!, dead);
		expect((await alerts.claimed()).names).toEqual(["2 > hook"]);
	});

	test("of a worker that died between sending and recording goes out again under the same id, marked as a possible repeat", async () => {
		await alerts.raise({ key: "1" });
		const [first] = (await alerts.claimed()).deliveries;
		expect((await alerts.claimed()).names).toEqual([]);
		await alerts.pass(60_001);
		const [second] = (await alerts.claimed()).deliveries;
		expect([second?.alert.id, second?.attempt, first?.mayHaveArrived, second?.mayHaveArrived]).toEqual([first?.alert.id, 2, false, true]);
		// The first was only slow: what it knows holds, and the second finds it said.
		expect(await alerts.outbox.finish(first!, dead)).toBe(false);
		expect(await alerts.outbox.finish(first!, delivered)).toBe(true);
		expect(await alerts.outbox.finish(second!, dead)).toBe(false);
		expect(await alerts.deliveries()).toEqual(["1 > hook delivered"]);
	});

	test("of a worker that is gone is free at once, however long its claim", async () => {
		const other = openAlertOutbox(alerts.database.url, () => undefined);
		await alerts.raise({ key: "1" });
		const [first] = await other.claim(8);
		expect((await alerts.claimed()).names).toEqual([]);
		await other.close();
		const second = await until("its session to end", async () => (await alerts.claimed()).deliveries[0]);
		expect([second.alert.id, second.mayHaveArrived]).toEqual([first?.alert.id, true]);
	});

	test("whose outcome nobody knows stays so until it is delivered", async () => {
		await alerts.raise({ key: "1" });
		const outcomes: (boolean | undefined)[] = [];
		for (const mayHaveArrived of [true, false, false]) {
			const [claim] = (await alerts.claimed()).deliveries;
			outcomes.push(claim?.mayHaveArrived);
			await alerts.outbox.finish(claim!, { ...retry(0), mayHaveArrived });
		}
		expect(outcomes).toEqual([false, true, true]);
	});

	test("is claimed by one of two workers", async () => {
		for (let n = 0; n < 20; n++) await alerts.raise({ key: `${n}`, subject: `${n}` });
		const both = await Promise.all([alerts.claimed(20), alerts.claimed(20)]);
		expect(both.flatMap(({ names }) => names)).toHaveLength(20);
	});

	test("is handed to whoever claimed it, also of an alert that is made at that moment", async () => {
		let isMaking = true;
		const making = (async () => {
			for (let n = 0; n < 300; n++) await alerts.raise({ key: `${n}`, subject: `${n}` });
			isMaking = false;
		})();
		let handed = 0;
		while (isMaking) handed += (await alerts.outbox.claim(1_000)).length;
		await making;
		handed += (await alerts.outbox.claim(1_000)).length;
		expect(await alerts.rows("SELECT count(*)::int AS tries FROM tollgate.alert_delivery WHERE attempts = 1")).toEqual([{ tries: 300 }]);
		expect(handed).toBe(300);
	});

	test("has at most so many under way per channel", async () => {
		for (let n = 0; n < 6; n++) await alerts.raise({ key: `${n}`, subject: `${n}` });
		const first = await alerts.claimed(4);
		expect([first.names.length, (await alerts.claimed(4)).names.length]).toEqual([4, 0]);
		await alerts.outbox.finish(first.deliveries[0]!, delivered);
		expect((await alerts.claimed(4)).names).toHaveLength(1);
	});

	test("leaves a channel alone for as long as it asked, with everything that waits for it", async () => {
		for (const key of ["1", "2", "3"]) await alerts.raise({ key, subject: key });
		const [first] = (await alerts.claimed(1)).deliveries;
		await alerts.outbox.finish(first!, retry(1_000, 30_000));
		await alerts.pass(29_000);
		expect((await alerts.claimed()).names).toEqual([]);
		await alerts.pass(1_001);
		expect((await alerts.claimed()).names).toEqual(["1 > hook", "2 > hook", "3 > hook"]);
	});

	test("to Slack is one message a second", async () => {
		await alerts.addChannel("chat", "slack");
		await alerts.addRoute("b", "chat");
		for (const key of ["1", "2", "3"]) await alerts.raise({ key, teamId: "b", subject: key });
		const claims = [(await alerts.claimed()).names, (await alerts.claimed()).names];
		await alerts.pass(1_000);
		expect([...claims, (await alerts.claimed()).names]).toEqual([["1 > chat"], [], ["2 > chat"]]);
	});
});

describe("what was given up", () => {
	beforeEach(() => alerts.addRoute("a", "pager"));

	test("is sent again when a person says so", async () => {
		await alerts.raise({ key: "1" });
		await alerts.outbox.finish((await alerts.claimed()).deliveries[0]!, dead);
		const [{ id } = { id: "" }] = await alerts.rows<{ id: string }>("SELECT id FROM tollgate.alert");
		expect(await alerts.rows("SELECT tollgate.retry_dead_alerts($1) AS waiting", [id])).toEqual([{ waiting: "1" }]);
		expect((await alerts.claimed()).names).toEqual(["1 > pager"]);
	});

	test("is not sent again where its end was told: it would fire there for ever", async () => {
		await alerts.raise({ key: "stop", subject: "day" });
		await alerts.outbox.finish((await alerts.claimed()).deliveries[0]!, dead);
		await alerts.raise({ key: "end", subject: "day", isFiring: false });
		await alerts.outbox.finish((await alerts.claimed()).deliveries[0]!, delivered);
		expect(await alerts.rows("SELECT tollgate.retry_dead_alerts(NULL) AS waiting")).toEqual([{ waiting: "0" }]);
		expect(await alerts.deliveries()).toEqual(["stop > pager superseded", "end > pager delivered"]);
	});

	test("stays until somebody acknowledges it; what was told is forgotten after its time, what fires never", async () => {
		for (const key of ["dead", "told", "fires", "waits"]) await alerts.raise({ key, subject: key, isFiring: key === "fires" });
		for (const delivery of (await alerts.claimed()).deliveries) {
			const [{ alert_key: key } = { alert_key: "" }] = await alerts.rows<{ alert_key: string }>("SELECT alert_key FROM tollgate.alert WHERE seq = $1", [
				delivery.alertSeq,
			]);
			await alerts.outbox.finish(delivery, key === "dead" ? dead : key === "waits" ? retry(1_000) : delivered);
		}
		const forget = async () => {
			await alerts.rows("SELECT tollgate.forget_alerts(interval '90 days')");
			return (await alerts.rows<{ alert_key: string }>("SELECT alert_key FROM tollgate.alert ORDER BY seq")).map(({ alert_key: key }) => key);
		};
		expect(await forget()).toHaveLength(4);
		await alerts.rows("UPDATE tollgate.alert SET at = at - interval '91 days'");
		expect(await forget()).toHaveLength(4);
		await alerts.rows("UPDATE tollgate.alert_delivery SET ended_at = ended_at - interval '91 days'");
		expect(await forget()).toEqual(["dead", "fires", "waits"]);
		await alerts.rows("UPDATE tollgate.alert_delivery SET acknowledged_at = clock_timestamp() WHERE state = 'dead'");
		expect(await forget()).toEqual(["fires", "waits"]);
	});

	test("of a channel that is removed is never told, and the removal waits for its routes", async () => {
		await alerts.raise({ key: "1" });
		await expect(alerts.rows("DELETE FROM tollgate.alert_channel WHERE name = 'pager'")).rejects.toThrow(/alert_route/);
		await alerts.rows("DELETE FROM tollgate.alert_route");
		await alerts.rows("DELETE FROM tollgate.alert_channel WHERE name = 'pager'");
		expect(await alerts.deliveries()).toEqual(["1 > pager superseded"]);
	});
});

describe("what fires on an Alertmanager", () => {
	beforeEach(async () => {
		await alerts.addChannel("am", "alertmanager");
		await alerts.addRoute("a", "am");
		for (const key of ["1", "2", "3"]) await alerts.raise({ key, subject: key });
		for (const delivery of (await alerts.claimed()).deliveries.slice(0, 2)) await alerts.outbox.finish(delivery, delivered);
	});

	test("is told again every minute, together, until it is over", async () => {
		expect((await alerts.outbox.claimResends()).map(({ channelName, alerts: told }) => [channelName, told.length])).toEqual([["am", 2]]);
		await alerts.outbox.finishResend("am");
		expect(await alerts.outbox.claimResends()).toEqual([]);
		await alerts.raise({ key: "end", subject: "1", isFiring: false });
		await alerts.pass(60_001);
		const [resend] = await alerts.outbox.claimResends();
		expect(resend?.alerts.map(({ subject }) => subject)).toEqual(["2"]);
	});

	test("is not overtaken by its own end: nothing else is sent there meanwhile", async () => {
		await alerts.outbox.claimResends();
		await alerts.raise({ key: "end", subject: "1", isFiring: false });
		expect((await alerts.claimed()).names).toEqual([]);
		await alerts.outbox.finishResend("am");
		expect((await alerts.claimed()).names).toEqual(["end > am"]);
	});
});
