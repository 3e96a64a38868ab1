import { expect } from "vitest";
import { setBudget } from "#activities/administration/budgets.ts";
import { deleteTeam } from "#activities/administration/teams.ts";
import { revokeVirtualKey } from "#activities/keys/postgres.ts";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { parsePriceFile } from "#activities/pricebooks/price-file.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { createSqlGovernor } from "#test/support/administration.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { openTestPool } from "#test/support/pool.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, MODEL, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";

/** Prices, limits, keys and teams that change under calls in flight, and a ledger that somebody edits. */

type Held = { readonly ends: Promise<CallRecord>[]; release(): Promise<CallRecord[]> };

/** One call of each team on each gateway, held by the provider until released. */
async function hold(run: FaultRun, stand: FaultStand, teams: readonly Team[]): Promise<Held> {
	const name = `held ${run.random.text(6)}`;
	const ends = teams.flatMap((team) =>
		stand.gateways.map((gateway, index) =>
			send({ ...planCall(team, run.random), directive: { holdUntil: name } }, { url: gateway.url, gateway: index, phase: "during" }),
		),
	);
	await until("the calls in flight", async () => {
		const { heldByName } = (await stand.base.provider.control("state")) as { heldByName?: Record<string, number> };
		return heldByName?.[name] === ends.length;
	});
	return {
		ends,
		async release() {
			await stand.base.provider.control("release", { name });
			return Promise.all(ends);
		},
	};
}

async function callEverywhere(run: FaultRun, stand: FaultStand, team: Team): Promise<CallRecord[]> {
	return Promise.all(stand.gateways.map((gateway, index) => send(planCall(team, run.random), { url: gateway.url, gateway: index, phase: "during" })));
}

const CLASSES = ["input", "cachedInput", "cacheWrite5m", "cacheWrite1h", "output", "reasoning"] as const;
type Line = Record<string, unknown> & { model: string; tiers: Record<string, { prices: Record<string, string> }[]> };

/** The line of MODEL as it stands, changed. */
async function changedLine(stand: FaultStand, change: (line: Line) => Line): Promise<string> {
	const text = "SELECT line FROM tollgate.price_line WHERE model = $1 ORDER BY version DESC LIMIT 1";
	const [row] = await stand.sql<{ line: Line }>(text, [MODEL]);
	return JSON.stringify({ source: "test", lines: [{ line: change(row?.line ?? expect.fail(`no price of ${MODEL}`)) }] });
}

function timesPermille(line: Line, permille: number): Line {
	const tiers = Object.entries(line.tiers).map(([tier, steps]) => [
		tier,
		steps.map((step) => ({
			...step,
			prices: Object.fromEntries(CLASSES.map((name) => [name, String((BigInt(step.prices[name] ?? "0") * BigInt(permille)) / 1_000n)])),
		})),
	]);
	return { ...line, tiers: Object.fromEntries(tiers) as Line["tiers"] };
}

type Tampering = { readonly name: string; readonly sql: string; readonly names: RegExp };

/** Edits of a superuser who knows nothing of the chain. */
function tamperings(run: FaultRun, attempts: readonly { id: string; chunk: string; team: string }[]): Tampering[] {
	const [one, other] = [run.random.pick(attempts), run.random.pick(attempts)];
	const elsewhere = attempts.find(({ chunk }) => chunk !== one.chunk) ?? other;
	const [epoch, number] = [/^(.+)\/(\d+)$/.exec(one.chunk)?.[1] ?? "", Number(/(\d+)$/.exec(one.chunk)?.[1])];
	const named = (...texts: readonly string[]): RegExp => new RegExp(texts.map((text) => text.replaceAll("/", "\\/")).join("|"));
	const chain = `gateway_id || '/' || epoch = '${epoch}'`;
	return [
		{ name: "an amount", sql: `UPDATE tollgate.entry SET amount_nano_usd = amount_nano_usd + 1 WHERE entry_key = '${one.id}'`, names: named(one.id) },
		{ name: "a deleted entry", sql: `DELETE FROM tollgate.entry WHERE entry_key = '${one.id}'`, names: named(one.id) },
		{
			name: "a deleted attempt with its entry",
			sql: `DELETE FROM tollgate.entry WHERE entry_key = '${one.id}'; DELETE FROM tollgate.attempt WHERE attempt_id = '${one.id}'`,
			names: named(one.id, `chunk ${one.chunk}`),
		},
		{
			name: "a call of somebody else",
			sql: `UPDATE tollgate.attempt SET user_id = 'somebody' WHERE attempt_id = '${one.id}'`,
			names: named(`chunk ${one.chunk}`),
		},
		{
			name: "two rows swapped",
			sql: `UPDATE tollgate.entry e SET chunk_seq = x.chunk_seq, at = x.at, gateway_id = x.gateway_id, epoch = x.epoch FROM tollgate.entry x
				WHERE e.entry_key IN ('${one.id}', '${elsewhere.id}') AND x.entry_key = CASE e.entry_key WHEN '${one.id}' THEN '${elsewhere.id}' ELSE '${one.id}' END`,
			names: named(one.id, `chunk ${one.chunk}`),
		},
		{
			name: "the tail of a chain cut off",
			sql: `DELETE FROM tollgate.attempt a USING tollgate.entry e WHERE e.entry_key = a.attempt_id AND e.${chain.replace("epoch =", "e.epoch =")} AND e.chunk_seq >= ${number};
				DELETE FROM tollgate.entry WHERE ${chain} AND chunk_seq >= ${number}; DELETE FROM tollgate.chunk WHERE ${chain} AND chunk_seq >= ${number}`,
			names: named(epoch),
		},
		{
			name: "a limit that was never set",
			sql: "UPDATE tollgate.window_event SET limit_amount = limit_amount + 1 WHERE seq = 2 AND kind = 'grant'",
			names: /window_event/,
		},
	];
}

export const LEDGER_FAULTS: readonly Fault[] = [
	{
		id: "F38",
		name: "prices that change under calls in flight, models without one, prices that are none",
		async run(run) {
			const stand = await run.open();
			const { pool, close } = openTestPool(stand.base.database.url);
			run.defer(close);
			const load = await stand.load(run.random);
			await load.beginFault(2 * LEASE_MS);
			const versions: number[] = [];
			const heldEnds: CallRecord[] = [];
			for (let change = 0; change < 3; change += 1) {
				const held = await hold(run, stand, [stand.ample]);
				const text = await changedLine(stand, (line) => timesPermille(line, run.random.pick([500, 1_300, 2_000])));
				const loaded = await loadPriceFile(pool, parsePriceFile(text, "test"), "file", "ada");
				if (loaded.kind === "loaded") versions.push(loaded.version);
				await untilInForce(stand);
				heldEnds.push(...(await held.release()));
			}
			expect(versions.length).toBeGreaterThan(0);
			const unknown = await send(
				{ ...planCall(stand.ample, run.random), model: "gpt-nobody-priced" },
				{ url: stand.gateway(0).url, gateway: 0, phase: "during" },
			);
			expect([unknown.status, unknown.code]).toEqual([422, "pricing.unknown_model"]);
			const euros = await changedLine(stand, (line) => ({ ...line, currency: "EUR" }));
			expect(() => parsePriceFile(euros, "test")).toThrow(/currency/);
			const free = await changedLine(stand, (line) => ({ ...timesPermille(line, 0), model: "gpt-free", aliases: [] }));
			// A price of nothing is one that somebody stated: such a call is booked like any other.
			await loadPriceFile(pool, parsePriceFile(free, "test"), "file", "ada");
			await untilInForce(stand);
			const freeCall = await send({ ...planCall(stand.ample, run.random), model: "gpt-free" }, { url: stand.gateway(0).url, gateway: 0, phase: "during" });
			expect(freeCall.status, freeCall.text).toBe(200);
			load.healed();
			await load.finish();
			expectEnds([...load.records, ...heldEnds], []);
			const counts = await stand.finish([...load.records, ...heldEnds, freeCall]);
			expect(await stand.sql("SELECT cost_nano_usd AS cost FROM tollgate.attempt WHERE request_id = $1", [freeCall.requestId])).toEqual([{ cost: "0" }]);
			// Each call in flight was settled at the version of its reservation, which none later one changed.
			const used = await stand.sql<{ versions: number }>(
				"SELECT count(DISTINCT price_version)::int AS versions FROM tollgate.attempt WHERE request_id = ANY ($1)",
				[heldEnds.map(({ requestId }) => requestId)],
			);
			expect(used[0]?.versions).toBeGreaterThan(1);
			return { counts, recoveryMs: null, note: `${versions.length} versions` };
		},
	},
	{
		id: "F39",
		name: "limit lowered below what is spent, key revoked, team deleted, all with calls in flight",
		isShort: true,
		async run(run) {
			const stand = await run.open();
			const { pool, close } = openTestPool(stand.base.database.url);
			run.defer(close);
			const administration = { database: pool, governor: createSqlGovernor(pool), adminName: "ada" };
			const [lowered, revoked, deleted] = await Promise.all([1, 2, 3].map(() => stand.base.team(1_000_000_000n, { admissionWaitMs: 100 })));
			if (!lowered || !revoked || !deleted) throw new Error("three teams are needed");
			const load = await stand.load(run.random);
			await load.beginFault(2 * LEASE_MS);
			const held = await hold(run, stand, [lowered, revoked, deleted]);
			const [keyRow] = await stand.sql<{ id: string }>("SELECT id FROM tollgate.virtual_key WHERE team_id = $1", [revoked.teamId]);
			const changes = [
				() => setBudget(administration, { teamId: lowered.teamId, windowKind: "lifetime", limitAmount: "1" }),
				() => revokeVirtualKey(pool, keyRow?.id ?? "", "ada"),
				() => deleteTeam(administration, deleted.teamId),
			];
			const asking = [lowered, revoked, deleted].map((team) => callEverywhere(run, stand, team)); // while it changes: either answer is right
			await Promise.all(changes.map((change) => change()));
			const raced = (await Promise.all(asking)).flat();
			await untilInForce(stand);
			for (const [team, status] of [
				[lowered, 402],
				[revoked, 401],
				[deleted, 401],
			] as const) {
				const ends = await callEverywhere(run, stand, team);
				expect(
					ends.map((end) => end.status),
					JSON.stringify(ends.map(({ code }) => code)),
				).toEqual(ends.map(() => status));
			}
			const released = await held.release();
			expect(
				released.map(({ status }) => status),
				"calls in flight",
			).toEqual(released.map(() => 200));
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			return { counts: await stand.finish([...load.records, ...released, ...raced.filter(({ status }) => status === 200)]), recoveryMs: null };
		},
	},
	{
		id: "F40",
		name: "the ledger edited by a superuser",
		isShort: true,
		async run(run) {
			const stand = await run.open({ gateways: 2 });
			const load = await stand.load(run.random, { calls: 150 });
			await load.beginFault(0);
			load.healed();
			await load.finish();
			const counts = await stand.finish(load.records);
			const attempts = await stand.sql<{ id: string; chunk: string; team: string }>(
				"SELECT entry_key AS id, gateway_id || '/' || epoch || '/' || chunk_seq AS chunk, debit_account AS team FROM tollgate.entry WHERE kind = 'charge' ORDER BY 1",
			);
			for (const tampering of tamperings(run, attempts)) await expectDetected(stand, tampering);
			return { counts, recoveryMs: null };
		},
	},
];

async function untilInForce(stand: FaultStand): Promise<void> {
	const text = "SELECT tollgate.gateways_behind((SELECT max(revision) FROM tollgate.change)) AS behind";
	await until("every gateway to act on the change", async () => (await stand.sql<{ behind: string }>(text))[0]?.behind === "0");
}

/** On a copy of the database, which is thrown away. */
async function expectDetected(stand: FaultStand, { name, sql, names }: Tampering): Promise<void> {
	const source = new URL(stand.base.database.url);
	const copy = new URL(source);
	copy.pathname = `${source.pathname}_copy`;
	const maintenance = new URL(source);
	maintenance.pathname = "/postgres";
	const administer = (text: string): Promise<unknown> => withClient(maintenance.href, (client) => client.query(text));
	await administer(`CREATE DATABASE ${copy.pathname.slice(1)} TEMPLATE ${source.pathname.slice(1)}`);
	try {
		await withClient(copy.href, (client) => client.query(sql));
		const { report, findings } = await verifyLedger({ databaseUrl: copy.href });
		expect([name, report.ok]).toEqual([name, false]);
		expect(
			findings.map(({ row }) => row).filter((row) => names.test(row)),
			`${name}: ${JSON.stringify(findings.slice(0, 5))}`,
		).not.toEqual([]);
	} finally {
		await administer(`DROP DATABASE ${copy.pathname.slice(1)} WITH (FORCE)`);
	}
}
