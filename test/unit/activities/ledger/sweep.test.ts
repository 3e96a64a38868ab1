import type { QueryResultRow } from "pg";
import { expect, test } from "vitest";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { sweepSilentEpochs } from "#activities/ledger/sweep.ts";

const MAX_CALL_MS = 900_000;

test("an epoch is waited for, then posted as a lump; what a late grant left on a closed one is returned", async () => {
	const silent = (epoch: string, silent_ms: number, closed_how: string | null) => ({
		gateway_id: "g1",
		epoch,
		closed_how,
		silent_ms: String(silent_ms),
		pending_windows: "2",
		is_past_its_time: silent_ms >= MAX_CALL_MS + 60_000,
		longest_call_ms: String(MAX_CALL_MS),
	});
	const statements: [string, readonly unknown[]][] = [];
	const answers: Record<string, QueryResultRow[]> = {
		silent_epochs: [silent("1", MAX_CALL_MS + 59_999, null), silent("2", MAX_CALL_MS + 60_000, null), silent("3", 61_000, "drained")],
		lump_epoch: [{ reply: { closedHow: "lump", lumps: [{ entryKey: "lump/g1/2/demo", teamId: "demo", amountNanoUsd: "5", windows: { 1: "5" } }] } }],
		adopt_epoch: [{ reply: { closedHow: "drained", returned: [{ windowId: "1", amount: "7" }] } }],
	};
	const sql: SqlConnection = {
		query: async <Row extends QueryResultRow>(name: string, _text: string, values: readonly unknown[]) => {
			statements.push([name, values]);
			return (answers[name] ?? []) as Row[];
		},
	};
	const report = await sweepSilentEpochs(sql, MAX_CALL_MS);
	expect(report.waiting).toEqual([{ gatewayId: "g1", epoch: 1n, silentMs: MAX_CALL_MS + 59_999, pendingWindows: 2 }]);
	expect(report.ended).toMatchObject([
		{ epoch: 2n, closedHow: "lump", lumps: [{ amountNanoUsd: 5n }] },
		{ epoch: 3n, closedHow: "drained", returned: [{ windowId: "1", amount: 7n }] },
	]);
	expect(statements.slice(1)).toEqual([
		["lump_epoch", ["g1", "2", "gateway_lost", MAX_CALL_MS + 60_000]],
		["adopt_epoch", ["g1", "3", "adopted"]],
	]);
});
