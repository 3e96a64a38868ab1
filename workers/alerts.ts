import type { Logger } from "pino";
import { Counter, Gauge, type Registry } from "prom-client";
import { AlertDeliverer, type DelivererObserver } from "#activities/alerts/deliverer.ts";
import { createHttpClient } from "#activities/alerts/http.ts";
import { SecretUnavailable } from "#activities/alerts/port.ts";
import { openAlertOutbox } from "#activities/alerts/postgres.ts";
import { type AlertSender, createAlertSender } from "#activities/alerts/sender.ts";
import {
	endAlerts,
	forgetOldAlerts,
	watchCondition,
	watchLateItems,
	watchOverruns,
	watchRefusals,
	watchUnresolvedCharges,
} from "#activities/alerts/sources.ts";
import { Connection } from "#activities/database/connection.ts";
import { createAlertSecretReader } from "#config/alert-secrets.ts";
import { WATCHED_CONDITIONS } from "#domain/alerts/kinds.ts";
import { startDeferredWebhooks } from "./deferred-webhooks.ts";
import { repeat } from "./shared/repeat.ts";

export type AlertsRoleOptions = {
	readonly databaseUrl: string;
	/** Nothing under it is read for a channel. */
	readonly home: string;
	/** Variables of provider keys: none is read for a channel. Default: those that are known by their names. */
	readonly keptVariables?: readonly string[];
	readonly runbooksUrl: string | null;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
};

export type AlertsRole = {
	/** Tells a channel something now, outside of the outbox: a test of the channel. */
	readonly sender: AlertSender;
	stop(): Promise<void>;
};

const WATCH_EVERY_MS = 10_000;
const END_EVERY_MS = 2_000;
const FORGET_EVERY_MS = 600_000;
const COUNT_EVERY_MS = 15_000;
const WATCH_TIMEOUT_MS = 8_000;

const COUNT = `
	SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'dead' AND acknowledged_at IS NULL) AS dead
	FROM tollgate.alert_delivery WHERE state IN ('waiting', 'dead')`;

/**
 * Alerts: their delivery, and what is watched for some of them, in one worker or several. On connections of its own, and without
 * Temporal: with it away alerts still leave, and no receiver, however slow, is waited for by anything else.
 */
export function startAlerts(options: AlertsRoleOptions): AlertsRole {
	const { databaseUrl: url, log } = options;
	const http = createHttpClient();
	const readSecret = secretSource(options);
	const sender = createAlertSender({ http, readSecret, runbooksUrl: options.runbooksUrl, now: Date.now });
	const watching = new Connection({ url, applicationName: "tollgate-worker-watches", statementTimeoutMs: WATCH_TIMEOUT_MS });
	const outbox = openAlertOutbox(url, () => deliverer.wake());
	const deliverer = new AlertDeliverer({ outbox, sender, observer: observe(options), random: Math.random });
	deliverer.start();
	const stops = [
		repeat({ name: "refusal bursts", everyMs: WATCH_EVERY_MS, work: async () => void (await watchRefusals(watching)) }, log),
		repeat({ name: "unresolved charges", everyMs: WATCH_EVERY_MS, work: async () => void (await watchUnresolvedCharges(watching)) }, log),
		repeat({ name: "overruns", everyMs: WATCH_EVERY_MS, work: async () => void (await watchOverruns(watching)) }, log),
		repeat({ name: "late items", everyMs: WATCH_EVERY_MS, work: async () => void (await watchLateItems(watching)) }, log),
		...WATCHED_CONDITIONS.map((kind) => repeat({ name: kind, everyMs: WATCH_EVERY_MS, work: async () => void (await watchCondition(watching, kind)) }, log)),
		repeat({ name: "alerts that are over", everyMs: END_EVERY_MS, work: async () => void (await endAlerts(watching)) }, log),
		repeat({ name: "old alerts", everyMs: FORGET_EVERY_MS, work: async () => void (await forgetOldAlerts(watching)) }, log),
		repeat({ name: "alert counts", everyMs: COUNT_EVERY_MS, work: countStates(watching, options.metrics) }, log),
		startDeferredWebhooks({ ...{ databaseUrl: url, http, readSecret, watching, log }, metrics: options.metrics }),
	];
	return {
		sender,
		async stop() {
			await Promise.all([...stops.map((stop) => stop()), deliverer.stop()]);
			await Promise.all([watching.close(), outbox.close(), http.close()]);
		},
	};
}

function secretSource({ home, keptVariables = [] }: AlertsRoleOptions) {
	const read = createAlertSecretReader({ home, keptVariables });
	return (place: Parameters<typeof read>[0]): string => {
		const secret = read(place);
		if ("problem" in secret) throw new SecretUnavailable(secret.problem);
		return secret.content;
	};
}

function countStates(sql: Connection, metrics: Registry): () => Promise<void> {
	const waiting = new Gauge({ name: "tollgate_alert_deliveries_waiting", help: "Alerts on their way to a channel.", registers: [metrics] });
	const dead = new Gauge({ name: "tollgate_alert_deliveries_dead", help: "Alerts that were given up and not acknowledged.", registers: [metrics] });
	return async () => {
		const [row] = await sql.query<{ waiting: string; dead: string }>("count_alerts", COUNT, []);
		waiting.set(Number(row?.waiting ?? 0));
		dead.set(Number(row?.dead ?? 0));
	};
}

function observe({ log, metrics }: AlertsRoleOptions): DelivererObserver {
	const tries = new Counter({
		name: "tollgate_alert_deliveries_total",
		help: "Tries to deliver an alert, by kind of channel and what became of them.",
		labelNames: ["channel_kind", "outcome"],
		registers: [metrics],
	});
	return {
		tried({ alert, channelName, channelKind, attempt }, step) {
			tries.inc({ channel_kind: channelKind, outcome: step.kind });
			const fields = { team: alert.teamId, alertId: alert.id, kind: alert.kind, channel: channelName, attempt, said: step.said };
			if (step.kind === "delivered") log.info(fields, "an alert was delivered");
			else if (step.kind === "retry") log.warn({ ...fields, afterMs: step.afterMs }, "an alert was not delivered; it is tried again");
			else log.error(fields, `an alert was given up; it is listed by: npx tollgate alerts --dead`);
		},
		resent({ channelName, alerts }, outcome) {
			if (outcome.kind === "failed") log.warn({ channel: channelName, alerts: alerts.length, said: outcome.said }, "what fires could not be told again");
		},
		failed(err) {
			log.error({ err }, "delivering alerts failed");
		},
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("PostgreSQL answers again; alerts go on");
			else log.warn({ err }, "PostgreSQL does not answer; alerts wait");
		},
	};
}
