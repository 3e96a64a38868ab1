import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { NewDeferredItem } from "#activities/batches/deferred-port.ts";
import type { ItemBooking } from "#activities/batches/port.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { answered, unbilled } from "#test/support/batch-stand.ts";
import { type Asker, DeferredStand } from "#test/support/deferred-stand.ts";

/** Whatever several askers do at once to items that are handed in alone, the books hold what open items may cost, window by window. */
let stand: DeferredStand;
beforeAll(async () => {
	stand = await DeferredStand.open();
	await stand.batches.budget({ unit: "tokens", limit: 1_000_000n });
	await stand.batches.ledger.limit(100_000n, 2);
	await stand.batches.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
});
afterAll(() => stand.close());

const ITEMS = 6;
const place = fc.nat(5);
const result: fc.Arbitrary<ItemBooking> = fc.oneof(
	fc
		.record({ n: fc.integer({ min: 1, max: ITEMS }), tryNumber: fc.integer({ min: 1, max: 2 }), cost: fc.bigInt({ min: 0n, max: 260n }) })
		.map(({ n, ...rest }) => answered(n, rest)),
	fc
		.tuple(fc.integer({ min: 1, max: ITEMS }), fc.constantFrom("errored", "expired", "cancelled"), fc.integer({ min: 1, max: 2 }))
		.map(([n, outcome, tryNumber]) => unbilled(n, outcome, tryNumber)),
);
const act = fc.oneof(
	{
		arbitrary: fc.record({ kind: fc.constant("accept"), user: fc.constantFrom("tight", "wide", null), boundNanoUsd: fc.bigInt({ min: 0n, max: 300n }) }),
		weight: 8,
	},
	{ arbitrary: fc.record({ kind: fc.constant("again"), place }), weight: 2 },
	{ arbitrary: fc.record({ kind: fc.constant("cancel"), place }), weight: 2 },
	{ arbitrary: fc.constant({ kind: "flush" } as const), weight: 1 },
	{ arbitrary: fc.record({ kind: fc.constant("send"), place }), weight: 3 },
	{ arbitrary: fc.record({ kind: fc.constant("book"), place, results: fc.array(result, { minLength: 1, maxLength: 5 }) }), weight: 4 },
	{
		arbitrary: fc.record({ kind: fc.constant("more"), place, numbers: fc.array(fc.integer({ min: 1, max: ITEMS }), { minLength: 1, maxLength: 4 }) }),
		weight: 4,
	},
	{ arbitrary: fc.record({ kind: fc.constant("collect"), place }), weight: 1 },
	{ arbitrary: fc.record({ kind: fc.constant("release"), place, as: fc.constantFrom("again", "expired", "cancelled") }), weight: 2 },
);
type Act = typeof act extends fc.Arbitrary<infer Each> ? Each : never;

/** Windows whose grants are not those of their leases, or pass the limit; and windows of a batch that hold anything but the bounds of its open items. */
const OUT_OF_BALANCE = `
	SELECT w.id::text AS window, 'granted' AS what FROM tollgate.budget_window w
	WHERE w.granted <> (SELECT coalesce(sum(l.granted - l.returned), 0) FROM tollgate.lease l WHERE l.window_id = w.id) OR w.granted > w.limit_amount
	UNION ALL
	SELECT h.window_id::text, 'held' FROM tollgate.batch_window h JOIN tollgate.batch b ON b.number = h.batch_number
	LEFT JOIN tollgate.lease l ON l.gateway_id = 'batch' || b.number AND l.window_id = h.window_id
	CROSS JOIN LATERAL (SELECT coalesce(l.granted - l.returned - l.posted, 0) AS amount) p
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(CASE h.unit WHEN 'tokens' THEN i.bound_tokens ELSE i.bound_nano_usd END * ((i.outcome IS NULL)::integer + i.is_second_held::integer)), 0) AS amount
		FROM tollgate.batch_item i WHERE i.batch_number = b.number AND h.window_id = ANY (i.windows)
	) o
	WHERE h.held <> o.amount OR p.amount < o.amount OR (b.state = 'collecting' AND p.amount <> o.amount)`;

class History {
	readonly run: number;
	readonly items: NewDeferredItem[] = [];
	readonly flushed: { readonly batchId: string; readonly items: number; parts: number }[] = [];

	constructor(run: number) {
		this.run = run;
	}

	async play(what: Act, { deferred, batches }: Asker): Promise<void> {
		switch (what.kind) {
			case "accept": {
				const attribution = { userId: what.user === null ? null : `${what.user}${this.run}` };
				const item = stand.item({ attribution, boundNanoUsd: what.boundNanoUsd, model: `m-${this.run}` });
				this.items.push(item);
				return void (await deferred.accept(item, { waitIsOver: true }));
			}
			case "again": {
				const item = this.items[what.place];
				return item === undefined ? undefined : void (await deferred.accept(item, { waitIsOver: true }));
			}
			case "cancel":
				return void (await deferred.cancelDeferred("demo", this.items[what.place]?.deferredId ?? "none"));
			case "flush": {
				const collector = (await deferred.collecting(1_000)).find(({ batch }) => batch.model === `m-${this.run}`);
				if (collector === undefined) return;
				const flushed = await deferred.flush(collector.batch.batchId, collector.batch.version);
				if (flushed !== undefined) this.flushed.push({ batchId: flushed.batchId, items: flushed.items, parts: 0 });
				return;
			}
			default: {
				const batch = this.flushed[what.place % Math.max(1, this.flushed.length)];
				if (batch === undefined) return;
				if (what.kind === "book") {
					const results = what.results.map((each) => ({ ...each, n: ((each.n - 1) % batch.items) + 1 }));
					return void (await batches.book(batch.batchId, results));
				}
				if (what.kind === "more") return void (await deferred.holdMore(batch.batchId, what.numbers, { waitIsOver: true }));
				if (what.kind === "collect") return this.collect(batch, batches);
				if (what.kind === "release") return void (await batches.releaseItems({ batchId: batch.batchId, part: batch.parts }, what.as));
				if ((await batches.itemsToSend(batch.batchId, 0, 1)).length > 0) await stand.batches.send(batch.batchId, ++batch.parts);
			}
		}
	}

	async collect({ batchId, parts }: { readonly batchId: string; readonly parts: number }, batches: Asker["batches"]): Promise<void> {
		if (parts === 0) return;
		for (const state of ["submitting", "running", "ended", "collected"] as const) await batches.movePart({ batchId, part: parts }, state, {});
	}
}

/** Out of its order: refused whole. */
function isRefused(error: unknown): boolean {
	return error instanceof CostControlError && ["internal.invariant", "batch.missing"].includes(error.code);
}

test("what is held is what open items may cost, after every step of several at once, and verify agrees in the end", { timeout: 170_000 }, async () => {
	let runs = 0;
	await fc.assert(
		fc.asyncProperty(fc.array(fc.array(act, { minLength: 1, maxLength: 4 }), { minLength: 15, maxLength: 40 }), async (steps) => {
			const history = new History(++runs);
			await stand.batches.budget({ dimension: "user", value: `tight${runs}`, limit: 700n });
			await stand.batches.budget({ dimension: "user", value: `wide${runs}`, limit: 100_000n });
			await stand.batches.ledger.sql(
				"UPDATE tollgate.budget_window w SET overrun_cleared = (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = w.id)",
			);
			for (const step of steps) {
				const played = await Promise.allSettled(
					step.map((what, at) => {
						const asker = stand.askers[at];
						if (asker === undefined) throw new Error("too many ask");
						return history.play(what, asker);
					}),
				);
				for (const each of played) if (each.status === "rejected" && !isRefused(each.reason)) throw each.reason;
				expect(await stand.batches.ledger.sql(OUT_OF_BALANCE)).toEqual([]);
			}
			await stand.batches.ledger.fallSilent();
			expect((await verifyLedger({ databaseUrl: stand.batches.ledger.database.url })).findings).toEqual([]);
		}),
		{ numRuns: 25, endOnFailure: true },
	);
	const [count] = await stand.batches.ledger.sql<Record<string, number>>(
		`SELECT (SELECT count(*)::int FROM tollgate.batch_item) AS accepted, (SELECT count(*)::int FROM tollgate.batch WHERE held_at IS NOT NULL) AS flushed,
		        (SELECT count(*)::int FROM tollgate.attempt) AS booked, (SELECT count(*)::int FROM tollgate.refusal) AS refused,
		        (SELECT count(*)::int FROM tollgate.batch_item WHERE outcome = 'cancelled') AS cancelled,
		        (SELECT coalesce(sum(seconds), 0)::int FROM tollgate.batch_item) AS seconds, (SELECT count(*)::int FROM tollgate.batch_part WHERE state = 'collected') AS collected`,
	);
	// Histories in which nothing happens would prove nothing.
	for (const [what, times] of Object.entries(count ?? {})) expect(times, what).toBeGreaterThan(0);
});
