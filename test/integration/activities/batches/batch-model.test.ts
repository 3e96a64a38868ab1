import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ItemBooking } from "#activities/batches/port.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { answered, BatchStand, unbilled } from "#test/support/batch-stand.ts";

/** Any interleaving of what happens to batches keeps the books: on the real functions, after every step. */
let stand: BatchStand;
beforeAll(async () => {
	stand = await BatchStand.open();
	await stand.budget({ unit: "tokens", limit: 1_000_000n });
	await stand.budget({ dimension: "organization", windowKind: "month", limit: 1_000_000n });
	await stand.ledger.limit(60_000n, 2);
});
afterAll(() => stand.close());

const ITEMS = 4;
const item = fc.integer({ min: 1, max: ITEMS });
const result: fc.Arbitrary<ItemBooking> = fc.oneof(
	fc.record({ n: item, tryNumber: fc.integer({ min: 1, max: 3 }), cost: fc.bigInt({ min: 0n, max: 260n }) }).map(({ n, ...rest }) => answered(n, rest)),
	fc
		.record({ n: item, tryNumber: fc.integer({ min: 1, max: 3 }) })
		.map(({ n, tryNumber }) => ({ ...answered(n, { tryNumber }), unresolvedReason: "results are gone" })),
	fc
		.tuple(item, fc.constantFrom("errored", "expired", "cancelled"), fc.integer({ min: 1, max: 3 }))
		.map(([n, outcome, tryNumber]) => unbilled(n, outcome, tryNumber)),
);
const step = fc.oneof(
	{ arbitrary: fc.constant({ kind: "hold" } as const), weight: 3 },
	{ arbitrary: fc.constant({ kind: "send" } as const), weight: 1 },
	{ arbitrary: fc.record({ kind: fc.constant("book"), results: fc.array(result, { minLength: 1, maxLength: 6 }) }), weight: 4 },
	{ arbitrary: fc.record({ kind: fc.constant("release"), as: fc.constantFrom("again", "expired", "cancelled") }), weight: 1 },
	{ arbitrary: fc.constant({ kind: "close" } as const), weight: 3 },
	{ arbitrary: fc.constant({ kind: "abandon" } as const), weight: 1 },
	{ arbitrary: fc.record({ kind: fc.constant("call"), need: fc.bigInt({ min: 1n, max: 500n }) }), weight: 1 },
);

/** What PostgreSQL holds, in every window: what is granted is posted or pending, and no batch holds less than its open items may cost. */
const OUT_OF_BALANCE = `
	SELECT w.id FROM tollgate.budget_window w
	WHERE w.granted <> (SELECT coalesce(sum(l.granted - l.returned), 0) FROM tollgate.lease l WHERE l.window_id = w.id)
	UNION ALL
	SELECT q.window_id FROM tollgate.batch b JOIN tollgate.batch_window q ON q.batch_number = b.number
	JOIN tollgate.lease l ON l.gateway_id = 'batch' || b.number AND l.window_id = q.window_id
	WHERE q.held <> CASE q.unit WHEN 'tokens' THEN b.held_tokens ELSE b.held_nano_usd END OR l.granted - l.returned - l.posted < q.held`;

type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;
type Run = { readonly batchId: string; parts: number };

async function play(run: Run, what: Step): Promise<void> {
	const { batchId } = run;
	switch (what.kind) {
		case "hold":
			return void (await stand.store.hold(batchId, { waitIsOver: true }));
		case "send":
			if ((await stand.store.itemsToSend(batchId, 0, ITEMS)).length > 0) await stand.send(batchId, ++run.parts);
			return;
		case "book":
			return void (await stand.store.book(batchId, what.results));
		case "release":
			return void (await stand.store.releaseItems({ batchId, part: run.parts }, what.as));
		case "close":
			return stand.store.closeHold(batchId);
		case "abandon":
			return stand.store.abandon(batchId);
		case "call":
			return void (await stand.ledger.grant(what.need));
	}
}

/** Out of its order, or of a batch that is gone: refused whole. */
function isRefused(error: unknown): boolean {
	return error instanceof CostControlError && ["internal.invariant", "batch.missing"].includes(error.code);
}

test("granted is posted and pending after every step, and verify finds the books in order after every history", { timeout: 170_000 }, async () => {
	let [held, booked, closed] = [0, 0, 0];
	await fc.assert(
		fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), step), { minLength: 10, maxLength: 40 }), async (steps) => {
			await stand.ledger.sql(
				"UPDATE tollgate.budget_window w SET overrun_cleared = (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = w.id)",
			);
			const runs: Run[] = [];
			for (let place = 0; place < 2; place++) runs.push({ batchId: await stand.begin({ count: ITEMS }), parts: 0 });
			for (const [place, what] of steps) {
				const run = runs[place];
				if (run === undefined) continue;
				await play(run, what).catch((error: unknown) => {
					if (!isRefused(error)) throw error;
				});
				expect(await stand.ledger.sql(OUT_OF_BALANCE)).toEqual([]);
			}
			await stand.ledger.fallSilent();
			expect((await verifyLedger({ databaseUrl: stand.ledger.database.url })).findings).toEqual([]);
		}),
		{ numRuns: 60 },
	);
	for (const row of await stand.ledger.sql<{ held: number; booked: number; closed: number }>(
		`SELECT (SELECT count(*)::int FROM tollgate.batch WHERE held_at IS NOT NULL) AS held, (SELECT count(*)::int FROM tollgate.attempt) AS booked,
		        (SELECT count(*)::int FROM tollgate.gateway_epoch WHERE kind = 'batch' AND closed_at IS NOT NULL) AS closed`,
	))
		[held, booked, closed] = [row.held, row.booked, row.closed];
	// Histories in which nothing happens would prove nothing.
	for (const count of [held, booked, closed]) expect(count).toBeGreaterThan(5);
});
