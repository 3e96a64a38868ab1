import { expect, test } from "vitest";
import { attemptItem, type LedgerRow } from "#activities/ledger/ledger-row.ts";
import type { OutcomeRecord } from "#activities/ledger/record.ts";
import { outcomeRecord, reservationRecord } from "#test/support/ledger-records.ts";

const WINDOWS = [
	{ id: "1", unit: "nano_usd" },
	{ id: "2", unit: "nano_usd" },
	{ id: "3", unit: "tokens" },
] as const;

function rowOf(outcome: Partial<OutcomeRecord>): LedgerRow {
	const reservation = reservationRecord(1, { windows: WINDOWS, reservedNanoUsd: "100", reservedTokens: 10 });
	return JSON.parse(attemptItem({ reservation, outcome: outcomeRecord(1, { costNanoUsd: "130", costTokens: 14, ...outcome }) }).json) as LedgerRow;
}

test("each window is charged the real cost in its own unit, with its own overrun", () => {
	expect(rowOf({ overrunNanoUsd: "30", windowOverruns: { "1": "30", "3": "4" } })).toMatchObject({
		cost_nano_usd: "130",
		cost_tokens: 14,
		overrun_nano_usd: "30",
		charges: [
			["1", "130", "30", "100"],
			["2", "130", "0", "100"],
			["3", "14", "4", "10"],
		],
	});
});

test("without overruns by window every money window has the overrun of the row", () => {
	expect(rowOf({ overrunNanoUsd: "7" }).charges.map(([, , overrun]) => overrun)).toEqual(["7", "7", "0"]);
});

test("an answer that the provider keeps goes along", () => {
	expect(rowOf({ answerId: "resp_1", itemIds: ["msg_1"] })).toMatchObject({ answer_id: "resp_1", item_ids: ["msg_1"] });
	for (const name of ["answer_id", "item_ids"]) expect(rowOf({})).not.toHaveProperty(name);
});
