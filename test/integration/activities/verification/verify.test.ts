import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import type { DegradedRecord } from "#activities/ledger/record.ts";
import { sweepSilentEpochs } from "#activities/ledger/sweep.ts";
import type { FindingKind } from "#activities/verification/report.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;

beforeEach(async () => {
	ledger = await TestLedger.open();
	await ledger.settle({ n: 1 }, { n: 2 });
	await ledger.settle({ n: 3 });
});
afterEach(() => ledger.close());

/** The gateway of these tests answers nothing, so it must not look live. */
async function verify() {
	await ledger.fallSilent();
	return verifyLedger({ databaseUrl: ledger.database.url });
}

async function expectFinding(kind: FindingKind, row: string) {
	const { report, findings } = await verify();
	expect(findings.filter((finding) => finding.kind === kind).map((finding) => finding.row)).toContain(row);
	expect(report.ok).toBe(false);
	return report;
}

describe("a ledger nobody touched", () => {
	test("is ok, counts its rows and has exactly the fields scripts rely on", async () => {
		const { report, findings } = await verify();
		expect(findings).toEqual([]);
		expect(report).toEqual({
			ok: true,
			calls: 3,
			entries: 3,
			overspendNanoUsd: "0",
			overrunNanoUsd: "0",
			falseRefusals: 0,
			duplicated: 0,
			lost: 0,
			estimated: 0,
			unresolved: 0,
			pendingPastTime: 0,
		});
	});

	test("is ok after the gateway drained", async () => {
		await ledger.grant(5_000n);
		await ledger.drain();
		expect((await verify()).findings).toEqual([]);
	});

	test("an empty database is ok", async () => {
		const empty = await TestLedger.open();
		expect((await verifyLedger({ databaseUrl: empty.database.url })).report).toMatchObject({ ok: true, entries: 0 });
		await empty.close();
	});

	test("stays ok when a limit falls below what is granted: an overhang is no overspend", async () => {
		await ledger.limit(1n, 2);
		expect((await verify()).report).toMatchObject({ ok: true, overspendNanoUsd: "0" });
	});
});

describe("tampering turns it red and names the row", () => {
	test.each([
		["an edited amount", "UPDATE tollgate.entry SET amount_nano_usd = 1 WHERE entry_key = 'g1-1-2'", "entry", "attempt g1-1-2"],
		["an edited amount, in the chain", "UPDATE tollgate.entry SET amount_nano_usd = 1 WHERE entry_key = 'g1-1-2'", "chain", "chunk g1/1/1"],
		["an edited account", "UPDATE tollgate.entry SET debit_account = 'team/other' WHERE entry_key = 'g1-1-2'", "entry", "attempt g1-1-2"],
		["a posting between strange accounts", "UPDATE tollgate.entry SET credit_account = 'mine' WHERE entry_key = 'g1-1-2'", "entry", "entry g1-1-2"],
		["an edited attempt that no sum shows", "UPDATE tollgate.attempt SET user_id = 'someone' WHERE attempt_id = 'g1-1-3'", "chain", "chunk g1/1/2"],
		["an edited time", "UPDATE tollgate.attempt SET reserved_at = reserved_at - interval '1 second' WHERE attempt_id = 'g1-1-3'", "chain", "chunk g1/1/2"],
		["a deleted entry", "DELETE FROM tollgate.entry WHERE entry_key = 'g1-1-2'", "entry", "entry g1-1-2"],
		["a deleted attempt", "DELETE FROM tollgate.attempt WHERE attempt_id = 'g1-1-2'", "entry", "attempt g1-1-2"],
		["a deleted key", "DELETE FROM tollgate.entry_key WHERE entry_key = 'g1-1-2'", "entry", "entry g1-1-2"],
		[
			"two entries swapped between chunks",
			"UPDATE tollgate.entry SET chunk_seq = 3 - chunk_seq WHERE entry_key IN ('g1-1-2', 'g1-1-3')",
			"chain",
			"chunk g1/1/2",
		],
		["a chunk taken out of the middle", "DELETE FROM tollgate.chunk WHERE chunk_seq = 1", "chain", "chunk g1/1/2"],
		["an edited hash", "UPDATE tollgate.chunk SET hash = sha256('x') WHERE chunk_seq = 1", "chain", "chunk g1/1/2"],
		["a moved lease counter", "UPDATE tollgate.lease SET posted = posted - 1", "counter", "lease g1/1 window 1"],
		["a moved window counter", "UPDATE tollgate.budget_window SET granted = granted + 7", "counter", "budget_window 1"],
		["a window that left its history", "UPDATE tollgate.budget_window SET limit_amount = limit_amount + 1", "history", "budget_window 1"],
		["a deleted event", "DELETE FROM tollgate.window_event WHERE seq = 2", "history", "window_event 1/3"],
		["an edited event", "UPDATE tollgate.window_event SET amount = amount + 1 WHERE seq = 3", "history", "window_event 1/3"],
		["a limit raised inside a grant", "UPDATE tollgate.window_event SET limit_amount = limit_amount + 1 WHERE seq = 3", "history", "window_event 1/3"],
	] as const)("%s", async (_name, statement, kind, row) => {
		await ledger.sql(statement);
		await expectFinding(kind, row);
	});

	test("a tail cut off behind an anchor", async () => {
		await ledger.sql("SELECT tollgate.anchor_chain('g1', 1)");
		await ledger.sql("DELETE FROM tollgate.attempt WHERE attempt_id = 'g1-1-3'");
		await ledger.sql("DELETE FROM tollgate.entry WHERE entry_key = 'g1-1-3'");
		await ledger.sql("DELETE FROM tollgate.entry_key WHERE entry_key = 'g1-1-3'");
		await ledger.sql("DELETE FROM tollgate.chunk WHERE chunk_seq = 2");
		await ledger.sql("UPDATE tollgate.lease SET posted = posted - 200");
		await expectFinding("chain", "chain_anchor g1/1/2");
	});

	test("a tail cut off together with its anchors, by whoever was told of it", async () => {
		const rows = await ledger.sql("SELECT encode(hash, 'hex') AS hash FROM tollgate.chunk WHERE chunk_seq = 2");
		const told = { gatewayId: "g1", epoch: "1", chunkSeq: "2", hash: String(rows[0]?.["hash"]), witness: "team-budget/t" };
		const asked: (readonly string[])[] = [];
		const testify = async (governed: readonly string[]) => {
			asked.push(governed);
			return { heads: [told, { ...told, chunkSeq: "1", hash: "0".repeat(64) }], note: "half were asked" };
		};
		await ledger.sql("INSERT INTO tollgate.team (id) VALUES ('without-budget')");
		await ledger.fallSilent();
		const whole = await verifyLedger({ databaseUrl: ledger.database.url, askWitnesses: testify });
		expect(whole.findings.map(({ row, message }) => [row, message])).toEqual([["chunk g1/1/1", "was told to team-budget/t with another hash"]]);
		expect(whole.notes).toContain("half were asked");
		expect(asked).toEqual([["demo"]]);
		await ledger.sql("DELETE FROM tollgate.chain_anchor");
		await ledger.sql("DELETE FROM tollgate.chunk WHERE chunk_seq = 2");
		const cut = await verifyLedger({ databaseUrl: ledger.database.url, askWitnesses: testify });
		expect(cut.findings).toContainEqual({ kind: "chain", row: "chunk g1/1/2", message: "was told to team-budget/t and is gone: the tail was cut" });
		expect(cut.report.ok).toBe(false);
	});

	test("an entry written past the chain", async () => {
		await ledger.sql("INSERT INTO tollgate.entry_key VALUES ('g1-1-9')");
		await ledger.sql(
			"INSERT INTO tollgate.entry SELECT 'g1-1-9', at, kind, 'g1-1-9', gateway_id, epoch, 99, debit_account, credit_account, amount_nano_usd, price_version FROM tollgate.entry WHERE entry_key = 'g1-1-1'",
		);
		await expectFinding("chain", "entry g1-1-9");
	});

	test("an attempt charged twice, a month apart", async () => {
		await ledger.sql(
			"INSERT INTO tollgate.entry SELECT entry_key, at + interval '1 month', kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version FROM tollgate.entry WHERE entry_key = 'g1-1-1'",
		);
		expect(await expectFinding("duplicated", "attempt g1-1-1")).toMatchObject({ duplicated: 1 });
	});
});

describe("overspend", () => {
	test("a grant over the limit is counted to the nano-dollar", async () => {
		await ledger.limit(1_000n, 2);
		await ledger.sql("UPDATE tollgate.budget_window SET granted = granted + 500, event_seq = event_seq + 1");
		await ledger.sql("UPDATE tollgate.lease SET granted = granted + 500");
		await ledger.sql(
			"INSERT INTO tollgate.window_event SELECT id, event_seq, clock_timestamp(), 'grant', 'g1', 1, 500, granted, limit_amount, stop_amount, is_frozen, revision FROM tollgate.budget_window",
		);
		expect(await expectFinding("overspend", "window_event 1/6")).toMatchObject({ overspendNanoUsd: "100" });
	});

	test("a grant past the limit of a window that is only observed is none, and one after it is enforced is", async () => {
		await ledger.limit(100n, 2, { mode: "observe" });
		expect(await ledger.grant(5_000n)).toBe(true);
		expect((await verify()).report).toMatchObject({ ok: true, overspendNanoUsd: "0" });
		await ledger.limit(100n, 3);
		expect((await verify()).report).toMatchObject({ ok: true, overspendNanoUsd: "0" }); // an overhang
		await ledger.sql("UPDATE tollgate.budget_window SET granted = granted + 5, event_seq = event_seq + 1");
		await ledger.sql("UPDATE tollgate.lease SET granted = granted + 5");
		await ledger.sql(
			"INSERT INTO tollgate.window_event SELECT id, event_seq, clock_timestamp(), 'grant', 'g1', 1, 5, granted, limit_amount, stop_amount, is_frozen, revision FROM tollgate.budget_window",
		);
		expect(await expectFinding("overspend", "window_event 1/8")).toMatchObject({ overspendNanoUsd: "5" });
	});

	test("who turns a window into an observed one behind the history's back is found out", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET is_observed = true");
		await expectFinding("history", "budget_window 1");
	});

	test("a grant while frozen is overspend whole", async () => {
		await ledger.sql("SELECT tollgate.set_frozen('demo', true, 'test', 2, 'ada')");
		await ledger.sql("UPDATE tollgate.budget_window SET granted = granted + 5, event_seq = event_seq + 1");
		await ledger.sql("UPDATE tollgate.lease SET granted = granted + 5");
		await ledger.sql(
			"INSERT INTO tollgate.window_event SELECT id, event_seq, clock_timestamp(), 'grant', 'g1', 1, 5, granted, limit_amount, stop_amount, is_frozen, revision FROM tollgate.budget_window",
		);
		expect(await expectFinding("overspend", "window_event 1/6")).toMatchObject({ overspendNanoUsd: "5" });
	});
});

describe("refusals", () => {
	beforeEach(() => ledger.limit(1_000n, 2));

	test("by the rule are no fault", async () => {
		await ledger.refuse({ limit: 1_000n, granted: 600n, idle: 99n, need: 500n });
		expect((await verify()).report).toMatchObject({ ok: true, falseRefusals: 0 });
	});

	test.each([
		["money was there", { limit: 1_000n, granted: 600n, idle: 0n, need: 400n }],
		["the asker's own idle money was enough", { limit: 1_000n, granted: 600n, idle: 100n, need: 500n }],
		["the limit was another", { limit: 900n, granted: 600n, idle: 0n, need: 500n }],
		["granted was another", { limit: 1_000n, granted: 700n, idle: 0n, need: 500n }],
		["there is no such event", { limit: 1_000n, granted: 600n, idle: 0n, need: 500n, seq: 77n }],
		["the window was not frozen", { limit: 1_000n, granted: 600n, idle: 0n, need: 500n, code: "budget.frozen" }],
		["there was no overrun", { limit: 1_000n, granted: 600n, idle: 0n, need: 500n, code: "budget.overrun" }],
	])("are false when %s", async (_name, refusal) => {
		await ledger.refuse(refusal);
		expect(await expectFinding("false_refusal", "refusal g1-1-f-1")).toMatchObject({ falseRefusals: 1 });
	});

	test("that an observed budget would have given are told apart: they need no wait and no open calls, but the numbers must hold", async () => {
		await ledger.limit(1_000n, 3, { mode: "observe" });
		await ledger.refuse({ n: 1, limit: 1_000n, granted: 600n, idle: 99n, need: 500n, open: null, isObserved: true });
		expect((await verify()).report).toMatchObject({ ok: true, falseRefusals: 0 });
		await ledger.refuse({ n: 2, limit: 1_000n, granted: 600n, idle: 100n, need: 500n, open: null, isObserved: true });
		await expectFinding("false_refusal", "refusal g1-1-f-2");
	});

	test("for want of an approval hold only where a line stood below the limit", async () => {
		const missing = { limit: 1_000n, granted: 600n, idle: 0n, need: 500n, code: "budget.needs_approval", waitedMs: 5_000 };
		await ledger.limit(1_000n, 3, { thresholds: [{ action: "needApproval", at: { amount: "700" } }] });
		await ledger.refuse({ ...missing, n: 1, need: 101n });
		expect((await verify()).report.falseRefusals).toBe(0);
		await ledger.refuse({ ...missing, n: 2, need: 100n });
		await expectFinding("false_refusal", "refusal g1-1-f-2");
		await ledger.limit(1_000n, 4);
		await ledger.refuse({ ...missing, n: 3 });
		await expectFinding("false_refusal", "refusal g1-1-f-3");
	});

	test("before the wait is over are false while open calls hold enough, and right once it is over or was never asked for", async () => {
		const early = { limit: 1_000n, granted: 600n, idle: 0n, need: 500n, open: 100n };
		await ledger.refuse({ ...early, n: 1, open: 99n });
		await ledger.refuse({ ...early, n: 2, waitedMs: 5_000 });
		expect((await verify()).report.falseRefusals).toBe(0);
		await ledger.refuse({ ...early, n: 3, waitedMs: 4_000 });
		await expectFinding("false_refusal", "refusal g1-1-f-3");
		await ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
		expect((await verify()).report.falseRefusals).toBe(0);
	});

	test("without the number of open calls are false: a refusal gives its grounds", async () => {
		await ledger.refuse({ limit: 1_000n, granted: 600n, idle: 0n, need: 500n });
		await ledger.sql("UPDATE tollgate.refusal SET open_reservations = NULL");
		await expectFinding("false_refusal", "refusal g1-1-f-1");
	});

	test("that say less was open than was granted and is still not posted are false", async () => {
		await ledger.grant(300n);
		const early = { limit: 1_000n, granted: 900n, idle: 0n, need: 500n };
		await ledger.refuse({ ...early, n: 1, open: 300n });
		expect((await verify()).report.falseRefusals).toBe(0);
		await ledger.refuse({ ...early, n: 2, open: 299n });
		await expectFinding("false_refusal", "refusal g1-1-f-2");
	});

	test("stay right when a lump or an unresolved charge of that time is brought down later", async () => {
		await ledger.grant(100n);
		await ledger.settle({ n: 4, outcome: "unresolved", reserved: 150n });
		await ledger.refuse({ limit: 1_000n, granted: 850n, idle: 0n, need: 500n, open: 100n });
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'test')");
		await ledger.sql("SELECT tollgate.reduce_lump('lump/g1/1/demo', 20, 'lease resolve', 'ada')");
		await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-4', 0, 0, 'not in the provider log', 'ada')");
		await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-4', 140, 150, 'provider log line 1', 'ada')");
		expect((await verify()).findings).toEqual([]);
	});

	test("by a limit beside money need no window, and are false when by their own numbers the call did fit", async () => {
		const limit = { code: "limit.requests", limitName: "requests; dimension=team; limit=60", limit: 60n };
		await ledger.refuseByLimit({ ...limit, n: 1, stoodAt: 60n, need: 1n });
		expect((await verify()).report).toMatchObject({ ok: true, falseRefusals: 0 });
		await ledger.refuseByLimit({ ...limit, n: 2, stoodAt: 59n, need: 1n });
		expect(await expectFinding("false_refusal", "refusal g1-1-l-2")).toMatchObject({ falseRefusals: 1 });
	});

	test("for lack of a budget are false when there was one", async () => {
		await ledger.sql("UPDATE tollgate.budget SET created_at = created_at - interval '1 hour'");
		await ledger.refuse({ limit: 0n, granted: 0n, idle: 0n, need: 0n, code: "budget.none" });
		await expectFinding("false_refusal", "refusal g1-1-f-1");
	});
});

describe("a call that a line degraded", () => {
	/** Beyond a line at 1,000 of which 600 was granted. */
	async function degrade(n: number, by: Partial<DegradedRecord["by"]> = {}, askedModel = "gpt-dear"): Promise<void> {
		const [window] = await ledger.sql<{ seq: string; granted: string }>("SELECT event_seq AS seq, granted FROM tollgate.budget_window WHERE id = $1", [
			ledger.windowId,
		]);
		const numbers = { lineAmount: "1000", granted: window?.granted ?? "", idle: "0", need: "500" };
		const named = { budgetId: ledger.budgetId, place: 1, windowId: ledger.windowId, windowSeq: window?.seq ?? "" };
		await ledger.settle({ n, degraded: { askedModel, by: { ...named, ...numbers, ...by } } });
	}

	beforeEach(() => ledger.limit(1_000_000n, 2, { thresholds: [{ action: "degrade", at: { amount: "1000" }, degradeTo: { "gpt-dear": "gpt-test" } }] }));

	test("is right by the numbers of the line's window, and its chain proves what it says", async () => {
		await degrade(4);
		await degrade(5, { need: "201" });
		expect((await verify()).findings).toEqual([]);
		await ledger.sql("UPDATE tollgate.attempt SET asked_model = 'gpt-other' WHERE attempt_id = 'g1-1-4'");
		await expectFinding("chain", "chunk g1/1/3");
	});

	test.each<[string, Partial<DegradedRecord["by"]>, string?]>([
		["the call fitted below it", { need: "400" }],
		["the asker's own idle money was enough", { idle: "100" }],
		["the line stood elsewhere", { lineAmount: "900" }],
		["there is no such line", { place: 2 }],
		["granted was another", { granted: "900" }],
		["there is no such event", { windowSeq: "77" }],
		["it is of another budget", { budgetId: "77" }],
		["a number is none", { need: "many" }],
		["it served what was asked for", {}, "gpt-test"],
	])("is not when %s", async (_name, by, askedModel) => {
		await degrade(4, by, askedModel);
		await expectFinding("degraded", "attempt g1-1-4");
	});

	test("by a line that somebody moved behind the history's back is found out by the window", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET degrade_amounts = '{10}'");
		await degrade(4, { lineAmount: "10" });
		await expectFinding("history", `budget_window ${ledger.windowId}`);
		await expectFinding("degraded", "attempt g1-1-4");
	});

	test("stays right when the line is moved, and is not when the line was gone already", async () => {
		await degrade(4);
		await ledger.limit(1_000_000n, 3);
		expect((await verify()).findings).toEqual([]);
		await ledger.sql("UPDATE tollgate.window_event SET at = at - interval '10 seconds'");
		await ledger.grant(1n);
		await degrade(5);
		await expectFinding("degraded", "attempt g1-1-5");
	});
});

describe("pending money", () => {
	test("of a closed epoch is past its time", async () => {
		await ledger.drain();
		await ledger.sql("UPDATE tollgate.lease SET granted = granted + 9");
		expect(await expectFinding("pending_past_time", "lease g1/1 window 1")).toMatchObject({ pendingPastTime: 1 });
	});

	test("of a silent gateway is past its time after the longest call and a minute", async () => {
		await ledger.grant(50n);
		await ledger.passTime("0");
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '15 minutes 30 seconds'");
		expect((await verify()).report.ok).toBe(true);
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '16 minutes 1 second'");
		await expectFinding("pending_past_time", "lease g1/1 window 1");
	});

	test("waits as long as any team's policy lets a call run, for the sweep and for verify", async () => {
		await ledger.grant(50n);
		await ledger.passTime("30 minutes");
		await ledger.sql("UPDATE tollgate.team SET policy = '{\"maxCallMs\": 3600000}'");
		const sql = new Connection({ url: ledger.database.url, applicationName: "test" });
		expect((await verify()).report.ok).toBe(true);
		expect(await sweepSilentEpochs(sql, 900_000)).toMatchObject({ waiting: [{ epoch: 1n }], ended: [] });
		await ledger.passTime("32 minutes");
		await expectFinding("pending_past_time", "lease g1/1 window 1");
		expect(await sweepSilentEpochs(sql, 900_000)).toMatchObject({ waiting: [], ended: [{ epoch: 1n, closedHow: "lump" }] });
		await sql.close();
	});

	test("of a gateway that PostgreSQL was not up to hear is not past its time, as for the sweep", async () => {
		await ledger.grant(50n);
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '1 day'");
		expect((await verify()).report).toMatchObject({ ok: true, pendingPastTime: 0 });
	});

	test("of an epoch nobody registered is past its time", async () => {
		await ledger.grant(50n);
		await ledger.sql("DELETE FROM tollgate.gateway_epoch");
		await expectFinding("pending_past_time", "lease g1/1 window 1");
	});
});

test("every live gateway is asked to flush, and waited for", async () => {
	const verification = verifyLedger({ databaseUrl: ledger.database.url });
	await expect.poll(async () => (await ledger.sql("SELECT 1 FROM tollgate.change WHERE kind = 'flush'")).length).toBe(1);
	await ledger.settle({ n: 4 });
	await ledger.sql(
		"UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp(), flushed_request = (SELECT max(revision) FROM tollgate.change WHERE kind = 'flush')",
	);
	const { report, notes } = await verification;
	expect(report).toMatchObject({ ok: true, entries: 4 });
	expect(notes).toEqual([]);
});
