import { afterAll, beforeAll, expect, test } from "vitest";
import type { TurnaroundEstimate } from "#domain/batching/turnaround.ts";
import { HOUR_MS, RealTimeStand } from "#test/support/real-time-stand.ts";

/** A worker that dies at any call of rows, payloads or providers: between mark, call, keep and book above all. */
let stand: RealTimeStand;
beforeAll(async () => {
	stand = await RealTimeStand.open();
});
afterAll(() => stand?.close());

/** All of the batches before took ten minutes. */
const TEN_MINUTES: TurnaroundEstimate = {
	...{ quantileMs: 600_000, lateShare: 0.1, source: "all_hours", samples: 100, inFlight: 0 },
	curve: { timesMs: [600_000], shares: [0] },
};

type Items = Parameters<RealTimeStand["held"]>[0];

/** Whether it died at the place: whatever it asks for afterwards is not heard. Then another one goes on. */
async function diesAt(deathPlace: number, items: Items): Promise<boolean> {
	const batchId = await stand.held(items);
	const { number } = await stand.batch(batchId);
	let isDead = false;
	const onCall = (place: number): void => {
		if (place < deathPlace) return;
		isDead = true;
		throw new Error("the worker is gone");
	};
	// Of a batch that most items left the rest ends with another one.
	const script = { pollsToEnd: (batches: number) => (batches > 1 ? 1 : 10_000) };
	const first = stand.activities({ onCall, script, turnaround: TEN_MINUTES });
	const second = stand.activities({ isSuccessor: true, turnaround: TEN_MINUTES });
	const living = new Proxy(first, { get: (_, name) => Reflect.get(isDead ? second : first, name) as unknown });
	await stand.drive(batchId, living);
	const where = { deathPlace, batchId };
	const outcomes = await stand.outcomes(batchId);
	expect({ ...where, open: outcomes.filter(({ outcome }) => outcome === null) }).toEqual({ ...where, open: [] });
	const entries = await stand.deferred.batches.entries(batchId);
	const known = new Set(entries.map(({ attempt_id }) => attempt_id));
	const billed = [...stand.billed(number), ...stand.provider.billed];
	expect({ ...where, unbooked: billed.filter((attempt) => !known.has(attempt)), twice: billed.length - new Set(billed).size }).toEqual({
		...where,
		unbooked: [],
		twice: 0,
	});
	// What nobody billed is charged only where nobody can know.
	const charged = entries.filter(({ attempt_id, outcome }) => outcome === "settled" && !billed.includes(attempt_id));
	expect({ ...where, charged }).toEqual({ ...where, charged: [] });
	const answers = await stand.deferred.batches.ledger.sql<{ answered: boolean }>(
		"SELECT bool_and(answered_at IS NOT NULL) AS answered FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number WHERE b.id = $1",
		[batchId],
	);
	expect({ ...where, answers }).toEqual({ ...where, answers: [{ answered: true }] });
	expect((await stand.batch(batchId)).heldNanoUsd).toBe("0");
	return isDead;
}

/** Of what it does in real time, each place; they are some fifty. */
test("leaves nothing unbooked, nothing booked twice, and each item with one end", async () => {
	let deaths = 0;
	for (let place = 1; await diesAt(place, [soon(0.2), { ...soon(0.2), content: `[[simulate:{"status":400}]]` }]); place += 2) deaths++;
	expect(deaths).toBeGreaterThan(10);
	expect(await stand.findings(await newest())).toEqual([]);
});

test("in the middle of a hedge neither", async () => {
	let deaths = 0;
	for (let place = 40; await diesAt(place, [soon(0.7), soon(0.7)]); place += 4) deaths++;
	expect(deaths).toBeGreaterThan(10);
	expect(await stand.findings(await newest())).toEqual([]);
});

const soon = (hours: number) => ({ deadlineMs: stand.nowMs + hours * HOUR_MS });

async function newest(): Promise<string> {
	const [last] = await stand.deferred.batches.ledger.sql<{ id: string }>("SELECT id FROM tollgate.batch ORDER BY number DESC LIMIT 1");
	return last?.id ?? "";
}
