import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { closeEpoch, lumpEpoch } from "#activities/ledger/end-epoch.ts";
import { attemptItem, type LedgerItem, refusalItem } from "#activities/ledger/ledger-row.ts";
import { isRejectedData, type SettleReply, settleChunk, sqlState } from "#activities/ledger/settle-chunk.ts";
import { sweepSilentEpochs } from "#activities/ledger/sweep.ts";
import { anchorChains } from "#activities/ledger/upkeep.ts";
import { findBrokenLink } from "#test/support/ledger-chain.ts";
import { attemptRow, refusalRecord } from "#test/support/ledger-records.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;
let sql: Connection;
let epoch = 1n;
beforeAll(async () => {
	ledger = await TestLedger.open();
	sql = new Connection({ url: ledger.database.url, applicationName: "test" });
});
afterAll(async () => {
	await sql.close();
	await ledger.close();
});

/** Each test works in an epoch of its own, with a lease of the given size. Overrun of an earlier test would stop the grant. */
async function newEpoch(leaseNanoUsd: bigint): Promise<void> {
	await ledger.sql(
		"UPDATE tollgate.budget_window SET overrun_cleared = (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = $1) WHERE id = $1",
		[ledger.windowId],
	);
	await ledger.register();
	const rows = await ledger.sql<{ epoch: string }>("SELECT max(epoch) AS epoch FROM tollgate.gateway_epoch WHERE gateway_id = 'g1'");
	epoch = BigInt(rows[0]?.epoch ?? 0);
	if (leaseNanoUsd > 0n) expect(await ledger.grant(leaseNanoUsd, Number(epoch))).toBe(true);
}

function attempt(n: number, fields: Parameters<typeof attemptRow>[2] = {}): LedgerItem {
	return attemptItem(attemptRow(n, ledger.windowId, { ...fields, reservation: { attemptId: `g1-${epoch}-${n}`, ...fields.reservation } }));
}

const settle = (items: readonly LedgerItem[]): Promise<SettleReply> => settleChunk(sql, { gatewayId: "g1", epoch }, items);

async function lease() {
	const rows = await ledger.sql<{ granted: string; returned: string; posted: string; overrun: string; version: string }>(
		"SELECT granted, returned, posted, overrun, version FROM tollgate.lease WHERE gateway_id = 'g1' AND epoch = $1 AND window_id = $2",
		[epoch.toString(), ledger.windowId],
	);
	return rows[0];
}

async function entries() {
	return ledger.sql<{ entry_key: string; kind: string; amount_nano_usd: string }>(
		"SELECT entry_key, kind, amount_nano_usd FROM tollgate.entry WHERE gateway_id = 'g1' AND epoch = $1 ORDER BY entry_key",
		[epoch.toString()],
	);
}

const window = async () =>
	(await ledger.sql<{ granted: string; event_seq: string }>("SELECT granted, event_seq FROM tollgate.budget_window WHERE id = $1", [ledger.windowId]))[0];

test("items of kept answers are remembered for their team, once, however often a chunk is sent", async () => {
	await newEpoch(100_000n);
	const rows = [attempt(1, { outcome: { answerId: "resp_1", itemIds: ["rs_1", "msg_1"] } }), attempt(2, { outcome: { itemIds: ["msg_1"] } }), attempt(3)];
	await settle(rows.slice(0, 1));
	await settle(rows);
	expect(await ledger.sql("SELECT item_id, team_id FROM tollgate.answer_item ORDER BY item_id")).toEqual([
		{ item_id: "msg_1", team_id: "demo" },
		{ item_id: "rs_1", team_id: "demo" },
	]);
});

/** The same on a clock that is a month ahead: what the search path names before PostgreSQL's own functions takes their place. */
async function settleNextMonth(items: readonly LedgerItem[]): Promise<SettleReply> {
	await ledger.sql("CREATE SCHEMA next_month");
	await ledger.sql(
		"CREATE FUNCTION next_month.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 month' $$",
	);
	const late = new Connection({
		url: ledger.database.url,
		applicationName: "test",
		onOpen: async (client) => void (await client.query("SET search_path = next_month, pg_catalog")),
	});
	try {
		return await settleChunk(late, { gatewayId: "g1", epoch }, items);
	} finally {
		await late.close();
	}
}

describe("exactly once", () => {
	test("repeated, regrouped and overlapping chunks, also at the same time, book each attempt once", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 }), { minLength: 1, maxLength: 8 }), async (chunks) => {
				await newEpoch(100_000n);
				const other = new Connection({ url: ledger.database.url, applicationName: "test" });
				const connections = [sql, other];
				await Promise.all(
					chunks.map((chunk, index) =>
						settleChunk(
							connections[index % 2] ?? sql,
							{ gatewayId: "g1", epoch },
							chunk.map((n) => attempt(n)),
						),
					),
				);
				await other.close();
				const distinct = new Set(chunks.flat()).size;
				expect(await entries()).toHaveLength(distinct);
				expect(await lease()).toMatchObject(distinct === 0 ? { posted: "0" } : { posted: String(distinct * 200), overrun: "0" });
				expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();
			}),
			{ numRuns: 25 },
		);
	});

	test("counters move by what was inserted, and budget rows are not touched", async () => {
		await newEpoch(10_000n);
		const before = await window();
		expect(await settle([attempt(1), attempt(2)])).toMatchObject({ inserted: 2, chunkSeq: 1n, isFenced: false });
		expect(await settle([attempt(2), attempt(3)])).toMatchObject({ inserted: 1, chunkSeq: 2n });
		expect(await settle([attempt(1), attempt(3)])).toMatchObject({ inserted: 0, chunkSeq: null });
		expect(await lease()).toMatchObject({ granted: "10000", posted: "600", version: "3" });
		expect(await window()).toEqual(before);
	});

	test("a key stays unique across the end of a month", async () => {
		await newEpoch(10_000n);
		await settle([attempt(1)]);
		const moved = "UPDATE tollgate.entry SET at = at + interval '1 month' WHERE entry_key = $1";
		await ledger.sql(moved, [`g1-${epoch}-1`]);
		expect(await settle([attempt(1)])).toMatchObject({ inserted: 0 });
		expect(await settleNextMonth([attempt(1)])).toMatchObject({ inserted: 0 });
		expect(await entries()).toHaveLength(1);
	});

	test("refusals are recorded once", async () => {
		await newEpoch(0n);
		const refusal = refusalItem(refusalRecord(1, { refusalId: `g1-${epoch}-f-1` }));
		expect(await settle([refusal, refusal])).toMatchObject({ refusals: 1 });
		expect(await settle([refusal])).toMatchObject({ refusals: 0, inserted: 0 });
	});
});

describe("money on the lease", () => {
	test("what neither the reservation nor idle money covers is overrun, and a settle is never refused", async () => {
		await newEpoch(1_000n);
		await settle([attempt(1, { outcome: { costNanoUsd: "1500", overrunNanoUsd: "500" } })]);
		expect(await lease()).toMatchObject({ posted: "1000", overrun: "500" });
		await settle([attempt(2, { outcome: { costNanoUsd: "70" } })]);
		expect(await lease()).toMatchObject({ posted: "1000", overrun: "570" });
	});

	test("an overrun that differs by window is booked where it fell", async () => {
		await newEpoch(1_000n);
		await settle([attempt(1, { outcome: { costNanoUsd: "900", overrunNanoUsd: "300", windowOverruns: { [ledger.windowId]: "100" } } })]);
		expect(await lease()).toMatchObject({ posted: "800", overrun: "100" });
	});

	test("a window without a lease row (its grant was lost) takes the cost as overrun", async () => {
		await newEpoch(0n);
		await settle([attempt(1)]);
		expect(await lease()).toMatchObject({ granted: "0", posted: "0", overrun: "200" });
	});

	test("a negative or absurd cost is rejected as data, whole chunk and all", async () => {
		await newEpoch(10_000n);
		for (const costNanoUsd of ["-1", "1000000000000001", "9223372036854775808"]) {
			const error: unknown = await settle([attempt(1), attempt(2, { outcome: { costNanoUsd } })]).catch((caught: unknown) => caught);
			expect(isRejectedData(error)).toBe(true);
		}
		expect(await entries()).toHaveLength(0);
		expect(await lease()).toMatchObject({ posted: "0" });
	});

	test("a flush renews the lease and carries the news", async () => {
		await newEpoch(0n);
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = now() - interval '1 hour' WHERE gateway_id = 'g1' AND epoch = $1", [epoch.toString()]);
		await ledger.sql(
			"INSERT INTO tollgate.claim (gateway_id, epoch, window_id, id, place, need, expires_at) VALUES ('g2', 1, $1, 1, 1, 5, now() + interval '1 minute'), ('g1', $2, $1, 2, 2, 5, now() + interval '1 minute')",
			[ledger.windowId, epoch.toString()],
		);
		const [flush] = await ledger.sql<{ revision: string }>("SELECT tollgate.record_change('flush', 'all', 'ada', NULL) AS revision");
		const reply = await settle([]);
		expect(reply).toMatchObject({ inserted: 0, revision: BigInt(flush?.revision ?? 0), flushRequest: BigInt(flush?.revision ?? 0) });
		expect(reply.claims.map((claim) => claim.windowIds)).toEqual([[ledger.windowId]]);
		await ledger.sql("DELETE FROM tollgate.claim");
		const [seen] = await ledger.sql<{ is_fresh: boolean }>(
			"SELECT last_seen_at > now() - interval '1 minute' AS is_fresh FROM tollgate.gateway_epoch WHERE gateway_id = 'g1' AND epoch = $1",
			[epoch.toString()],
		);
		expect(seen?.is_fresh).toBe(true);
	});

	test("a fenced epoch settles on", async () => {
		await newEpoch(10_000n);
		await ledger.register();
		expect(await settle([attempt(1)])).toMatchObject({ inserted: 1, isFenced: true });
		expect(await lease()).toMatchObject({ posted: "200" });
	});
});

/** As a gateway does: a lock that was not given in time is no deadlock. */
async function askAgain(ask: () => Promise<unknown> | undefined): Promise<void> {
	for (;;) {
		try {
			await ask();
			return;
		} catch (error) {
			if (sqlState(error) !== "55P03") throw error;
		}
	}
}

test("settles, grants and heartbeats of the same leases at once: no deadlock, and the sums agree", async () => {
	await newEpoch(1_000n);
	const [second] = await ledger.sql<{ id: string }>(
		"INSERT INTO tollgate.budget (team_id, dimension, dimension_value, window_kind, limit_amount) VALUES ('demo', 'feature', 'search', 'day', 1000000) RETURNING id",
	);
	const [opened] = await ledger.sql<{ id: string }>("SELECT tollgate.open_window($1) AS id", [second?.id]);
	const other = opened?.id ?? "";
	const windows = [ledger.windowId, other].map((id) => ({ id, unit: "nano_usd" as const }));
	const connections = Array.from({ length: 4 }, () => new Connection({ url: ledger.database.url, applicationName: "test" }));
	const grant =
		"SELECT tollgate.grant_lease('g1', $1, ARRAY[$2, $3]::bigint[], ARRAY[0, 0]::bigint[], ARRAY[0, 0]::bigint[], ARRAY[0, 0]::bigint[], ARRAY[50, 50]::bigint[], ARRAY[100, 100]::bigint[], false, true)";
	const heartbeat = "SELECT tollgate.heartbeat('g1', $1, ARRAY[$2, $3]::bigint[], ARRAY[$4, $4]::bigint[], 0, 0, 0)";
	const steps = [
		() => connections[0]?.query("grant", grant, [epoch.toString(), ledger.budgetId, second?.id]),
		(n: number) => connections[1]?.query("heartbeat", heartbeat, [epoch.toString(), other, ledger.windowId, n]),
		(n: number) => settleChunk(connections[2] ?? sql, { gatewayId: "g1", epoch }, [attempt(n, { reservation: { windows }, outcome: { costNanoUsd: "7" } })]),
		(n: number) =>
			settleChunk(connections[3] ?? sql, { gatewayId: "g1", epoch }, [
				attempt(n, { reservation: { windows: windows.toReversed() }, outcome: { costNanoUsd: "7" } }),
			]),
	];
	await Promise.all(
		steps.map(async (step) => {
			for (let n = 1; n <= 150; n += 1) await askAgain(() => step(n));
		}),
	);
	await closeEpoch(sql, { gatewayId: "g1", epoch }, "adopted");
	await Promise.all(connections.map((connection) => connection.close()));
	const sums = await ledger.sql<Record<string, string>>(
		"SELECT w.granted, sum(l.granted - l.returned) AS leased, sum(l.posted + l.overrun) FILTER (WHERE l.epoch = $2) AS booked FROM tollgate.budget_window w JOIN tollgate.lease l ON l.window_id = w.id WHERE w.id = ANY ($1) GROUP BY w.id",
		[[ledger.windowId, other], epoch.toString()],
	);
	expect(sums).toHaveLength(2);
	for (const sum of sums) expect(sum).toEqual({ granted: sum["leased"], leased: sum["leased"], booked: "1050" });
	await ledger.sql("UPDATE tollgate.budget SET deleted_at = now() WHERE id = $1", [second?.id]);
	expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();
});

describe("the end of an epoch", () => {
	test("closing returns the idle rest once, with its event, and anchors the chain", async () => {
		await newEpoch(10_000n);
		await settle([attempt(1)]);
		const before = await window();
		expect(await closeEpoch(sql, { gatewayId: "g1", epoch }, "drained")).toEqual({
			closedHow: "drained",
			lumps: [],
			returned: [{ windowId: ledger.windowId, amount: 9_800n }],
		});
		expect(await closeEpoch(sql, { gatewayId: "g1", epoch }, "adopted")).toEqual({ closedHow: "drained", lumps: [], returned: [] });
		expect(await window()).toEqual({ granted: String(BigInt(before?.granted ?? 0) - 9_800n), event_seq: String(BigInt(before?.event_seq ?? 0) + 1n) });
		const [event] = await ledger.sql("SELECT kind, amount, granted_after FROM tollgate.window_event WHERE window_id = $1 ORDER BY seq DESC LIMIT 1", [
			ledger.windowId,
		]);
		expect(event).toEqual({ kind: "return", amount: "9800", granted_after: (await window())?.granted });
		const anchors = await ledger.sql("SELECT chunk_seq FROM tollgate.chain_anchor WHERE gateway_id = 'g1' AND epoch = $1", [epoch.toString()]);
		expect(anchors).toEqual([{ chunk_seq: "1" }]);
		expect(await ledger.grant(1n, Number(epoch)).catch(() => "no grant")).not.toBe(true);
	});

	test("a lump takes what is left; late settles move out of it and never add to it; beyond it they are overrun", async () => {
		await newEpoch(1_000n);
		await settle([attempt(1)]);
		const ended = await lumpEpoch(sql, { gatewayId: "g1", epoch }, { reason: "gateway_lost" });
		expect(ended).toMatchObject({
			closedHow: "lump",
			lumps: [{ entryKey: `lump/g1/${epoch}/demo`, teamId: "demo", amountNanoUsd: 800n, windows: { [ledger.windowId]: "800" } }],
		});
		expect(await lumpEpoch(sql, { gatewayId: "g1", epoch }, { reason: "again" })).toMatchObject({ lumps: [] });
		expect(await lease()).toMatchObject({ posted: "1000", overrun: "0" });

		await settle([attempt(2), attempt(3)]);
		await settle([attempt(3), attempt(2)]);
		expect(await lease()).toMatchObject({ posted: "1000", overrun: "0" });
		await settle([attempt(4, { outcome: { costNanoUsd: "500" } })]);
		expect(await lease()).toMatchObject({ posted: "1000", overrun: "100" });
		const rows = await entries();
		expect(rows.filter((row) => row.kind === "adjustment").map((row) => row.amount_nano_usd)).toEqual(["-400", "-400"]);
		expect(rows.reduce((sum, row) => sum + BigInt(row.amount_nano_usd), 0n)).toBe(1_100n);
		expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();
		expect(await closeEpoch(sql, { gatewayId: "g1", epoch }, "adopted")).toMatchObject({ closedHow: "lump", returned: [] });
	});

	test("silence counts from when PostgreSQL was up to hear the gateway; a gateway heard of in time is left alone", async () => {
		await newEpoch(1_000n);
		const day = 86_400_000;
		await ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - interval '1 year' WHERE gateway_id = 'g1' AND epoch = $1", [
			epoch.toString(),
		]);
		expect(await lumpEpoch(sql, { gatewayId: "g1", epoch }, { reason: "gateway_lost", silentMs: day })).toMatchObject({ closedHow: null, lumps: [] });
		expect((await sweepSilentEpochs(sql, day)).ended.map((silent) => silent.epoch)).not.toContain(epoch);
		expect(await lumpEpoch(sql, { gatewayId: "g1", epoch }, { reason: "gateway_lost", silentMs: 0 })).toMatchObject({
			closedHow: "lump",
			lumps: [{ amountNanoUsd: 1_000n }],
		});
	});

	test("several budgets: each lease posts its own rest, the entry is what the calls can have cost", async () => {
		await newEpoch(0n);
		await ledger.sql("INSERT INTO tollgate.team (id) VALUES ('wide') ON CONFLICT DO NOTHING");
		const add = async (team: string | null, dimension: string, unit: string, held: number) => {
			const [budget] = await ledger.sql<{ id: string }>(
				"INSERT INTO tollgate.budget (team_id, dimension, dimension_value, unit, window_kind, limit_amount) VALUES ($1, $2, $2, $3, 'day', 1000000) RETURNING id",
				[team, dimension, unit],
			);
			const [opened] = await ledger.sql<{ id: string }>("SELECT tollgate.open_window($1) AS id", [budget?.id]);
			await ledger.sql("INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted) VALUES ('g1', $1, $2, $3)", [epoch.toString(), opened?.id, held]);
			return opened?.id ?? "";
		};
		const [team, feature, tokens, organization] = [
			await add("wide", "team", "nano_usd", 500),
			await add("wide", "feature", "nano_usd", 300),
			await add("wide", "team", "tokens", 9_000),
			await add(null, "organization", "nano_usd", 700),
		];
		const { lumps } = await lumpEpoch(sql, { gatewayId: "g1", epoch }, { reason: "gateway_lost" });
		expect(lumps).toEqual([
			{ entryKey: `lump/g1/${epoch}/wide`, teamId: "wide", amountNanoUsd: 500n, windows: { [team]: "500", [feature]: "300", [tokens]: "9000" } },
			{ entryKey: `lump/g1/${epoch}/@organization`, teamId: null, amountNanoUsd: 200n, windows: { [organization]: "700" } },
		]);
		const held = [team, feature, tokens, organization].map((id, index) => ({ id, unit: index === 2 ? ("tokens" as const) : ("nano_usd" as const) }));
		await settle([attempt(1, { reservation: { teamId: "wide", windows: held }, outcome: { costNanoUsd: "600", costTokens: 100 } })]);
		const moved = await ledger.sql<{ debit_account: string; amount_nano_usd: string }>(
			"SELECT debit_account, amount_nano_usd FROM tollgate.entry WHERE gateway_id = 'g1' AND epoch = $1 AND kind = 'adjustment' ORDER BY 1 DESC",
			[epoch.toString()],
		);
		expect(moved).toEqual([
			{ debit_account: "team/wide", amount_nano_usd: "-500" },
			{ debit_account: "organization", amount_nano_usd: "-100" },
		]);
		const leases = await ledger.sql("SELECT window_id, posted, overrun FROM tollgate.lease WHERE gateway_id = 'g1' AND epoch = $1 ORDER BY window_id", [
			epoch.toString(),
		]);
		expect(leases).toEqual([
			{ window_id: team, posted: "500", overrun: "100" },
			{ window_id: feature, posted: "300", overrun: "300" },
			{ window_id: tokens, posted: "9000", overrun: "0" },
			{ window_id: organization, posted: "700", overrun: "0" },
		]);
	});
});

describe("the hash chain, recomputed by a second program", () => {
	const tampered = async (statement: string): Promise<string | undefined> => {
		await ledger.sql("BEGIN");
		try {
			await ledger.sql(statement.replaceAll("EPOCH", epoch.toString()));
			return await findBrokenLink(ledger.client, "g1", epoch);
		} finally {
			await ledger.sql("ROLLBACK");
		}
	};

	test("an edit, a deletion, a swap, an insertion and a cut tail are found", async () => {
		await newEpoch(100_000n);
		for (const chunk of [[1, 2, 3], [4, 5], [6]]) {
			await settle(
				chunk.map((n) =>
					attempt(n, {
						reservation: { claimed: { text: `(a, "b" \\ ${n})\n\t`, empty: "" } },
						outcome: { durationMs: 0.1 + n / 3, answeredModel: n === 4 ? null : 'odd "model", (v\\2)' },
					}),
				),
			);
		}
		const heads = await anchorChains(sql);
		expect(heads.find((head) => head.epoch === epoch)).toMatchObject({ gatewayId: "g1", chunkSeq: 3n });
		expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();

		expect(await tampered("UPDATE tollgate.entry SET amount_nano_usd = 199 WHERE entry_key = 'g1-EPOCH-2'")).toMatch("chunk 1 does not match");
		expect(await tampered("UPDATE tollgate.attempt SET claimed = NULL WHERE attempt_id = 'g1-EPOCH-5'")).toMatch("chunk 2 does not match");
		expect(await tampered("DELETE FROM tollgate.entry WHERE entry_key = 'g1-EPOCH-4'")).toMatch("chunk 2 holds 1 of 2");
		expect(
			await tampered("UPDATE tollgate.entry SET chunk_seq = CASE chunk_seq WHEN 2 THEN 3 ELSE 2 END WHERE entry_key IN ('g1-EPOCH-5', 'g1-EPOCH-6')"),
		).toMatch("chunk 2 does not match");
		expect(
			await tampered(
				"INSERT INTO tollgate.entry SELECT 'x', at, kind, 'x', gateway_id, epoch, chunk_seq, debit_account, credit_account, 1, price_version, detail FROM tollgate.entry WHERE entry_key = 'g1-EPOCH-6'",
			),
		).toMatch("chunk 3 holds 2 of 1");
		expect(await tampered("DELETE FROM tollgate.chunk WHERE gateway_id = 'g1' AND epoch = EPOCH AND chunk_seq = 2")).toMatch("chunk 2 is missing");
		expect(await tampered("DELETE FROM tollgate.chunk WHERE gateway_id = 'g1' AND epoch = EPOCH AND chunk_seq = 3")).toMatch("anchor 3 does not match");
		expect(await findBrokenLink(ledger.client, "g1", epoch)).toBeUndefined();
	});
});
