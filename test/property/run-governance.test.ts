import fc from "fast-check";
import { expect, test } from "vitest";
import { type RunGovernanceEvent, reduceRunGovernance } from "#domain/agents/run-governance.ts";
import { emptyRunGovernance, type RunGovernanceState } from "#domain/agents/run-governance-state.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { OPENED_AT_MS, snapshotOf } from "#test/support/run-snapshots.ts";

/** What happens to a run between two readings of it. */
const happening = fc.record({
	isChanged: fc.boolean(),
	state: fc.constantFrom("running", "paused", "stopped"),
	steps: fc.nat(3),
	ms: fc.integer({ min: 1, max: 40_000 }),
});

/** A run as PostgreSQL read it, again and again. */
const histories = fc.array(happening, { minLength: 1, maxLength: 12 }).map((happenings) => {
	const snapshots: RunSnapshot[] = [];
	let [version, steps, readAtMs, state, heldAtMs] = [1, 0, OPENED_AT_MS, "running" as "running" | "paused" | "stopped", OPENED_AT_MS];
	for (const next of happenings) {
		readAtMs += next.ms;
		steps += next.steps;
		if (next.isChanged) {
			version += 1;
			state = next.state;
			heldAtMs = readAtMs;
		}
		snapshots.push(snapshotOf({ version, state, steps, readAtMs, heldAtMs: state === "running" ? null : heldAtMs }));
	}
	return snapshots;
});

/** Reports of a history doubled, out of order and some of them lost, but for the last one. */
const deliveries = histories.chain((snapshots) =>
	fc
		.tuple(fc.array(fc.nat(snapshots.length - 1), { maxLength: 30 }), fc.nat(30))
		.map(([order, place]) => ({ snapshots, order: order.toSpliced(Math.min(place, order.length), 0, snapshots.length - 1) })),
);

function play(events: readonly RunGovernanceEvent[]): RunGovernanceState {
	return events.reduce(reduceRunGovernance, emptyRunGovernance("r-7", "search"));
}

test("reports doubled, reordered and lost lead to the same end as the last one alone", () => {
	fc.assert(
		fc.property(deliveries, ({ snapshots, order }) => {
			const reported = play(order.map((index): RunGovernanceEvent => ({ kind: "reported", snapshot: snapshots[index] ?? snapshotOf() })));
			const last = snapshots.at(-1);
			expect(reported).toEqual(play(last === undefined ? [] : [{ kind: "reported", snapshot: last }]));
		}),
		{ numRuns: 500 },
	);
});

test("time passing between reports never decides twice on one version, and never reminds twice of one hold", () => {
	fc.assert(
		fc.property(deliveries, fc.array(fc.nat(9 * 86_400_000), { minLength: 1, maxLength: 20 }), ({ snapshots, order }, times) => {
			const ascending = times.toSorted((left, right) => left - right);
			let state = emptyRunGovernance("r-7", "search");
			const left: string[] = [];
			for (const [turn, index] of order.entries()) {
				const events: RunGovernanceEvent[] = [
					{ kind: "reported", snapshot: snapshots[index] ?? snapshotOf() },
					{ kind: "timePassed", nowMs: OPENED_AT_MS + (ascending[turn % ascending.length] ?? 0) },
				];
				for (const event of events) {
					const before = new Set(state.outbox.map(({ id }) => id));
					state = reduceRunGovernance(state, event);
					for (const effect of state.outbox) {
						if (before.has(effect.id)) continue;
						left.push(effect.kind === "decide" ? `expire ${effect.decision.knownVersion}` : `remind ${state.snapshot?.heldAtMs} ${effect.reminder}`);
					}
				}
			}
			expect(left.length).toBe(new Set(left).size);
		}),
		{ numRuns: 300 },
	);
});
