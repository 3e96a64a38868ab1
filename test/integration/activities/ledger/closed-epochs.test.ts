import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { closeEpoch, lumpEpoch } from "#activities/ledger/end-epoch.ts";
import { attemptItem } from "#activities/ledger/ledger-row.ts";
import { isRejectedData, settleChunk } from "#activities/ledger/settle-chunk.ts";
import { attemptRow } from "#test/support/ledger-records.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

/** What reaches a chain from where it does not belong: a late grant, another transaction, a charge that gives money back. */
let ledger: TestLedger;
let sql: Connection;
let epoch: bigint;

beforeAll(async () => {
	ledger = await TestLedger.open();
	sql = new Connection({ url: ledger.database.url, applicationName: "test" });
});

beforeEach(async () => {
	await ledger.register();
	const rows = await ledger.sql<{ epoch: string }>("SELECT max(epoch) AS epoch FROM tollgate.gateway_epoch WHERE gateway_id = 'g1'");
	epoch = BigInt(rows[0]?.epoch ?? 0);
	expect(await ledger.grant(1_000n, Number(epoch))).toBe(true);
});

afterAll(async () => {
	await sql.close();
	await ledger.close();
});

const gateway = () => ({ gatewayId: "g1", epoch });
const attempt = (n: number) => attemptItem(attemptRow(n, ledger.windowId, { reservation: { attemptId: `g1-${epoch}-${n}` } }));

/** A grant that was under way while its epoch was closed. */
const grantLate = (amount: bigint) =>
	ledger.sql("SELECT tollgate.raise_leases('g1', $1, ARRAY[$2::bigint], ARRAY[$3::bigint])", [epoch.toString(), ledger.windowId, amount.toString()]);

const claim = () =>
	ledger.sql(
		"INSERT INTO tollgate.claim (gateway_id, epoch, window_id, id, place, need, expires_at) VALUES ('g1', $1, $2, $1, $1, 5, now() + interval '1 minute')",
		[epoch.toString(), ledger.windowId],
	);

const claims = () => ledger.sql("SELECT id FROM tollgate.claim WHERE gateway_id = 'g1' AND epoch = $1", [epoch.toString()]);

test("money granted to an epoch after it was adopted goes back and is never lumped: its journal named every call", async () => {
	await closeEpoch(sql, gateway(), "adopted");
	await grantLate(70n);
	expect(await lumpEpoch(sql, gateway(), { reason: "gateway_lost" })).toMatchObject({ closedHow: "adopted", lumps: [] });
	expect(await closeEpoch(sql, gateway(), "adopted")).toMatchObject({ returned: [{ amount: 70n }] });
});

test("money granted to an epoch after it ended as a lump is posted with it and never given back: nobody knows its calls", async () => {
	await lumpEpoch(sql, gateway(), { reason: "gateway_lost" });
	await grantLate(70n);
	expect(await closeEpoch(sql, gateway(), "adopted")).toMatchObject({ closedHow: "lump", returned: [] });
	expect(await lumpEpoch(sql, gateway(), { reason: "gateway_lost" })).toMatchObject({ lumps: [{ amountNanoUsd: 70n }] });
});

test.each([
	["adopted", () => closeEpoch(sql, gateway(), "adopted")],
	["lumped", () => lumpEpoch(sql, gateway(), { reason: "gateway_lost" })],
])("an epoch that is %s claims nothing any more", async (_, end) => {
	await claim();
	await end();
	expect(await claims()).toEqual([]);
});

test("a flush does not wait for whoever renews the epoch at the same time", async () => {
	const other = new Connection({ url: ledger.database.url, applicationName: "test" });
	const client = await other.open();
	try {
		await client.query("BEGIN");
		await client.query("SELECT 1 FROM tollgate.gateway_epoch WHERE gateway_id = 'g1' AND epoch = $1 FOR UPDATE", [epoch.toString()]);
		expect((await settleChunk(sql, gateway(), [attempt(1)])).inserted).toBe(1);
	} finally {
		await client.query("ROLLBACK");
		await other.close();
	}
});

test("a charge that gives money back to a window is rejected as data, whatever the cost of its attempt", async () => {
	// An overrun stands on the lease, out of which the charge could be taken.
	await settleChunk(sql, gateway(), [
		attemptItem(attemptRow(2, ledger.windowId, { reservation: { attemptId: `g1-${epoch}-2` }, outcome: { costNanoUsd: "1500" } })),
	]);
	const item = attempt(1);
	const row = JSON.parse(item.json) as { charges: [string, string, string, string][] };
	const json = JSON.stringify({ ...row, charges: row.charges.map(([windowId, , ...rest]) => [windowId, "-5", ...rest]) });
	const error: unknown = await settleChunk(sql, gateway(), [{ kind: "attempt", id: 1, key: item.key, json }]).catch((caught: unknown) => caught);
	expect(isRejectedData(error)).toBe(true);
	const [lease] = await ledger.sql("SELECT overrun FROM tollgate.lease WHERE gateway_id = 'g1' AND epoch = $1", [epoch.toString()]);
	expect(lease).toEqual({ overrun: "500" });
});
