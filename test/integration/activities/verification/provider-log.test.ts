import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProviderLogError } from "#activities/verification/provider-log.ts";
import type { FindingKind } from "#activities/verification/report.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { type TestAttempt, TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;

beforeEach(async () => {
	ledger = await TestLedger.open();
	await ledger.settle({ n: 1 }, { n: 2 });
});
afterEach(() => ledger.close());

async function verify(providerLogPath: string, shouldResolve = false) {
	await ledger.fallSilent();
	return verifyLedger({ databaseUrl: ledger.database.url, providerLogPath, shouldResolve, adminName: "ada" });
}

async function expectFinding(kind: FindingKind, row: string, log: string) {
	const { report, findings } = await verify(log);
	expect(findings.filter((finding) => finding.kind === kind).map((finding) => finding.row)).toContain(row);
	expect(report.ok).toBe(false);
	return report;
}

const spent = async () => (await ledger.sql<{ granted: string }>("SELECT granted FROM tollgate.budget_window"))[0]?.granted;
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

describe("matching", () => {
	test("every billed call once, at its price, is ok", async () => {
		expect((await verify(await ledger.providerLog({ n: 2 }, { n: 1 }))).report).toMatchObject({ ok: true, calls: 2, entries: 2 });
	});

	test("calls that were not billed are no calls", async () => {
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, usage: null }))).report).toMatchObject({ ok: true, calls: 2 });
	});

	test("a wrong cost is found to the nano-dollar", async () => {
		await ledger.settle({ n: 3, reserved: 300n, cost: 201n });
		await expectFinding("cost", "attempt g1-1-3", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }));
	});

	test("an alias is found only while the newest line of its model names it", async () => {
		// Version 2 drops the alias and changes the price: a call reserved at version 1 keeps both.
		await ledger.sql(
			`INSERT INTO tollgate.price_line (version, provider, model, line, source, created_by)
			 SELECT 2, provider, model, line || '{"aliases": []}' || jsonb_build_object('tiers', replace((line->'tiers')::text, '"1000000"', '"3000000"')::jsonb), source, created_by
			 FROM tollgate.price_line`,
		);
		await ledger.settle({ n: 3 });
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, model: "gpt-test-2026" });
		expect((await verify(log)).report).toMatchObject({ ok: true, calls: 3 });
		// At version 2 the name means nothing: the call costs the reserved model's price of that version, 100 × 3 + 50 × 2.
		await ledger.settle({ n: 4, priceVersion: 2, reserved: 400n, cost: 400n });
		const both = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, model: "gpt-test-2026" }, { n: 4, model: "gpt-test-2026" });
		expect((await verify(both)).report).toMatchObject({ ok: true, calls: 4 });
	});

	test("a configured alias is priced at the line it was reserved at when the answer names a model without a price", async () => {
		await ledger.settle({ n: 3, model: "house-model" });
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, model: "nobody-knows" });
		expect((await verify(log)).report).toMatchObject({ ok: true, calls: 3 });
		await ledger.settle({ n: 4, model: "house-model", reserved: 300n, cost: 201n });
		await expectFinding(
			"cost",
			"attempt g1-1-4",
			await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, model: "nobody-knows" }, { n: 4, model: "nobody-knows" }),
		);
	});

	test("a dated price holds from PostgreSQL's reading of the book, whatever the gateway's clock says", async () => {
		await ledger.sql(
			`INSERT INTO tollgate.price_line (version, provider, model, effective_from, line, source, created_by)
			 SELECT 1, provider, model, clock_timestamp() + interval '30 minutes', line || jsonb_build_object('tiers', replace((line->'tiers')::text, '"1000000"', '"3000000"')::jsonb), source, created_by
			 FROM tollgate.price_line`,
		);
		await ledger.settle({ n: 3, reservedAtMs: Date.now() + 3_600_000 });
		await ledger.settle({ n: 4, pricesAsOfMs: Date.now() + 3_600_000, reserved: 400n, cost: 400n });
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }))).report).toMatchObject({ ok: true, calls: 4 });
	});

	test("hosted calls that only the answer showed are priced from the booked attempt", async () => {
		await ledger.sql(`UPDATE tollgate.price_line SET line = line || '{"perCall": {"web_search": "7"}}'`);
		await ledger.settle({ n: 3, reserved: 300n, cost: 214n, toolCalls: { web_search: 2 } });
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }))).report).toMatchObject({ ok: true });
		await ledger.settle({ n: 4, reserved: 300n, cost: 213n, toolCalls: { web_search: 2 } });
		await expectFinding("cost", "attempt g1-1-4", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }));
	});

	test("a settled entry without a call is found", async () => {
		await expectFinding("unbilled", "attempt g1-1-2", await ledger.providerLog({ n: 1 }));
	});

	test("one attempt sent twice is found", async () => {
		expect(await expectFinding("duplicated", "attempt g1-1-2", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 2 }))).toMatchObject({ duplicated: 1 });
	});

	test("a call billed past the gateway is lost", async () => {
		expect(
			await expectFinding("lost", "provider log line 3, attempt null", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, attemptId: null })),
		).toMatchObject({ lost: 1 });
	});

	test("a call of an epoch that is over is lost at once", async () => {
		await ledger.drain();
		await expectFinding("lost", "provider log line 3, attempt g1-1-3", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }));
	});

	test("a call of an unknown gateway is lost at once", async () => {
		await expectFinding("lost", "provider log line 3, attempt g7-1-3", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, attemptId: "g7-1-3" }));
	});

	test("a call of an open epoch is pending, until the longest call and a minute have passed", async () => {
		const young = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, at: minutesAgo(15.5) }));
		expect(young.report).toMatchObject({ ok: true, lost: 0 });
		expect(young.notes.join()).toContain("1 call(s)");
		await expectFinding("lost", "provider log line 3, attempt g1-1-3", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, at: minutesAgo(16.5) }));
	});

	test("a charge deleted together with its traces in the ledger is lost", async () => {
		for (const table of ["attempt", "entry", "entry_key", "chunk", "lease", "window_event"]) await ledger.sql(`DELETE FROM tollgate.${table}`);
		await ledger.sql("UPDATE tollgate.gateway_epoch SET closed_at = clock_timestamp(), closed_how = 'drained'");
		expect(await expectFinding("lost", "provider log line 1, attempt g1-1-1", await ledger.providerLog({ n: 1 }, { n: 2 }))).toMatchObject({ lost: 2 });
	});
});

describe("charges without knowing", () => {
	test.each(["unresolved", "estimated"] as const)("an %s charge covers a cheaper call or none", async (outcome) => {
		await ledger.settle({ n: 3, outcome, reserved: 500n }, { n: 4, outcome, reserved: 500n });
		const { report } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }));
		expect(report).toMatchObject({ ok: true, [outcome]: 2 });
	});

	test("an unresolved charge below the call's cost is found", async () => {
		await ledger.settle({ n: 3, outcome: "unresolved", reserved: 199n });
		await expectFinding("cost", "attempt g1-1-3", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }));
	});

	const LONG_WRITE = {
		input_tokens: 1_000,
		input_tokens_details: { cache_write_tokens: 900, cache_write_tokens_details: { ttl_12h_tokens: 900 } },
		output_tokens: 50,
	};

	test("usage that has no price is never compared by price, and never settled", async () => {
		await ledger.settle({ n: 3, outcome: "unresolved", reserved: 1n });
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, usage: LONG_WRITE }))).report).toMatchObject({ ok: true, unresolved: 1 });
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, usage: LONG_WRITE }, { n: 4, usage: LONG_WRITE });
		await ledger.settle({ n: 4 });
		await expectFinding("cost", "attempt g1-1-4", log);
	});

	test("a call without a price in a lump is noted", async () => {
		await ledger.grant(399n);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'test')");
		const { report, notes } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3, usage: LONG_WRITE }));
		expect(report).toMatchObject({ ok: true, unresolved: 1 });
		expect(notes.join()).toContain("Line 3 of the provider's log, in the lump of g1/1, is not compared by price");
	});

	test("a lump covers the calls of its epoch up to its amount", async () => {
		await ledger.grant(399n);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'test')");
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }))).report).toMatchObject({ ok: true, unresolved: 1 });
		await expectFinding("lost", "provider log line 4, attempt g1-1-4", await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }));
	});
});

describe("resolving", () => {
	beforeEach(async () => {
		await ledger.settle({ n: 3, outcome: "unresolved", reserved: 500n }, { n: 4, outcome: "estimated", reserved: 500n });
		await ledger.passTime();
	});

	test("brings charges to the logged cost, releases the others, and gives the money back", async () => {
		expect(await spent()).toBe("1400");
		const { report, findings } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }), true);
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, entries: 6, estimated: 0, unresolved: 0 });
		expect(await spent()).toBe("600");
	});

	test("releases nothing that may still be running at the provider, and says how much that is", async () => {
		await ledger.settle({ n: 5, outcome: "unresolved", reserved: 500n });
		const { report, notes } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }), true);
		expect(report).toMatchObject({ ok: true, unresolved: 1, estimated: 0 });
		expect(notes.join()).toContain("1 released. 1 stay charged");
		expect(await spent()).toBe("1100");
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 5 }))).findings).toEqual([]);
	});

	test("waits as long as the team's policy, or the one before it, lets a call run", async () => {
		const log = await ledger.providerLog({ n: 1 }, { n: 2 });
		await ledger.sql("SELECT tollgate.record_change('team', 'demo', 'ada', '{\"policy\": {\"maxCallMs\": 3600000}}')");
		await ledger.sql("SELECT tollgate.record_change('team', 'demo', 'ada', '{\"policy\": {\"maxCallMs\": 60000}}')");
		await ledger.sql("UPDATE tollgate.team SET policy = '{\"maxCallMs\": 60000}'");
		expect((await verify(log, true)).report).toMatchObject({ ok: true, unresolved: 1, estimated: 1 });
		await ledger.sql("UPDATE tollgate.change SET at = at - interval '2 hours'");
		expect((await verify(log, true)).report).toMatchObject({ ok: true, unresolved: 0, estimated: 0 });
	});

	test("leaves a lump alone while a call of its epoch may still be running", async () => {
		await ledger.register();
		await ledger.grant(900n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'machine_crash')");
		const { report, notes } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		expect(report).toMatchObject({ ok: true, unresolved: 1 });
		expect(notes.join()).toContain("1 stay charged");
		await ledger.passTime();
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true)).report).toMatchObject({ ok: true, unresolved: 0 });
		expect(await spent()).toBe("400");
	});

	test("records who did it, on the entries and in the change log", async () => {
		await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		const entries = await ledger.sql("SELECT DISTINCT detail->>'admin' AS admin FROM tollgate.entry WHERE kind = 'adjustment'");
		const changes = await ledger.sql("SELECT admin_name, detail FROM tollgate.change WHERE kind = 'adjustment'");
		expect([entries, changes]).toEqual([[{ admin: "ada" }], [{ admin_name: "ada", detail: { adjusted: 0, released: 2, posted: 0 } }]]);
	});

	test("twice changes nothing more", async () => {
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 });
		await verify(log, true);
		const { report } = await verify(log, true);
		expect(report).toMatchObject({ ok: true, entries: 6 });
		expect(await spent()).toBe("600");
	});

	test("a call that is logged after its release is charged again", async () => {
		await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		const late = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 });
		await expectFinding("cost", "attempt g1-1-3", late);
		expect((await verify(late, true)).report).toMatchObject({ ok: true });
		expect(await spent()).toBe("600");
	});

	test("adjustments are chained like everything else", async () => {
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 });
		await verify(log, true);
		await ledger.sql("UPDATE tollgate.entry SET detail = detail || '{\"admin\": \"eve\"}' WHERE entry_key = 'g1-1-3/adjust/1'");
		await expectFinding("chain", "chunk verify/1/1", log);
	});

	test("a settled entry is never adjusted: a wrong cost stays red", async () => {
		await ledger.settle({ n: 5, reserved: 300n, cost: 201n });
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 5 }), true)).report.ok).toBe(false);
	});

	test("a lump goes down to what its calls cost, and late settles still move out of it", async () => {
		await ledger.grant(900n);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 1, 'test')");
		await ledger.passTime();
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 3 }, { n: 6 });
		expect((await verify(log, true)).report).toMatchObject({ ok: true, unresolved: 0 });
		expect(await spent()).toBe("800");
		await ledger.settle({ n: 6 });
		expect((await verify(log)).findings).toEqual([]);
		expect(await spent()).toBe("800");
	});
});

describe("calls that left nothing on a lease of money", () => {
	const entries = () =>
		ledger.sql("SELECT debit_account, kind, amount_nano_usd FROM tollgate.entry WHERE epoch = 2 AND attempt_id IS NULL ORDER BY chunk_seq, entry_key");
	const logged = () => ledger.providerLog({ n: 1 }, { n: 2 }, { n: 1, epoch: 2 }, { n: 2, epoch: 2 });

	/** A team without a budget: nothing is granted, nothing can be a lump. */
	async function settleUnbudgeted(...attempts: TestAttempt[]) {
		const held = ledger.windowId;
		ledger.windowId = "";
		await ledger.settleLate(...attempts);
		ledger.windowId = held;
	}

	beforeEach(() => ledger.register());

	test("of an epoch that ended without its journal are lost, and the report says what to do", async () => {
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'machine_crash')");
		const { report, findings } = await verify(await logged());
		expect(report).toMatchObject({ ok: false, lost: 2 });
		expect(findings[0]).toMatchObject({
			row: "provider log line 3, attempt g1-2-1",
			message: expect.stringMatching(/ended without its journal.*--resolve posts/),
		});
	});

	test("are posted once by resolving, on an account that says that the team is unknown", async () => {
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'machine_crash')");
		const { report, findings, notes } = await verify(await logged(), true);
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, lost: 0, unresolved: 0 });
		expect(notes.join()).toContain("1 posted for calls that no lease had held");
		expect((await verify(await logged(), true)).report).toMatchObject({ ok: true, entries: 3 });
		expect(await entries()).toEqual([{ debit_account: "team/@unknown", kind: "lump", amount_nano_usd: "400" }]);
	});

	test("are posted on the one team of the epoch that had no budget in money; a late settle moves out of it", async () => {
		await settleUnbudgeted({ n: 7, epoch: 2 });
		await ledger.passTime();
		const log = await ledger.providerLog({ n: 1 }, { n: 2 }, { n: 1, epoch: 2 }, { n: 2, epoch: 2 }, { n: 7, epoch: 2 });
		expect((await verify(log, true)).findings).toEqual([]);
		expect(await entries()).toEqual([{ debit_account: "team/demo", kind: "lump", amount_nano_usd: "400" }]);
		await settleUnbudgeted({ n: 2, epoch: 2 });
		expect((await verify(log)).findings).toEqual([]);
		expect((await entries()).map((entry) => entry["amount_nano_usd"])).toEqual(["400", "-200"]);
	});

	test("are posted only beyond what the lumps of the epoch hold, and what a log no longer holds stays posted", async () => {
		await ledger.grant(300n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'machine_crash')");
		await ledger.passTime();
		expect((await verify(await logged())).findings).toMatchObject([{ kind: "lost", row: "provider log line 4, attempt g1-2-2" }]);
		expect((await verify(await logged(), true)).findings).toEqual([]);
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true)).findings).toEqual([]);
		expect((await entries()).map((entry) => entry["amount_nano_usd"])).toEqual(["300", "0", "100"]);
	});

	test("of a gateway that is silent past its time are posted too; of one that may still settle they are not", async () => {
		expect((await verify(await logged(), true)).report).toMatchObject({ ok: true, entries: 2 });
		await ledger.passTime();
		expect((await verify(await logged(), true)).report).toMatchObject({ ok: true, entries: 3 });
	});
});

describe("a log that cannot be judged", () => {
	const write = async (text: string) => {
		const file = path.join(ledger.folder, "broken.jsonl");
		await writeFile(file, text);
		return file;
	};

	test("a missing file is an error, not a clean bill", async () => {
		await expect(verify(path.join(ledger.folder, "none"))).rejects.toThrow(ProviderLogError);
	});

	test.each([
		["text", "hello\n"],
		["another shape", '{"attemptId":"a"}\n'],
		["a time that is none", '{"attemptId":"a","at":"yesterday","protocol":"openai","model":"m","usage":{}}\n'],
	])("%s is an error that names the line", async (_name, text) => {
		await expect(verify(await write(text))).rejects.toThrow(/line 1/);
	});

	test("a line torn by a kill is noted and passed over", async () => {
		const log = await ledger.providerLog({ n: 1 }, { n: 2 });
		const torn = await write(`{"attemptId":"g1-1\n${await readFile(log, "utf8")}`);
		const { report, notes } = await verify(torn);
		expect(report).toMatchObject({ ok: true, calls: 2 });
		expect(notes.join()).toContain("Line 1");
	});
});
