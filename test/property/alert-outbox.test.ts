import fc from "fast-check";
import { expect, test } from "vitest";
import { AlertDeliverer } from "#activities/alerts/deliverer.ts";
import type { AlertOutbox } from "#activities/alerts/port.ts";
import type { SendOutcome } from "#domain/alerts/retry.ts";
import { MemoryAlertOutbox, MODEL_CLAIM_MS, type ModelRoute } from "#test/support/memory-alert-outbox.ts";

/**
 * Random alerts, receivers that fail in every way and workers that die between sending and recording: whatever happens, each alert
 * reaches each of its channels as one id, in the order of its team and subject, or is dead and listed.
 */
const ROUTES: readonly ModelRoute[] = [
	{ teamId: "@organization", channel: "all", kinds: [] },
	{ teamId: "a", channel: "team-a", kinds: [] },
	{ teamId: "a", channel: "stops-of-a", kinds: ["budget.stopped"] },
];
/** What a try meets: taken; taken and the answer lost; nobody there; refused for ever; taken, and the worker dies before it says so. */
const FATES = ["taken", "answer lost", "away", "refused", "worker dies"] as const;
type Fate = (typeof FATES)[number];

const raising = fc.record({
	kind: fc.constant("raise" as const),
	key: fc.integer({ min: 0, max: 30 }),
	teamId: fc.constantFrom("a", "b"),
	subject: fc.constantFrom("", "day", "month"),
	alertKind: fc.constantFrom("budget.threshold", "budget.stopped"),
	isFiring: fc.boolean(),
});
const looking = fc.record({ kind: fc.constant("look" as const), fates: fc.array(fc.constantFrom(...FATES), { minLength: 1, maxLength: 12 }) });
const waiting = fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(500, 20_000, MODEL_CLAIM_MS + 1, 3_600_000) });
const histories = fc.array(fc.oneof(raising, looking, waiting), { maxLength: 60 });

type Received = { readonly channel: string; readonly id: string; readonly isMarked: boolean };

class World {
	readonly outbox = new MemoryAlertOutbox(ROUTES);
	readonly received: Received[] = [];
	readonly disorder: string[] = [];
	/** Alert and channel of tries that were taken without anybody knowing. */
	readonly unknown = new Set<string>();
	fates: Fate[] = [];
	private readonly dying = new Set<string>();
	private readonly deliverer: AlertDeliverer;

	constructor() {
		const outbox: AlertOutbox = {
			claim: (limit) => this.outbox.claim(limit),
			finish: async (delivery, step) => {
				if (this.dying.delete(`${delivery.alertSeq} ${delivery.channelName}`)) throw new Error("the worker died");
				return this.outbox.finish(delivery, step);
			},
			claimResends: () => this.outbox.claimResends(),
			finishResend: () => this.outbox.finishResend(),
		};
		const observer = { tried: () => undefined, resent: () => undefined, failed: () => undefined, reachabilityChanged: () => undefined };
		// The channel's name comes with the claim alone, so the sender is told which one it serves by the outbox's order.
		const claimed = outbox.claim;
		outbox.claim = async (limit) => {
			const deliveries = await claimed(limit);
			return deliveries.map((delivery) => ({ ...delivery, channelConfig: { seq: delivery.alertSeq, channel: delivery.channelName } }));
		};
		const send = async (row: { readonly config: unknown }, alert: { readonly id: string }, { mayHaveArrived }: { readonly mayHaveArrived: boolean }) =>
			this.meet(row.config as { seq: string; channel: string }, alert.id, mayHaveArrived);
		this.deliverer = new AlertDeliverer({ outbox, sender: { send, resend: async () => ({ kind: "delivered", said: "" }) }, observer, random: () => 0.5 });
	}

	async look(fates: readonly Fate[]): Promise<void> {
		this.fates = [...fates];
		await this.deliverer.look();
		await this.deliverer.settled();
	}

	private meet({ seq, channel }: { seq: string; channel: string }, id: string, isMarked: boolean): SendOutcome {
		const fate = this.fates.shift() ?? "taken";
		const failure = { kind: "failed", said: fate, isFinal: fate === "refused", mayHaveArrived: fate === "answer lost", pauseMs: 0 } as const;
		if (fate === "away" || fate === "refused") return failure;
		this.checkOrder(channel, id);
		this.received.push({ channel, id, isMarked });
		if (fate === "taken") return { kind: "delivered", said: "200" };
		this.unknown.add(`${channel} ${id}`);
		if (fate === "answer lost") return failure;
		this.dying.add(`${seq} ${channel}`);
		return { kind: "delivered", said: "200" };
	}

	/** Everything earlier of its team and subject must be there already, or be dead. */
	private checkOrder(channel: string, id: string): void {
		const alert = this.outbox.alerts.find(({ key }) => key === id);
		if (alert === undefined) throw new Error(`an alert nobody made: ${id}`);
		const earlier = this.outbox.deliveries.filter(
			(other) => other.channel === channel && other.alert.teamId === alert.teamId && other.alert.subject === alert.subject && other.alert.seq < alert.seq,
		);
		for (const { alert: other, state } of earlier) if (state === "waiting") this.disorder.push(`${id} overtook ${other.key} on ${channel}`);
	}
}

test("every alert reaches each of its channels as one id and in order, whoever fails or dies, or is dead and listed", async () => {
	await fc.assert(
		fc.asyncProperty(histories, async (history) => {
			const world = new World();
			for (const step of history) {
				if (step.kind === "raise") world.outbox.raise({ ...step, key: `alert-${step.key}`, kind: step.alertKind });
				else if (step.kind === "wait") world.outbox.nowMs += step.ms;
				else await world.look(step.fates);
			}
			// Everybody is well again: what waits arrives.
			for (let round = 0; round < 100 && world.outbox.deliveries.some(({ state }) => state === "waiting"); round++) {
				world.outbox.nowMs += 3_600_000;
				await world.look([]);
			}
			const { deliveries } = world.outbox;
			expect(deliveries.filter(({ state }) => state === "waiting")).toEqual([]);
			const places = deliveries.map(({ channel, alert }) => `${channel} ${alert.key}`);
			expect(new Set(places).size).toBe(places.length);
			const arrived = new Set(world.received.map(({ channel, id }) => `${channel} ${id}`));
			for (const { channel, alert, state } of deliveries) if (state === "delivered") expect(arrived).toContain(`${channel} ${alert.key}`);
			for (const place of arrived) expect(places).toContain(place);
			expect(world.disorder).toEqual([]);
		}),
		{ numRuns: 300 },
	);
});

test("an alert arrives a second time only where nobody knew of the first, and then says that it may be a repeat", async () => {
	await fc.assert(
		fc.asyncProperty(histories, async (history) => {
			const world = new World();
			for (const step of history) {
				if (step.kind === "raise") world.outbox.raise({ ...step, key: `alert-${step.key}`, kind: step.alertKind });
				else if (step.kind === "wait") world.outbox.nowMs += step.ms;
				else await world.look(step.fates);
			}
			const seen = new Set<string>();
			for (const { channel, id, isMarked } of world.received) {
				const place = `${channel} ${id}`;
				if (seen.has(place)) expect([world.unknown.has(place), isMarked]).toEqual([true, true]);
				seen.add(place);
			}
		}),
		{ numRuns: 300 },
	);
});

test("a channel is told of the end of what it was told of, whatever its routes say", () => {
	const outbox = new MemoryAlertOutbox(ROUTES);
	outbox.raise({ key: "stop", teamId: "a", subject: "day", kind: "budget.stopped", isFiring: true });
	outbox.raise({ key: "end", teamId: "a", subject: "day", kind: "budget.withdrawn", isFiring: false, resolves: "stop" });
	const told = outbox.deliveries.filter(({ channel }) => channel === "stops-of-a").map(({ alert }) => alert.key);
	expect(told).toEqual(["stop", "end"]);
});
