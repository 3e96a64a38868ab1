import { afterEach, beforeEach, expect, it } from "vitest";
import { TestLedger } from "#test/support/test-ledger.ts";
import type { CallRecord } from "./call.ts";
import { type Judgement, judge } from "./checker.ts";

/** The black-box checker sees what it is there to see: each thing that can be wrong, planted into books that were right. */
let ledger: TestLedger;

beforeEach(async () => {
	ledger = await TestLedger.open();
	await ledger.settle({ n: 1 }, { n: 2 });
});
afterEach(() => ledger.close());

async function judgeWith(calls: Parameters<TestLedger["providerLog"]> = [{ n: 1 }, { n: 2 }], records: readonly CallRecord[] = []): Promise<Judgement> {
	return judge({ databaseUrl: ledger.database.url, callLogPath: await ledger.providerLog(...calls) }, records);
}

const told = (status: number, requestId: string): CallRecord => ({
	...{ teamId: "demo", status, code: status === 402 ? "budget.exceeded" : null, requestId, gateway: 0, phase: "before" },
	...{ startedAtMs: 0, endedAtMs: 0, text: "" },
});

it("finds nothing wrong with books that are right", async () => {
	expect(await judgeWith(undefined, [told(200, "r1"), told(200, "r2")])).toEqual({
		counts: { calls: 2, admitted: 2, refused: 0, overspendNanoUsd: 0n, falseRefusals: 0, duplicated: 0, lost: 0, estimated: 0, unresolved: 0 },
		problems: [],
	});
});

it("counts a billed call that nothing pays for", async () => {
	const { counts, problems } = await judgeWith([{ n: 1 }, { n: 2 }, { n: 3 }]);
	expect([counts.lost, problems]).toEqual([1, ["nothing pays for call g1-1-3 of the provider's log"]]);
});

it("counts a call that was sent twice under one id, and a charge that stands twice", async () => {
	expect((await judgeWith([{ n: 1 }, { n: 1 }, { n: 2 }])).counts.duplicated).toBe(1);
	await ledger.sql(
		"INSERT INTO tollgate.entry SELECT entry_key || '/again', at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail FROM tollgate.entry WHERE entry_key = 'g1-1-1'",
	);
	expect((await judgeWith()).counts.duplicated).toBe(1);
});

it("names an attempt that the provider knows nothing of, and one at another cost", async () => {
	expect((await judgeWith([{ n: 1 }])).problems).toEqual(["attempt g1-1-2 is settled, the provider's log does not hold it"]);
	const dearer = await judgeWith([{ n: 1, usage: { prompt_tokens: 100, completion_tokens: 51 } }, { n: 2 }]);
	expect(dearer.problems).toEqual(["attempt g1-1-1 (settled) is charged 200, the logged call cost 202"]);
});

it("prices calls of a batch at the batch price, by the usage of either provider", async () => {
	const batch = JSON.stringify([{ prices: { input: "500000", cachedInput: "250000", output: "1000000" } }]);
	await ledger.sql("UPDATE tollgate.price_line SET line = jsonb_set(line, '{tiers,batch}', $1::jsonb)", [batch]);
	await ledger.settle({ n: 3, reserved: 100n, cost: 100n }, { n: 4, reserved: 75n, cost: 75n }, { n: 5 });
	const usage = { input_tokens: 0, cache_read_input_tokens: 100, output_tokens: 50 };
	const calls = [{ n: 1 }, { n: 2 }, ...[{ n: 3 }, { n: 4, usage }, { n: 5 }].map((call) => ({ ...call, serviceTier: "batch" }))];
	expect((await judgeWith(calls)).problems).toEqual(["attempt g1-1-5 (settled) is charged 200, the logged call cost 100"]);
});

it("counts what is charged and not resolved, and takes a charge that covers the call", async () => {
	await ledger.settle({ n: 3, outcome: "unresolved", reserved: 500n });
	expect(await judgeWith([{ n: 1 }, { n: 2 }, { n: 3 }])).toMatchObject({ counts: { unresolved: 1 }, problems: [] });
});

it("counts money above the highest limit of its window, whatever the counters say", async () => {
	await ledger.sql("UPDATE tollgate.window_event SET limit_amount = 300, stop_amount = 300, granted_after = least(granted_after, 300)");
	expect((await judgeWith()).counts.overspendNanoUsd).toBe(100n);
});

it("counts a grant above the limit in force at its commit", async () => {
	await ledger.sql("UPDATE tollgate.window_event SET limit_amount = 399, stop_amount = 399 WHERE seq = (SELECT max(seq) FROM tollgate.window_event)");
	expect((await judgeWith()).counts.overspendNanoUsd).toBe(1n);
});

it("counts nothing that an observed window let pass, and what was granted after it was enforced", async () => {
	await ledger.limit(100n, 2, { mode: "observe" });
	await ledger.settle({ n: 3, reserved: 5_000n });
	await ledger.refuse({ limit: 100n, granted: 5_400n, idle: 0n, need: 5_000n, open: null, isObserved: true });
	expect((await judgeWith([{ n: 1 }, { n: 2 }, { n: 3 }])).counts).toMatchObject({ overspendNanoUsd: 0n, refused: 0 });
	await ledger.sql("UPDATE tollgate.window_event SET is_observed = false");
	expect((await judgeWith([{ n: 1 }, { n: 2 }, { n: 3 }])).counts.overspendNanoUsd).toBeGreaterThan(0n);
});

it("counts a refusal although the window had room", async () => {
	await ledger.refuse({ limit: 1_000_000_000n, granted: 400n, idle: 0n, need: 5_000n });
	expect((await judgeWith()).counts).toMatchObject({ refused: 1, falseRefusals: 1 });
});

it("names what a caller was told and the ledger does not know, and money that nobody can settle any more", async () => {
	expect((await judgeWith(undefined, [told(200, "r9"), told(402, "r8")])).problems).toEqual([
		"request r9 was answered, the ledger does not know it",
		"request r8 was refused (budget.exceeded), there is no refusal row",
	]);
	await ledger.grant(700n);
	expect((await judgeWith()).problems).toEqual(["700 is pending although no gateway runs"]);
});
