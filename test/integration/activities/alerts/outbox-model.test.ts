import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClaimedDelivery } from "#activities/alerts/port.ts";
import { AlertDatabase } from "#test/support/alert-database.ts";
import { MemoryAlertOutbox, type ModelRoute } from "#test/support/memory-alert-outbox.ts";

/** The SQL functions and the model on which the deliverer is proven claim, finish and retry the same in every random history. */
const ROUTES: readonly ModelRoute[] = [
	{ teamId: "@organization", channel: "one", kinds: [] },
	{ teamId: "a", channel: "two", kinds: ["budget.stopped"] },
];
const raising = fc.record({
	kind: fc.constant("raise" as const),
	key: fc.integer({ min: 0, max: 12 }),
	teamId: fc.constantFrom("a", "b"),
	subject: fc.constantFrom("", "day"),
	alertKind: fc.constantFrom("budget.threshold", "budget.stopped"),
	isFiring: fc.boolean(),
	resolves: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
});
const claiming = fc.record({ kind: fc.constant("claim" as const), limit: fc.integer({ min: 1, max: 3 }) });
const finishing = fc.record({
	kind: fc.constant("finish" as const),
	/** Of the claims not recorded yet; one that is left out is a worker that died. */
	which: fc.nat(10),
	step: fc.constantFrom("delivered" as const, "retry" as const, "dead" as const),
	mayHaveArrived: fc.boolean(),
});
const waiting = fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(2_000_000, 4_000_000) });
const history = fc.array(
	fc.oneof(
		{ weight: 5, arbitrary: raising },
		{ weight: 5, arbitrary: claiming },
		{ weight: 3, arbitrary: finishing },
		{ weight: 2, arbitrary: waiting },
		{ weight: 1, arbitrary: fc.constant({ kind: "retryDead" as const }) },
	),
	{ minLength: 10, maxLength: 40 },
);

let alerts: AlertDatabase;
beforeAll(async () => {
	alerts = await AlertDatabase.open();
	for (const channel of ["one", "two"]) await alerts.addChannel(channel, "webhook");
	for (const { teamId, channel, kinds } of ROUTES) await alerts.addRoute(teamId, channel, kinds);
});
afterAll(() => alerts.close());

const nameOf = ({ alert, channelName, attempt, mayHaveArrived }: ClaimedDelivery, key: string) =>
	`${key} ${channelName} ${attempt} ${mayHaveArrived} ${alert.isFiring}`;

test("random histories", async () => {
	let claims = 0;
	await fc.assert(
		fc.asyncProperty(history, async (steps) => {
			await alerts.rows("TRUNCATE tollgate.alert, tollgate.alert_delivery");
			await alerts.rows("UPDATE tollgate.alert_channel SET free_at = '-infinity', resending_until = '-infinity'");
			const model = new MemoryAlertOutbox(ROUTES);
			const open: { readonly real: ClaimedDelivery; readonly modelled: ClaimedDelivery }[] = [];
			for (const step of steps) {
				if (step.kind === "raise") {
					const { key, alertKind, resolves, ...rest } = step;
					const named = resolves === undefined ? {} : { resolves: `k${resolves}` };
					const raised = { ...rest, key: `k${key}`, kind: alertKind };
					expect(await alerts.raise({ ...raised, detail: named })).toBe(model.raise({ ...raised, ...named }));
				} else if (step.kind === "wait") {
					model.nowMs += step.ms;
					await alerts.pass(step.ms);
				} else if (step.kind === "claim") {
					const { names, deliveries } = await alerts.claimed(step.limit);
					const modelled = await model.claim(step.limit);
					const real = new Map(deliveries.map((delivery, index) => [names[index] ?? "", delivery]));
					const expected = new Map(modelled.map((delivery) => [`${delivery.alert.id} > ${delivery.channelName}`, delivery]));
					expect([...real.keys()].sort()).toEqual([...expected.keys()].sort());
					for (const [name, delivery] of expected) {
						const [key = ""] = name.split(" ");
						expect(nameOf(real.get(name)!, key)).toBe(nameOf(delivery, key));
						open.push({ real: real.get(name)!, modelled: delivery });
						claims++;
					}
				} else if (step.kind === "finish") {
					const [claim] = open.splice(step.which % Math.max(1, open.length), 1);
					if (claim === undefined) continue;
					const { mayHaveArrived } = step;
					const outcome =
						step.step === "delivered"
							? ({ kind: "delivered", said: "200" } as const)
							: step.step === "retry"
								? ({ kind: "retry", said: "503", afterMs: 1_000_000, mayHaveArrived, pauseMs: 0 } as const)
								: ({ kind: "dead", said: "404", mayHaveArrived, pauseMs: 0 } as const);
					expect(await alerts.outbox.finish(claim.real, outcome)).toBe(await model.finish(claim.modelled, outcome));
				} else {
					const [row] = await alerts.rows<{ waiting: string }>("SELECT tollgate.retry_dead_alerts(NULL) AS waiting");
					expect(Number(row?.waiting)).toBe(model.retryDead());
				}
			}
			expect((await alerts.deliveries()).sort()).toEqual(model.deliveries.map(({ alert, channel, state }) => `${alert.key} > ${channel} ${state}`).sort());
		}),
		{ numRuns: 60 },
	);
	// Histories in which nothing is claimed would prove nothing.
	expect(claims).toBeGreaterThan(100);
}, 120_000);
