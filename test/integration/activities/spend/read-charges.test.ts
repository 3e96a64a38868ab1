import { afterEach, beforeEach, expect, test } from "vitest";
import { readCharges } from "#activities/spend/read-charges.ts";
import type { FocusCharge } from "#domain/focus/charge.ts";
import { createRandom } from "#test/faults/random.ts";
import { MonthLedger } from "#test/support/chargeback.ts";

let ledger: MonthLedger;
beforeEach(async () => {
	ledger = await MonthLedger.open();
});
afterEach(() => ledger.close());

async function readDay(day: string, limit: number): Promise<FocusCharge[]> {
	const all: FocusCharge[] = [];
	for (let after: string | undefined; ; ) {
		const { charges, next } = await readCharges(ledger.pool, { day, hasRuns: false, after, limit });
		all.push(...charges);
		if (next === null) return all;
		after = next;
	}
}
const sum = (charges: readonly FocusCharge[]): bigint => charges.reduce((total, { amountNanoUsd }) => total + BigInt(amountNanoUsd), 0n);

test.each([1, 2])("the charges of all days are the ledger, whatever the size of a page (seed %i)", async (seed) => {
	const random = createRandom(seed);
	await ledger.bookAtRandom(random, 120);
	for (let at = Date.UTC(2026, 7, 30); at < Date.UTC(2026, 10, 9); at += 86_400_000) {
		const day = new Date(at).toISOString().slice(0, 10);
		const charges = await readDay(day, random.integer(1, 4));
		expect(sum(charges), day).toBe(await ledger.spent(`${day}T00:00Z`, new Date(at + 86_400_000).toISOString()));
		expect(await readDay(day, 5_000)).toEqual(charges);
	}
});

test("what was booked for an earlier month is apart from what was spent", async () => {
	const [key = ""] = await ledger.book([{ at: "2026-09-20T12:00Z", account: "team/ads", cost: 900n, feature: "chat", isUnresolved: true }]);
	await ledger.book([{ at: "2026-10-03T10:00Z", account: "team/ads", cost: 50n, feature: "chat" }]);
	await ledger.adjust(key, "2026-10-03T12:00Z", -300n);
	expect(await readDay("2026-10-03", 10)).toMatchObject([
		{ kind: "usage", teamId: "ads", feature: "chat", calls: "1", amountNanoUsd: "50" },
		{ kind: "adjustment", teamId: "ads", feature: "chat", calls: "0", amountNanoUsd: "-300" },
	]);
	expect(await readDay("2026-10-04", 10)).toEqual([]);
});

test("a place that no page gave is refused", async () => {
	for (const after of ["", "{}", "[1,2,3]", '["x"]', "null"])
		await expect(readCharges(ledger.pool, { day: "2026-10-03", hasRuns: false, after, limit: 1 })).rejects.toMatchObject({
			code: "admin.invalid",
			details: { field: "after" },
		});
});
