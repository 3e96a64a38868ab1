import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttpClient } from "#activities/alerts/http.ts";
import { createAlertSender } from "#activities/alerts/sender.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import type { Alert } from "#domain/alerts/alert.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { until } from "#test/support/until.ts";

/** The real Alertmanager, where the machine has it: Debian's package prometheus-alertmanager, or ALERTMANAGER on the path. */
const BINARY = ["prometheus-alertmanager", "alertmanager"].find((name) => spawnSync(name, ["--version"]).status === 0);
const WHY_NOT = "(skipped without a binary: apt-get install prometheus-alertmanager)";

type Notification = {
	readonly status: "firing" | "resolved";
	readonly alerts: readonly { readonly status: string; readonly labels: Record<string, string> }[];
};

const firing: Alert = {
	id: "alr_0123456789abcdef01234567",
	atMs: Date.now() - 5_000,
	teamId: "search",
	subject: "team||nano_usd|day",
	kind: "budget.stopped",
	severity: "critical",
	isFiring: true,
	ends: [],
	detail: { budget: "team||nano_usd|day", action: "stop" },
};

describe.skipIf(BINARY === undefined)(`the real Alertmanager ${BINARY === undefined ? WHY_NOT : ""}`, () => {
	let folder: string;
	let notified: ScriptedProvider;
	let alertmanager: ChildProcess;
	let url: string;
	const http = createHttpClient();
	const sender = createAlertSender({ http, readSecret: () => "", runbooksUrl: null, now: Date.now });
	const row = () => ({ kind: "alertmanager", config: { url, allowPrivate: true } });

	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), "tollgate-alertmanager-"));
		notified = await startScriptedProvider(({ response }) => response.end());
		const config = {
			route: { receiver: "test", group_by: ["..."], group_wait: "0s", group_interval: "1s", repeat_interval: "1h" },
			receivers: [{ name: "test", webhook_configs: [{ url: `${notified.url}/`, send_resolved: true }] }],
		};
		await writeFile(path.join(folder, "config.yml"), JSON.stringify(config));
		const port = await findFreePort();
		url = `http://127.0.0.1:${port}`;
		const args = [`--config.file=${folder}/config.yml`, `--storage.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, "--cluster.listen-address="];
		alertmanager = spawn(BINARY ?? "", args, { stdio: "ignore" });
		await until("Alertmanager", async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok);
	});
	afterAll(async () => {
		const ended = new Promise((resolve) => alertmanager?.once("exit", resolve));
		if (alertmanager?.kill("SIGTERM")) await ended;
		await notified?.close();
		await http.close();
		await rm(folder, { recursive: true, force: true });
	});

	const notifications = () => notified.received.map(({ body }) => JSON.parse(body.toString()) as Notification);
	const active = async () => (await (await fetch(`${url}/api/v2/alerts?active=true`)).json()) as { labels: Record<string, string>; endsAt: string }[];

	test("fires once for what is told again and again, is resolved by its end, and knows what is told it by its labels", async () => {
		expect(await sender.send(row(), firing, { mayHaveArrived: false })).toMatchObject({ kind: "delivered" });
		await until("the notification", () => notifications().length === 1);
		const first = (await active())[0]?.endsAt ?? "";
		await until("a later end", async () => {
			expect(await sender.resend(row(), [firing])).toMatchObject({ kind: "delivered" });
			return ((await active())[0]?.endsAt ?? "") > first;
		});
		expect((await active()).map(({ labels }) => labels)).toEqual([
			{ alertname: "budget.stopped", severity: "critical", team: "search", subject: "team||nano_usd|day", alert_id: firing.id },
		]);
		const { id, kind, severity, atMs } = firing;
		const over: Alert = {
			...firing,
			id: "alr_end",
			atMs: Date.now(),
			kind: "budget.withdrawn",
			severity: "info",
			isFiring: false,
			ends: [{ id, kind, severity, atMs }],
		};
		expect(await sender.send(row(), over, { mayHaveArrived: false })).toMatchObject({ kind: "delivered" });
		await until("the end", () => notifications().some(({ status }) => status === "resolved"));
		expect(notifications().map(({ status, alerts }) => [status, alerts.map(({ labels }) => labels["alert_id"])])).toEqual([
			["firing", [firing.id]],
			["resolved", [firing.id]],
		]);
		expect(await active()).toEqual([]);
	}, 60_000);

	test("takes what only happened, and what it refuses is final", async () => {
		const notice: Alert = { ...firing, id: "alr_notice", kind: "change.refused", severity: "error", isFiring: false };
		expect(await sender.send(row(), notice, { mayHaveArrived: false })).toMatchObject({ kind: "delivered" });
		await until("it", () => notifications().some(({ alerts }) => alerts.some(({ labels }) => labels["alertname"] === "change.refused")));
		expect(await http.post({ url: `${url}/api/v2/alerts`, headers: {}, body: '[{"labels":{}}]', allowPrivate: true })).toMatchObject({ status: 400 });
	}, 60_000);
});
