import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;

beforeEach(async () => {
	ledger = await TestLedger.open();
});
afterEach(() => ledger.close());

async function verify(providerLogPath?: string, shouldResolve = false) {
	if (shouldResolve) await ledger.passTime();
	else await ledger.fallSilent();
	return verifyLedger({ databaseUrl: ledger.database.url, providerLogPath, shouldResolve });
}

const window = async () =>
	(
		await ledger.sql<{ granted: string; overrun: string; cleared: string }>(
			"SELECT granted, (SELECT sum(overrun) FROM tollgate.lease WHERE window_id = id) AS overrun, overrun_cleared AS cleared FROM tollgate.budget_window",
		)
	)[0];

describe("resolving a charge that was posted as overrun", () => {
	/** The lease of epoch 2 was given back whole; a call of it is charged afterwards, so all of it is overrun. */
	beforeEach(async () => {
		await ledger.settle({ n: 1 }, { n: 2 });
		await ledger.register();
		await ledger.grant(1_000n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'lost')");
		await ledger.sql("SELECT tollgate.reduce_lump('lump/g1/2/demo', 0, 'lease resolve', 'ada')");
		await ledger.settleLate({ n: 1, epoch: 2, outcome: "unresolved", reserved: 1_000n });
	});

	test("the report shows the overrun of the leases, whatever the attempt knew of it", async () => {
		expect(await window()).toMatchObject({ granted: "400", overrun: "1000" });
		expect((await verify()).report).toMatchObject({ ok: true, overrunNanoUsd: "1000" });
	});

	test("its release lowers the overrun and frees no money that others spent", async () => {
		const { report, findings } = await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		expect(findings).toEqual([]);
		expect(report).toMatchObject({ ok: true, overrunNanoUsd: "0", unresolved: 0 });
		expect(await window()).toMatchObject({ granted: "400", overrun: "0" });
	});

	test("only what the overrun does not cover comes out of granted", async () => {
		await ledger.register();
		await ledger.sql("UPDATE tollgate.budget_window SET overrun_cleared = 1000");
		await ledger.settle({ n: 1, epoch: 3, outcome: "unresolved", reserved: 300n });
		await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		expect(await window()).toMatchObject({ granted: "400", overrun: "0" });
	});

	test("a clearance ends with the overrun it was for: the next overrun stops the window again", async () => {
		await ledger.sql("UPDATE tollgate.budget_window SET overrun_cleared = 1000");
		await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true);
		await ledger.settleLate({ n: 2, epoch: 2, reserved: 200n });
		expect(await window()).toEqual({ granted: "400", overrun: "200", cleared: "0" });
		await ledger.register();
		expect(await ledger.grant(1n, 3)).toBe(false);
	});

	test("a refusal for that overrun stays right after its release", async () => {
		await ledger.refuse({ limit: 1_000_000_000n, granted: 400n, idle: 0n, need: 5n, code: "budget.overrun" });
		expect((await verify(await ledger.providerLog({ n: 1 }, { n: 2 }), true)).report).toMatchObject({ ok: true, falseRefusals: 0 });
	});
});
