import { expect, test } from "vitest";
import { AlertDeliverer, type DelivererObserver } from "#activities/alerts/deliverer.ts";
import type { AlertOutbox, ClaimedDelivery } from "#activities/alerts/port.ts";
import type { AlertSender } from "#activities/alerts/sender.ts";
import type { DeliveryStep, SendOutcome } from "#domain/alerts/retry.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { until } from "#test/support/until.ts";

const delivered: SendOutcome = { kind: "delivered", said: "200" };

function claimed(seq: number): ClaimedDelivery {
	const alert = { id: `alr_${seq}`, atMs: 0, teamId: "a", subject: "", kind: "test", severity: "info" as const, isFiring: false, ends: [], detail: {} };
	return { alertSeq: String(seq), alert, channelName: "c", channelKind: "webhook", channelConfig: {}, attempt: 1, triedForMs: 0, mayHaveArrived: false };
}

/** An outbox of batches, one per look. */
function outboxOf(batches: (readonly ClaimedDelivery[] | Error)[]) {
	const finished: DeliveryStep[] = [];
	const outbox: AlertOutbox = {
		claim: async () => {
			const batch = batches.shift() ?? [];
			if (batch instanceof Error) throw batch;
			return batch;
		},
		finish: async (_delivery, step) => finished.push(step) > 0,
		claimResends: async () => [],
		finishResend: async () => undefined,
	};
	return { outbox, finished };
}

function start(outbox: AlertOutbox, send: AlertSender["send"], intervalMs = 60_000) {
	const told: string[] = [];
	const observer: DelivererObserver = {
		tried: ({ alert }, step) => told.push(`${alert.id} ${step.kind}`),
		resent: () => undefined,
		failed: (error) => told.push(`failed: ${String(error)}`),
		reachabilityChanged: (isReachable) => told.push(isReachable ? "PostgreSQL is back" : "PostgreSQL is away"),
	};
	const deliverer = new AlertDeliverer({ outbox, sender: { send, resend: async () => delivered }, observer, random: () => 0, intervalMs });
	deliverer.start();
	return { deliverer, told };
}

test("an alert leaves when it is made, not when somebody looks next", async () => {
	const { outbox } = outboxOf([[], [claimed(1)]]);
	const { deliverer, told } = start(outbox, async () => delivered);
	deliverer.wake();
	await until("the alert", () => told.includes("alr_1 delivered"));
	await deliverer.stop();
});

test("one receiver that does not answer holds up no other, and stopping waits until it is recorded", async () => {
	const hanging = Promise.withResolvers<SendOutcome>();
	const { outbox, finished } = outboxOf([[claimed(1), claimed(2)], [claimed(3)]]);
	const { deliverer, told } = start(outbox, (_row, alert) => (alert.id === "alr_1" ? hanging.promise : Promise.resolve(delivered)));
	await until("the others", () => told.includes("alr_3 delivered"));
	expect(finished).toHaveLength(2);
	const stopped = deliverer.stop();
	hanging.resolve(delivered);
	await stopped;
	expect(finished).toHaveLength(3);
});

test("PostgreSQL away is said once, and what went wrong otherwise each time; it goes on all the same", async () => {
	const away = () => new CostControlError("authority.unreachable", "away");
	const { outbox } = outboxOf([away(), away(), new Error("a bug"), [claimed(1)]]);
	const { deliverer, told } = start(outbox, async () => delivered, 1);
	await until("the alert", () => told.includes("alr_1 delivered"));
	await deliverer.stop();
	expect(told.filter((line) => !line.startsWith("alr_"))).toEqual(["PostgreSQL is away", "failed: Error: a bug", "PostgreSQL is back"]);
});

test("what became of a try is kept while PostgreSQL is away: the alert is not sent a second time", async () => {
	const { outbox, finished } = outboxOf([[claimed(1)]]);
	const { finish } = outbox;
	let failures = 2;
	outbox.finish = async (delivery, step) => {
		if (failures-- > 0) throw new CostControlError("authority.unreachable", "away");
		return finish(delivery, step);
	};
	let sent = 0;
	const { deliverer, told } = start(outbox, async () => {
		sent++;
		return delivered;
	});
	await until("the record", () => told.includes("alr_1 delivered"));
	await deliverer.stop();
	expect([sent, finished.length]).toEqual([1, 1]);
});

test("a sender that breaks is told of and costs no other alert", async () => {
	const { outbox, finished } = outboxOf([[claimed(1), claimed(2)]]);
	const { deliverer, told } = start(outbox, async (_row, alert) => {
		if (alert.id === "alr_1") throw new Error("a bug");
		return delivered;
	});
	await until("both", () => told.length >= 2);
	await deliverer.stop();
	expect([...told].sort()).toEqual(["alr_2 delivered", "failed: Error: a bug"]);
	expect(finished).toHaveLength(1);
});
