import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AlertReceiver, startWebhookReceiver } from "#test/support/alert-receivers.ts";
import { findLeaks, readDatabase } from "#test/support/canaries.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { endItems } from "#test/support/ended-items.ts";
import { until } from "#test/support/until.ts";
import { type AlertsRole, startAlerts } from "../../../workers/alerts.ts";

/** Webhooks of ended items as the worker sends them: on a real PostgreSQL, to receivers that fail in every way. */
const CHILD = path.join(import.meta.dirname, "../../support/alerts-child.ts");
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
let stand: DeferredStand;
let folder: string;
let receiver: AlertReceiver;
let role: AlertsRole;
let metrics: Registry;
const log: string[] = [];

beforeEach(async () => {
	stand = await DeferredStand.open();
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-webhooks-"));
	receiver = await startWebhookReceiver(SECRET);
	await writeFile(path.join(folder, "secret"), SECRET);
	await addChannel("hook", { url: receiver.url, allowPrivate: true });
	log.length = 0;
	role = startRole();
});
afterEach(async () => {
	// Before the role: it waits for what is under way.
	await receiver.close();
	await role.stop();
	await stand.close();
	await rm(folder, { recursive: true });
});

const sql = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) => stand.batches.ledger.sql<Row>(text, values);
const addChannel = (name: string, config: object) =>
	sql("INSERT INTO tollgate.alert_channel (name, kind, config) VALUES ($1, 'webhook', $2)", [
		name,
		JSON.stringify({ secretFile: path.join(folder, "secret"), ...config }),
	]);

function startRole(): AlertsRole {
	metrics = new Registry();
	const write = (fields: unknown, message?: unknown) => void log.push(JSON.stringify([fields, message]));
	return startAlerts({
		databaseUrl: stand.batches.ledger.database.url,
		home: path.join(folder, "home"),
		runbooksUrl: null,
		log: { info: write, warn: write, error: write } as never,
		metrics,
	});
}

const states = async () =>
	(await sql<{ line: string }>("SELECT channel || ' ' || state || ' ' || attempts AS line FROM tollgate.deferred_webhook ORDER BY deferred_id")).map(
		({ line }) => line,
	);
const untilStates = (...lines: string[]) => until(lines.join(), async () => (await states()).join() === lines.join());

test("an end is told once, signed, under the id of its item, without the answer", async () => {
	const [id] = await endItems(stand, [{ webhook: "hook", deadlineMs: Date.now() - 1_000 }]);
	// The receiver verifies the signature with the specification's own library.
	await until("the message", () => receiver.taken.length + receiver.problems.length > 0);
	expect(receiver.problems).toEqual([]);
	await untilStates("hook delivered 1");
	expect(receiver.taken).toHaveLength(1);
	expect(receiver.taken[0]?.headers["webhook-id"]).toBe(id);
	const { answeredAtMs = 0, deadlineMs } = (await stand.deferred.readDeferred("demo", id ?? "")) ?? {};
	const answeredAt = new Date(answeredAtMs ?? 0).toISOString();
	expect(receiver.taken[0]?.json).toEqual({
		type: "deferred.ended",
		timestamp: answeredAt,
		data: {
			...{ id, status: "succeeded", team_id: "demo", lane: "batch", status_code: 200 },
			...{ deadline: new Date(deadlineMs ?? 0).toISOString(), answered_at: answeredAt, is_late: true },
		},
	});
	await until("the count", async () => (await metrics.metrics()).includes('tollgate_deferred_webhooks_total{outcome="delivered"} 1'));
});

test("what was not taken is sent again; what says never is given up", async () => {
	receiver.answers.push((response) => response.writeHead(503).end("busy"));
	await endItems(stand, [{ webhook: "hook" }]);
	await untilStates("hook delivered 2");
	receiver.answers.push((response) => response.writeHead(410).end("gone"));
	await endItems(stand, [{ webhook: "hook" }]);
	await untilStates("hook delivered 2", "hook dead 1");
	// Said when the row says so already.
	await until("the line that tells it", () => log.some((line) => line.includes("npx tollgate deferred webhooks")));
});

test("a worker that is killed between sending and recording is followed by another one, which sends the same bytes under the same id", async () => {
	await role.stop();
	receiver.answers.push("none");
	const child = spawn(process.execPath, [CHILD, stand.batches.ledger.database.url, path.join(folder, "home")], { stdio: ["ignore", "ignore", "inherit"] });
	const [id] = await endItems(stand, [{ webhook: "hook" }]);
	await until("the message", () => receiver.taken.length === 1);
	const ended = new Promise((resolve) => child.once("exit", resolve));
	child.kill("SIGKILL");
	await ended;
	role = startRole();
	await untilStates("hook delivered 2");
	expect(receiver.taken.map(({ headers }) => headers["webhook-id"])).toEqual([id, id]);
	expect([receiver.taken[1]?.body === receiver.taken[0]?.body, receiver.problems]).toEqual([true, []]);
});

test("a receiver that does not answer holds up no other, nor an alert, nor what else ends", async () => {
	const slow = await startWebhookReceiver(SECRET);
	slow.answers.push(...Array.from({ length: 20 }, () => "none" as const));
	await addChannel("slow", { url: slow.url, allowPrivate: true });
	await endItems(stand, [...Array.from({ length: 12 }, () => ({ webhook: "slow" })), { webhook: "hook" }]);
	await until("what may be under way", () => slow.taken.length === 8);
	await until("the other", async () => (await states()).includes("hook delivered 1"));
	await sql("INSERT INTO tollgate.alert_route (team_id, channel) VALUES ('demo', 'hook')");
	await sql("SELECT tollgate.raise_alert('k', 'demo', '', 'velocity.key', 'warning', true, '{}')");
	await endItems(stand, [{ webhook: "hook" }]);
	await until("an alert and another end", () => receiver.taken.length === 3);
	expect(slow.taken).toHaveLength(8);
	await slow.close();
});

test("where a channel may not lead nothing is sent: the address is judged as an alert's is", async () => {
	await sql("UPDATE tollgate.alert_channel SET config = config || jsonb_build_object('allowPrivate', false, 'url', $1::text)", [
		receiver.url.replace("http://", "https://"),
	]);
	await endItems(stand, [{ webhook: "hook" }]);
	const said = async () => (await sql<{ last_error: string | null }>("SELECT last_error FROM tollgate.deferred_webhook"))[0]?.last_error ?? null;
	await until("what became of it", async () => (await said()) !== null);
	expect(await said()).toContain("leads to a private, loopback, link-local or reserved address");
	expect(await states()).toEqual(["hook dead 1"]);
	expect([receiver.taken, receiver.problems]).toEqual([[], []]);
});

test("a channel that is none, or of another kind, or without its secret, waits for whoever corrects it; no secret stands anywhere", async () => {
	await sql("UPDATE tollgate.alert_channel SET kind = 'slack', config = '{\"urlEnv\": \"NOWHERE\"}'");
	await endItems(stand, [{ webhook: "hook" }]);
	await until("the problem", () => log.some((line) => line.includes("is slack, and must be webhook")));
	await sql("UPDATE tollgate.alert_channel SET kind = 'webhook', config = $1", [
		JSON.stringify({ url: receiver.url, allowPrivate: true, secretFile: path.join(folder, "secret") }),
	]);
	receiver.answers.push((response) => response.writeHead(400).end(`${SECRET} ${receiver.url}`));
	await sql("UPDATE tollgate.deferred_webhook SET next_attempt_at = clock_timestamp()");
	await until("what the receiver repeats", async () => (await states())[0]?.startsWith("hook dead") === true);
	const sources = [
		{ name: "log", content: log.join("\n") },
		{ name: "metrics", content: await metrics.metrics() },
		...(await readDatabase(stand.batches.ledger.client)),
	];
	expect(findLeaks([{ name: "secret", secret: SECRET }], sources)).toEqual([]);
});
