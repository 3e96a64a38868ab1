import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ItemOutcome } from "#domain/batching/batch.ts";
import { decideBooking } from "#domain/batching/decide-booking.ts";
import { HoldTally } from "#domain/batching/hold-tally.ts";

const ITEMS = 5;
const bounds = fc.array(fc.bigInt({ min: 0n, max: 300n }), { minLength: ITEMS, maxLength: ITEMS });
const outcomes: readonly ItemOutcome[] = ["succeeded", "errored", "expired", "cancelled"];
const step = fc.oneof(
	fc.record({ kind: fc.constant("send" as const), n: fc.nat(ITEMS - 1) }),
	fc.record({
		kind: fc.constant("result" as const),
		n: fc.nat(ITEMS - 1),
		tryNumber: fc.integer({ min: 1, max: 3 }),
		outcome: fc.constantFrom(...outcomes),
		cost: fc.option(fc.bigInt({ min: 0n, max: 500n })),
	}),
	fc.constant({ kind: "return" as const }),
	fc.constant({ kind: "forget" as const }),
);

type Item = { readonly bound: bigint; tryNumber: number; outcome: ItemOutcome | null };

/** A batch's holder in one window, as PostgreSQL keeps it, and its items; booked with HoldTally and decideBooking in chunks that `forget` begins. */
class Holder {
	readonly granted: bigint;
	readonly items: Item[];
	readonly booked = new Set<string>();
	returned = 0n;
	posted = 0n;
	overrun = 0n;
	spent = 0n;
	tally: HoldTally | undefined;

	constructor(limits: readonly bigint[]) {
		this.items = limits.map((bound) => ({ bound, tryNumber: 0, outcome: null }));
		this.granted = limits.reduce((sum, bound) => sum + bound, 0n);
	}

	get pending(): bigint {
		return this.granted - this.returned - this.posted;
	}

	get open(): bigint {
		return this.items.reduce((sum, { bound, outcome }) => (outcome === null ? sum + bound : sum), 0n);
	}

	result({ n, tryNumber, outcome, cost }: { n: number; tryNumber: number; outcome: ItemOutcome; cost: bigint | null }): void {
		const item = this.items[n];
		if (item === undefined) return;
		const decision = decideBooking(item, { tryNumber, outcome, isBilled: cost !== null, isBooked: this.booked.has(`${n}/${tryNumber}`) });
		if (decision === "ignored") return;
		this.tally ??= new HoldTally([{ windowId: "1", unit: "nano_usd", idle: this.pending - this.open }]);
		const amounts = (nanoUsd: bigint) => ({ nanoUsd, tokens: 0n, outputTokens: 0n, steps: 0n });
		const overrun = this.tally.settle(amounts(decision === "ends" ? item.bound : 0n), amounts(cost ?? 0n)).get("1") ?? 0n;
		this.posted += (cost ?? 0n) - overrun;
		this.overrun += overrun;
		this.spent += cost ?? 0n;
		if (cost !== null) this.booked.add(`${n}/${tryNumber}`);
		if (decision === "ends") item.outcome = outcome;
	}

	/** As free_batch does. */
	giveBack(): void {
		this.tally = undefined;
		this.returned += this.pending - this.open;
	}
}

describe("any interleaving of sending, results and returns", () => {
	test("keeps what open items may cost, books every billed try once, and ends with nothing held", () => {
		fc.assert(
			fc.property(bounds, fc.array(step, { maxLength: 40 }), (limits, steps) => {
				const holder = new Holder(limits);
				for (const what of steps) {
					if (what.kind === "send") {
						const item = holder.items[what.n];
						if (item?.outcome === null) item.tryNumber += 1;
					} else if (what.kind === "result") holder.result(what);
					else if (what.kind === "return") holder.giveBack();
					else holder.tally = undefined;
					expect(holder.granted).toBe(holder.posted + holder.pending + holder.returned);
					expect(holder.pending).toBeGreaterThanOrEqual(holder.open);
					expect(holder.posted + holder.overrun).toBe(holder.spent);
					if (holder.tally !== undefined) expect(holder.tally.idle().get("1")).toBe(holder.pending - holder.open);
				}
				for (const [n, item] of holder.items.entries()) holder.result({ n, tryNumber: Math.max(1, item.tryNumber), outcome: "expired", cost: null });
				holder.giveBack();
				expect([holder.pending, holder.items.every(({ outcome }) => outcome !== null)]).toEqual([0n, true]);
			}),
			{ numRuns: 2_000 },
		);
	});
});
