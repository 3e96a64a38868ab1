import type { Logger } from "pino";
import { Counter, Gauge, type Registry } from "prom-client";
import { OutboxDeliverer, type OutboxObserver } from "#activities/alerts/outbox-deliverer.ts";
import type { HttpClient, SecretSource } from "#activities/alerts/port.ts";
import { type ClaimedWebhook, openWebhookOutbox } from "#activities/batches/delivery/webhook-outbox.ts";
import { createEndedSender } from "#activities/batches/delivery/webhook-sender.ts";
import { forgetOldWebhooks, giveUpOrphans } from "#activities/batches/delivery/webhook-upkeep.ts";
import type { Connection } from "#activities/database/connection.ts";
import { repeat } from "./shared/repeat.ts";

export type DeferredWebhooksOptions = {
	readonly databaseUrl: string;
	readonly http: HttpClient;
	readonly readSecret: SecretSource;
	/** For what is looked after now and then; not closed here. */
	readonly watching: Connection;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
};

const GIVE_UP_AFTER_MS = 3 * 86_400_000;
const ORPHANS_EVERY_MS = 30_000;
const FORGET_EVERY_MS = 60_000;
const COUNT_EVERY_MS = 15_000;

const COUNT = `
	SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'dead') AS dead
	FROM tollgate.deferred_webhook WHERE state IN ('waiting', 'dead')`;

/** Webhooks of items that were handed in alone, beside alerts and as they are sent. Needs no Temporal. Returns how to stop. */
export function startDeferredWebhooks(options: DeferredWebhooksOptions): () => Promise<void> {
	const { watching, log, metrics, http, readSecret } = options;
	const outbox = openWebhookOutbox(options.databaseUrl, () => deliverer.wake());
	const deliverer = new OutboxDeliverer<ClaimedWebhook>({
		outbox,
		send: createEndedSender({ http, readSecret, now: Date.now }),
		observer: observe(options),
		random: Math.random,
		giveUpAfterMs: GIVE_UP_AFTER_MS,
	});
	deliverer.start();
	const stops = [
		repeat({ name: "webhooks without a channel", everyMs: ORPHANS_EVERY_MS, work: async () => void (await giveUpOrphans(watching)) }, log),
		repeat({ name: "old webhooks", everyMs: FORGET_EVERY_MS, work: async () => void (await forgetOldWebhooks(watching)) }, log),
		repeat({ name: "webhook counts", everyMs: COUNT_EVERY_MS, work: countStates(watching, metrics) }, log),
	];
	return async () => {
		await Promise.all([...stops.map((stop) => stop()), deliverer.stop()]);
		await outbox.close();
	};
}

function countStates(sql: Connection, metrics: Registry): () => Promise<void> {
	const waiting = new Gauge({ name: "tollgate_deferred_webhooks_waiting", help: "Webhooks of ended items on their way to a channel.", registers: [metrics] });
	const dead = new Gauge({ name: "tollgate_deferred_webhooks_dead", help: "Webhooks of ended items that were given up.", registers: [metrics] });
	return async () => {
		const [row] = await sql.query<{ waiting: string; dead: string }>("count_deferred_webhooks", COUNT, []);
		waiting.set(Number(row?.waiting ?? 0));
		dead.set(Number(row?.dead ?? 0));
	};
}

function observe({ log, metrics }: DeferredWebhooksOptions): OutboxObserver<ClaimedWebhook> {
	const tries = new Counter({
		name: "tollgate_deferred_webhooks_total",
		help: "Tries to tell that an item has ended, by what became of them.",
		labelNames: ["outcome"],
		registers: [metrics],
	});
	return {
		tried({ item, channelName, attempt }, step) {
			tries.inc({ outcome: step.kind });
			const fields = { requestId: item.deferredId, team: item.teamId, deferredId: item.deferredId, channel: channelName, attempt, said: step.said };
			if (step.kind === "retry") log.warn({ ...fields, afterMs: step.afterMs }, "the end of an item was not told; it is tried again");
			else if (step.kind === "dead") log.error(fields, "telling the end of an item was given up; it is listed by: npx tollgate deferred webhooks");
		},
		failed(err) {
			log.error({ err }, "sending webhooks of ended items failed");
		},
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("PostgreSQL answers again; webhooks of ended items go on");
			else log.warn({ err }, "PostgreSQL does not answer; webhooks of ended items wait");
		},
	};
}
