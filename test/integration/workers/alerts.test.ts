import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AlertDatabase } from "#test/support/alert-database.ts";
import { type AlertReceiver, startWebhookReceiver } from "#test/support/alert-receivers.ts";
import { insertBudget, insertTeam, registerGateway } from "#test/support/authority-rows.ts";
import { findLeaks, readDatabase } from "#test/support/canaries.ts";
import { until } from "#test/support/until.ts";
import { type AlertsRole, startAlerts } from "../../../workers/alerts.ts";

/** Alerts as the worker delivers them: on a real PostgreSQL, without any Temporal, to a receiver that fails in every way. */
const CHILD = path.join(import.meta.dirname, "../../support/alerts-child.ts");
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
let alerts: AlertDatabase;
let folder: string;
let receiver: AlertReceiver;
let role: AlertsRole;
let metrics: Registry;
const log: string[] = [];

beforeEach(async () => {
	alerts = await AlertDatabase.open();
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-alerts-"));
	receiver = await startWebhookReceiver(SECRET);
	await writeFile(path.join(folder, "secret"), SECRET);
	await writeFile(path.join(folder, "url"), receiver.url);
	await alerts.addChannel("hook", "webhook", { urlFile: path.join(folder, "url"), secretFile: path.join(folder, "secret"), allowPrivate: true });
	await alerts.addRoute("@organization", "hook");
	log.length = 0;
	role = startRole();
});
afterEach(async () => {
	// Before the role: it waits for what is under way.
	await receiver.close();
	await role.stop();
	await alerts.close();
	await rm(folder, { recursive: true });
});

function startRole(): AlertsRole {
	metrics = new Registry();
	const write = (fields: unknown, message?: unknown) => void log.push(JSON.stringify([fields, message]));
	return startAlerts({
		databaseUrl: alerts.database.url,
		home: path.join(folder, "home"),
		runbooksUrl: null,
		log: { info: write, warn: write, error: write } as never,
		metrics,
	});
}

/** Of a kind that nothing but another alert ends. */
const raise = (alert: Parameters<AlertDatabase["raise"]>[0]): Promise<boolean> => alerts.raise({ kind: "velocity.key", ...alert });
const taken = (): string[] => receiver.taken.map(({ json }) => (json as { data: { subject: string } }).data.subject);
const untilState = (state: string, count: number) =>
	until(`${count} deliveries ${state}`, async () => (await alerts.deliveries()).filter((line) => line.endsWith(state)).length === count);

describe("the worker", () => {
	test("delivers what is made while it runs and what waits when it starts, each once", async () => {
		await raise({ key: "1", subject: "1" });
		await untilState("delivered", 1);
		await role.stop();
		await raise({ key: "2", subject: "2" });
		role = startRole();
		await untilState("delivered", 2);
		expect([taken(), receiver.problems]).toEqual([["1", "2"], []]);
		await until("the count", async () => (await metrics.metrics()).includes('tollgate_alert_deliveries_total{channel_kind="webhook",outcome="delivered"} 1'));
	});

	test("sends again what was not taken, in order, and lists what says never", async () => {
		receiver.answers.push((response) => response.writeHead(503).end("busy"));
		await raise({ key: "1", subject: "same" });
		await raise({ key: "2", subject: "same", kind: "change.refused", isFiring: false });
		await untilState("delivered", 2);
		expect(receiver.taken.map(({ json }) => (json as { type: string }).type)).toEqual(["velocity.key", "change.refused"]);
		receiver.answers.push((response) => response.writeHead(410).end("gone"));
		await raise({ key: "3" });
		await untilState("dead", 1);
		expect(await alerts.rows("SELECT last_error, attempts FROM tollgate.alert_delivery WHERE state = 'dead'")).toEqual([
			{ last_error: "410 gone", attempts: 1 },
		]);
	});

	test("killed between sending and recording is followed by another one, which sends the alert under the same id", async () => {
		await role.stop();
		receiver.answers.push("none");
		const child = spawn(process.execPath, [CHILD, alerts.database.url, path.join(folder, "home")], { stdio: ["ignore", "ignore", "inherit"] });
		await raise({ key: "1", subject: "once" });
		await until("the message", () => receiver.taken.length === 1);
		const ended = new Promise((resolve) => child.once("exit", resolve));
		child.kill("SIGKILL");
		await ended;
		role = startRole();
		await untilState("delivered", 1);
		const ids = receiver.taken.map(({ headers }) => headers["webhook-id"]);
		expect([ids.length, new Set(ids).size, receiver.taken[0]?.body === receiver.taken[1]?.body]).toEqual([2, 1, true]);
	});

	test("while a receiver does not answer, nothing is locked: grants are made, alerts of the same budget are raised, others leave", async () => {
		const held = Promise.withResolvers<void>();
		receiver.answers.push(() => held.resolve());
		await insertTeam(alerts.client, "a");
		const budgetId = await insertBudget(alerts.client, { teamId: "a", limit: 1_000n });
		const epoch = await registerGateway(alerts.client, "g1");
		await raise({ key: "held", subject: "team||nano_usd|day" });
		await held.promise;
		// The role looks for more work meanwhile, so a look may be open at one instant; a delivery within a transaction would stay open.
		await until("no open transaction", async () => {
			const [busy] = await alerts.rows<{ open: string }>(
				"SELECT count(*) AS open FROM pg_stat_activity WHERE application_name = 'tollgate-worker-alerts' AND xact_start IS NOT NULL AND datname = current_database()",
			);
			return busy?.open === "0";
		});
		await alerts.rows("SET lock_timeout = 250");
		const [granted] = await alerts.rows<{ reply: { served: boolean[] } }>(
			"SELECT tollgate.grant_lease('g1', $1, ARRAY[$2::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[100::bigint], false, true) AS reply",
			[epoch.toString(), budgetId],
		);
		expect(granted?.reply.served).toEqual([true]);
		expect(await raise({ key: "later", subject: "team||nano_usd|day" })).toBe(true);
		await raise({ key: "other", subject: "other" });
		await until("the other alert", () => taken().includes("other"));
		// What the receiver has taken is written down a moment later.
		await until("its delivery", async () => (await alerts.deliveries()).includes("other > hook delivered"));
		expect(await alerts.deliveries()).toEqual(["held > hook waiting", "later > hook waiting", "other > hook delivered"]);
	});

	test("no secret and no URL of a channel stands in logs, metrics or tables, also where a receiver repeats them", async () => {
		receiver.answers.push((response) => response.writeHead(400).end(`${SECRET} ${receiver.url}`));
		await raise({ key: "1" });
		await untilState("dead", 1);
		await alerts.rows('UPDATE tollgate.alert_channel SET config = config || \'{"secretFile": "/nowhere"}\'');
		await raise({ key: "2", subject: "2" });
		await until("the missing secret", () => log.some((line) => line.includes("/nowhere")));
		const canaries = [
			{ name: "secret", secret: SECRET },
			{ name: "url", secret: receiver.url },
		];
		const sources = [{ name: "log", content: log.join("\n") }, { name: "metrics", content: await metrics.metrics() }, ...(await readDatabase(alerts.client))];
		expect(findLeaks(canaries, sources)).toEqual([]);
	});

	test("goes on when its connection is lost", async () => {
		await alerts.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tollgate-worker%' AND datname = current_database()");
		await raise({ key: "1", subject: "after" });
		await until("the alert", () => taken().includes("after"));
	});
});
