import { afterAll, beforeAll, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { createLedgerWriter, type Quarantined } from "#activities/ledger/writer.ts";
import { findBrokenLink } from "#test/support/ledger-chain.ts";
import { attemptRow, refusalRecord } from "#test/support/ledger-records.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;
let sql: Connection;
beforeAll(async () => {
	ledger = await TestLedger.open();
	sql = new Connection({ url: ledger.database.url, applicationName: "test" });
});
afterAll(async () => {
	await sql.close();
	await ledger.close();
});

test("bad rows among 500 go to quarantine at their reservation, all others are booked; hostile text is booked as it is", async () => {
	await ledger.grant(1_000_000n);
	const told: Quarantined[] = [];
	const writer = createLedgerWriter({ gatewayId: "g1", epoch: 1n, sql, onQuarantine: (row) => told.push(row) });
	for (let n = 1; n <= 500; n += 1) {
		if (n === 13) writer.enqueueAttempt(attemptRow(n, ledger.windowId, { outcome: { costTokens: 1.5 } }));
		else if (n === 400)
			writer.enqueueAttempt(
				attemptRow(n, ledger.windowId, {
					reservation: { requestId: Array.from({ length: 9_000 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7_919) % 20_000))).join("") },
				}),
			);
		else if (n === 77)
			writer.enqueueAttempt(
				attemptRow(n, ledger.windowId, { reservation: { feature: "a\u0000b\ud800", claimed: { "x\u0000": "\\u0000 '; DROP TABLE x; --" } } }),
			);
		else writer.enqueueAttempt(attemptRow(n, ledger.windowId));
	}
	writer.enqueueRefusal(refusalRecord(1));
	writer.enqueueRefusal(refusalRecord(2, { need: "much" }));
	await writer.flush(20_000);

	expect(told.map(({ key, isBooked }) => ({ key, isBooked }))).toEqual([
		{ key: "g1-1-13", isBooked: true },
		{ key: "g1-1-400", isBooked: true },
		{ key: "g1-1-f-2", isBooked: false },
	]);
	const outcomes = await ledger.sql("SELECT outcome, count(*), sum(cost_nano_usd) AS cost FROM tollgate.attempt GROUP BY outcome ORDER BY outcome");
	expect(outcomes).toEqual([
		{ outcome: "quarantined", count: "2", cost: "2000" },
		{ outcome: "settled", count: "498", cost: "99600" },
	]);
	expect(await ledger.sql("SELECT posted, overrun FROM tollgate.lease")).toEqual([{ posted: "101600", overrun: "0" }]);
	expect(await ledger.sql("SELECT attempt_id FROM tollgate.quarantine ORDER BY 1")).toEqual([
		{ attempt_id: "g1-1-13" },
		{ attempt_id: "g1-1-400" },
		{ attempt_id: "g1-1-f-2" },
	]);
	expect(await ledger.sql("SELECT feature, claimed FROM tollgate.attempt WHERE attempt_id = 'g1-1-77'")).toEqual([
		{ feature: "a\uFFFDb\uFFFD", claimed: { "x\uFFFD": "\\u0000 '; DROP TABLE x; --" } },
	]);
	expect(await ledger.sql("SELECT refusal_id FROM tollgate.refusal")).toEqual([{ refusal_id: "g1-1-f-1" }]);
	expect(await findBrokenLink(ledger.client, "g1", 1n)).toBeUndefined();
	await writer.close(1_000);
});
