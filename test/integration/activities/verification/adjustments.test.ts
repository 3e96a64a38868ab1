import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
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

describe("an adjustment nobody made, sealed into the chain", () => {
	type Forgery = { attempt?: string | null; gateway?: string; epoch?: number; account?: string; amount?: number; detail?: object };

	async function forge({ attempt = null, gateway = "verify", epoch = 1, account = "demo", amount = -1_000_000_000, detail = {} }: Forgery) {
		const [row] = await ledger.sql<{ seq: string; now: string }>("SELECT tollgate.next_chunk_seq($1, $2) AS seq, clock_timestamp()::text AS now", [
			gateway,
			epoch,
		]);
		await ledger.sql("INSERT INTO tollgate.entry_key VALUES ('gift')");
		await ledger.sql(
			"INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail) VALUES ('gift', $1, 'adjustment', $2, $3, $4, $5, 'team/' || $6, $7, $8, 1, $9)",
			[row?.now, attempt, gateway, epoch, row?.seq, account, attempt === null ? "provider/unknown" : "provider/openai", amount, detail],
		);
		await ledger.sql("SELECT tollgate.seal_chunk($1, $2, $3, $4)", [gateway, epoch, row?.seq, row?.now]);
		// The forger moves the counters too, as far as his entry names them.
		for (const [windowId, moved] of Object.entries((detail as { windows?: Record<string, string> }).windows ?? {})) {
			if (windowId !== ledger.windowId) continue;
			if (gateway !== "verify")
				await ledger.sql("UPDATE tollgate.lease SET posted = posted + $1, returned = returned - $1 WHERE gateway_id = $2 AND epoch = $3", [
					moved,
					gateway,
					epoch,
				]);
			else await ledger.sql("SELECT tollgate.adjust_windows(ARRAY[$1::bigint], ARRAY[$2::bigint])", [windowId, moved]);
		}
	}

	async function expectOnlyGift() {
		const { findings } = await verify();
		expect(findings.filter(({ kind }) => kind === "entry").map(({ row }) => row)).toContain("entry gift");
		expect(findings.map(({ kind }) => kind)).not.toContain("chain");
	}

	beforeEach(async () => {
		await ledger.settle({ n: 1 }, { n: 2, outcome: "unresolved", reserved: 500n });
		await ledger.register();
		await ledger.grant(900n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'test')");
		expect((await verify()).findings).toEqual([]);
	});

	const windows = (amount: number) => ({ [ledger.windowId]: String(amount) });
	const resolves = (n: number) => ({ resolves: `g1-1-${n}`, tokens: "0" });

	test.each<[string, () => Forgery]>([
		["for an attempt that does not exist", () => ({ attempt: "g9-9-9", detail: { resolves: "g9-9-9", tokens: "0", windows: {} } })],
		["without anything it is for", () => ({})],
		["for an attempt whose cost was known", () => ({ attempt: "g1-1-1", amount: -100, detail: { ...resolves(1), windows: windows(-100) } })],
		["of more than the attempt was charged", () => ({ attempt: "g1-1-2", amount: -501, detail: { ...resolves(2), windows: windows(-501) } })],
		[
			"of more tokens than the attempt was charged",
			() => ({ attempt: "g1-1-2", amount: -1, detail: { ...resolves(2), tokens: "-151", windows: windows(-1) } }),
		],
		["that moves its window by another amount", () => ({ attempt: "g1-1-2", amount: -100, detail: { ...resolves(2), windows: windows(-400) } })],
		["that leaves its window as it was", () => ({ attempt: "g1-1-2", amount: -100, detail: { ...resolves(2), windows: {} } })],
		["with text for amounts", () => ({ attempt: "g1-1-2", amount: -100, detail: { ...resolves(2), windows: { one: "much" } } })],
		["for another team's account", () => ({ attempt: "g1-1-2", account: "mine", amount: -100, detail: { ...resolves(2), windows: windows(-100) } })],
		["for no lump", () => ({ gateway: "g1", epoch: 2, amount: -100, detail: { lump: "lump/g1/2/none", windows: {} } })],
		["for the lump of another epoch", () => ({ gateway: "g1", epoch: 1, amount: -100, detail: { lump: "lump/g1/2/demo", windows: {} } })],
		[
			"of more than the lump holds",
			() => ({ gateway: "g1", epoch: 2, amount: -901, detail: { lump: "lump/g1/2/demo", resolves: "lump/g1/2/demo", windows: windows(-900) } }),
		],
		["that adds to a lump", () => ({ gateway: "g1", epoch: 2, amount: 5, detail: { lump: "lump/g1/2/demo", windows: {} } })],
		[
			"that gives a lump's window another amount",
			() => ({ gateway: "g1", epoch: 2, amount: -100, detail: { lump: "lump/g1/2/demo", resolves: "lump/g1/2/demo", windows: windows(-900) } }),
		],
	])("%s is found", async (_name, forgery) => {
		await forge(forgery());
		await expectOnlyGift();
	});

	test("that passes for a late settle without a charge is found", async () => {
		await forge({ gateway: "g1", epoch: 2, amount: -100, detail: { lump: "lump/g1/2/demo", reason: "late_settle", windows: {} } });
		expect((await verify()).findings.map(({ row }) => row)).toContain("chunk g1/2/2");
	});

	test("and an overrun lowered by hand is found", async () => {
		await ledger.sql("INSERT INTO tollgate.lease (gateway_id, epoch, window_id, overrun) VALUES ('verify', 1, $1, -7)", [ledger.windowId]);
		expect((await verify()).findings.map(({ row }) => row)).toContain(`lease verify/1 window ${ledger.windowId}`);
	});
});

describe("a late settle", () => {
	const lumps = () =>
		ledger.sql(
			"SELECT coalesce(detail->>'lump', entry_key) AS lump, sum(amount_nano_usd)::text AS rest FROM tollgate.entry WHERE epoch = 2 AND attempt_id IS NULL GROUP BY 1 ORDER BY 1",
		);

	beforeEach(async () => {
		await ledger.register();
		await ledger.grant(300n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'gone')");
	});

	test("is taken once out of two lumps of one team: the second gives what the first could not", async () => {
		// A grant that was under way while the epoch closed.
		await ledger.sql("UPDATE tollgate.gateway_epoch SET fenced_at = NULL, closed_at = NULL WHERE epoch = 2");
		await ledger.grant(1_000n, 2);
		await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'gone')");
		await ledger.settleLate({ n: 1, epoch: 2 });
		expect(await lumps()).toEqual([
			{ lump: "lump/g1/2/demo", rest: "100" },
			{ lump: "lump/g1/2/demo/again/2", rest: "1000" },
		]);
		await ledger.settleLate({ n: 2, epoch: 2 }, { n: 3, epoch: 2 });
		expect(await lumps()).toEqual([
			{ lump: "lump/g1/2/demo", rest: "0" },
			{ lump: "lump/g1/2/demo/again/2", rest: "700" },
		]);
		expect((await verify()).findings).toEqual([]);
	});

	test("of a call that the lump never held takes nothing out of it", async () => {
		await ledger.sql("SELECT tollgate.write_budget('demo', 9, 'ada', $1)", [{ ...DAILY_BUDGET, dimension: "user", dimensionValue: "ann" }]);
		const [other] = await ledger.sql<{ id: string }>("SELECT max(id) AS id FROM tollgate.budget_window");
		const [first, held] = [ledger.windowId, other?.id ?? ""];
		ledger.windowId = held;
		await ledger.settleLate({ n: 1, epoch: 2 });
		ledger.windowId = first;
		expect(await lumps()).toEqual([{ lump: "lump/g1/2/demo", rest: "300" }]);
	});

	test("that took another amount out of the lump than out of its only window is found", async () => {
		await ledger.settleLate({ n: 1, epoch: 2 });
		await ledger.sql("UPDATE tollgate.entry SET amount_nano_usd = -150 WHERE entry_key = 'lump/g1/2/demo/adjust/2'");
		await ledger.passTime("0");
		const { findings } = await verify();
		expect(findings).toMatchObject([{ kind: "entry", row: "entry lump/g1/2/demo/adjust/2", message: expect.stringContaining("at 150, but window 1 at 100") }]);
	});
});
